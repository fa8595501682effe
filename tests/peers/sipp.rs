//! SIPp as a SIP server that keeps to a script: it answers what a real one would not, when a real
//! one would not.

mod faults;
mod options;
mod registrar;

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use crate::agent::{Probe, probe};
use crate::kamailio::{LOOPBACK, PASSWORD, USER};
use crate::process::{PATIENCE, Server, free_port, program, run_well, text, words};
use crate::wait::eventually;

/// A SIPp that listens; gone when this value is.
pub(crate) struct Sipp {
    transport: &'static str,
    port: u16,
    server: Server,
}

/// One line of the script.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A request of this method is waited for.
    Receive(&'static str),
    /// The same, and what its headers say is kept as `[$via]`, `[$from]`, `[$to]` and
    /// `[$sequence]`, and the URI of its contact as `[$contact]`.
    Remember(&'static str),
    /// Time goes by, in milliseconds.
    Pause(u32),
    /// A message is sent; `[last_Via:]` and its like stand for lines of the last request.
    Send(String),
}

impl Sipp {
    /// Starts it with a script, over `udp` or `tcp`. Each Call-ID goes through the script once.
    #[track_caller]
    pub(crate) fn start(transport: &'static str, script: &[Step]) -> Self {
        Self::start_with(transport, script, &[])
    }

    /// The same, and it ends, and closes its connections, where the script does.
    #[track_caller]
    pub(crate) fn for_one_exchange(transport: &'static str, script: &[Step]) -> Self {
        Self::start_with(transport, script, &["-m", "1"])
    }

    #[track_caller]
    fn start_with(transport: &'static str, script: &[Step], further: &[&str]) -> Self {
        let port = free_port(LOOPBACK);
        let folder = tempfile::tempdir().expect("a folder for SIPp");
        fs::write(folder.path().join(SCRIPT), xml(script)).expect("the folder is ours to write to");
        let mut command = Command::new(program("sipp", "sip-tester"));
        let mode = if transport == "udp" { "u1" } else { "t1" };
        #[rustfmt::skip]
        command.args(["-sf", SCRIPT, "-t", mode, "-i", "127.0.0.1", "-ci", "127.0.0.1", "-mi", "127.0.0.1",
            "-p", &port.to_string(),
            "-nostdin", "-trace_msg", "-message_file", MESSAGES, "-message_overwrite", "false",
            "-trace_err", "-error_file", "errors.log"]);
        command.args(further);
        let mut server = Server::start("SIPp", folder, &command);
        let sockets = if transport == "udp" { "-Hlun" } else { "-Hltn" };
        let filter = format!("src = 127.0.0.1:{port}");
        server.await_ready(|| match &*run_well(&words(&[], &["ss", sockets, &filter])) {
            "" => Err(format!("nobody listens on port {port}")),
            _ => Ok(()),
        });
        Self { transport, port, server }
    }

    /// Where it listens.
    pub(crate) fn at(&self) -> SocketAddr {
        SocketAddr::new(LOOPBACK, self.port)
    }

    /// A probe that registers here, with an account and every consent but MD5's.
    pub(crate) fn register(&self) -> Probe {
        self.register_within("4s")
    }

    /// The same with another timeout.
    pub(crate) fn register_within(&self, timeout: &str) -> Probe {
        probe("sip-register", self.at())
            .option("transport", self.transport)
            .option("address_of_record", &format!("sip:{USER}@branch.test"))
            .option("allow_cleartext", "true")
            .option("timeout", timeout)
            .password(PASSWORD)
    }

    /// Every message that it received so far, in order.
    pub(crate) fn received(&self) -> Vec<Message> {
        let log = fs::read(self.server.folder().join(MESSAGES)).unwrap_or_default();
        let log = text(&log).replace("\r\n", "\n");
        let entries = log.split("-----------------------------------------------");
        entries.filter_map(Message::read).collect()
    }

    /// Waits until it has received what the exchange sent, which has ended: a datagram of which
    /// nobody waits for the answer may still be on its way.
    #[track_caller]
    pub(crate) fn await_received(&self, count: usize) -> Vec<Message> {
        eventually(&format!("{count} messages at SIPp"), PATIENCE, || {
            let received = self.received();
            if received.len() >= count { Ok(received) } else { Err(format!("{received:#?}")) }
        })
    }
}

/// A request as SIPp wrote it down.
#[derive(Clone, Debug)]
pub(crate) struct Message(String);

impl Message {
    fn read(entry: &str) -> Option<Self> {
        let (head, message) = entry.split_once("\n\n")?;
        let is_received = head.lines().last()?.contains(" message received [");
        is_received.then(|| Self(message.trim_end().to_owned()))
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.0.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(its, _)| *its == name).map(|(_, value)| value)
    }
}

