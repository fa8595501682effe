//! What a person sees while waiting: on a terminal a line for each nameserver with its countdown,
//! elsewhere a line for each change.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::say;
use crate::outputs::text;
use crate::propagation::{Propagation, Says, Sighting};

/// The lines on the terminal, or what was said so far.
pub(super) struct Progress {
    lines: MultiProgress,
    bars: BTreeMap<String, ProgressBar>,
    said: BTreeMap<String, &'static str>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self { lines, bars: BTreeMap::new(), said: BTreeMap::new() }
    }

    /// Shows what is known now.
    pub(super) fn show(&mut self, names: &[Propagation], group: Option<&str>, now: SystemTime) {
        if let Some(group) = group {
            self.line("", group.to_owned(), "group");
        }
        for name in names {
            for sighting in &name.sightings {
                let key = format!("{} {} {}", name.question, sighting.view.label(), sighting.name);
                self.line(&key, line(name, sighting, now), sighting.says.label());
            }
        }
    }

    fn line(&mut self, key: &str, text: String, state: &'static str) {
        if self.lines.is_hidden() {
            let key = if key.is_empty() { text.clone() } else { key.to_owned() };
            if self.said.insert(key, state) != Some(state) {
                say::note(text);
            }
            return;
        }
        let bar = self.bars.entry(key.to_owned()).or_insert_with(|| {
            let bar = self.lines.add(ProgressBar::new_spinner());
            // A template that does not parse would leave the default style.
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_message(text);
    }

    /// Leaves the terminal as it was.
    pub(super) fn clear(&self) {
        // What cannot be cleared is not there.
        let _ = self.lines.clear();
    }
}

fn line(name: &Propagation, sighting: &Sighting, now: SystemTime) -> String {
    let next = match name.asked_again_at(sighting) {
        Some(at) if sighting.says != Says::Current => {
            let left = at.duration_since(now).unwrap_or(Duration::ZERO).as_secs_f64().ceil();
            format!("; asked again in {left:.0} s")
        }
        Some(_) | None => String::new(),
    };
    let said = text::sighting(sighting, now);
    format!("{}  {}  {:<8} {said}{next}", name.question, sighting.name, text::word(sighting.says))
}
