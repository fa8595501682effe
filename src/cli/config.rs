//! `branchline config`: validates, shows the effective plan, prints a commented file.

use crate::cli::{ConfigArgument, Exit, say};
use crate::config::{self, Plan, Surroundings};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Validate a file, without touching the network
    Check {
        #[command(flatten)]
        config: ConfigArgument,
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
    let (config, show): (_, fn(&Plan) -> String) = match command {
        Command::Check { config } => (config, summary),
        Command::Show { config } => (config, config::show),
        Command::Example => {
            return say::data(config::EXAMPLE);
        }
    };
    match config::load(&config.path, &Surroundings::of_process()) {
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
