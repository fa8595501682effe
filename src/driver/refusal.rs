//! What the kernel's error queue tells: who said no, how, and when our packets left.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use branchline_probes::Refusal;
use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;

/// One entry of a socket's error queue.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// The `number`-th packet of this socket left at `stamp`, a time since the epoch.
    Sent { number: u32, stamp: Option<Duration> },
    /// Somebody said no to a packet of ours.
    Refused { to: Option<SocketAddr>, by: Option<IpAddr>, refusal: Refusal },
    /// An ICMP message that refuses nothing, such as "fragmentation needed".
    Other,
}

/// A packet from the socket itself.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) from: Option<SocketAddr>,
    pub(super) length: usize,
    pub(super) stamp: Option<Duration>,
    pub(super) dscp: Option<u8>,
}

/// Asks the kernel to queue ICMP errors with the address of the router that sent them.
pub(super) fn queue_errors(socket: &impl std::os::fd::AsFd, is_ipv6: bool) -> nix::Result<()> {
    if is_ipv6 {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)
    } else {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)
    }
}

/// Asks the kernel to tell the traffic class of what arrives.
pub(super) fn tell_class(socket: &impl std::os::fd::AsFd, is_ipv6: bool) -> nix::Result<()> {
    if is_ipv6 {
        setsockopt(socket, sockopt::Ipv6RecvTClass, &true)
    } else {
        setsockopt(socket, sockopt::IpRecvTos, &true)
    }
}

/// Reads one datagram, with the kernel's stamp of its arrival.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Packet> {
    let mut control = nix::cmsg_space!([TimeSpec; 3], i32);
    let mut pieces = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut pieces,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let from = message.address.as_ref().and_then(address);
    let (mut when, mut dscp) = (None, None);
    for control in message.cmsgs()? {
        when = when.or(stamp(&control));
        dscp = dscp.or(class(&control));
    }
    Ok(Packet { from, length: message.bytes, stamp: when, dscp })
}

/// Reads one entry of the error queue; `WouldBlock` when it is empty.
pub(super) fn next_entry(socket: BorrowedFd<'_>) -> io::Result<Entry> {
    // The packet that the error speaks of is ours; only the control messages are of interest.
    let mut buffer = [0_u8; 64];
    let mut control =
        nix::cmsg_space!([TimeSpec; 3], libc::sock_extended_err, libc::sockaddr_in6, [u64; 8]);
    let mut pieces = [IoSliceMut::new(&mut buffer)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut pieces,
        Some(&mut control),
        MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT,
    )?;
    // Of an ICMP error it is the address to which the packet was sent.
    let to = message.address.as_ref().and_then(address);
    let (mut when, mut entry) = (None, Entry::Other);
    for control in message.cmsgs()? {
        when = when.or(stamp(&control));
        if let ControlMessageOwned::Ipv4RecvErr(error, offender) = &control {
            let by =
                offender.map(|it| IpAddr::V4(Ipv4Addr::from(u32::from_be(it.sin_addr.s_addr))));
            entry = read_error(error, to, by);
        }
        if let ControlMessageOwned::Ipv6RecvErr(error, offender) = &control {
            let by = offender.map(|it| IpAddr::V6(Ipv6Addr::from(it.sin6_addr.s6_addr)));
            entry = read_error(error, to, by);
        }
    }
    if let Entry::Sent { stamp, .. } = &mut entry {
        *stamp = when;
    }
    Ok(entry)
}

fn stamp(control: &ControlMessageOwned) -> Option<Duration> {
    let ControlMessageOwned::ScmTimestampsns(stamps) = control else { return None };
    let stamp = Duration::from(stamps.system);
    (!stamp.is_zero()).then_some(stamp)
}

