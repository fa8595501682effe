//! What an earlier process left with servers, and was not there to take back.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::check::{Check, CheckId};
use crate::config::Surroundings;
use crate::driver;
use crate::journal::{Journal, Key, Leftovers};

/// Opens the journal in `$STATE_DIRECTORY`; without one, or where it cannot be written, the
/// daemon runs without a journal.
pub(super) fn open() -> Option<(Arc<Journal>, Leftovers)> {
    let Some(folders) = Surroundings::of_process().variable("STATE_DIRECTORY") else {
        tracing::debug!("no state directory: intents are not kept");
        return None;
    };
    // Several are separated by colons (systemd.exec(5)); the first is ours.
    let folder = folders.split(':').next().unwrap_or_default();
    match Journal::open(Path::new(folder), SystemTime::now()) {
        Ok((journal, leftovers)) => {
            if leftovers.unread > 0 {
                let lines = leftovers.unread;
                tracing::warn!(folder, lines, "lines of the journal are none of ours: skipped");
            }
            if leftovers.expired > 0 {
                let intents = leftovers.expired;
                tracing::info!(intents, "intents of an earlier process are too old to matter");
            }
            Some((Arc::new(journal), leftovers))
        }
        Err(error) => {
            tracing::warn!(folder, %error, "the journal cannot be opened: should this process be \
                killed, what it leaves with servers stays there until it expires");
            None
        }
    }
}

/// The intents of each check that there still is; the others are dropped.
pub(super) fn by_check<'a>(
    intents: Vec<Key>,
    journal: &Journal,
    find: impl Fn(&CheckId) -> Option<&'a Check>,
) -> BTreeMap<CheckId, Vec<Key>> {
    let mut found: BTreeMap<CheckId, Vec<Key>> = BTreeMap::new();
    for key in intents {
        let id = CheckId { module: key.module.as_str().into(), target: key.target.as_str().into() };
        if find(&id).is_some_and(|check| key.is_of(check)) {
            found.entry(id).or_default().push(key);
        } else {
            tracing::info!(
                module = key.module,
                target_name = key.target,
                "no such check any more: what it left with its server expires by itself"
            );
            journal.settle(&key, SystemTime::now());
        }
    }
    found
}

/// Takes back what one check left, one after the other.
pub(super) async fn take_back(
    check: Check,
    intents: Vec<Key>,
    journal: Arc<Journal>,
    places: Arc<Semaphore>,
    cancel: CancellationToken,
) {
    // Nobody closes the semaphore; if somebody did, there would be no limit.
    let _place = places.acquire().await;
    for key in intents {
        if cancel.is_cancelled() {
            return;
        }
        let outcome = driver::take_back(&check, &key, &cancel, &journal).await;
        let failure = outcome.and_then(|outcome| outcome.failure).map(|(_, failure)| failure);
        tracing::info!(
            module = key.module,
            target_name = key.target,
            failure = failure.map(|failure| failure.label()),
            "took back what an earlier process may have left"
        );
    }
}

/// How many checks take back at once.
pub(super) const MOST_AT_ONCE: usize = 64;
