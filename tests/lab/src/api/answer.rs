//! What the API answers, before it becomes bytes.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// One id for every answer: nobody correlates anything here.
pub(super) const CORRELATION: &str = "00000099-1111-4222-8333-000000000099";

/// An answer: its status, what it holds, and the headers that are its own.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Option<Value>,
    pub(super) retry_after: Option<u64>,
}

impl Answer {
    /// 200 and a body.
    pub(super) const fn of(body: Value) -> Self {
        Self { status: StatusCode::OK, body: Some(body), retry_after: None }
    }

    /// 200, or 404 where there is nothing.
    pub(super) fn found(body: Option<Value>) -> Self {
        body.map_or_else(Self::not_found, Self::of)
    }

    /// A status alone.
    pub(super) const fn empty(status: StatusCode) -> Self {
        Self { status, body: None, retry_after: None }
    }

    pub(super) fn not_found() -> Self {
        Self::problem(StatusCode::NOT_FOUND, "not.found", "HTTP 404 Not Found")
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::problem(StatusCode::BAD_REQUEST, "bad.request", message)
    }

    pub(super) fn unauthorized() -> Self {
        let message = "No authentication bearer token specified in authorization header.";
        Self::problem(StatusCode::UNAUTHORIZED, "authentication.required", message)
    }

    /// An error in the vendor's shape, `ErrorBody`.
    pub(super) fn problem(status: StatusCode, code: &str, message: &str) -> Self {
        let body = json!({
            "message": message,
            "code": code,
            "status": status.as_u16(),
            "contextId": CORRELATION,
            "details": [],
            "errors": [],
        });
        Self { status, body: Some(body), retry_after: None }
    }

    /// 403, with the permissions that are missing, where the vendor names them.
    pub(super) fn forbidden(permissions: &[&str]) -> Self {
        let permissions = permissions.join(", ");
        let words = "Unable to perform the requested action. You are missing the following \
                     permission(s): ";
        let message = format!("{words}{permissions}");
        let mut answer = Self::problem(StatusCode::FORBIDDEN, "missing.permissions", &message);
        if let Some(body) = &mut answer.body {
            body["messageWithParams"] = json!(format!("{words}{{permissions}}"));
            body["messageParams"] = json!({ "permissions": permissions });
        }
        answer
    }

    /// 429, with or without the time after which to come back.
    pub(super) fn throttled(retry_after: Option<u64>) -> Self {
        let (code, message) = match retry_after {
            Some(seconds) => (
                "too.many.requests.retry.after",
                format!(
                    "Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds"
                ),
            ),
            None => (
                "too.many.requests",
                "Rate limit exceeded the maximum [300] requests within [60] seconds".to_owned(),
            ),
        };
        let answer = Self::problem(StatusCode::TOO_MANY_REQUESTS, code, &message);
        Self { retry_after, ..answer }
    }
}