/// The DSCP is the upper six bits of the traffic class (RFC 2474 §3).
fn class(control: &ControlMessageOwned) -> Option<u8> {
    let class = if let ControlMessageOwned::Ipv4Tos(class) = control {
        *class
    } else if let ControlMessageOwned::Ipv6TClass(class) = control {
        u8::try_from(*class).ok()?
    } else {
        return None;
    };
    Some(class >> 2)
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|it| SocketAddr::V4((*it).into()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|it| SocketAddr::V6((*it).into())))
}

fn read_error(
    error: &libc::sock_extended_err,
    to: Option<SocketAddr>,
    by: Option<IpAddr>,
) -> Entry {
    let by = by.filter(|address| !address.is_unspecified());
    let refusal = match error.ee_origin {
        libc::SO_EE_ORIGIN_TIMESTAMPING => {
            return Entry::Sent { number: error.ee_data, stamp: None };
        }
        libc::SO_EE_ORIGIN_ICMP => refusal_of_icmp(error.ee_type, error.ee_code),
        libc::SO_EE_ORIGIN_ICMP6 => refusal_of_icmpv6(error.ee_type, error.ee_code),
        _ => None,
    };
    refusal.map_or(Entry::Other, |refusal| Entry::Refused { to, by, refusal })
}

/// ICMP (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
const fn refusal_of_icmp(icmp_type: u8, code: u8) -> Option<Refusal> {
    const DESTINATION_UNREACHABLE: u8 = 3;
    if icmp_type != DESTINATION_UNREACHABLE {
        return None;
    }
    match code {
        3 => Some(Refusal::Port),
        9 | 10 | 13 => Some(Refusal::Prohibited { icmp_type, code }),
        // Fragmentation needed: the packet was too large, nobody was refused.
        4 => None,
        _ => Some(Refusal::Unreachable { network: matches!(code, 0 | 6 | 11), icmp_type, code }),
    }
}

/// ICMPv6 (RFC 4443 §3.1).
const fn refusal_of_icmpv6(icmp_type: u8, code: u8) -> Option<Refusal> {
    const DESTINATION_UNREACHABLE: u8 = 1;
    if icmp_type != DESTINATION_UNREACHABLE {
        return None;
    }
    match code {
        4 => Some(Refusal::Port),
        1 | 5 | 6 => Some(Refusal::Prohibited { icmp_type, code }),
        _ => Some(Refusal::Unreachable { network: code == 0, icmp_type, code }),
    }
}

/// A refusal that the kernel reports by an error number alone, as it does of a TCP reset.
pub(super) fn refusal_of(error: &io::Error) -> Option<Refusal> {
    const UNREACHABLE: u8 = 3;
    let kind = error.kind();
    if matches!(kind, io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) {
        Some(Refusal::Reset)
    } else if kind == io::ErrorKind::HostUnreachable {
        Some(Refusal::Unreachable { network: false, icmp_type: UNREACHABLE, code: 1 })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Refusal, refusal_of_icmp, refusal_of_icmpv6};

    #[test]
    fn a_filter_a_closed_port_and_a_missing_way_are_three_things() {
        assert_eq!(refusal_of_icmp(3, 3), Some(Refusal::Port));
        assert_eq!(refusal_of_icmp(3, 13), Some(Refusal::Prohibited { icmp_type: 3, code: 13 }));
        assert_eq!(
            refusal_of_icmp(3, 1),
            Some(Refusal::Unreachable { network: false, icmp_type: 3, code: 1 })
        );
        assert_eq!(refusal_of_icmpv6(1, 4), Some(Refusal::Port));
        assert_eq!(refusal_of_icmpv6(1, 1), Some(Refusal::Prohibited { icmp_type: 1, code: 1 }));
    }

    #[test]
    fn a_packet_that_was_too_large_or_too_old_was_not_refused() {
        assert_eq!(refusal_of_icmp(3, 4), None);
        assert_eq!(refusal_of_icmp(11, 0), None);
        assert_eq!(refusal_of_icmpv6(2, 0), None);
    }
}
