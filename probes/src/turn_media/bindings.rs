//! `Bindings`: Binding requests at the pace of voice, where no voice can be sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::stream::{Due, Stream};
use crate::chance::Chance;
use crate::conversation::Conversation;
use crate::leg::LegId;
use crate::moment::Moment;
use crate::observation::Ignored;
use crate::probe::{Input, Output, Stamp};
use crate::wire::stun::{self, Class, Frame, Frames, Malformed, Method, TransactionId};

/// A row of Binding requests, each sent once.
pub(super) struct Bindings {
    leg: LegId,
    server: SocketAddr,
    stream: Stream,
    asked: BTreeMap<TransactionId, u32>,
    /// What a stream has brought so far; none of datagrams.
    frames: Option<Frames>,
    chance: Chance,
}

impl Bindings {
    /// So many requests from `start` on.
    pub(super) fn new(
        leg: LegId,
        server: SocketAddr,
        requests: u32,
        is_stream: bool,
        start: Moment,
        chance: Chance,
    ) -> Self {
        let stream = Stream::new(requests, PATIENCE, PATIENCE, start);
        let frames = is_stream.then(Frames::new);
        Self { leg, server, stream, asked: BTreeMap::new(), frames, chance }
    }

    /// What became of the requests.
    pub(super) const fn stream(&self) -> &Stream {
        &self.stream
    }

    /// What is to be done now; `None` when the row is over.
    pub(super) fn poll(&mut self, now: Moment) -> Option<Output> {
        match self.stream.due(now) {
            Due::Over => None,
            Due::Wait(until) => Some(Output::Wait { until, reason: "the next Binding request" }),
            Due::Packet(request) => {
                let transaction = self.chance.bytes();
                self.asked.insert(transaction, request);
                let number = self.stream.sent();
                self.stream.leaves(request, number, now);
                let bytes = stun::binding_request(&transaction);
                Some(Output::Transmit { leg: self.leg, to: self.server, bytes })
            }
        }
    }

    /// Takes in an input of its leg; what is no answer is counted in `conversation`.
    pub(super) fn hear(&mut self, input: &Input<'_>, now: Moment, conversation: &mut Conversation) {
        if let Input::Sent { leg, number, stamp } = *input
            && leg == self.leg
            && self.frames.is_none()
        {
            self.stream.left(number, now, stamp);
        }
        if let Input::Received { leg, from, bytes, stamp, .. } = *input
            && leg == self.leg
        {
            for reason in self.receive(from, bytes, now, stamp) {
                conversation.ignore(reason);
            }
        }
    }

    fn receive(
        &mut self,
        from: SocketAddr,
        bytes: &[u8],
        at: Moment,
        stamp: Stamp,
    ) -> Vec<Ignored> {
        if from != self.server {
            return vec![Ignored::Stranger];
        }
        let Some(frames) = &mut self.frames else {
            return self.answer(bytes, at, stamp).err().into_iter().collect();
        };
        frames.push(bytes);
        let messages: Vec<_> = std::iter::from_fn(|| frames.pop()).collect();
        let answers = messages.into_iter().map(|message| match message {
            Ok(Frame::Stun(bytes)) => self.answer(&bytes, at, stamp),
            Ok(Frame::Channel { .. }) => Err(Ignored::Unasked),
            Err(_) => Err(Ignored::Malformed),
        });
        answers.filter_map(Result::err).collect()
    }

    /// Notes an answer, of success or not: it took the same way.
    fn answer(&mut self, bytes: &[u8], at: Moment, stamp: Stamp) -> Result<(), Ignored> {
        let message = stun::read(bytes).map_err(|malformed| match malformed {
            Malformed::NotStun => Ignored::Malformed,
            Malformed::Fingerprint => Ignored::Unproven,
        })?;
        let is_response = matches!(message.class, Class::Success | Class::Error);
        if !is_response || message.method != Method::Binding {
            return Err(Ignored::Unasked);
        }
        let request = *self.asked.get(&message.transaction).ok_or(Ignored::Mismatch)?;
        self.stream.came(request, at, stamp, None);
        Ok(())
    }
}

/// How long an answer may take before the row is over.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
