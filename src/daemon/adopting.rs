//! A plan becomes the one that is followed, at the start and at a reload.

use std::collections::BTreeSet;
use std::sync::Arc;

use sd_notify::NotifyState;

use super::calling::Calling;
use super::polling::Polling;
use super::{Daemon, notify};
use crate::check::{Check, CheckId};
use crate::config::{self, Plan, Surroundings};
use crate::poller::{self, Poller};

impl Daemon {
    /// Makes a plan the one that is followed: whole, or not at all.
    pub(super) fn adopt(&mut self, plan: Plan) -> Result<(), poller::SetupError> {
        let is_same = |settings: &poller::Settings| {
            self.telephony.as_ref().is_some_and(|before| before.is_same(settings))
        };
        // A poller that is kept keeps its token, its pauses and its budget, too.
        let keeps_polling = plan.telephony.as_ref().is_some_and(is_same);
        let telephony = plan.telephony.filter(|_| !keeps_polling);
        let poller = telephony.clone().map(Poller::new).transpose()?;
        let keeps_calling = self.calling.is_of(plan.callback.as_ref());
        let callback = plan.callback.filter(|_| !keeps_calling);
        let calling = callback.map(|it| Calling::new(it, self.outbox.clone())).transpose()?;
        let is_kept = |check: &Check| {
            let before = self.index.get(&check.id()).map(|index| &self.checks[*index]);
            before.is_some_and(|before| before.is_unchanged(check))
        };
        let kept: BTreeSet<CheckId> =
            plan.checks.iter().filter(|check| is_kept(check)).map(Check::id).collect();
        // What is gone, or is now another check, takes back what it created.
        for (id, run) in &self.running {
            if !kept.contains(id) {
                run.cancel();
            }
        }
        self.memory.retain(|id| kept.contains(id));
        self.refusals.retain(|id, _| kept.contains(id));
        for check in plan.checks.iter().filter(|check| !kept.contains(&check.id())) {
            self.schedule.forget(&check.id());
        }
        let fresh = plan.checks.iter().map(Check::id).filter(|id| !kept.contains(id));
        self.awaited.retain(|id| kept.contains(id));
        self.awaited.extend(fresh);
        let entries = plan.checks.iter().map(|check| (check.id(), check.interval));
        self.schedule.replace(entries, self.started.elapsed());
        if self.web != plan.web {
            tracing::warn!("[web] has changed: the pages stay where they are until a restart");
        }
        self.hooks.follow(plan.webhooks);
        self.site = plan.site;
        self.checks = plan.checks;
        self.profile = plan.profile;
        self.phones = plan.phones;
        self.index = self.checks.iter().map(Check::id).zip(0..).collect();
        if !keeps_polling {
            self.poll_anew(telephony, poller);
        }
        if !keeps_calling {
            self.calling.end();
            let (calling, task) = calling.unzip();
            self.calling = calling.unwrap_or_default();
            task.map(|task| self.runs.spawn(task));
        }
        self.is_dirty = true;
        Ok(())
    }

    /// What another poller read, or nobody has read yet, is not known: an empty snapshot says so,
    /// none at all says that nobody is asked.
    fn poll_anew(&mut self, telephony: Option<poller::Settings>, poller: Option<Poller>) {
        self.polling.end();
        self.telephony = telephony;
        self.awaits_vendor = poller.is_some();
        self.snapshot = poller.is_some().then(Arc::default);
        if let Some(poller) = poller {
            let (polling, task) =
                Polling::new(poller, self.outbox.clone(), self.stop.child_token());
            self.polling = polling;
            self.helpers.spawn(task);
        }
    }

    /// A file that does not validate changes nothing.
    pub(super) fn reload(&mut self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            notify(&[NotifyState::Reloading, now]);
        }
        let problem = match config::load(&self.config, &Surroundings::of_process()) {
            Ok(plan) => self.adopt(plan).err().map(|error| error.to_string()),
            Err(error) => Some(error.summary()),
        };
        self.recorder.reloaded(problem.is_none());
        match problem {
            None => tracing::info!(checks = self.checks.len(), "configuration reloaded"),
            Some(problem) => {
                tracing::error!(problem, "the configuration is wrong: the old one stays");
            }
        }
        self.render();
        notify(&[NotifyState::Ready]);
    }
}
