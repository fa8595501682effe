//! What a person sees while waiting: on a terminal how each nameserver stands, with its countdown;
//! elsewhere a line for each change.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::say;
use crate::outputs::text::{self, Waited};

/// The lines on the terminal, or what was said so far.
pub(super) struct Progress {
    lines: ProgressBar,
    timeout: Duration,
    said: BTreeMap<String, String>,
}

impl Progress {
    pub(super) fn new(timeout: Duration) -> Self {
        let lines = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // A template that does not parse would leave the default style.
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            lines.set_style(style);
        }
        Self { lines, timeout, said: BTreeMap::new() }
    }

    /// Shows what is known now; what may be otherwise in a moment is drawn, and not yet told.
    pub(super) fn show(&mut self, waited: Waited<'_>, is_passing: bool) {
        if !self.lines.is_hidden() {
            let lines = text::waiting(waited, self.timeout, say::width());
            self.lines.set_message(say::for_stderr(lines.trim_end()));
            return;
        }
        if is_passing {
            return;
        }
        if let Some(group) = waited.group {
            self.say_change(String::new(), group.to_owned(), group.to_owned());
        }
        for name in waited.names {
            for sighting in &name.sightings {
                let key = format!("{} {} {}", name.question, sighting.view.label(), sighting.name);
                let line = text::sighting(name, sighting, waited.now);
                self.say_change(key, text::word(sighting).to_owned(), line);
            }
        }
    }

    fn say_change(&mut self, of: String, state: String, line: String) {
        if self.said.get(&of) != Some(&state) {
            say::note(line);
            self.said.insert(of, state);
        }
    }

    /// Leaves the terminal as it was.
    pub(super) fn clear(&self) {
        self.lines.finish_and_clear();
    }
}
