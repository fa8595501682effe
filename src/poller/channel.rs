//! The vendor's notifications: hints that something changed, over a WebSocket that is kept open.
//!
//! They only hint. What changed is read from the API, so that nothing counts twice, and after every
//! interruption everything is read once, so that nothing is missed.

mod life;
mod message;
mod socket;
mod topics;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use branchline_probes::Foreign;
use jiff::Timestamp;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use reqwest::Url;
use serde_json::Value;
use tokio::sync::watch;

use super::client::{Client, Verb};
use super::failed::Failed;
use super::path::Path;
use super::transport::host;
use crate::telephony::{ApiProblem, Hint, PartName, Snapshot};

use life::{Attempts, Flow, Need, Watch};
use message::Heard;
use socket::{Frame, Socket};
use topics::{TEMPLATES, Topics};

const CHANNELS: &str = "/api/v2/notifications/channels";
const SUBSCRIPTIONS: &str = "/api/v2/notifications/channels/{channelId}/subscriptions";

/// So that one topic that is refused does not cost the others.
const SUBSCRIPTIONS_QUERY: &[(&str, &str)] = &[("ignoreErrors", "true")];

const UP: &str = "branchline_telephony_channel_up";
const RECONNECTS: &str = "branchline_telephony_channel_reconnects_total";
const EVENTS: &str = "branchline_telephony_channel_events_total";
const TOPICS: &str = "branchline_telephony_channel_topics";

/// How long it may take to open a socket.
const OPENING: Duration = Duration::from_secs(15);

/// While every change of a part is heard, it is read with every so manieth reading.
const HEARD: u32 = 5;

/// How often a part is read whose every change is heard, or not.
pub(super) fn every(usual: Duration, interval: Duration, is_heard: bool) -> Duration {
    if is_heard { usual.max(interval * HEARD) } else { usual }
}

/// What a channel is opened and kept with.
pub(super) struct Line<'a, H, C> {
    pub(super) client: &'a Client,
    /// Where the socket goes, as HTTP has it.
    pub(super) streaming: &'a Url,
    /// Takes what is heard.
    pub(super) hint: H,
    /// Takes the parts of which every change is heard.
    pub(super) covers: C,
}

/// An open channel.
struct Channel {
    id: String,
    socket: Socket,
    topics: Topics,
    watch: Watch,
    flow: Flow,
}

/// How a channel ended.
#[derive(Debug)]
enum End {
    /// It said that it would.
    Announced,
    /// The vendor ended it, for this reason.
    Taken(Foreign),
    /// It broke, for this reason.
    Lost(Foreign),
}