/// The numbers of the requests, in the order in which they arrived, counted from that of the
/// first, which is random.
pub(crate) fn sequence(received: &[Message]) -> Vec<u32> {
    let headers = received.iter().filter_map(|message| message.header("CSeq"));
    let numbers = headers.filter_map(|value| value.split(' ').next()?.parse::<u32>().ok());
    let numbers: Vec<u32> = numbers.collect();
    numbers.iter().map(|number| number - numbers[0] + 1).collect()
}

/// For how long each of the requests asks.
pub(crate) fn expiries(received: &[Message]) -> Vec<Option<&str>> {
    received.iter().map(|message| message.header("Expires")).collect()
}

/// Sends a response with these headers besides those that every response has.
pub(crate) fn answer(status: &str, headers: &[&str]) -> Step {
    let headers: String = headers.iter().map(|header| format!("{header}\n")).collect();
    Step::Send(format!(
        "SIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:];tag=sipp\n[last_Call-ID:]\n\
         [last_CSeq:]\n{headers}Content-Length: 0\n\n"
    ))
}

/// Waits for a REGISTER and answers it.
pub(crate) fn answers(status: &str, headers: &[&str]) -> Vec<Step> {
    vec![Step::Receive("REGISTER"), answer(status, headers)]
}

/// Grants what it is asked for.
pub(crate) fn grants() -> Vec<Step> {
    answers("200 OK", &["[last_Contact:]"])
}

/// Takes the contact back, and says that nothing is held.
pub(crate) fn takes_back() -> Vec<Step> {
    [answers("200 OK", &[]), answers("200 OK", &[])].concat()
}

fn xml(script: &[Step]) -> String {
    let steps: String = script.iter().map(Step::xml).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<scenario name=\"server\">\n{steps}</scenario>\n"
    )
}

impl Step {
    fn xml(&self) -> String {
        match self {
            Self::Receive(method) => format!("<recv request=\"{method}\"/>\n"),
            Self::Remember(method) => {
                let kept = [
                    ("via", "Via", ".*"),
                    ("from", "From", ".*"),
                    ("to", "To", ".*"),
                    ("sequence", "CSeq", ".*"),
                    ("contact", "Contact", "sip:[-a-z0-9@.:;=]*"),
                ];
                // SIPp refuses a variable that nobody reads.
                let kept: String = kept
                    .iter()
                    .map(|(name, header, pattern)| {
                        format!(
                            "<ereg regexp=\"{pattern}\" search_in=\"hdr\" header=\"{header}:\" \
                             assign_to=\"{name}\"/>\n\
                             <strcmp assign_to=\"unused\" variable=\"{name}\" value=\"\"/>\n"
                        )
                    })
                    .collect();
                format!(
                    "<recv request=\"{method}\"><action>\n{kept}\
                     <assignstr assign_to=\"space\" value=\" \"/>\n\
                     <strcmp assign_to=\"unused\" variable=\"space\" value=\"\"/>\n\
                     </action></recv>\n<Reference variables=\"unused\"/>\n"
                )
            }
            Self::Pause(milliseconds) => format!("<pause milliseconds=\"{milliseconds}\"/>\n"),
            Self::Send(message) => format!("<send><![CDATA[\n\n{message}]]></send>\n"),
        }
    }
}

/// What SIPp is told, in its folder.
const SCRIPT: &str = "script.xml";

/// Where it writes what it sees.
const MESSAGES: &str = "messages.log";
