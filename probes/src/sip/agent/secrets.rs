//! What of our credentials a peer could say again, to have it told: it is hidden before anything
//! is read of its message.

use std::borrow::Cow;

/// The parts of these headers by which a password could be guessed at leisure.
pub(super) fn of(headers: &[(&'static str, Vec<u8>)]) -> Vec<Vec<u8>> {
    let answers = headers.iter().filter(|(name, _)| name.ends_with("Authorization"));
    let parts = answers.flat_map(|(_, value)| value.split(|&byte| byte == b','));
    let parts = parts.filter_map(|part| {
        let part = part.trim_ascii();
        let text = part.strip_prefix(b"response=\"").or(part.strip_prefix(b"cnonce=\""))?;
        text.strip_suffix(b"\"").map(<[u8]>::to_vec)
    });
    parts.filter(|secret| !secret.is_empty()).collect()
}

/// The message with each of them struck out, in any case. All are hexadecimal digits, so nothing
/// but long enough runs of these is looked at.
pub(super) fn hidden<'a>(bytes: &'a [u8], secrets: &[Vec<u8>]) -> Cow<'a, [u8]> {
    let mut hidden = Cow::Borrowed(bytes);
    let Some(shortest) = secrets.iter().map(Vec::len).min() else { return hidden };
    let mut start = 0;
    while let Some(digit) = bytes[start..].iter().position(u8::is_ascii_hexdigit) {
        start += digit;
        let run = bytes[start..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let end = start + run;
        for secret in secrets.iter().filter(|secret| run >= shortest && run >= secret.len()) {
            for place in start..=end - secret.len() {
                let found = place..place + secret.len();
                if bytes[found.clone()].eq_ignore_ascii_case(secret) {
                    hidden.to_mut()[found].fill(b'*');
                }
            }
        }
        start = end;
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::{hidden, of};

    // I8
    #[test]
    fn what_a_peer_repeats_of_our_answer_is_struck_out() {
        let value = b"Digest username=\"a\", nonce=\"n\", cnonce=\"c0ffee\", response=\"abc123\"";
        let secrets =
            of(&[("Authorization", value.to_vec()), ("Contact", b"response=\"x\"".to_vec())]);

        assert_eq!(secrets, [b"c0ffee", b"abc123"]);
        let text = hidden(b"SIP/2.0 403 ABC123 abc123 c0ffe c0ffee 0abc1230\r\n", &secrets);
        assert_eq!(&*text, b"SIP/2.0 403 ****** ****** c0ffe ****** 0******0\r\n");
        assert_eq!(&*hidden(b"SIP/2.0 200 OK\r\n", &secrets), b"SIP/2.0 200 OK\r\n");
    }
}
