//! Running a locator: its questions go to this host's resolver, each round of them at once.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use branchline_probes::locate::{Answer, Located, Locating, Locator, Question, Records};
use branchline_probes::{Facts, Failure, Moment, Unresolved};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio_util::sync::CancellationToken;

use super::{Lost, Step, Watcher, chance, patience, resolve, resolvers};
use crate::check::Check;

/// Whom the check's module wants to ask, as the resolver says now.
pub(super) async fn locate(
    check: &Check,
    cancel: &CancellationToken,
    watcher: Option<Watcher<'_>>,
) -> Result<Located, Lost> {
    let locator = chance().and_then(|chance| check.module.locator(&check.host, chance));
    let Some(mut locator) = locator else { return Err(Failure::Internal.into()) };
    let answered = AssertUnwindSafe(ask(locator.as_mut(), patience(check), watcher)).catch_unwind();
    let answered = tokio::select! {
        answered = answered => answered,
        () = cancel.cancelled() => return Err(Failure::Cancelled.into()),
    };
    match answered {
        Ok(Ok(located)) => Ok(located),
        Ok(Err((problem, facts))) => {
            let failure = Failure::Unresolved { host: check.host.to_string(), problem };
            Err(Lost { failure, facts })
        }
        Err(_) => {
            tracing::error!(probe = check.probe.name(), "a locator panicked");
            Err(Failure::Internal.into())
        }
    }
}

/// Moves a locator until it has found somebody or nobody.
async fn ask(
    locator: &mut dyn Locator,
    patience: Duration,
    watcher: Option<Watcher<'_>>,
) -> Result<Located, (Unresolved, Facts)> {
    let begun = Instant::now();
    let tell = |what: &dyn Fn() -> String| {
        if let Some(watcher) = watcher {
            watcher(Step { address: None, at: Moment::after(begun.elapsed()), what: what() });
        }
    };
    let is_by_this_host = resolvers::are_this_host();
    for _ in 0..MOST_ROUNDS {
        let questions = match locator.poll() {
            Locating::Ask(questions) => questions,
            Locating::Found(located) => return Ok(located),
            Locating::Nowhere { problem, facts } => return Err((problem, facts)),
        };
        let left = LONGEST.saturating_sub(begun.elapsed()).min(patience);
        let lookups = questions.into_iter().map(|question| async move {
            let Question { name, kind } = &question;
            tell(&|| format!("ask for {} of {name}", kind.label()));
            let said = resolve::records(&question, left).await;
            tell(&|| format!("{} of {name}: {}", kind.label(), words(&said)));
            Answer { said, is_by_this_host }
        });
        let answers = futures_util::stream::iter(lookups).buffered(MOST_AT_ONCE).collect().await;
        locator.hear(answers);
    }
    // A locator that never ends is a fault of this program.
    Err((Unresolved::NotLed, Facts::default()))
}

fn words(said: &Result<Records, Unresolved>) -> String {
    let count = match said {
        Ok(Records::Naptr(records)) => records.len(),
        Ok(Records::Srv(records)) => records.len(),
        Ok(Records::Addresses(addresses)) => addresses.len(),
        Err(problem) => return problem.to_string(),
    };
    if count == 1 { "1 record".to_owned() } else { format!("{count} records") }
}

/// All rounds together; a resolver that says nothing has not more than two of its own patience.
const LONGEST: Duration = Duration::from_secs(20);
/// Which services there are, who offers them, at which addresses.
const MOST_ROUNDS: usize = 8;
/// Questions that are open at one time: each may take two sockets.
const MOST_AT_ONCE: usize = 8;
