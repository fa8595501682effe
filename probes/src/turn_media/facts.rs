//! What a stream through the relay can state.

use std::net::SocketAddr;
use std::time::Duration;

use crate::fact::{FactKey, FactSpec};
use crate::relay::{ERROR_CAUSE, ERROR_CODE, FREED};

/// The labels of what was measured through the loop.
const LOOP: &[(&str, &str)] = &[("direction", "loop")];
/// The labels of what was measured with Binding requests.
const BINDING: &[(&str, &str)] = &[("direction", "binding")];

/// What the packets went through.
pub const DIRECTION: FactKey<&'static str> = FactKey::new(
    "direction",
    "loop: up to the relay and down again, both at once; binding: requests and their responses",
)
.info("probe_media_direction_info", "direction");
/// Whether the relay refuses to send to itself.
pub const RELAY_LOOP_REFUSED: FactKey<bool> =
    FactKey::new("relay_loop_refused", "whether the relay refuses to send to its own addresses")
        .metric("probe_media_relay_loop_refused");
/// Packets that left this host.
pub const SENT: FactKey<u64> =
    FactKey::new("sent", "packets that left this host").labelled("probe_media_packets_sent", LOOP);
/// Packets that came back, each counted once.
pub const RECEIVED: FactKey<u64> =
    FactKey::new("received", "packets that came back, each counted once")
        .labelled("probe_media_packets_received", LOOP);
/// Packets that never came back.
pub const LOST: FactKey<u64> =
    FactKey::new("lost", "packets that did not come back, lost on either way")
        .labelled("probe_media_packets_lost", LOOP);
/// Packets that came too late to be played.
pub const LATE: FactKey<u64> =
    FactKey::new("late", "packets that came back too late for the jitter buffer")
        .labelled("probe_media_packets_late", LOOP);
/// Copies beyond the first.
pub const DUPLICATES: FactKey<u64> =
    FactKey::new("duplicates", "copies of packets beyond the first")
        .labelled("probe_media_packets_duplicate", LOOP);
/// Packets that came after a later one.
pub const REORDERED: FactKey<u64> =
    FactKey::new("reordered", "packets that came back after one that left later")
        .labelled("probe_media_packets_reordered", LOOP);
/// Lost of sent.
pub const LOSS_RATIO: FactKey<f64> =
    FactKey::new("loss_ratio", "packets lost of those sent, 0 to 1: of both ways together")
        .labelled("probe_media_loss_ratio", LOOP);
/// Late of sent.
pub const LATE_RATIO: FactKey<f64> =
    FactKey::new("late_ratio", "packets too late for the jitter buffer of those sent, 0 to 1")
        .labelled("probe_media_late_ratio", LOOP);
/// The greatest loss within 200 ms.
pub const WORST_WINDOW_LOSS_RATIO: FactKey<f64> =
    FactKey::new("worst_window_loss_ratio", "the greatest loss within any 200 ms, 0 to 1")
        .labelled("probe_media_worst_window_loss_ratio", LOOP);
/// The interarrival jitter of RFC 3550.
pub const JITTER: FactKey<Duration> =
    FactKey::new("jitter_seconds", "interarrival jitter of the loop (RFC 3550 §6.4.1)")
        .labelled("probe_media_jitter_seconds", &[("direction", "loop"), ("kind", "rfc3550")]);
/// By how much packets took longer than the fastest.
pub const JITTER_P95: FactKey<Duration> = FactKey::new(
    "jitter_p95_seconds",
    "by how much 95 of 100 packets at most took longer than the fastest",
)
.labelled("probe_media_jitter_seconds", &[("direction", "loop"), ("kind", "p95")]);
/// The share of packets within bursts that is missing.
pub const BURST_DENSITY: FactKey<f64> = FactKey::new(
    "burst_density_ratio",
    "packets lost or late of those within bursts, 0 to 1 (RFC 3611 §4.7.2)",
)
.labelled("probe_media_burst_density_ratio", LOOP);
/// The share of packets within gaps that is missing.
pub const GAP_DENSITY: FactKey<f64> = FactKey::new(
    "gap_density_ratio",
    "packets lost or late of those between bursts, 0 to 1 (RFC 3611 §4.7.2)",
)
.labelled("probe_media_gap_density_ratio", LOOP);
/// How many bursts of loss there were.
pub const BURSTS: FactKey<u64> = FactKey::new(
    "bursts",
    "bursts of packets lost or late: two or more, with fewer than 16 received in a row among them",
)
.labelled("probe_media_bursts", LOOP);
/// How long a burst lasted.
pub const BURST_DURATION: FactKey<Duration> = FactKey::new(
    "burst_duration_seconds",
    "how long a burst of packets lost or late lasted, the mean (RFC 3611 §4.7.2)",
)
.labelled("probe_media_burst_duration_seconds", LOOP);
/// How long a gap lasted.
pub const GAP_DURATION: FactKey<Duration> = FactKey::new(
    "gap_duration_seconds",
    "how long it was from one burst to the next, the mean (RFC 3611 §4.7.2)",
)
.labelled("probe_media_gap_duration_seconds", LOOP);

