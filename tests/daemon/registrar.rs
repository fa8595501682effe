//! A way to the lab's registrar that loses what a test wants to be lost.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What gets lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loses {
    /// The confirmation of a binding: its client is called off not knowing that it holds one.
    Confirmations,
    /// Every request to remove a binding.
    Removals,
    /// Nothing at all.
    Nothing,
}

/// Carries datagrams between one client and a registrar, until it is dropped.
pub(crate) struct Way {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    carrier: Option<JoinHandle<()>>,
}

impl Way {
    pub(crate) fn to(registrar: SocketAddr, loses: Loses) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
        let back = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
        back.connect(registrar).expect("loopback is there");
        let address = front.local_addr().expect("it is bound");
        let stop = Arc::new(AtomicBool::new(false));
        let requests = Arc::new(AtomicUsize::new(0));
        let (is_over, counter) = (Arc::clone(&stop), Arc::clone(&requests));
        let carrier = std::thread::spawn(move || carry(&front, &back, loses, &counter, &is_over));
        Self { address, requests, stop, carrier: Some(carrier) }
    }

    /// How many datagrams the client has sent so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Where the client finds the registrar.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(carrier) = self.carrier.take() {
            // A panic of the carrier shows in what the test misses.
            let _ = carrier.join();
        }
    }
}

fn carry(
    front: &UdpSocket,
    back: &UdpSocket,
    loses: Loses,
    requests: &AtomicUsize,
    stop: &AtomicBool,
) {
    for socket in [front, back] {
        socket.set_read_timeout(Some(Duration::from_millis(5))).expect("it is not zero");
    }
    let mut client = None;
    let mut is_removing = false;
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((length, from)) = front.recv_from(&mut buffer) {
            client = Some(from);
            requests.fetch_add(1, Ordering::Relaxed);
            let is_removal =
                says(&buffer[..length], "expires: 0\r") || says(&buffer[..length], "expires=0");
            is_removing |= is_removal;
            if !(is_removal && loses == Loses::Removals) {
                // What cannot be sent is lost, as on any way.
                let _ = back.send(&buffer[..length]);
            }
        }
        if let (Ok(length), Some(client)) = (back.recv(&mut buffer), client) {
            let is_confirmation = says(&buffer[..length], "sip/2.0 200");
            let is_lost = is_confirmation && !is_removing && loses == Loses::Confirmations;
            if !is_lost {
                let _ = front.send_to(&buffer[..length], client);
            }
        }
    }
}

fn says(datagram: &[u8], words: &str) -> bool {
    String::from_utf8_lossy(datagram).to_lowercase().contains(words)
}
