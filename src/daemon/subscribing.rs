//! The vendor is asked to call us, until it has once agreed.

use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use super::News;
use crate::audit::Entry;
use crate::poller::Poller;

/// Asks less and less often. `url` may hold a secret, so it is in no entry and no line above debug.
pub(super) async fn insist(poller: &Poller, url: &str, outbox: &mpsc::Sender<News>) {
    let mut told = None;
    for failures in 0.. {
        let Err(problem) = poller.subscribe(url).await else {
            tracing::info!("the vendor is asked to call when a trunk changes");
            let entry = Entry::new("subscription", SystemTime::now()).with("result", "asked");
            let _ = outbox.send(News::Happened(entry)).await;
            return;
        };
        let (reason, again) = (problem.label(), pause(failures));
        tracing::debug!(url, reason, ?again, "the vendor cannot be asked to call");
        if told.replace(reason) != Some(reason) {
            tracing::warn!(reason, %problem, ?again, "the vendor cannot be asked to call");
            let entry = Entry::new("subscription", SystemTime::now()).with("result", "refused");
            let entry = entry.with("reason", reason);
            let _ = outbox.send(News::Happened(entry)).await;
        }
        tokio::time::sleep(again).await;
    }
}

/// How long to wait after so many failures before.
fn pause(failures: u32) -> Duration {
    SHORTEST_PAUSE.saturating_mul(1 << failures.min(6)).min(LONGEST_PAUSE)
}

const SHORTEST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::pause;

    // D-API-3
    #[test]
    fn the_vendor_is_asked_again_after_a_minute_and_once_an_hour_in_the_end() {
        let minutes = |failures| pause(failures).as_secs() / 60;

        assert_eq!([0, 1, 2, 5, 6, 7].map(minutes), [1, 2, 4, 32, 60, 60]);
        assert_eq!(pause(u32::MAX), Duration::from_secs(3600));
    }
}
