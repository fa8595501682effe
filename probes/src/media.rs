//! Voice media as numbers: packets such as a call sends, how a stream of them arrived, and how a
//! call over that way would sound.

pub mod bursts;
pub mod distribution;
pub mod e_model;
pub mod reception;
pub mod rtp;
