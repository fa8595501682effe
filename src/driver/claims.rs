//! Claims: exchanges that would undo each other's work wait for each other, and those that
//! leave something with a peer come to it at a bounded rate.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex as StdMutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

/// Waits until nobody else works on what a claim names; it is free again when what is returned is
/// dropped.
pub(super) async fn claim(claimed: &str) -> OwnedMutexGuard<()> {
    let held = {
        let mut all = SHARED.claims.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, held| held.strong_count() > 0);
        let known = all.get(claimed).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let held = Arc::new(Mutex::new(()));
            all.insert(claimed.to_owned(), Arc::downgrade(&held));
            held
        })
    };
    held.lock_owned().await
}

/// Waits until one more exchange may begin with this host: those who wait are let in in their order.
pub(super) async fn pace(host: IpAddr) {
    let begun = {
        let mut hosts = SHARED.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // A host is forgotten when nobody waits for it and none of its last ones counts any more.
        hosts.retain(|_, begun| {
            let is_recent = |last: &Instant| *last + SPAN > now;
            Arc::strong_count(begun) > 1
                || begun.try_lock().is_ok_and(|times| times.back().is_some_and(is_recent))
        });
        Arc::clone(hosts.entry(host).or_default())
    };
    let mut times = begun.lock().await;
    while let Some(free) = take(&mut times, Instant::now()) {
        tokio::time::sleep_until(free).await;
    }
}

/// Takes a place in the last [`SPAN`]; else the moment at which one is free.
fn take(times: &mut VecDeque<Instant>, now: Instant) -> Option<Instant> {
    while times.front().is_some_and(|first| *first + SPAN <= now) {
        times.pop_front();
    }
    if times.len() < MOST_BEGUN {
        times.push_back(now);
        return None;
    }
    times.front().map(|first| *first + SPAN)
}

/// The accounts and peers are everybody's in this process, so this is, too.
static SHARED: LazyLock<Shared> = LazyLock::new(Shared::default);

#[derive(Default)]
struct Shared {
    claims: StdMutex<BTreeMap<String, Weak<Mutex<()>>>>,
    begun: StdMutex<BTreeMap<IpAddr, Arc<Mutex<VecDeque<Instant>>>>>,
}

/// The vendor's trunks take 40 registrations in 5 s from all phones of a site together; an exchange
/// has twelve at most, and usually four.
const MOST_BEGUN: usize = 3;
const SPAN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::{MOST_BEGUN, SPAN, claim, pace, take};
    use futures_util::FutureExt as _;
    use std::collections::VecDeque;
    use std::net::IpAddr;
    use std::time::Duration;
    use tokio::time::Instant;

    #[tokio::test]
    async fn another_host_is_not_waited_for() {
        let host = |last| IpAddr::from([192, 0, 2, last]);
        for _ in 0..MOST_BEGUN {
            pace(host(1)).await;
        }

        let other = pace(host(2)).now_or_never();
        let same = pace(host(1)).now_or_never();

        assert_eq!((other, same), (Some(()), None));
    }

    #[test]
    fn three_exchanges_begin_in_five_seconds_and_the_fourth_waits_for_the_first_to_be_over() {
        let (mut times, start) = (VecDeque::new(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);

        for _ in 0..MOST_BEGUN {
            assert_eq!(take(&mut times, start), None);
        }

        assert_eq!(take(&mut times, at(1)), Some(start + SPAN));
        assert_eq!(take(&mut times, at(5)), None);
    }

    #[tokio::test]
    async fn a_claim_is_held_by_one_and_another_claim_is_free() {
        let held = claim("lyon@example.com").await;
        let second = tokio::spawn(claim("lyon@example.com"));
        let _other = claim("metz@example.com").await;
        tokio::task::yield_now().await;
        assert!(!second.is_finished());

        drop(held);

        assert!(second.await.is_ok());
    }
}
