//! One reading of the vendor's state: which parts it asks for, and how.

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::time::SystemTime;

use branchline_probes::Foreign;
use serde_json::Value;
use tokio::time::Instant;

use super::client::Client;
use super::exchange::Answer;
use super::failed::Failed;
use super::location::Narrowing;
use super::page::{self, Decoded, Listing, Pages};
use super::path::Path;
use super::readings::Reading;
use super::transport::host;
use crate::telephony::{ApiProblem, PartName, Snapshot};

/// A reading that goes on.
///
/// Many requests of one are under way at a time, so each is kept off the stack.
pub(super) struct Asking<'a> {
    pub(super) client: &'a Client,
    /// What the reading before it knew; of a part that is not asked for, it still holds.
    pub(super) previous: &'a Snapshot,
    /// To which location it is narrowed.
    pub(super) narrowing: Option<&'a Narrowing>,
    /// When it began.
    pub(super) begun: SystemTime,
    pub(super) wanted: BTreeSet<PartName>,
    /// When it has to be over.
    pub(super) end: Instant,
}

impl Asking<'_> {
    /// Reads a part if it is wanted, and not beyond the end of the reading.
    pub(super) async fn part<T>(
        &self,
        name: PartName,
        reading: impl Future<Output = Result<Listing<T>, Failed>>,
    ) -> Reading<T> {
        if !self.wanted.contains(&name) {
            return None;
        }
        let read = tokio::time::timeout_at(self.end, reading).await;
        Some(read.unwrap_or_else(|_| {
            let host = host(&self.client.api).to_owned();
            let detail = "the reading took longer than 2 minutes".to_owned();
            Err(ApiProblem::Unreachable { host, detail }.into())
        }))
    }

    /// Reads a listing to its end: the `entities` of every page.
    pub(super) async fn list<T>(
        &self,
        path: &'static str,
        query: &[(&str, &str)],
        decode: impl Fn(Value, SystemTime) -> Decoded<T>,
    ) -> Result<Listing<T>, Failed> {
        self.list_at(Path::fixed(path), query, decode).await
    }

    /// As `list`, at a path with ids in it.
    pub(super) async fn list_at<T>(
        &self,
        path: Path,
        query: &[(&str, &str)],
        decode: impl Fn(Value, SystemTime) -> Decoded<T>,
    ) -> Result<Listing<T>, Failed> {
        self.pages(Pages::of(path).with(query), decode).await
    }

    /// As `list`, in whatever way the pages come.
    pub(super) async fn pages<T>(
        &self,
        pages: Pages<'_>,
        decode: impl Fn(Value, SystemTime) -> Decoded<T>,
    ) -> Result<Listing<T>, Failed> {
        Box::pin(page::read(self.client, pages, |entity| decode(entity, self.begun))).await
    }

    /// Reads one thing; `null` where the answer has no body.
    pub(super) async fn one(&self, path: Path, query: &[(&str, &str)]) -> Result<Told, Failed> {
        Told::of(Box::pin(self.client.call(&path, query, None)).await?, path.template())
    }

    /// What the API answers to a query in a body; `null` where the answer has no body.
    pub(super) async fn post(&self, path: Path, body: &Value) -> Result<Told, Failed> {
        Told::of(Box::pin(self.client.call(&path, &[], Some(body))).await?, path.template())
    }
}

/// What an answer says, and the vendor's own name for it.
pub(super) struct Told {
    pub(super) value: Value,
    pub(super) correlation: Option<Foreign>,
}

impl Told {
    pub(super) fn of(answer: Answer, path: &'static str) -> Result<Self, Failed> {
        Ok(Self { value: answer.json(path)?, correlation: answer.correlation })
    }

    /// A failure of which this is the evidence.
    pub(super) fn failed(&self, problem: ApiProblem) -> Failed {
        Failed { problem, correlation: self.correlation.clone() }
    }
}

impl Deref for Told {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.value
    }
}

impl DerefMut for Told {
    fn deref_mut(&mut self) -> &mut Value {
        &mut self.value
    }
}
