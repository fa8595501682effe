//! `Secret`: a value that can be used and cannot be shown.

use zeroize::Zeroizing;

/// A password or key, wiped from memory when it is dropped.
///
/// It has no `Display`, no `Debug` and no `Serialize`, so printing one does not compile (I8):
///
/// ```compile_fail
/// println!("{:?}", branchline_probes::Secret::new("hunter2".to_owned()));
/// ```
///
/// ```compile_fail
/// println!("{}", branchline_probes::Secret::new("hunter2".to_owned()));
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the secret over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself, for the one place that puts it on the wire.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}
