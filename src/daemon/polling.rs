//! The reading of the vendor's state: at its interval, and at once where somebody hints at a change.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{News, subscribing};
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
    /// The first half of what is due is read.
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
    let subscribe = async {
        if let Some(url) = poller.subscription() {
            subscribing::insist(&poller, url, &outbox).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = read_on(&poller, &outbox, &hinted, &known, &stop) => {}
        () = poller.listen(knows, |hint| hinted.note(hint)) => {}
        () = subscribe => {}
        () = stop.cancelled() => {}
    }
}

/// What a verdict rests on is read at its interval, and what was hinted at when it is due; what
/// explains it is read beside both, so that neither waits for it.
async fn read_on(
    poller: &Poller,
    outbox: &mpsc::Sender<News>,
    hinted: &Hinted,
    known: &watch::Sender<Arc<Snapshot>>,
    stop: &CancellationToken,
) {
    let mut snapshot = Arc::<Snapshot>::default();
    let mut reading = Instant::now();
    let mut first = Slot::default();
    let mut then = Slot::default();
    let mut is_then_due = false;
    let mut explained = None;
    // Followed while a listing was under way that may have been read before the change.
    let mut again = BTreeSet::new();
    loop {
        let mut wakes_at = None;
        if first.is_none() {
            let now = Instant::now();
            match hinted.with(|hints| next(reading, hints, now)) {
                Next::Read => {
                    reading = now + poller.interval();
                    let previous = Arc::clone(&snapshot);
                    let read = async move { (poller.read_first(&previous).await, true) };
                    first = Some(Box::pin(read));
                }
                Next::Refresh(hints) => {
                    let previous = Arc::clone(&snapshot);
                    if then.is_some() {
                        again.extend(
                            hints.iter().filter(|it| !poller.reads_first(it.part)).cloned(),
                        );
                    }
                    let read = async move { (poller.refresh(&previous, &hints).await, false) };
                    first = Some(Box::pin(read));
                }
                Next::Wait(moment) => wakes_at = Some(moment),
            }
        }
        if is_then_due && then.is_none() {
            is_then_due = false;
            let previous = Arc::clone(&snapshot);
            let read = async move { (poller.read_then(&previous).await, false) };
            then = Some(Box::pin(read));
        }
        tokio::select! {
            (read, is_half) = under_way(&mut first) => {
                first = None;
                is_then_due |= is_half;
                snapshot = Arc::new(read);
            }
            (read, _) = under_way(&mut then) => {
                then = None;
                explained = Some(read);
                if first.is_some() {
                    continue;
                }
            }
            () = sleep_until(wakes_at) => continue,
            () = hinted.news.notified() => continue,
        }
        // What is under way was begun with what is known now, so that nothing is laid below it.
        if let Some(read) = explained.take() {
            snapshot = Arc::new(snapshot.with_parts_of(&read, |part| !poller.reads_first(part)));
            std::mem::take(&mut again).into_iter().for_each(|hint| hinted.note(hint));
        }
        known.send_replace(Arc::clone(&snapshot));
        let news = News::Polled { snapshot: Arc::clone(&snapshot), by: stop.clone() };
        if outbox.send(news).await.is_err() {
            return;
        }
    }
}

/// A reading under way, where there is one, and whether it is the first half.
type Slot<'a> = Option<Pin<Box<dyn Future<Output = (Snapshot, bool)> + Send + 'a>>>;

async fn under_way(slot: &mut Slot<'_>) -> (Snapshot, bool) {
    match slot {
        Some(reading) => reading.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
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
