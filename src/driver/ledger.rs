//! What one exchange has noted in the journal.

use std::time::SystemTime;

use branchline_probes::{Intent, Outcome};

use crate::check::Check;
use crate::journal::{Journal, Key};

/// The open notes of one exchange.
pub(super) struct Ledger<'a> {
    journal: &'a Journal,
    check: &'a Check,
    /// Each with whether anything was sent since: what was not asked for is not left.
    open: Vec<(Key, bool)>,
}

impl<'a> Ledger<'a> {
    pub(super) const fn new(journal: &'a Journal, check: &'a Check) -> Self {
        Self { journal, check, open: Vec::new() }
    }

    /// Notes an intent, before anything that follows is done.
    pub(super) fn open(&mut self, intent: Intent) {
        let key = self.journal.intend(self.check, intent, SystemTime::now());
        self.open.push((key, false));
    }

    /// Something was sent.
    pub(super) fn sent(&mut self) {
        for (_, is_sent) in &mut self.open {
            *is_sent = true;
        }
    }

    /// The exchange is over: what it says is gone is settled.
    pub(super) fn close(&mut self, outcome: &Outcome) {
        for (key, is_sent) in self.open.drain(..) {
            if !outcome.left_behind || !is_sent {
                self.journal.settle(&key, SystemTime::now());
            }
        }
    }
}
