//! The reading of the vendor's state: at its interval, and at once where somebody hints at a change.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::News;
use crate::poller::{Hints, Poller, WhenDue};
use crate::telephony::{Hint, Snapshot};

/// A hold on the reading that goes on.
#[derive(Default)]
pub(super) struct Polling {
    hinted: Arc<Hinted>,
    stop: CancellationToken,
}

impl Polling {
    /// The hold, and what reads until it is called off.
    pub(super) fn new(
        poller: Poller,
        outbox: mpsc::Sender<News>,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()>) {
        let hinted = Arc::<Hinted>::default();
        let task = live(poller, outbox, Arc::clone(&hinted), stop.clone());
        (Self { hinted, stop }, task)
    }

    /// Has something read again soon.
    pub(super) fn hint(&self, hint: Hint) {
        self.hinted.note(hint);
    }

    /// Calls the reading off.
    pub(super) fn end(&self) {
        self.stop.cancel();
    }
}

/// The hints that wait; none is ever lost, since one that finds no room stands for all of its part.
#[derive(Default)]
struct Hinted {
    hints: Mutex<Hints>,
    news: Notify,
}

impl Hinted {
    fn note(&self, hint: Hint) {
        self.with(|hints| hints.note(hint, Instant::now()));
        self.news.notify_one();
    }

    fn with<R>(&self, action: impl FnOnce(&mut Hints) -> R) -> R {
        action(&mut self.hints.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is to be done about the vendor's state.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Everything that is due is read.
    Read,
    /// What was hinted at is read.
    Refresh(BTreeSet<Hint>),
    /// Nothing before this moment.
    Wait(Instant),
}

/// Hints neither postpone the reading that is due at `reading` nor are they taken out for it:
/// what it read before the hint came is not what the hint was about.
fn next(reading: Instant, hints: &mut Hints, now: Instant) -> Next {
    if now >= reading {
        return Next::Read;
    }
    let due = hints.due(now);
    match hints.next() {
        _ if !due.is_empty() => Next::Refresh(due),
        Some(WhenDue::At(hinted)) => Next::Wait(reading.min(hinted)),
        Some(WhenDue::AtOnce) => Next::Wait(now),
        None => Next::Wait(reading),
    }
}

async fn live(
    poller: Poller,
    outbox: mpsc::Sender<News>,
    hinted: Arc<Hinted>,
    stop: CancellationToken,
) {
    let (known, knows) = watch::channel(Arc::default());
    tokio::select! {
        () = read_on(&poller, &outbox, &hinted, &known, &stop) => {}
        () = poller.listen(knows, |hint| hinted.note(hint)) => {}
        () = stop.cancelled() => {}
    }
}

async fn read_on(
    poller: &Poller,
    outbox: &mpsc::Sender<News>,
    hinted: &Hinted,
    known: &watch::Sender<Arc<Snapshot>>,
    stop: &CancellationToken,
) {
    let mut snapshot = Arc::default();
    let mut subscription = poller.subscription().map(str::to_owned);
    let mut reading = Instant::now();
    let mut is_half_read = false;
    loop {
        let read = match hinted.with(|hints| next(reading, hints, Instant::now())) {
            // What a verdict rests on does not wait for what explains it.
            Next::Read if !is_half_read => {
                is_half_read = true;
                poller.read_first(&snapshot).await
            }
            Next::Read => {
                is_half_read = false;
                let read = poller.read_then(&snapshot).await;
                reading = Instant::now() + poller.interval();
                read
            }
            Next::Refresh(hints) => poller.refresh(&snapshot, &hints).await,
            Next::Wait(moment) => {
                tokio::select! {
                    () = tokio::time::sleep_until(moment.into()) => {}
                    () = hinted.news.notified() => {}
                }
                continue;
            }
        };
        snapshot = Arc::new(read);
        known.send_replace(Arc::clone(&snapshot));
        let news = News::Polled { snapshot: Arc::clone(&snapshot), by: stop.clone() };
        if outbox.send(news).await.is_err() {
            return;
        }
        subscribe(poller, &mut subscription).await;
    }
}

/// Asks the vendor to call us, until it has once agreed.
async fn subscribe(poller: &Poller, subscription: &mut Option<String>) {
    let Some(url) = subscription.as_deref() else { return };
    match poller.subscribe(url).await {
        Ok(()) => {
            tracing::info!(url, "the vendor is asked to call when a trunk changes");
            *subscription = None;
        }
        Err(problem) => {
            let reason = problem.label();
            tracing::warn!(url, reason, %problem, "the vendor cannot be asked to call");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, Instant};

    use branchline_probes::Foreign;

    use super::{Next, next};
    use crate::poller::Hints;
    use crate::telephony::{Hint, PartName};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn trunk(id: &str) -> Hint {
        Hint { part: PartName::Trunks, id: Some(Foreign::new(id)) }
    }

    // F57
    #[test]
    fn hints_that_never_end_do_not_postpone_the_reading() {
        let start = Instant::now();
        let reading = start + seconds(60);
        let mut hints = Hints::default();

        for second in 0..60 {
            let now = start + seconds(second);
            hints.note(trunk(&second.to_string()), now);
            assert_ne!(next(reading, &mut hints, now), Next::Read, "after {second} s");
        }
        hints.note(trunk("one more"), reading);

        assert_eq!(next(reading, &mut hints, reading), Next::Read);
    }

    #[test]
    fn a_hint_that_comes_during_a_reading_is_followed_after_it() {
        let start = Instant::now();
        let mut hints = Hints::default();
        assert_eq!(next(start, &mut hints, start), Next::Read);

        hints.note(trunk("a"), start + seconds(3));
        let ended = start + seconds(10);

        let refresh = Next::Refresh(BTreeSet::from([trunk("a")]));
        assert_eq!(next(ended + seconds(60), &mut hints, ended), refresh);
    }

    #[test]
    fn without_hints_nothing_is_done_before_the_reading() {
        let start = Instant::now();
        let mut hints = Hints::default();
        let reading = start + seconds(60);
        assert_eq!(next(reading, &mut hints, start), Next::Wait(reading));

        hints.note(trunk("a"), start);
        assert_ne!(next(reading, &mut hints, start), Next::Wait(reading));
        hints.note(trunk("a"), start + seconds(1));

        let again = Next::Wait(start + seconds(5));
        assert_eq!(next(reading, &mut hints, start + seconds(1)), again);
    }
}
