//! `turn-allocation` against servers that are strict, careless, hostile or far away.

#[path = "../desk/mod.rs"]
mod desk;

mod alternates;
mod challenges;
mod echoes;
mod errors;
mod release;
mod server;
mod whole;

use branchline_probes::{Module, OptionValue, Secret};

/// A module with the account that the server knows, and these options besides.
fn module(set: &[(&str, OptionValue)]) -> Box<dyn Module> {
    let mut all = vec![
        ("username", text(server::USER)),
        ("password", OptionValue::Secret(Secret::new(server::PASSWORD.to_owned()))),
    ];
    all.extend(set.iter().cloned());
    desk::module("turn-allocation", &all)
}

fn text(text: &str) -> OptionValue {
    OptionValue::Text(text.to_owned())
}

fn seconds(count: u64) -> OptionValue {
    OptionValue::Duration(std::time::Duration::from_secs(count))
}

/// An exchange of this module with this server, to its end.
fn run(module: &dyn Module, turn: &mut server::Turn) -> desk::Run {
    desk::run(desk::begin(module, 7).as_mut(), &mut |wanted| turn.respond(wanted))
}