impl<H: Fn(Hint), C: Fn(BTreeSet<PartName>)> Line<'_, H, C> {
    /// Keeps a channel open for what is known, as long as it is asked to.
    pub(super) async fn keep(&self, mut known: watch::Receiver<Arc<Snapshot>>) {
        gauge!(UP).set(0.0);
        let mut attempts = Attempts::default();
        let mut said = None;
        let mut old = None;
        let mut was_open = false;
        loop {
            let has_topics = |snapshot: &Arc<Snapshot>| !Topics::of(snapshot).is_empty();
            let Ok(snapshot) = known.wait_for(has_topics).await.map(|it| Arc::clone(&it)) else {
                return;
            };
            if was_open {
                counter!(RECONNECTS).increment(1);
            }
            let pause = match self.open(Topics::of(&snapshot)).await {
                Ok(mut channel) => {
                    // The one that was about to close was kept until there is another.
                    drop(old.take());
                    (said, was_open) = (None, true);
                    let opened = self.now();
                    tracing::info!(topics = channel.topics.len(), "the vendor notifies us");
                    let end = self.listen(&mut channel, &mut known).await;
                    (self.covers)(BTreeSet::new());
                    gauge!(UP).set(0.0);
                    let is_taken = !matches!(end, End::Lost(_));
                    match end {
                        End::Announced => old = Some(channel.socket),
                        End::Taken(reason) | End::Lost(reason) => {
                            let reason = self.client.told(reason.as_str());
                            let reason = reason.as_str();
                            tracing::info!(reason, "the vendor does not notify us any more");
                        }
                    }
                    attempts.ended(self.now() - opened, is_taken, self.share())
                }
                Err(Failed { problem, correlation }) => {
                    let correlation_id = correlation.as_ref().map(Foreign::as_str);
                    if said.replace(problem.label()) != Some(problem.label()) {
                        tracing::warn!(%problem, correlation_id, "the vendor cannot notify us");
                    }
                    attempts.failed(self.share())
                }
            };
            if pause.is_rest {
                tracing::warn!(
                    "the vendor closes our notification channels soon after they are opened, as it \
                     does where more than 20 are open for one OAuth client: none is opened for an \
                     hour"
                );
                old = None;
            }
            self.sleep(pause.wait).await;
        }
    }

    async fn open(&self, topics: Topics) -> Result<Channel, Failed> {
        let answer = self.client.order(Verb::Make, &Path::fixed(CHANNELS), &[], None).await?;
        let malformed = |what| ApiProblem::Malformed { path: CHANNELS, what };
        let body = answer.json(CHANNELS)?;
        let text = |key| body.get(key).and_then(Value::as_str);
        let id = text("id").ok_or_else(|| malformed("no id"))?;
        let uri = text("connectUri").ok_or_else(|| malformed("no connectUri"))?;
        let address = socket::address(uri, self.streaming).ok_or_else(|| {
            let elsewhere = Url::parse(uri).ok();
            let elsewhere =
                elsewhere.as_ref().map(|url| self.client.told(host(url))).unwrap_or_default();
            tracing::debug!(host = %elsewhere, "a connectUri elsewhere");
            let what = "a connectUri elsewhere than at the streaming host";
            ApiProblem::Denied { path: CHANNELS, what }
        })?;
        let lifetime = text("expires").and_then(|expires| until(expires, SystemTime::now()));
        let covered = self.subscribe(id, &topics).await?;
        let opening = Socket::open(self.client.transport.exchanger.http(), address);
        let opening = tokio::time::timeout(OPENING, opening).await;
        let opened = opening.unwrap_or_else(|_| Err(Foreign::new("it does not answer")));
        let socket = opened.map_err(|detail| {
            let host = host(self.streaming).to_owned();
            ApiProblem::Unreachable { host, detail: detail.to_string() }
        })?;
        let watch = Watch::new(self.now(), lifetime, self.share());
        // From here on everything is heard; what happened before is read.
        (self.covers)(covered);
        gauge!(UP).set(1.0);
        for (part, _) in TEMPLATES {
            (self.hint)(Hint { part, id: None });
        }
        Ok(Channel { id: id.to_owned(), socket, topics, watch, flow: Flow::new(self.now()) })
    }

    /// Asks for these topics and for no other; the parts of which every change will be heard.
    async fn subscribe(&self, id: &str, topics: &Topics) -> Result<BTreeSet<PartName>, Failed> {
        let path = Path::of(SUBSCRIPTIONS, &[id]);
        let (query, body) = (SUBSCRIPTIONS_QUERY, topics.body());
        let answer = self.client.order(Verb::Put, &path, query, Some(&body)).await?;
        let answer = answer.json(SUBSCRIPTIONS)?;
        let refusals = refusals(&answer, topics);
        let rejected = refusals.topics.len();
        if let Some(topic) = refusals.topics.first() {
            let permissions = self.client.told(refusals.permissions.as_str());
            let permissions = permissions.as_str();
            tracing::warn!(rejected, topic, permissions, "the vendor does not notify us of all");
        }
        #[expect(clippy::cast_precision_loss, reason = "there are a thousand at most")]
        for (state, count) in [("subscribed", topics.len() - rejected), ("rejected", rejected)] {
            gauge!(TOPICS, "state" => state).set(count as f64);
        }
        Ok(topics.covered(&refusals.topics))
    }

    /// Listens until there is nothing more to hear.
    async fn listen(
        &self,
        channel: &mut Channel,
        known: &mut watch::Receiver<Arc<Snapshot>>,
    ) -> End {
        loop {
            let wait = match channel.watch.need(self.now()) {
                Need::NothingUntil(moment) => moment.saturating_duration_since(self.now()),
                Need::Ping if channel.socket.ping().await => {
                    channel.watch.pinged(self.now());
                    continue;
                }
                Need::Ping => return End::Lost(Foreign::new("nothing can be sent")),
                Need::Burial => return End::Lost(Foreign::new("nothing was heard for 90 s")),
                Need::Renewal => match self.subscribe(&channel.id, &channel.topics).await {
                    Ok(covered) => {
                        (self.covers)(covered);
                        channel.watch.renewed(self.now(), self.share());
                        continue;
                    }
                    Err(failed) => return End::Lost(Foreign::new(failed.problem.to_string())),
                },
            };
            tokio::select! {
                frame = channel.socket.next() => {
                    if let Some(end) = self.hear(channel, frame) {
                        return end;
                    }
                }
                changed = known.changed() => {
                    let topics = Topics::of(&known.borrow_and_update());
                    if changed.is_err() {
                        return End::Lost(Foreign::new("nobody listens"));
                    }
                    if topics != channel.topics
                        && let Err(failed) = self.follow(channel, topics).await
                    {
                        return End::Lost(Foreign::new(failed.problem.to_string()));
                    }
                }
                () = self.sleep(wait) => {}
            }
        }
    }

    fn hear(&self, channel: &mut Channel, frame: Frame) -> Option<End> {
        if channel.flow.is_flood(self.now()) {
            return Some(End::Lost(Foreign::new("it floods")));
        }
        let heard = match frame {
            Frame::Text(text) => message::hear(&text, &channel.topics),
            Frame::Binary => Heard::Nonsense,
            Frame::Alive => Heard::Heartbeat,
            Frame::Close(reason) => return Some(End::Taken(reason)),
            Frame::End(reason) => return Some(End::Lost(reason)),
        };
        counter!(EVENTS, "topic" => heard.label()).increment(1);
        channel.watch.heard(self.now());
        match heard {
            Heard::Hint(hint) => {
                (self.hint)(hint);
                None
            }
            Heard::Heartbeat | Heard::Unasked | Heard::Nonsense => None,
            Heard::Closing => Some(End::Announced),
            Heard::Ended => Some(End::Taken(Foreign::new("the vendor ended the subscription"))),
        }
    }

    /// Listens to other topics from now on.
    async fn follow(&self, channel: &mut Channel, topics: Topics) -> Result<(), Failed> {
        (self.covers)(self.subscribe(&channel.id, &topics).await?);
        for hint in topics.beyond(&channel.topics) {
            (self.hint)(hint.clone());
        }
        channel.topics = topics;
        Ok(())
    }

    fn now(&self) -> Instant {
        self.client.transport.pace.clock().now()
    }

    async fn sleep(&self, wait: Duration) {
        self.client.transport.pace.clock().sleep(wait).await;
    }

    fn share(&self) -> f64 {
        self.client.transport.pace.share()
    }
}

