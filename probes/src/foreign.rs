//! `Foreign`: text that somebody else wrote, made safe to show.

use std::fmt;

/// Text that came from a packet: bounded, on one line, printable.
///
/// Control characters (C0, C1, line and paragraph separators) and bidirectional overrides are
/// escaped as `\u{…}`, invalid UTF-8 becomes U+FFFD, a trailing run of NULs is dropped (coturn
/// pads reasons so), and what exceeds [`Foreign::LIMIT`] bytes is cut with `…`. So it can stand
/// in a log line, a report or a page, and can be none of them by itself.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Foreign(String);

impl Foreign {
    /// The longest text that is kept, in bytes.
    pub const LIMIT: usize = 256;

    /// Takes in bytes of unknown origin.
    #[must_use]
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        // An escape is never shorter than the character it stands for, so more is never needed.
        let read = &bytes[..end.min(Self::LIMIT * 2)];
        let mut text = String::new();
        for character in String::from_utf8_lossy(read).chars() {
            let before = text.len();
            if needs_escape(character) {
                text.extend(character.escape_unicode());
            } else {
                text.push(character);
            }
            if text.len() > Self::LIMIT - '…'.len_utf8() {
                text.truncate(before);
                text.push('…');
                break;
            }
        }
        Self(text)
    }

    /// The safe text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.0)
    }
}

fn needs_escape(character: char) -> bool {
    character.is_control() || INVISIBLE.iter().any(|range| range.contains(&character))
}

/// What is not seen, or turns the direction of what is: soft hyphen, Arabic letter mark, Mongolian
/// vowel separator, zero-width and bidirectional marks, separators, invisible operators,
/// byte-order mark, annotations, tags and private use.
const INVISIBLE: [std::ops::RangeInclusive<char>; 10] = [
    '\u{AD}'..='\u{AD}',
    '\u{61C}'..='\u{61C}',
    '\u{180E}'..='\u{180E}',
    '\u{200B}'..='\u{200F}',
    '\u{2028}'..='\u{202E}',
    '\u{2060}'..='\u{206F}',
    '\u{E000}'..='\u{F8FF}',
    '\u{FEFF}'..='\u{FEFF}',
    '\u{FFF9}'..='\u{FFFB}',
    '\u{E0000}'..='\u{10FFFF}',
];

#[cfg(test)]
mod tests {
    use super::Foreign;

    // D-LOG-1
    #[test]
    fn control_and_bidirectional_characters_cannot_leave_their_line() {
        let text = Foreign::new("a\nb\u{1b}[31m\u{202E}c\u{85}");

        assert_eq!(text.as_str(), "a\\u{a}b\\u{1b}[31m\\u{202e}c\\u{85}");
    }

    #[test]
    fn trailing_nuls_are_padding_and_inner_ones_are_shown() {
        assert_eq!(Foreign::new(b"Stale nonce\0\0").as_str(), "Stale nonce");
        assert_eq!(Foreign::new(b"a\0b").as_str(), "a\\u{0}b");
    }

    #[test]
    fn invalid_utf8_is_replaced_and_long_text_is_cut() {
        assert_eq!(Foreign::new(b"\xff!").as_str(), "\u{FFFD}!");

        let long = Foreign::new("é".repeat(1000));

        assert!(long.as_str().len() <= Foreign::LIMIT);
        assert!(long.as_str().ends_with('…'));
    }
}
