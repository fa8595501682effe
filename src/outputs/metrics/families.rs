//! Samples by family, as the text format wants them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Label names and values, in the order in which they are written.
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// A metric's name and help.
#[derive(Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
}

macro_rules! families {
    ($($constant:ident = $name:literal, $help:literal;)*) => {
        $(const $constant: Family = Family { name: $name, help: $help };)*
    };
}
pub(super) use families;

/// Samples by family, as the text format wants them: together, behind their help.
#[derive(Default)]
pub(super) struct Families(BTreeMap<&'static str, (&'static str, String)>);

impl Families {
    pub(super) fn gauge(&mut self, family: Family, labels: &Labels<'_>, value: f64) {
        let samples = &mut self.0.entry(family.name).or_insert((family.help, String::new())).1;
        samples.push_str(family.name);
        for (index, (name, value)) in labels.iter().enumerate() {
            samples.push_str(if index == 0 { "{" } else { "," });
            samples.push_str(name);
            samples.push_str("=\"");
            escape(samples, value);
            samples.push('"');
        }
        let close = if labels.is_empty() { "" } else { "}" };
        // Writing into a String cannot fail.
        let _ = writeln!(samples, "{close} {value}");
    }

    pub(super) fn write(self) -> String {
        let mut text = String::new();
        for (name, (help, samples)) in self.0 {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
            text.push_str(&samples);
        }
        text
    }
}

fn escape(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            _ => text.push(character),
        }
    }
}