/// What was not permitted.
#[derive(Debug, Default)]
struct Refusals {
    topics: BTreeSet<String>,
    /// What would permit it.
    permissions: Foreign,
}

fn refusals(answer: &Value, topics: &Topics) -> Refusals {
    let entities = answer.get("entities").and_then(Value::as_array).into_iter().flatten();
    let rejected =
        entities.filter(|it| it.get("state").and_then(Value::as_str) == Some("Rejected"));
    let mut refusals = Refusals::default();
    let mut permissions = BTreeSet::new();
    for topic in rejected {
        let id = topic.get("id").and_then(Value::as_str).unwrap_or_default();
        if topics.hint(id).is_some() {
            refusals.topics.insert(id.to_owned());
        }
        let missing = topic.get("missingPermissions").and_then(Value::as_array);
        permissions.extend(missing.into_iter().flatten().filter_map(Value::as_str));
    }
    refusals.permissions = Foreign::new(Vec::from_iter(permissions).join(" "));
    refusals
}

/// How long it is until `date`, if that is in the future.
fn until(date: &str, now: SystemTime) -> Option<Duration> {
    let date = date.parse::<Timestamp>().ok()?;
    SystemTime::from(date).duration_since(now).ok()
}

/// Says what the metrics of the channel mean.
pub(super) fn describe_metrics() {
    describe_gauge!(UP, "Whether the vendor notifies us of changes");
    describe_counter!(RECONNECTS, "Notification channels that were to take the place of another");
    describe_counter!(EVENTS, "Messages of the notification channel, by what they are about");
    describe_gauge!(TOPICS, "Topics of the notification channel, by whether they are permitted");
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{every, until};

    #[test]
    fn what_is_heard_is_read_with_every_fifth_reading_and_otherwise_as_often_as_usual() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);

        assert_eq!(every(minutes(1), minutes(1), true), minutes(5));
        assert_eq!(every(minutes(1), minutes(1), false), minutes(1));
        assert_eq!(every(minutes(15), minutes(1), true), minutes(15), "never more often");
    }

    #[test]
    fn a_lifetime_is_what_is_left_until_the_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);

        assert_eq!(until("1970-01-03T00:00:00.500Z", now), Some(Duration::from_millis(86_400_500)));
        assert_eq!(until("1970-01-01T00:00:00Z", now), None);
        assert_eq!(until("soon", now), None);
    }
}
