//! `branchline run`, and what every command that waits has in common: a runtime and signals.

use std::future::Future;
use std::path::PathBuf;

use tokio::signal::unix::{Signal, SignalKind, signal};
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

/// Waits until `done` fires, or fires `work`'s cancellation when a signal comes; says then how the
/// command ends. A second signal ends the process.
///
/// It listens when it is called and not when it is first polled: the work may begin before that.
pub(super) fn interruption(
    work: &CancellationToken,
    done: &CancellationToken,
) -> impl Future<Output = Option<Exit>> {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        let (Ok(interrupt), Ok(terminate)) = signals else { return None };
        interrupted(interrupt, terminate, work, done).await
    }
}

async fn interrupted(
    mut interrupt: Signal,
    mut terminate: Signal,
    work: &CancellationToken,
    done: &CancellationToken,
) -> Option<Exit> {
    let exit = tokio::select! {
        biased;
        () = done.cancelled() => return None,
        _ = interrupt.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::Terminated,
    };
    work.cancel();
    say::note("interrupted: taking back what was created, 5 s at most; once more ends at once");
    let mut again = std::pin::pin!(async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    });
    tokio::select! {
        () = again.as_mut() => std::process::exit(exit as i32),
        () = done.cancelled() => Some(exit),
    }
}
