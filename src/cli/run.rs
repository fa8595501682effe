//! `branchline run`, and what every command that waits has in common: a runtime and signals.

use std::future::Future;
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::{Exit, logging, say};
use crate::config::{self, Surroundings};
use crate::daemon;

pub(super) fn run(path: PathBuf) -> Exit {
    logging::to_stderr(true);
    let plan = match config::load(&path, &Surroundings::of_process()) {
        Ok(plan) => plan,
        Err(error) => return say::config_error(&error),
    };
    with_runtime(async {
        match daemon::run(path, plan).await {
            Ok(()) => Exit::Success,
            Err(error) => {
                say::error(error, None);
                Exit::Host
            }
        }
    })
}

/// Runs a future to its end on a runtime of its own.
pub(super) fn with_runtime(future: impl Future<Output = Exit>) -> Exit {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build();
    match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(future);
            runtime.shutdown_background();
            exit
        }
        Err(error) => {
            say::error(format_args!("cannot start the runtime: {error}"), None);
            Exit::Host
        }
    }
}

/// Waits until `work` fires because the work is done, or fires it when a signal comes; says then
/// how the command ends.
pub(super) async fn interruption(work: &CancellationToken) -> Option<Exit> {
    let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(interrupt), signal(terminate)) else {
        return None;
    };
    let exit = tokio::select! {
        biased;
        () = work.cancelled() => return None,
        _ = interrupt.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::Terminated,
    };
    work.cancel();
    Some(exit)
}
