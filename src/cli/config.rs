//! `branchline config`: validates, shows the effective plan, prints a commented file.

use crate::cli::{ConfigArgument, Exit, say};
use crate::config::{self, Plan, Surroundings, Uris};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Validate a file, without touching the network
    Check {
        #[command(flatten)]
        config: ConfigArgument,
        /// Refuse SIP URIs, too, that the vendor's trunk settings would not take
        #[arg(long)]
        strict_uris: bool,
    },
    /// Show the effective plan, every default filled in and every secret hidden
    Show {
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Print a commented file to start from
    Example,
}

pub(super) fn run(command: &Command) -> Exit {
    let (config, uris, show): (_, _, fn(&Plan) -> String) = match command {
        Command::Check { config, strict_uris: true } => (config, Uris::Strict, summary),
        Command::Check { config, strict_uris: false } => (config, Uris::Grammar, summary),
        Command::Show { config } => (config, Uris::Grammar, config::show),
        Command::Example => {
            return say::data(config::EXAMPLE);
        }
    };
    match config::load_with(&config.path, &Surroundings::of_process(), uris) {
        Ok(plan) => say::data(show(&plan)),
        Err(error) => say::config_error(&error),
    }
}

fn summary(plan: &Plan) -> String {
    let checks = plan.checks.len();
    let plural = if checks == 1 { "" } else { "s" };
    let vendor = if plan.telephony.is_some() { ", and the vendor's API" } else { "" };
    format!("valid: site {}, {checks} check{plural}{vendor}\n", plan.site)
}
