//! What the packets of a stream tell, as facts.

use std::time::Duration;

use super::facts::{
    BINDING_JITTER, BINDING_LOSS_RATIO, BINDING_RECEIVED, BINDING_RTT_P50, BINDING_RTT_P95,
    BINDING_SENT, BURST_DENSITY, BURST_DURATION, BURSTS, CLOCK, DSCP_RECEIVED, DUPLICATES,
    GAP_DENSITY, GAP_DURATION, JITTER, JITTER_P95, LATE, LATE_RATIO, LOSS_RATIO, LOST, MOS_G711,
    MOS_G711_PLC, MOS_G729A, MOUTH_TO_EAR, R_FACTOR_G711, R_FACTOR_G711_PLC, R_FACTOR_G729A,
    RECEIVED, REORDERED, RTT_MAX, RTT_MEAN, RTT_MIN, RTT_P50, RTT_P95, RTT_P99, SENT,
    WORST_WINDOW_LOSS_RATIO,
};
use super::stream::Stream;
use crate::conversation::Conversation;
use crate::fact::FactKey;
use crate::media::distribution::Distribution;
use crate::media::e_model::{Codec, mos, r_factor};
use crate::media::reception::Report;

/// The codecs of which R and the mean opinion score are estimated.
const CODECS: [(Codec, FactKey<f64>, FactKey<f64>); 3] = [
    (Codec::G711Plc, R_FACTOR_G711_PLC, MOS_G711_PLC),
    (Codec::G711, R_FACTOR_G711, MOS_G711),
    (Codec::G729A, R_FACTOR_G729A, MOS_G729A),
];

/// States all of a stream that was sent to its end.
pub(super) fn state(stream: &Stream, jitter_buffer: Duration, conversation: &mut Conversation) {
    let Some(report) = stream.report() else { return };
    conversation.state(&SENT, count(report.sent));
    conversation.state(&RECEIVED, count(report.received));
    conversation.state(&LOST, count(report.lost));
    conversation.state(&LATE, count(report.late));
    conversation.state(&DUPLICATES, report.duplicates);
    conversation.state(&REORDERED, count(report.reordered));
    conversation.state(&LOSS_RATIO, report.loss_ratio);
    conversation.state(&LATE_RATIO, report.late_ratio);
    conversation.state(&WORST_WINDOW_LOSS_RATIO, report.worst_window_loss_ratio);
    if let Some(density) = report.bursts.burst_density {
        conversation.state(&BURST_DENSITY, density);
    }
    if let Some(density) = report.bursts.gap_density {
        conversation.state(&GAP_DENSITY, density);
    }
    conversation.state(&BURSTS, count(report.bursts.bursts));
    if let Some(duration) = report.bursts.burst_duration {
        conversation.state(&BURST_DURATION, duration);
    }
    if let Some(duration) = report.bursts.gap_duration {
        conversation.state(&GAP_DURATION, duration);
    }
    if let Some(jitter) = report.jitter {
        conversation.state(&JITTER, jitter);
    }
    if let Some(variation) = report.delay_variation_p95 {
        conversation.state(&JITTER_P95, variation);
    }
    if let Some(mark) = stream.mark() {
        conversation.state(&DSCP_RECEIVED, u64::from(mark));
    }
    if let Some(transit) = report.transit {
        conversation.state(&CLOCK, stream.clock().label());
        state_transit(transit, conversation);
        estimate(&report, transit, jitter_buffer, conversation);
    }
}

fn state_transit(transit: Distribution, conversation: &mut Conversation) {
    conversation.state(&RTT_MIN, transit.min);
    conversation.state(&RTT_MEAN, transit.mean);
    conversation.state(&RTT_P50, transit.p50);
    conversation.state(&RTT_P95, transit.p95);
    conversation.state(&RTT_P99, transit.p99);
    conversation.state(&RTT_MAX, transit.max);
}

/// How a call would sound whose delay is half of the loop's and whose loss is all of it.
fn estimate(
    report: &Report,
    transit: Distribution,
    jitter_buffer: Duration,
    conversation: &mut Conversation,
) {
    let one_way = transit.p50 / 2;
    conversation.state(&MOUTH_TO_EAR, Codec::G711.mouth_to_ear(one_way, jitter_buffer));
    for (codec, r_key, mos_key) in &CODECS {
        let delay = codec.mouth_to_ear(one_way, jitter_buffer);
        let r = r_factor(*codec, report.unplayed, report.bursts.burst_r, delay);
        conversation.state(r_key, r);
        conversation.state(mos_key, mos(r));
    }
}

/// States what is known of a stream that was cut short: of its last packets nobody can say whether
/// they were lost or under way.
pub(super) fn state_beginning(stream: &Stream, conversation: &mut Conversation) {
    let Some(report) = stream.report() else { return };
    conversation.state(&SENT, count(report.sent));
    conversation.state(&RECEIVED, count(report.received));
}

/// States what paced Binding requests tell.
pub(super) fn state_bindings(stream: &Stream, conversation: &mut Conversation) {
    let Some(report) = stream.report() else { return };
    conversation.state(&BINDING_SENT, count(report.sent));
    conversation.state(&BINDING_RECEIVED, count(report.received));
    conversation.state(&BINDING_LOSS_RATIO, report.loss_ratio);
    if let Some(jitter) = report.jitter {
        conversation.state(&BINDING_JITTER, jitter);
    }
    if let Some(transit) = report.transit {
        conversation.state(&CLOCK, stream.clock().label());
        conversation.state(&BINDING_RTT_P50, transit.p50);
        conversation.state(&BINDING_RTT_P95, transit.p95);
    }
}

fn count(packets: usize) -> u64 {
    u64::try_from(packets).unwrap_or(u64::MAX)
}
