//! What an earlier process left with servers, and was not there to take back.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use branchline_probes::Failure;
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
                tracing::warn!(
                    folder,
                    lines,
                    "lines of the journal are none of ours: skipped; the \
                    first such file is kept as `intents.unread`"
                );
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

/// Takes back what one check left, one after the other, until its server is silent: the rest would
/// meet the same, and the check is to run.
pub(super) async fn take_back(
    check: Check,
    intents: Vec<Key>,
    journal: Arc<Journal>,
    places: Arc<Semaphore>,
    cancel: CancellationToken,
) {
    // Nobody closes the semaphore; if somebody did, there would be no limit.
    let _place = places.acquire().await;
    for key in intents.into_iter().take(MOST_OF_A_CHECK) {
        if cancel.is_cancelled() {
            return;
        }
        let outcome = driver::take_back(&check, &key, &cancel, &journal).await;
        let failure = outcome.as_ref().and_then(|outcome| outcome.failure.as_ref());
        let is_refused = outcome.as_ref().is_some_and(|outcome| outcome.back_off);
        let is_silent = failure.is_some_and(|(_, failure)| Failure::is_silence(failure));
        let (module, target_name) = (&*key.module, &*key.target);
        match outcome {
            None => tracing::debug!(
                module,
                target_name,
                "there was nothing to take back of what an earlier process noted"
            ),
            Some(outcome) if outcome.left_behind || outcome.failure.is_some() => tracing::warn!(
                module,
                target_name,
                failure = outcome.failure.map(|(_, failure)| failure.label()),
                "could not take back what an earlier process may have left: it stays with its \
                    server until it expires, or the next start takes it back"
            ),
            Some(_) => tracing::info!(
                module,
                target_name,
                "took back what an earlier process may have left"
            ),
        }
        // Whose credentials are refused locks the account with each more that it tries.
        if is_silent || is_refused {
            return;
        }
    }
}

/// How many intents of one check are taken back: a run has two at most, and the addresses of one
/// target are few. The others expire.
const MOST_OF_A_CHECK: usize = 32;

/// How many checks take back at once.
pub(super) const MOST_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, SystemTime};

    use branchline_probes::{
        Chance, Exchange, Input, Intent, LegId, Module, Moment, Outcome, Output, PROBES, Target,
        Transport,
    };

    use crate::check::{Check, Whom};
    use crate::config::{self, Surroundings};
    use crate::daemon::{Daemon, Recorder};
    use crate::journal::Journal;

    /// What was done, in order.
    type Diary = Arc<Mutex<Vec<&'static str>>>;

    struct Invented(Diary);

    /// An exchange of some length that needs no peer.
    struct Slow {
        diary: Diary,
        is_over: bool,
        end: &'static str,
    }

    impl Invented {
        fn exchange(&self, begin: &'static str, end: &'static str) -> Box<dyn Exchange> {
            let diary = Arc::clone(&self.0);
            note(&diary, begin);
            Box::new(Slow { diary, is_over: false, end })
        }
    }

    fn note(diary: &Diary, what: &'static str) {
        diary.lock().expect("nobody panicked").push(what);
    }

    impl Module for Invented {
        fn transport(&self) -> Transport {
            Transport::Udp
        }

        fn default_port(&self) -> u16 {
            9
        }

        fn timeout(&self) -> Duration {
            Duration::from_secs(1)
        }

        fn begin(&self, _: &Target, _: Chance) -> Box<dyn Exchange> {
            self.exchange("the run begins", "the run ends")
        }

        fn undo(&self, _: &Target, _: &Intent, _: Chance) -> Option<Box<dyn Exchange>> {
            Some(self.exchange("the undoing begins", "the undoing ends"))
        }
    }

    impl Exchange for Slow {
        fn handle_input(&mut self, _: Input<'_>, _: Moment) {
            self.is_over = true;
            note(&self.diary, self.end);
        }

        fn poll_output(&mut self) -> Output {
            if self.is_over {
                return Output::Done(Outcome::default());
            }
            let until = Moment::after(Duration::from_millis(50));
            Output::Wait { until, reason: "a while" }
        }
    }

    // F32
    #[tokio::test]
    async fn a_check_runs_again_once_what_it_left_is_taken_back() {
        let diary = Diary::default();
        let check = Check {
            site: "lyon".into(),
            target: "a-target".into(),
            host: "127.0.0.1".into(),
            port: 9,
            whom: Whom::Host,
            module_name: "a-module".into(),
            probe: PROBES[0],
            module: Arc::new(Invented(Arc::clone(&diary))),
            fingerprint: "".into(),
            interval: Duration::from_millis(1),
            required: false,
            trunk: None,
            edge_group: None,
            sight: None,
        };
        let (folder, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let (before, _) = Journal::open(folder.path(), now).unwrap();
        before.intend(&check, Intent { leg: LegId(0), local: peer, peer, mark: None }, now);
        let (journal, left) = Journal::open(folder.path(), now).unwrap();
        let text = config::EXAMPLE;
        let mut plan = config::parse("example", text, &Surroundings::empty()).unwrap();
        (plan.checks, plan.telephony) = (vec![check], None);
        let (mut daemon, mut inbox, _pages) =
            Daemon::new(PathBuf::new(), plan, Recorder::install()).unwrap();

        daemon.keep(Arc::new(journal), left);
        while diary.lock().unwrap().len() < 3 {
            daemon.start_due();
            while let Ok(news) = inbox.try_recv() {
                daemon.hear(news);
            }
            tokio::task::yield_now().await;
        }

        let order = ["the undoing begins", "the undoing ends", "the run begins"];
        assert_eq!(diary.lock().unwrap()[..3], order);
        assert_eq!(daemon.journal.unwrap().open_intents(now), 0);
    }
}