/// The shortest time under way.
pub const RTT_MIN: FactKey<Duration> =
    FactKey::new("rtt_min_seconds", "up to the relay and down again, the fastest packet")
        .labelled("probe_media_rtt_seconds", &[("direction", "loop"), ("statistic", "min")]);
/// The mean time under way.
pub const RTT_MEAN: FactKey<Duration> =
    FactKey::new("rtt_mean_seconds", "up to the relay and down again, the mean")
        .labelled("probe_media_rtt_seconds", &[("direction", "loop"), ("statistic", "mean")]);
/// The median time under way.
pub const RTT_P50: FactKey<Duration> =
    FactKey::new("rtt_p50_seconds", "up to the relay and down again, the median")
        .labelled("probe_media_rtt_seconds", &[("direction", "loop"), ("statistic", "p50")]);
/// The 95th percentile of the time under way.
pub const RTT_P95: FactKey<Duration> =
    FactKey::new("rtt_p95_seconds", "up to the relay and down again, 95 of 100 at most")
        .labelled("probe_media_rtt_seconds", &[("direction", "loop"), ("statistic", "p95")]);
/// The 99th percentile of the time under way.
pub const RTT_P99: FactKey<Duration> =
    FactKey::new("rtt_p99_seconds", "up to the relay and down again, 99 of 100 at most")
        .labelled("probe_media_rtt_seconds", &[("direction", "loop"), ("statistic", "p99")]);
/// The longest time under way.
pub const RTT_MAX: FactKey<Duration> =
    FactKey::new("rtt_max_seconds", "up to the relay and down again, the slowest packet")
        .labelled("probe_media_rtt_seconds", &[("direction", "loop"), ("statistic", "max")]);

/// From mouth to ear: one way through the network, the jitter buffer and the codec.
pub const MOUTH_TO_EAR: FactKey<Duration> = FactKey::new(
    "mouth_to_ear_seconds",
    "the delay of a call with G.711 from mouth to ear: half of the median loop, the jitter buffer \
     and one packet",
)
.labelled("probe_media_mouth_to_ear_seconds", LOOP);

const G711_PLC: &[(&str, &str)] = &[("codec", "g711"), ("plc", "true"), ("direction", "loop")];
const G711: &[(&str, &str)] = &[("codec", "g711"), ("plc", "false"), ("direction", "loop")];
const G729A: &[(&str, &str)] = &[("codec", "g729a"), ("plc", "true"), ("direction", "loop")];

const R_FACTOR: &str = "probe_media_r_factor";
const MOS: &str = "probe_media_mos_estimate";

/// R for G.711 with packet loss concealment.
pub const R_FACTOR_G711_PLC: FactKey<f64> = FactKey::new(
    "r_factor_g711_plc",
    "R of G.107 for G.711 with loss concealment: an estimate without audio, of both ways' loss \
     together, hence pessimistic",
)
.labelled(R_FACTOR, G711_PLC);
/// R for G.711 without packet loss concealment.
pub const R_FACTOR_G711: FactKey<f64> = FactKey::new(
    "r_factor_g711",
    "R of G.107 for G.711 that plays lost packets as silence: an estimate as for g711_plc",
)
.labelled(R_FACTOR, G711);
/// R for G.729A.
pub const R_FACTOR_G729A: FactKey<f64> =
    FactKey::new("r_factor_g729a", "R of G.107 for G.729A: an estimate as for g711_plc")
        .labelled(R_FACTOR, G729A);
/// The mean opinion score for G.711 with packet loss concealment.
pub const MOS_G711_PLC: FactKey<f64> = FactKey::new(
    "mos_estimate_g711_plc",
    "mean opinion score for G.711 with loss concealment, 1 to 4.5: an estimate without audio, of \
     both ways' loss together, hence pessimistic",
)
.labelled(MOS, G711_PLC);
/// The mean opinion score for G.711 without packet loss concealment.
pub const MOS_G711: FactKey<f64> = FactKey::new(
    "mos_estimate_g711",
    "mean opinion score for G.711 that plays lost packets as silence: an estimate as for g711_plc",
)
.labelled(MOS, G711);
/// The mean opinion score for G.729A.
pub const MOS_G729A: FactKey<f64> = FactKey::new(
    "mos_estimate_g729a",
    "mean opinion score for G.729A: an estimate as for g711_plc",
)
.labelled(MOS, G729A);

