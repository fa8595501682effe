//! `SecretSource`: secrets by reference, and the files that hold them.

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use branchline_probes::{Foreign, Kind, Secret};

use super::known::Known;
use super::reader::Reader;
use super::regular::{io_words, open_regular};

/// Where a secret is kept.
pub(super) enum SecretSource {
    /// A file of `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A file that only its owner may read.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl SecretSource {
    /// The keys of a reference.
    pub(super) const KEYS: &'static [Known] = &[
        Known::new("credential", "{ credential = \"sip-password\" }"),
        Known::new("file", "{ file = \"/etc/branchline/sip-password\" }"),
        Known::new("env", "{ env = \"SIP_PASSWORD\" }"),
    ];

    /// The place that a key and its text name.
    pub(super) fn new(way: &str, reference: &str) -> Option<Self> {
        match way {
            "credential" => Some(Self::Credential(reference.to_owned())),
            "file" => Some(Self::File(PathBuf::from(reference))),
            "env" => Some(Self::Variable(reference.to_owned())),
            _ => None,
        }
    }

    /// The place that a word names: `credential:NAME`, `file:PATH` or `env:NAME`.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        let (way, reference) = word.split_once(':')?;
        Self::new(way, reference).filter(|_| !reference.is_empty())
    }

    /// The secret that is kept there; what stands in the way is reported.
    pub(super) fn read(
        &self,
        kind: Kind,
        owner: &str,
        at: Option<usize>,
        reader: &mut Reader<'_>,
    ) -> Option<Secret> {
        match self.fetch(kind, reader) {
            Ok(secret) => Some(secret),
            Err(Trouble::Name) => {
                let message = format!("the credential of {owner} has a name that is no file name");
                let hint = "name a file of $CREDENTIALS_DIRECTORY, without a directory".to_owned();
                reader.report(at, message, Some(hint));
                None
            }
            Err(Trouble::Credential { problem, hint }) => {
                reader.report_credential(at, format!("{owner}: {problem}"), Some(hint));
                None
            }
        }
    }

    fn fetch(&self, kind: Kind, reader: &Reader<'_>) -> Result<Secret, Trouble> {
        match self {
            Self::Credential(name) => {
                if name.contains('/') || name == "." || name == ".." {
                    return Err(Trouble::Name);
                }
                let shown = Foreign::new(name);
                let directory =
                    reader.surroundings.variable("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                        Trouble::Credential {
                            problem: format!(
                                "the credential `{shown}` cannot be found: \
                                 $CREDENTIALS_DIRECTORY is not set"
                            ),
                            hint: format!(
                                "systemd sets it: LoadCredential={shown}:/etc/branchline/credentials/{shown}"
                            ),
                        }
                    })?;
                let hint = format!("add LoadCredential={shown}:PATH to the service");
                read_secret(&Path::new(&directory).join(name), kind, false, &hint)
            }
            Self::File(path) => {
                read_secret(path, kind, true, "write the secret into that file and chmod it 0600")
            }
            Self::Variable(name) => {
                // Some write the secret itself where its name belongs.
                if !is_variable_name(name) {
                    return Err(Trouble::Credential {
                        problem: "`env` holds no name of an environment variable".to_owned(),
                        hint: "write the variable's name there, as in SIP_PASSWORD, never the \
                               secret itself"
                            .to_owned(),
                    });
                }
                let shown = Foreign::new(name);
                let value =
                    reader.surroundings.variable(name).ok_or_else(|| Trouble::Credential {
                        problem: format!("the environment variable `{shown}` is not set"),
                        hint: format!("set {shown}, or keep the secret in a credential file"),
                    })?;
                checked(value, kind, &format!("the environment variable `{shown}`"))
            }
        }
    }
}

/// A name as POSIX has it (XBD §3.216), and not too long for one.
fn is_variable_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

enum Trouble {
    /// The reference itself is wrong.
    Name,
    /// The secret is missing or cannot be used.
    Credential { problem: String, hint: String },
}

fn read_secret(
    path: &Path,
    kind: Kind,
    must_be_private: bool,
    hint: &str,
) -> Result<Secret, Trouble> {
    let shown = Foreign::new(path.to_string_lossy().as_bytes());
    let trouble = |problem: String| Trouble::Credential {
        problem: format!("the file {shown} {problem}"),
        hint: hint.to_owned(),
    };
    let unreadable = |error: io::Error| trouble(format!("cannot be read: {}", io_words(&error)));
    let file = open_regular(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
    // D-LOC-1: as ssh does with a key.
    if must_be_private && mode & 0o077 != 0 {
        return Err(Trouble::Credential {
            problem: format!("the file {shown} can be read by others (mode {mode:04o})"),
            hint: format!("chmod 0600 {shown}"),
        });
    }
    let mut bytes = Vec::with_capacity(4096);
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST) {
        return Err(trouble("is larger than 64 KiB".to_owned()));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| trouble("is not UTF-8 text".to_owned()))?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    checked(text, kind, &format!("the file {shown}"))
}

fn checked(text: String, kind: Kind, place: &str) -> Result<Secret, Trouble> {
    let trouble = |problem: &str, hint: &str| Trouble::Credential {
        problem: format!("{place} {problem}"),
        hint: hint.to_owned(),
    };
    let secret = Secret::new(text);
    if secret.expose().is_empty() {
        return Err(trouble("is empty", "write the secret into it, on one line"));
    }
    // D-SIP-11
    let is_lines = kind == Kind::PrivateKey;
    let is_stray = |it: char| it.is_control() && !(is_lines && matches!(it, '\r' | '\n' | '\t'));
    if secret.expose().chars().any(is_stray) {
        return Err(trouble("holds control characters", "a secret is printable, on one line"));
    }
    Ok(secret)
}

/// The largest secret that is read, in bytes.
const LARGEST: u64 = 64 << 10;
