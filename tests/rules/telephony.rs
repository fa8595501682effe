//! What the vendor says, in a few words.

use std::time::Duration;

use branchline::telephony::{
    ApiProblem, Edge, EdgeGroup, Part, Phone, PhoneState, Reference, Registration, State, Trunk,
};
use branchline_probes::Foreign;

use super::site::BEGIN;

/// A part that was read at the first cycle.
pub(crate) fn read<T>(items: impl Into<Vec<T>>) -> Part<T> {
    Part { items: items.into(), begun: Some(BEGIN), read: Some(BEGIN), ..Part::default() }
}

/// The same part, read so late that the vendor can have noticed what works since the first cycle.
pub(crate) fn late<T>(part: Part<T>) -> Part<T> {
    let begun = Some(BEGIN + Duration::from_secs(31));
    Part { begun, read: begun, ..part }
}

/// A part that was never read.
pub(crate) fn failed<T>(problem: &ApiProblem) -> Part<T> {
    Part { problem: Some(problem.clone()), ..Part::default() }
}

pub(crate) fn unreachable() -> ApiProblem {
    ApiProblem::Unreachable { host: "api.example.net".to_owned(), detail: "timeout".to_owned() }
}

pub(crate) fn refused_client() -> ApiProblem {
    ApiProblem::Credentials {
        host: "login.example.net".to_owned(),
        detail: Foreign::new("invalid_client"),
    }
}

pub(crate) fn named(name: &str) -> Reference {
    Reference { id: Foreign::new(format!("id-of-{name}")), name: Foreign::new(name) }
}

pub(crate) fn edge(name: &str, state: State) -> Edge {
    Edge {
        reference: named(name),
        state,
        is_in_service: true,
        raw: Foreign::new("the edge's words"),
        ..Edge::default()
    }
}

pub(crate) fn edge_group(name: &str, state: State) -> EdgeGroup {
    let raw = Foreign::new("the group's words");
    EdgeGroup { reference: named(name), state, raw, ..EdgeGroup::default() }
}

pub(crate) fn trunk(name: &str, state: State, registration: Registration) -> Trunk {
    Trunk {
        reference: named(name),
        kind: Foreign::new("EXTERNAL"),
        state,
        registration,
        raw: Foreign::new("the trunk's words"),
        ..Trunk::default()
    }
}

pub(crate) fn phone(name: &str, state: PhoneState) -> Phone {
    let raw = Foreign::new("the phone's words");
    Phone { reference: named(name), state, raw, ..Phone::default() }
}
