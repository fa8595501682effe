//! What the callback is told: the differences of readings and of diagnoses.

use std::time::{Instant, SystemTime};

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::News;
use crate::audit::Entry;
use crate::callback::{self, Event, Fate, Findings, Sender, Settings, States, Topic};
use crate::diagnosis::Diagnosis;
use crate::poller::SetupError;
use crate::telephony::Snapshot;

/// A hold on who is told, if anybody is.
#[derive(Default)]
pub(super) struct Calling(Option<Told>);

struct Told {
    settings: Settings,
    outbox: mpsc::Sender<Vec<Event>>,
    states: States,
    findings: Findings,
    started: Instant,
    stop: CancellationToken,
}

impl Calling {
    /// Whether these settings are followed already.
    pub(super) fn is_of(&self, settings: Option<&Settings>) -> bool {
        match (&self.0, settings) {
            (Some(told), Some(settings)) => told.settings.is_same(settings),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// The hold, and what posts until it is called off.
    pub(super) fn new(
        settings: Settings,
        news: mpsc::Sender<News>,
    ) -> Result<(Self, impl Future<Output = ()> + use<>), SetupError> {
        let sender = Sender::new(&settings)?;
        let (outbox, inbox) = mpsc::channel(BATCHES);
        let stop = CancellationToken::new();
        // The daemon may wait for this task, so that this task does not wait for the daemon.
        let tell = move |fate| drop(news.try_send(News::Happened(entry(&fate))));
        let task = sender.run(inbox, stop.clone(), tell);
        let told = Told {
            settings,
            outbox,
            states: States::default(),
            findings: Findings::default(),
            started: Instant::now(),
            stop,
        };
        Ok((Self(Some(told)), task))
    }

    /// Tells what has changed at the vendor.
    pub(super) fn polled(&mut self, snapshot: &Snapshot) {
        if let Some(told) = self.0.as_mut().filter(|it| it.wants(Topic::State)) {
            let events = told.states.note(snapshot);
            told.tell(events);
        }
    }

    /// Tells which findings are new, and which are gone.
    pub(super) fn diagnosed(&mut self, site: &str, diagnosis: &Diagnosis) {
        if let Some(told) = self.0.as_mut().filter(|it| it.wants(Topic::Findings)) {
            let events = told.findings.note(site, diagnosis, told.started.elapsed());
            told.tell(events);
        }
    }

    /// Has what waits tried once more, and nothing else told.
    pub(super) fn end(&mut self) {
        if let Some(told) = self.0.take() {
            told.stop.cancel();
        }
    }
}

/// The entry of what became of an event.
fn entry(fate: &Fate) -> Entry {
    let envelope = fate.envelope.as_deref();
    let envelope: Option<Value> = envelope.and_then(|it| serde_json::from_slice(it).ok());
    let text = |key| envelope.as_ref().and_then(|it| it.get(key)?.as_str());
    Entry::new("callback", SystemTime::now())
        .with("result", fate.result)
        .with_some("id", text("id"))
        .with_some("named", text("event"))
}

impl Told {
    fn wants(&self, topic: Topic) -> bool {
        self.settings.topics.contains(&topic)
    }

    fn tell(&self, events: Vec<Event>) {
        let count = events.len();
        if count > 0 && self.outbox.try_send(events).is_err() {
            callback::count_dropped(count);
        }
    }
}

/// How many batches may wait; the sender takes them at once.
const BATCHES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::{Fate, entry};

    #[test]
    fn the_trail_has_the_id_the_event_and_what_became_of_it() {
        let envelope = br#"{"id":"bl-1","event":"branchline:test","data":{"a":1}}"#;
        let fate = Fate { envelope: Some(envelope[..].into()), result: "refused" };

        let line = entry(&fate).line();

        let rest =
            r#""event":"callback","result":"refused","id":"bl-1","named":"branchline:test"}"#;
        assert!(line.trim_end().ends_with(rest), "{line}");
    }
}
