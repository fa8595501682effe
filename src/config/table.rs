//! `Table` and `Field`: the parsed file with its places kept, read by key so that every error has
//! one shape.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use branchline_probes::{Foreign, FromOption, Kind, OptionKey, OptionValue, Secret};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::certificates;
use super::known::Known;
use super::reader::{Reader, nearest};
use super::secret_source::SecretSource;

/// One table of the file.
pub(super) struct Table<'a> {
    entries: &'a DeTable<'a>,
    at: Option<usize>,
    /// As the file heads it: `[[targets]]`.
    header: String,
    /// As messages call it: ``target `relay` ``.
    owner: String,
    known: Cow<'static, [Known]>,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub(super) fn root(entries: &'a DeTable<'a>, known: &'static [Known]) -> Self {
        let place = "the file".to_owned();
        Self { entries, at: None, header: place.clone(), owner: place, known: known.into() }
    }

    /// A table that is the value of `field`.
    pub(super) fn of(
        field: &Field<'a>,
        entries: &'a DeTable<'a>,
        header: String,
        owner: String,
        known: impl Into<Cow<'static, [Known]>>,
    ) -> Self {
        Self { entries, at: Some(field.at), header, owner, known: known.into() }
    }

    /// The table `[name]` of the root: `Some(None)` where there is none, `None` where it is not a
    /// table.
    pub(super) fn subtable(
        &self,
        name: &'static str,
        known: &'static [Known],
        reader: &mut Reader<'_>,
    ) -> Option<Option<Table<'a>>> {
        let Some(field) = self.field(name) else { return Some(None) };
        let header = format!("[{name}]");
        let Some(entries) = field.value.as_table() else {
            let hint = format!("write {header} on a line of its own and its keys below");
            reader.report(
                Some(field.at),
                format!("{header} is one table, not {}", field.found()),
                Some(hint),
            );
            return None;
        };
        Some(Some(Table::of(&field, entries, header.clone(), header, known)))
    }

    /// The tables `[[name]]` of the root, in the order of the file.
    pub(super) fn list(
        &self,
        name: &'static str,
        known: &'static [Known],
        reader: &mut Reader<'_>,
    ) -> Vec<Table<'a>> {
        let Some(field) = self.field(name) else { return Vec::new() };
        let header = format!("[[{name}]]");
        let items = field.value.as_array().map_or(&[][..], |items| items);
        let tables: Vec<_> = items
            .iter()
            .filter_map(|item| {
                let entries = item.get_ref().as_table()?;
                let (header, owner) = (header.clone(), header.clone());
                let at = Some(item.span().start);
                Some(Table { entries, at, header, owner, known: known.into() })
            })
            .collect();
        if tables.is_empty() || tables.len() < items.len() {
            let message = format!("`{name}` is a list of tables");
            let hint = format!("write {header}, with two brackets, above the keys of each");
            reader.report(Some(field.at), message, Some(hint));
        }
        tables
    }

    /// The same table, called `owner` in messages.
    pub(super) fn called(mut self, owner: String) -> Self {
        self.owner = owner;
        self
    }

    /// As messages call it.
    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    /// Where its header stands.
    pub(super) const fn at(&self) -> Option<usize> {
        self.at
    }

    /// Every key and its field, in the order of the file.
    pub(super) fn fields(&self) -> Vec<(&'a str, Field<'a>)> {
        let mut fields: Vec<_> =
            self.entries.iter().map(|(key, value)| (key, self.field_of(key, value))).collect();
        fields.sort_by_key(|(key, _)| key.span().start);
        fields.into_iter().map(|(key, field)| (key.get_ref().as_ref(), field)).collect()
    }

    /// What one key is set to.
    pub(super) fn field(&self, name: &str) -> Option<Field<'a>> {
        let (key, value) = self.entries.get_key_value(name)?;
        Some(self.field_of(key, value))
    }

    /// Reports every key that this table does not have.
    pub(super) fn refuse_unknown(&self, reader: &mut Reader<'_>) {
        for key in self.entries.keys() {
            let name = key.get_ref().as_ref();
            if self.known.iter().any(|known| known.name == name) {
                continue;
            }
            let near = nearest(name, self.known.iter().map(|known| known.name));
            let hint = match self.known.iter().find(|known| Some(known.name) == near) {
                Some(known) => {
                    format!("did you mean `{}`? For example: {}", known.name, known.example)
                }
                None => format!("the keys of {} are {}", self.header, self.names()),
            };
            reader.report(
                Some(key.span().start),
                format!("unknown key `{}` in {}", Foreign::new(name), self.header),
                Some(hint),
            );
        }
    }

    /// Reads one key: its default where it is not set. What cannot be meant so is reported, and so
    /// is a required key that is not set; then there is no value.
    pub(super) fn read<T: FromOption>(
        &self,
        key: &OptionKey<T>,
        reader: &mut Reader<'_>,
    ) -> Option<T> {
        let spec = key.spec();
        if let Some(field) = self.field(spec.name) {
            return T::from_option(&field.read(spec.kind, self.hint(spec.name), reader)?);
        }
        if spec.required {
            self.report_missing(spec.name, spec.help, reader);
        }
        T::from_option(&spec.kind.read(spec.default?)?)
    }

    /// Reads a list of texts, which are `what`; an empty list is refused.
    pub(super) fn texts(
        &self,
        name: &'static str,
        what: &str,
        reader: &mut Reader<'_>,
    ) -> Option<Vec<(usize, &'a str)>> {
        let field = self.field(name)?;
        let owner = &field.owner;
        let no_list = |found| (field.at, format!("{owner} takes a list of {what}, not {found}"));
        let texts = match field.value.as_array() {
            None => Err(no_list(field.found())),
            Some(items) if items.is_empty() => Err(no_list(EMPTY_LIST.to_owned())),
            Some(items) => items
                .iter()
                .map(|item| {
                    let (at, value) = (item.span().start, item.get_ref());
                    let text = value.as_str().filter(|text| Kind::Text.read(text).is_some());
                    text.map(|text| (at, text)).ok_or_else(|| {
                        (at, format!("{owner} takes {what}, not {}", found_item(value)))
                    })
                })
                .collect(),
        };
        texts.map_err(|(at, message)| reader.report(Some(at), message, self.hint(name))).ok()
    }

    /// Reads a list of secrets by reference, at least one and at most `most`, each with its place.
    pub(super) fn secrets(
        &self,
        name: &'static str,
        most: usize,
        reader: &mut Reader<'_>,
    ) -> Option<Vec<(usize, Secret)>> {
        let field = self.field(name)?;
        let items = field.value.as_array().map_or(&[][..], |items| items);
        if items.is_empty() || items.len() > most {
            let message = format!("{} takes a list of 1 to {most} secrets", field.owner);
            reader.report(Some(field.at), message, self.hint(name));
            return None;
        }
        let secrets = items.iter().map(|item| {
            let at = item.span().start;
            let (owner, name) = (field.owner.clone(), field.name.clone());
            let field = Field { owner, name, at, value: item.get_ref() };
            if field.value.is_str() {
                let problem = "may not be written into the file itself";
                let ways = format!(
                    "write {0} = [{{ credential = \"NAME\" }}], [{{ file = \"PATH\" }}] or \
                     [{{ env = \"NAME\" }}]",
                    field.name
                );
                reader.report(Some(at), format!("{} {problem}", field.owner), Some(ways));
                return None;
            }
            let secret = Secret::from_option(&field.read_secret(Kind::Secret, reader)?)?;
            Some((at, secret))
        });
        // All are read, so that all that is wrong is told.
        let secrets: Vec<_> = secrets.collect();
        secrets.into_iter().collect()
    }

    /// Reports that a key is missing.
    pub(super) fn report_missing(&self, name: &str, help: &str, reader: &mut Reader<'_>) {
        let hint =
            self.hint(name).map_or_else(|| help.to_owned(), |hint| format!("{help}; {hint}"));
        reader.report(self.at, format!("`{name}` of {} is missing", self.owner), Some(hint));
    }

    /// Reports what is wrong with a key, at its value if it is set, else at the table.
    pub(super) fn refuse(
        &self,
        name: &str,
        problem: &str,
        hint: Option<String>,
        reader: &mut Reader<'_>,
    ) {
        let message = format!("`{name}` of {} {problem}", self.owner);
        reader.report(self.place(name), message, hint);
    }

    /// Where a key's value stands, or else the table.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.field(name).map(|field| field.at).or(self.at)
    }

    /// How the key is written.
    pub(super) fn hint(&self, name: &str) -> Option<String> {
        let known = self.known.iter().find(|known| known.name == name)?;
        Some(format!("for example: {}", known.example))
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.known.iter().map(|known| format!("`{}`", known.name)).collect();
        names.join(", ")
    }

    fn field_of(&self, key: &Spanned<Cow<'a, str>>, value: &'a Spanned<DeValue<'a>>) -> Field<'a> {
        let name = key.get_ref();
        Field {
            owner: format!("`{}` of {}", Foreign::new(name.as_ref()), self.owner),
            name: name.as_ref().to_owned(),
            at: value.span().start,
            value: value.get_ref(),
        }
    }
}

