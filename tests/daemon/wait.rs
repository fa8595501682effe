//! Waiting for what another process does: the one place that does.

use std::time::{Duration, Instant};

/// How long anything may take that is expected soon, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until there is an answer: what these tests have instead of a sleep.
///
/// # Panics
///
/// When there is none within `patience`; with the last problem.
#[track_caller]
pub(crate) fn eventually<T>(
    what: &str,
    patience: Duration,
    mut ask: impl FnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(problem) if Instant::now() >= deadline => {
                panic!("{what} did not come within {patience:?}: {problem}")
            }
            Err(_) => pause(),
        }
    }
}

/// A moment, between two looks at what another process does.
#[expect(clippy::disallowed_methods, reason = "another process does not announce its progress")]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
