//! A tenant of the vendor's guide on loopback: an API that answers as its script says, one request a
//! connection.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Answers until it is dropped.
pub(crate) struct Tenant {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Tenant {
    /// A tenant that answers a method and path with the status and body that `script` makes of them
    /// and of how often they were asked before. A token it gives to anybody.
    pub(crate) fn start(
        script: impl Fn(&str, usize) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let address = listener.local_addr().expect("it is bound");
        let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (log, is_over) = (Arc::clone(&asked), Arc::clone(&stop));
        let server = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let mut stream = stream.expect("a connection");
                // Whoever ends in the middle of a request has asked for nothing.
                let Some(call) = call(&mut stream) else { continue };
                let mut log = log.lock().expect("nobody panics with it");
                let before = log.iter().filter(|it| **it == call).count();
                log.push(call.clone());
                drop(log);
                let (status, body) = match call.as_str() {
                    "POST /oauth/token" => {
                        (200, r#"{"access_token":"token","expires_in":3600}"#.to_owned())
                    }
                    call => script(call, before),
                };
                let head = format!(
                    "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
            }
        });
        Self { address, asked, stop, server: Some(server) }
    }

    /// The table by which it is asked.
    pub(crate) fn telephony(&self) -> String {
        let address = self.address;
        format!(
            "\n[telephony]\nprofile = \"guide\"\nbase_url = \"http://{address}\"\n\
             login_url = \"http://{address}\"\nclient_id = \"id\"\n\
             client_secret = {{ env = \"VENDOR_SECRET\" }}\ninterval = \"10s\"\n"
        )
    }

    /// Every method and path so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics with it").clone()
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

/// The method and path of a request that came whole.
fn call(stream: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let header = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        if body.len() >= header.unwrap_or(0) {
            let mut words = head.split([' ', '?']);
            return Some(format!("{} {}", words.next()?, words.next()?));
        }
    }
}