/// What one key is set to, and where.
pub(super) struct Field<'a> {
    /// As messages call it: ``"`interval` of target `relay`"``.
    owner: String,
    name: String,
    pub(super) at: usize,
    pub(super) value: &'a DeValue<'a>,
}

impl Field<'_> {
    /// Reads the value as `kind`; what cannot be meant so is reported.
    pub(super) fn read(
        &self,
        kind: Kind,
        hint: Option<String>,
        reader: &mut Reader<'_>,
    ) -> Option<OptionValue> {
        if matches!(kind, Kind::Secret | Kind::PrivateKey) {
            return self.read_secret(kind, reader);
        }
        if let (Kind::Certificates, DeValue::String(path)) = (kind, self.value) {
            return certificates::read(path, &self.owner, Some(self.at), reader)
                .map(OptionValue::Certificates);
        }
        let value = match (kind, self.value) {
            (Kind::Count, DeValue::Integer(number)) => {
                u64::from_str_radix(number.as_str(), number.radix()).ok().map(OptionValue::Count)
            }
            (Kind::Flag, DeValue::Boolean(flag)) => Some(OptionValue::Flag(*flag)),
            (Kind::Addresses, DeValue::Array(items)) => {
                let all = items.iter().map(address).collect::<Option<Vec<_>>>();
                all.filter(|all| !all.is_empty()).map(OptionValue::Addresses)
            }
            (
                Kind::Text | Kind::SipUri | Kind::Duration | Kind::Word(_) | Kind::Endpoint,
                DeValue::String(text),
            ) => {
                // A duration takes white space, of which a line break is one.
                kind.read(text).filter(|_| !text.chars().any(char::is_control))
            }
            _ => None,
        };
        let problem = self.value.as_str().and_then(|text| kind.problem(text));
        if let Some(problem) = problem {
            reader.report(Some(self.at), format!("{} {problem}", self.owner), hint);
        } else if value.is_none() {
            let wrong_item = match (kind, self.value) {
                (Kind::Addresses, DeValue::Array(items)) => {
                    items.iter().find(|item| address(item).is_none())
                }
                _ => None,
            };
            let at = wrong_item.map_or(self.at, |item| item.span().start);
            let found = match (kind, self.value) {
                (Kind::Text, DeValue::String(text)) if text.is_empty() => "empty text".to_owned(),
                (Kind::Text, DeValue::String(_)) => "text with control characters".to_owned(),
                (Kind::Duration, DeValue::String(text)) if is_zero(text) => "zero".to_owned(),
                (Kind::Addresses, DeValue::Array(items)) if items.is_empty() => {
                    EMPTY_LIST.to_owned()
                }
                _ => wrong_item.map_or_else(|| self.found(), |item| found_item(item.get_ref())),
            };
            let message = format!("{} takes {}, not {found}", self.owner, kind.expected());
            reader.report(Some(at), message, hint);
        }
        if let (Kind::SipUri, Some(OptionValue::Text(uri))) = (kind, &value) {
            reader.hold_to_strict(uri, &self.owner, self.at);
        }
        value
    }

    /// Reads a number of a range.
    pub(super) fn read_number(
        &self,
        range: RangeInclusive<f64>,
        hint: Option<String>,
        reader: &mut Reader<'_>,
    ) -> Option<f64> {
        let number = match self.value {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
            DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        };
        let found = number.map_or_else(|| self.found(), |number| number.to_string());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let message =
                format!("{} takes a number from {least} to {most}, not {found}", self.owner);
            reader.report(Some(self.at), message, hint);
        }
        number
    }

    /// What stands there instead, without saying what could be a secret.
    pub(super) fn found(&self) -> String {
        if self.value.is_str() && may_be_secret(&self.name) {
            return "text".to_owned();
        }
        found_item(self.value)
    }

    fn read_secret(&self, kind: Kind, reader: &mut Reader<'_>) -> Option<OptionValue> {
        let ways = format!(
            "write {0} = {{ credential = \"NAME\" }}, {{ file = \"PATH\" }} or {{ env = \"NAME\" }}",
            self.name
        );
        let Some(entries) = self.value.as_table() else {
            let problem = match self.value {
                DeValue::String(_) => "may not be written into the file itself".to_owned(),
                DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)
                | DeValue::Table(_) => {
                    format!("takes {}, not {}", kind.expected(), self.found())
                }
            };
            reader.report(Some(self.at), format!("{} {problem}", self.owner), Some(ways));
            return None;
        };
        let owner = &self.owner;
        let table = Table::of(self, entries, owner.clone(), owner.clone(), SecretSource::KEYS);
        let before = reader.problems();
        table.refuse_unknown(reader);
        let references: Vec<_> = SecretSource::KEYS
            .iter()
            .filter_map(|known| {
                let field = table.field(known.name)?;
                Some((known.name, field.read(Kind::Text, table.hint(known.name), reader)?))
            })
            .collect();
        if reader.problems() > before {
            return None;
        }
        let [(way, OptionValue::Text(reference))] = references.as_slice() else {
            let message = format!("{owner} needs exactly one of `credential`, `file` and `env`");
            reader.report(Some(self.at), message, Some(ways));
            return None;
        };
        SecretSource::new(way, reference)?
            .read(kind, owner, Some(self.at), reader)
            .map(OptionValue::Secret)
    }
}

/// What stands where something else should.
fn found_item(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", Foreign::new(text.as_ref())),
        DeValue::Integer(_) | DeValue::Float(_) => "a number".to_owned(),
        DeValue::Boolean(flag) => format!("`{flag}`"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn address(item: &Spanned<DeValue<'_>>) -> Option<IpAddr> {
    item.get_ref().as_str()?.parse().ok()
}

fn is_zero(duration: &str) -> bool {
    let mut digits = duration.bytes().filter(u8::is_ascii_digit).peekable();
    digits.peek().is_some() && digits.all(|digit| digit == b'0')
}

const EMPTY_LIST: &str = "an empty list";

fn may_be_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["secret", "password", "passwd", "token", "credential"].iter().any(|word| name.contains(word))
}
