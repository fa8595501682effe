//! The answer of a mirror: what every response repeats, and the request's bytes as base64.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::sip::Request;

/// The answer to a request; `None` for a response, and for what nobody could answer.
///
/// Its body is base64, in which no helper on the way finds an address that it could rewrite. It
/// has no Contact: it makes no dialog and holds no binding.
pub(super) fn reflect(message: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let request = Request::read(message)?;
    // An ACK has no response (RFC 3261 §17.1.1.3).
    if request.method == "ACK" {
        return None;
    }
    let headers = [
        "Server: branchline-lab mirror".to_owned(),
        "Content-Type: application/vnd.branchline.mirror".to_owned(),
    ];
    Some(request.respond_with("200 OK", from, &headers, &STANDARD.encode(message)))
}

#[cfg(test)]
mod tests {
    use super::reflect;

    fn answer(message: &str) -> Option<String> {
        let from = "192.0.2.7:1024".parse().unwrap();
        reflect(message.as_bytes(), from).map(|answer| String::from_utf8(answer).unwrap())
    }

    #[test]
    fn an_answer_repeats_the_headers_and_holds_the_request() {
        let answer = answer(
            "X sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;rport\r\n\
             Via: SIP/2.0/UDP h\r\nf: <sip:a@x>;tag=1\r\nt: <sip:a@x>\r\ni: 1\r\n\
             CSeq: 1 X\r\nm: <sip:a@10.0.0.1>\r\nl: 0\r\n\r\n",
        );

        // The body was made with coreutils: `printf … | base64 -w0`.
        assert_eq!(
            answer.unwrap(),
            "SIP/2.0 200 OK\r\n\
             Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;rport=1024;received=192.0.2.7\r\n\
             Via: SIP/2.0/UDP h\r\n\
             From: <sip:a@x>;tag=1\r\n\
             To: <sip:a@x>;tag=lab\r\n\
             Call-ID: 1\r\n\
             CSeq: 1 X\r\n\
             Server: branchline-lab mirror\r\n\
             Content-Type: application/vnd.branchline.mirror\r\n\
             Content-Length: 228\r\n\r\n\
             WCBzaXA6eCBTSVAvMi4wDQpWaWE6IFNJUC8yLjAvVURQIDEwLjAuMC4xOjUwNjA7YnJhbmNoPXo5\
             aEc0YksxO3Jwb3J0DQpWaWE6IFNJUC8yLjAvVURQIGgNCmY6IDxzaXA6YUB4Pjt0YWc9MQ0KdDog\
             PHNpcDphQHg+DQppOiAxDQpDU2VxOiAxIFgNCm06IDxzaXA6YUAxMC4wLjAuMT4NCmw6IDANCg0K"
        );
    }

    #[test]
    fn neither_a_response_nor_an_ack_is_answered() {
        let message = |start: &str| {
            format!("{start}\r\nv: SIP/2.0/UDP h\r\nf: a\r\nt: b\r\ni: 1\r\nCSeq: 1 X\r\n\r\n")
        };

        assert_eq!(answer(&message("SIP/2.0 200 OK")), None);
        assert_eq!(answer(&message("ACK sip:x SIP/2.0")), None);
        assert!(answer(&message("BYE sip:x SIP/2.0")).is_some());
    }
}
