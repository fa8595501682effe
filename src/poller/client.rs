//! Authorised requests: the token's and the API's, and what their refusals mean.

use std::time::Duration;

use branchline_probes::{Foreign, Secret};
use reqwest::{StatusCode, Url};
use serde_json::Value;

use super::token::{Bearer, Minted, Tokens};
use super::transport::{Answer, Failed, Transport, host};
use crate::telephony::ApiProblem;

/// Where tokens come from, below the login origin.
const TOKEN_PATH: &str = "/oauth/token";

/// The lifetime of a token that does not say: the shortest that the vendor lets one configure.
const UNSTATED_LIFETIME: Duration = Duration::from_secs(300);

/// The vendor's API, asked as one OAuth client. It holds a secret and cannot be printed.
pub(super) struct Client {
    pub(super) transport: Transport,
    pub(super) api: Url,
    pub(super) login: Url,
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) tokens: Tokens,
}

impl Client {
    /// The body that the API answers with; at most one renewal of the token and one retry on 401.
    pub(super) async fn get(
        &self,
        path: &'static str,
        query: &[(&str, &str)],
    ) -> Result<Answer, Failed> {
        let now = || self.transport.pace.clock().now();
        let bearer = self.tokens.bearer(now, self.mint()).await?;
        let mut answer = self.ask(path, query, &bearer).await?;
        if answer.status == StatusCode::UNAUTHORIZED
            && let Some(bearer) = self.tokens.replace(&bearer, now, self.mint()).await?
        {
            answer = self.ask(path, query, &bearer).await?;
        }
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(answer.failed(self.refusal(path, &answer)))
        }
    }

    async fn ask(
        &self,
        path: &'static str,
        query: &[(&str, &str)],
        bearer: &Bearer,
    ) -> Result<Answer, Failed> {
        let url = at(&self.api, path);
        let request = || {
            let request = self.transport.http.get(url.clone()).query(query);
            request.bearer_auth(bearer.secret.expose())
        };
        self.transport.answer(path, host(&self.api), request).await
    }

    fn refusal(&self, path: &'static str, answer: &Answer) -> ApiProblem {
        match answer.status {
            StatusCode::UNAUTHORIZED => ApiProblem::Credentials {
                host: host(&self.api).to_owned(),
                detail: word(answer, &["code"]),
            },
            StatusCode::FORBIDDEN => {
                ApiProblem::Permission { path, detail: missing_permission(answer) }
            }
            status if status.is_redirection() => {
                ApiProblem::Malformed { path, what: "a redirect, and none is followed" }
            }
            status => ApiProblem::Server { path, status: status.as_u16() },
        }
    }

    async fn mint(&self) -> Result<Minted, Failed> {
        let url = at(&self.login, TOKEN_PATH);
        let request = || {
            let request = self.transport.http.post(url.clone());
            let request = request.basic_auth(&self.id, Some(self.secret.expose()));
            request.form(&[("grant_type", "client_credentials")])
        };
        let answer = self.transport.answer(TOKEN_PATH, host(&self.login), request).await?;
        if !answer.status.is_success() {
            return Err(answer.failed(self.token_refusal(&answer)));
        }
        minted(&answer.body)
            .map_err(|what| answer.failed(ApiProblem::Malformed { path: TOKEN_PATH, what }))
    }

    fn token_refusal(&self, answer: &Answer) -> ApiProblem {
        let detail = word(answer, &["error", "code"]);
        let is_about_us = matches!(
            detail.as_str(),
            "invalid_client" | "unauthorized_client" | "invalid_grant" | "access_denied"
        );
        match answer.status {
            StatusCode::BAD_REQUEST if !is_about_us => {
                ApiProblem::Server { path: TOKEN_PATH, status: answer.status.as_u16() }
            }
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                ApiProblem::Credentials { host: host(&self.login).to_owned(), detail }
            }
            status if status.is_redirection() => {
                ApiProblem::Malformed { path: TOKEN_PATH, what: "a redirect, and none is followed" }
            }
            status => ApiProblem::Server { path: TOKEN_PATH, status: status.as_u16() },
        }
    }
}

fn at(origin: &Url, path: &str) -> Url {
    let mut url = origin.clone();
    url.set_path(path);
    url
}

fn minted(body: &[u8]) -> Result<Minted, &'static str> {
    let body = serde_json::from_slice::<Value>(body).map_err(|_| "no JSON")?;
    let token = body.get("access_token").and_then(Value::as_str);
    let token =
        token.filter(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
    let secret = Secret::new(token.ok_or("no access_token")?.to_owned());
    let lifetime = match body.get("expires_in") {
        Some(Value::Number(seconds)) => seconds.as_f64(),
        Some(Value::String(seconds)) => seconds.parse().ok(),
        None | Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
    };
    let lifetime = lifetime
        .filter(|seconds| seconds.is_finite())
        .map_or(UNSTATED_LIFETIME, |seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e6)));
    Ok(Minted { secret, lifetime })
}

/// The first of `keys` that the error body has, or its status.
fn word(answer: &Answer, keys: &[&str]) -> Foreign {
    let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    let word = keys.iter().find_map(|key| body.get(key)?.as_str());
    word.map_or_else(|| Foreign::new(answer.status.as_str()), Foreign::new)
}

fn missing_permission(answer: &Answer) -> Foreign {
    let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    let parameters = body.get("messageParams");
    let named = ["permissions", "permission"]
        .iter()
        .find_map(|key| parameters?.get(key)?.as_str())
        .map(|names| names.trim_matches(['[', ']']));
    named.map_or_else(|| word(answer, &["code"]), Foreign::new)
}
