//! The face of the outputs: each shows the same plain data, and none knows a probe or a rule.

pub mod json;
pub mod metrics;
pub mod text;
