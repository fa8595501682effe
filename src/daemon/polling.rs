//! The reading of the vendor's state: at its interval, and at once where somebody hints at a change.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::News;
use crate::poller::Poller;
use crate::telephony::Hint;

/// A hold on the reading that goes on.
#[derive(Default)]
pub(super) struct Polling {
    /// `None` where nobody is asked.
    hints: Option<mpsc::Sender<Hint>>,
    stop: CancellationToken,
}

impl Polling {
    /// The hold, and what reads until it is called off.
    pub(super) fn new(
        poller: Poller,
        outbox: mpsc::Sender<News>,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()>) {
        let (hints, hinted) = mpsc::channel(HINTS);
        let task = read_on(poller, outbox, hinted, stop.clone());
        (Self { hints: Some(hints), stop }, task)
    }

    /// Has something read again soon; a hint too many is dropped, since the next reading is due
    /// anyway.
    pub(super) fn hint(&self, hint: Hint) {
        if let Some(hints) = &self.hints {
            let _ = hints.try_send(hint);
        }
    }

    /// Calls the reading off.
    pub(super) fn end(&self) {
        self.stop.cancel();
    }
}

async fn read_on(
    poller: Poller,
    outbox: mpsc::Sender<News>,
    mut hinted: mpsc::Receiver<Hint>,
    stop: CancellationToken,
) {
    let mut snapshot = Arc::default();
    let mut hints = BTreeSet::new();
    let mut subscription = poller.subscription().map(str::to_owned);
    loop {
        let reading = async {
            if hints.is_empty() {
                poller.read(&snapshot).await
            } else {
                poller.refresh(&snapshot, &hints).await
            }
        };
        let read = tokio::select! {
            read = reading => read,
            () = stop.cancelled() => return,
        };
        hints.clear();
        snapshot = Arc::new(read);
        let news = News::Polled { snapshot: Arc::clone(&snapshot), by: stop.clone() };
        if outbox.send(news).await.is_err() {
            return;
        }
        tokio::select! {
            () = subscribe(&poller, &mut subscription) => {}
            () = stop.cancelled() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(poller.interval()) => {}
            Some(hint) = hinted.recv() => {
                hints.insert(hint);
                while let Ok(hint) = hinted.try_recv() {
                    hints.insert(hint);
                }
            }
            () = stop.cancelled() => return,
        }
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

/// How many hints may wait.
const HINTS: usize = 1024;
