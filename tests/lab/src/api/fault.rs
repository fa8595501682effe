//! Faults that the API plays on request: on one operation or on all.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::Answer;
use super::request::{Parameters, parameter};

/// One way in which an answer goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing comes for this long, then the answer.
    SlowHeaders(Duration),
    /// The head comes at once, the body byte by byte, one a second.
    SlowBody,
    /// The body ends in the middle.
    Truncated,
    /// So many bytes of white space stand before the JSON, which is right.
    Oversized(usize),
    /// 200 with a page for people, as a portal in the way sends it.
    Html,
    /// Every text is a number and every number a text.
    WrongTypes,
    /// Brackets within brackets, a hundred thousand deep.
    Deep,
    /// A few kilobytes of gzip that become 64 MiB.
    GzipBomb,
    /// The tokens are revoked when this page is asked for, once.
    RevokedAtPage(usize),
    /// 403 that names the missing permissions.
    Forbidden(&'static [&'static str]),
    /// A status with the vendor's error body: 404, 409, 412, 422, 500, 503 …
    Status(u16),
    /// 429, with `Retry-After` in seconds or without it.
    Throttled(Option<u64>),
    /// The connection is reset before any answer.
    Reset,
    /// Tokens live so long and no longer.
    ShortToken(Duration),
    /// The token endpoint's own rate limit: 400, as the vendor has it.
    TokenThrottled,
    /// Every page is the first.
    PagesRepeat,
    /// From the second page on there is less than the first page said.
    PagesShrink,
    /// `nextUri` leads to this host, and nothing else says how many pages there are.
    NextUriElsewhere(String),
}

/// On what a fault is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// Every operation but the token's.
    Everything,
    /// One path, with `{}` for any segment: `/api/v2/telephony/providers/edges/trunks/{}`.
    Path(&'static str),
}

impl On {
    fn is(&self, path: &str, fault: &Fault) -> bool {
        let is_token = path == TOKEN;
        match self {
            Self::Everything => {
                let is_of_tokens = matches!(fault, Fault::ShortToken(_) | Fault::TokenThrottled);
                is_token == is_of_tokens
            }
            Self::Path(template) => {
                let (wanted, given) = (template.split('/'), path.split('/'));
                wanted.clone().count() == given.clone().count()
                    && wanted.zip(given).all(|(wanted, given)| {
                        wanted == given || (wanted.starts_with('{') && !given.is_empty())
                    })
            }
        }
    }
}

pub(super) const TOKEN: &str = "/oauth/token";

/// The faults that are played now.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Planned>);

#[derive(Debug)]
struct Planned {
    on: On,
    fault: Fault,
    /// How often yet; `None` without end.
    times: Option<usize>,
}

impl Faults {
    /// Plays this fault there from now on, so many times or without end.
    pub(super) fn plan(&mut self, on: On, fault: Fault, times: Option<usize>) {
        self.0.retain(|planned| planned.on != on);
        self.0.push(Planned { on, fault, times });
    }

    pub(super) fn heal(&mut self) {
        self.0.clear();
    }

    /// What this request is to meet; the latest plan wins.
    pub(super) fn next(&mut self, path: &str, query: &Parameters) -> Option<Fault> {
        let place = self.0.iter().rposition(|planned| planned.on.is(path, &planned.fault))?;
        let planned = &mut self.0[place];
        let mut times = planned.times;
        if let Fault::RevokedAtPage(page) = planned.fault {
            if number(query) != Some(page) {
                return None;
            }
            times = times.or(Some(1));
        }
        let fault = planned.fault.clone();
        planned.times = times.map(|times| times.saturating_sub(1));
        if planned.times == Some(0) {
            self.0.remove(place);
        }
        Some(fault)
    }
}

fn number(query: &Parameters) -> Option<usize> {
    parameter(query, "pageNumber").or_else(|| parameter(query, "page"))?.parse().ok()
}

impl Fault {
    /// The answer that stands in place of the right one, where the fault has one.
    pub(super) fn instead(&self) -> Option<Answer> {
        match self {
            Self::Forbidden(permissions) => Some(Answer::forbidden(permissions)),
            Self::Throttled(retry_after) => Some(Answer::throttled(*retry_after)),
            Self::RevokedAtPage(_) => Some(Answer::unauthorized()),
            Self::Status(status) => {
                let status = StatusCode::from_u16(*status).ok()?;
                let code = match status.as_u16() {
                    404 => "not.found",
                    409 => "general.conflict",
                    412 => "precondition.failed",
                    422 => "unprocessable.entity",
                    503 => "service.unavailable",
                    500 => "internal.server.error",
                    _ => "bad.request",
                };
                Some(Answer::problem(status, code, "A fault of the lab."))
            }
            Self::SlowHeaders(_)
            | Self::SlowBody
            | Self::Truncated
            | Self::Oversized(_)
            | Self::Html
            | Self::WrongTypes
            | Self::Deep
            | Self::GzipBomb
            | Self::Reset
            | Self::ShortToken(_)
            | Self::TokenThrottled
            | Self::PagesRepeat
            | Self::PagesShrink
            | Self::NextUriElsewhere(_) => None,
        }
    }

    /// The question as the fault understands it.
    pub(super) fn asked(&self, mut query: Parameters) -> Parameters {
        if *self == Self::PagesRepeat {
            for (name, value) in &mut query {
                if matches!(name.as_str(), "page" | "pageNumber") {
                    *value = "1".to_owned();
                }
            }
        }
        query
    }

    /// Makes the right body wrong.
    pub(super) fn spoil(&self, body: &mut Value, query: &Parameters) {
        match self {
            Self::WrongTypes => wrong(body),
            Self::PagesShrink if number(query).is_some_and(|page| page > 1) => {
                body["entities"] = json!([]);
                body["total"] = json!(1);
                body["pageCount"] = json!(1);
                let Some(fields) = body.as_object_mut() else { return };
                fields.remove("nextUri");
                fields.remove("totalNumberOfEntities");
            }
            Self::NextUriElsewhere(host) => {
                let Some(fields) = body.as_object_mut() else { return };
                for key in ["pageCount", "total", "totalNumberOfEntities", "lastUri"] {
                    fields.remove(key);
                }
                let next = format!("{host}/api/v2/elsewhere?pageNumber=2");
                fields.insert("nextUri".to_owned(), json!(next));
            }
            Self::SlowHeaders(_)
            | Self::SlowBody
            | Self::Truncated
            | Self::Oversized(_)
            | Self::Html
            | Self::Deep
            | Self::GzipBomb
            | Self::RevokedAtPage(_)
            | Self::Forbidden(_)
            | Self::Status(_)
            | Self::Throttled(_)
            | Self::Reset
            | Self::ShortToken(_)
            | Self::TokenThrottled
            | Self::PagesRepeat
            | Self::PagesShrink => {}
        }
    }
}

fn wrong(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(wrong),
        Value::Array(items) => items.iter_mut().for_each(wrong),
        Value::String(_) | Value::Null => *value = json!(7),
        Value::Number(_) | Value::Bool(_) => *value = json!("seven"),
    }
}