/// The mark that was asked for.
pub const DSCP_SENT: FactKey<u64> =
    FactKey::new("dscp_sent", "the DSCP that was asked for; 46 is EF")
        .labelled("probe_media_dscp_sent", LOOP);
/// The mark with which most packets came.
pub const DSCP_RECEIVED: FactKey<u64> =
    FactKey::new("dscp_received", "the DSCP that most packets carried when they came back")
        .labelled("probe_media_dscp_received", LOOP);
/// From where the packets leave the relay.
pub const RELAYED_ADDRESS: FactKey<SocketAddr> =
    FactKey::new("relayed_address", "the relayed address of the allocation that sends");
/// Where the packets reach the relay again.
pub const RELAYED_ADDRESS_RECEIVING: FactKey<SocketAddr> = FactKey::new(
    "relayed_address_receiving",
    "the relayed address of the allocation that receives",
);
/// What carried the voice.
pub const CARRIER: FactKey<&'static str> = FactKey::new(
    "carrier",
    "what carried the voice; over tcp and tls nothing is lost, and what waits behind it is late",
);
/// Whose clock measured.
pub const CLOCK: FactKey<&'static str> =
    FactKey::new("clock", "whose clock measured every packet's time: kernel or program");

/// Binding requests that left.
pub const BINDING_SENT: FactKey<u64> =
    FactKey::new("binding_sent", "Binding requests sent at the pace of voice")
        .labelled("probe_media_packets_sent", BINDING);
/// Responses to them.
pub const BINDING_RECEIVED: FactKey<u64> =
    FactKey::new("binding_received", "Binding requests that were answered")
        .labelled("probe_media_packets_received", BINDING);
/// Those without a response.
pub const BINDING_LOSS_RATIO: FactKey<f64> = FactKey::new(
    "binding_loss_ratio",
    "Binding requests without an answer of those sent, 0 to 1: lost on either way, or refused",
)
.labelled("probe_media_loss_ratio", BINDING);
/// The interarrival jitter over requests and responses.
pub const BINDING_JITTER: FactKey<Duration> = FactKey::new(
    "binding_jitter_seconds",
    "interarrival jitter over requests and responses (RFC 3550 §6.4.1)",
)
.labelled("probe_media_jitter_seconds", &[("direction", "binding"), ("kind", "rfc3550")]);
/// The median round trip.
pub const BINDING_RTT_P50: FactKey<Duration> =
    FactKey::new("binding_rtt_p50_seconds", "round trip of the Binding requests, the median")
        .labelled("probe_media_rtt_seconds", &[("direction", "binding"), ("statistic", "p50")]);
/// The 95th percentile of the round trip.
pub const BINDING_RTT_P95: FactKey<Duration> = FactKey::new(
    "binding_rtt_p95_seconds",
    "round trip of the Binding requests, 95 of 100 at most",
)
.labelled("probe_media_rtt_seconds", &[("direction", "binding"), ("statistic", "p95")]);

/// Every fact of this file.
pub(super) const FACTS: [FactSpec; 46] = [
    DIRECTION.spec(),
    RELAY_LOOP_REFUSED.spec(),
    SENT.spec(),
    RECEIVED.spec(),
    LOST.spec(),
    LATE.spec(),
    DUPLICATES.spec(),
    REORDERED.spec(),
    LOSS_RATIO.spec(),
    LATE_RATIO.spec(),
    WORST_WINDOW_LOSS_RATIO.spec(),
    JITTER.spec(),
    JITTER_P95.spec(),
    BURST_DENSITY.spec(),
    GAP_DENSITY.spec(),
    BURSTS.spec(),
    BURST_DURATION.spec(),
    GAP_DURATION.spec(),
    RTT_MIN.spec(),
    RTT_MEAN.spec(),
    RTT_P50.spec(),
    RTT_P95.spec(),
    RTT_P99.spec(),
    RTT_MAX.spec(),
    MOUTH_TO_EAR.spec(),
    R_FACTOR_G711_PLC.spec(),
    R_FACTOR_G711.spec(),
    R_FACTOR_G729A.spec(),
    MOS_G711_PLC.spec(),
    MOS_G711.spec(),
    MOS_G729A.spec(),
    DSCP_SENT.spec(),
    DSCP_RECEIVED.spec(),
    RELAYED_ADDRESS.spec(),
    RELAYED_ADDRESS_RECEIVING.spec(),
    CARRIER.spec(),
    ERROR_CODE.spec(),
    ERROR_CAUSE.spec(),
    CLOCK.spec(),
    FREED.spec(),
    BINDING_SENT.spec(),
    BINDING_RECEIVED.spec(),
    BINDING_LOSS_RATIO.spec(),
    BINDING_JITTER.spec(),
    BINDING_RTT_P50.spec(),
    BINDING_RTT_P95.spec(),
];
