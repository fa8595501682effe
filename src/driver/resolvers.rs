//! The resolvers that this host was given, as phones of the site are given theirs.

use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

/// Their addresses: those that `resolv.conf` names, or, where it names nothing but
/// systemd-resolved's own stub, those that systemd-resolved was given for each link.
pub(super) fn of_this_host(port: u16) -> Vec<SocketAddr> {
    let named = nameservers(&read(Path::new("/etc/resolv.conf")));
    let is_stub_alone = !named.is_empty() && named.iter().all(|address| STUBS.contains(address));
    let behind =
        if is_stub_alone { nameservers(&read(Path::new(BEHIND_STUB))) } else { Vec::new() };
    let addresses = if behind.is_empty() { named } else { behind };
    addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect()
}

/// Whether there are any, and every one of them runs on this host: not the stub of
/// systemd-resolved, which hands on what others say.
pub(super) fn are_this_host() -> bool {
    let all = of_this_host(0);
    !all.is_empty() && all.iter().all(|it| it.ip().is_loopback() && !STUBS.contains(&it.ip()))
}

/// The addresses of the lines `nameserver ADDRESS` (`resolv.conf(5)`), each once. One with a zone
/// (`fe80::1%eth0`) is left out: no phone can be told to use it.
fn nameservers(text: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
        if let Some(address) = address.filter(|address| !addresses.contains(address)) {
            addresses.push(address);
        }
    }
    addresses.truncate(MOST_RESOLVERS);
    addresses
}

/// Read anew each time, so that a changed file counts at once; what cannot be read is empty.
fn read(path: &Path) -> String {
    let mut text = String::new();
    let is_regular = std::fs::metadata(path).is_ok_and(|it| it.is_file());
    if let Some(file) = is_regular.then(|| File::open(path).ok()).flatten() {
        // A file that is no text names nobody.
        if file.take(LARGEST).read_to_string(&mut text).is_err() {
            text.clear();
        }
    }
    text
}

/// `systemd-resolved.service(8)`: the servers of every link, for those that do not use the stub.
const BEHIND_STUB: &str = "/run/systemd/resolve/resolv.conf";
/// `systemd-resolved.service(8)`: 127.0.0.53, and 127.0.0.54 that does no more than forward.
const STUBS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 54))];
/// `resolv.conf(5)` uses three; several links may have as many each.
const MOST_RESOLVERS: usize = 8;
const LARGEST: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::nameservers;

    #[test]
    fn the_nameservers_of_resolv_conf_are_read_each_once_and_nothing_else_is() {
        let text = "# nameserver 192.0.2.1\nsearch lyon.example\nnameserver 192.0.2.53\n\
                    nameserver\t2001:db8::53 # trailing\nnameserver 192.0.2.53\n\
                    nameserver fe80::1%eth0\noptions nameserver 192.0.2.2\nnameserver\n";

        let found: Vec<String> = nameservers(text).iter().map(ToString::to_string).collect();

        assert_eq!(found, ["192.0.2.53", "2001:db8::53"]);
    }

    #[test]
    fn no_file_names_more_than_eight() {
        let text: String = (1..=20).map(|last| format!("nameserver 192.0.2.{last}\n")).collect();

        assert_eq!(nameservers(&text).len(), 8);
    }
}
