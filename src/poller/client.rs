//! Authorised requests: the token's and the API's, and what their refusals mean.

use std::time::Duration;

use branchline_probes::{Foreign, Secret};
use metrics::counter;
use reqwest::header::CONTENT_TYPE;
use reqwest::{StatusCode, Url};
use serde_json::Value;

use super::body;
use super::exchange::Answer;
use super::failed::Failed;
use super::path::Path;
use super::policy;
use super::token::{Bearer, Minted, Tokens};
use super::transport::{Transport, host};
use crate::telephony::ApiProblem;

/// Where tokens come from, below the login origin.
const TOKEN_PATH: &str = "/oauth/token";

/// The counter of requests that the API does not understand.
pub(super) const CLIENT_BUGS: &str = "branchline_telephony_api_client_bugs_total";

/// The lifetime of a token that does not say: the shortest that the vendor lets one configure.
const UNSTATED_LIFETIME: Duration = Duration::from_secs(300);

/// The vendor's API, asked as one OAuth client. It holds a secret and cannot be printed.
pub(super) struct Client {
    pub(super) transport: Transport,
    pub(super) api: Url,
    pub(super) login: Url,
    pub(super) id: String,
    pub(super) secret: Secret,
    /// What is asked for with a token, separated by blanks; mostly nothing.
    pub(super) scopes: String,
    pub(super) tokens: Tokens,
}

impl Client {
    /// What the API answers: to a read, or to the query in `body`, which may be asked twice.
    pub(super) async fn call(
        &self,
        path: &Path,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Failed> {
        let verb = if body.is_some() { Verb::Query } else { Verb::Get };
        self.order(verb, path, query, body).await
    }

    /// What the API answers to a request that makes something, or puts it in another's place; it
    /// may be made twice.
    pub(super) async fn order(
        &self,
        verb: Verb,
        path: &Path,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Failed> {
        let template = path.template();
        let Some(sent) = path.sent() else {
            let what = "an id that cannot stand in a path";
            return Err(ApiProblem::Malformed { path: template, what }.into());
        };
        let mut url = at(&self.api, sent);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(Call { verb, path: template, url: &url, body }).await
    }

    /// The page that an answer leads to, which has to be of the listing at `path`.
    pub(super) async fn follow(
        &self,
        path: &Path,
        uri: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failed> {
        let template = path.template();
        let url = policy::followed(&self.api, path.sent().unwrap_or_default(), uri);
        let url = url.map_err(|what| ApiProblem::Denied { path: template, what })?;
        let verb = if body.is_some() { Verb::Query } else { Verb::Get };
        self.send(Call { verb, path: template, url: &url, body }).await
    }

    /// At most one renewal of the token and one retry on 401, and one more on a conflict.
    async fn send(&self, call: Call<'_>) -> Result<Answer, Failed> {
        let path = call.path;
        let now = || self.transport.pace.clock().now();
        let bearer = self.tokens.bearer(now, self.mint()).await?;
        let mut answer = self.ask(call, &bearer).await?;
        if answer.status == StatusCode::UNAUTHORIZED
            && let Some(bearer) = self.tokens.replace(&bearer, now, self.mint()).await?
        {
            answer = self.ask(call, &bearer).await?;
        }
        if is_conflict(answer.status) && !matches!(call.verb, Verb::MakeOnce) {
            let bearer = self.tokens.bearer(now, self.mint()).await?;
            answer = self.ask(call, &bearer).await?;
        }
        if answer.status.is_success() {
            return Ok(answer);
        }
        let problem = self.refusal(path, &answer);
        if let ApiProblem::Request { status, code, .. } = &problem {
            counter!(CLIENT_BUGS).increment(1);
            let names: Vec<_> = call.url.query_pairs().map(|(name, _)| name).collect();
            tracing::debug!(path, status, %code, ?names, "the API does not understand us");
        }
        Err(answer.failed(problem))
    }

    async fn ask(&self, call: Call<'_>, bearer: &Bearer) -> Result<Answer, Failed> {
        let http = self.transport.exchanger.http();
        let request = || {
            let url = call.url.clone();
            let request = match call.verb {
                Verb::Get => http.get(url),
                Verb::Query | Verb::Make | Verb::MakeOnce => http.post(url),
                Verb::Put => http.put(url),
            };
            let request = match call.body {
                None => request,
                Some(body) => {
                    request.header(CONTENT_TYPE, "application/json").body(body.to_string())
                }
            };
            request.bearer_auth(bearer.secret.expose())
        };
        match call.verb {
            Verb::Get | Verb::Query => {
                self.transport.guarded(call.path, host(&self.api), request).await
            }
            // Whoever makes something paces its own attempts, and a service of its own that fails
            // says nothing of those that are read.
            Verb::Make | Verb::Put => {
                self.transport.unguarded(call.path, host(&self.api), request).await
            }
            // A connection that was lost does not say whether the thing was made.
            Verb::MakeOnce => self.transport.once(call.path, host(&self.api), request).await,
        }
    }

    fn refusal(&self, path: &'static str, answer: &Answer) -> ApiProblem {
        let status = answer.status.as_u16();
        match answer.status {
            StatusCode::UNAUTHORIZED => ApiProblem::Credentials {
                host: host(&self.api).to_owned(),
                detail: self.word(answer, &["code"]),
            },
            StatusCode::FORBIDDEN => {
                ApiProblem::Permission { path, detail: self.missing_permission(answer) }
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => ApiProblem::NotFound { path },
            it if is_conflict(it) => ApiProblem::Conflict { path, status },
            // RFC 9110 §15.5.9: the server did not get the request in time.
            StatusCode::REQUEST_TIMEOUT => ApiProblem::Server { path, status },
            it if it.is_redirection() => {
                ApiProblem::Malformed { path, what: "a redirect, and none is followed" }
            }
            it if it.is_client_error() => {
                ApiProblem::Request { path, status, code: self.word(answer, &["code"]) }
            }
            _ => ApiProblem::Server { path, status },
        }
    }

    async fn mint(&self) -> Result<Minted, Failed> {
        let censor = &self.transport.exchanger.censor;
        censor.know(&self.secret);
        let url = at(&self.login, TOKEN_PATH);
        let request = || {
            let request = self.transport.exchanger.http().post(url.clone());
            let request = request.basic_auth(&self.id, Some(self.secret.expose()));
            // RFC 6749 §4.4.2: the scope is optional.
            let scope = Some(("scope", self.scopes.as_str())).filter(|(_, it)| !it.is_empty());
            let form: Vec<_> =
                Some(("grant_type", "client_credentials")).into_iter().chain(scope).collect();
            request.form(&form)
        };
        let answer = self.transport.unguarded(TOKEN_PATH, host(&self.login), request).await?;
        if !answer.status.is_success() {
            return Err(answer.failed(self.token_refusal(&answer)));
        }
        let minted = minted(&answer.body)
            .map_err(|what| answer.failed(ApiProblem::Malformed { path: TOKEN_PATH, what }))?;
        censor.know(&minted.secret);
        Ok(minted)
    }

    fn token_refusal(&self, answer: &Answer) -> ApiProblem {
        let detail = self.word(answer, &["error", "code"]);
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

    /// The first of `keys` that the error body has, or its status.
    fn word(&self, answer: &Answer, keys: &[&str]) -> Foreign {
        let body = body::json(&answer.body).unwrap_or_default();
        let word = keys.iter().find_map(|key| body.get(key)?.as_str());
        self.told(word.unwrap_or_else(|| answer.status.as_str()))
    }

    fn missing_permission(&self, answer: &Answer) -> Foreign {
        let body = body::json(&answer.body).unwrap_or_default();
        let parameters = body.get("messageParams");
        let named = ["permissions", "permission"]
            .iter()
            .find_map(|key| parameters?.get(key)?.as_str())
            .map(|names| names.trim_matches(['[', ']']));
        named.map_or_else(|| self.word(answer, &["code"]), |names| self.told(names))
    }

    /// What the vendor says, without our secrets in it.
    pub(super) fn told(&self, text: &str) -> Foreign {
        self.transport.exchanger.censor.foreign(text)
    }
}

/// What is done at a path.
#[derive(Clone, Copy)]
pub(super) enum Verb {
    /// A thing or a listing is read.
    Get,
    /// The query in the body is answered.
    Query,
    /// A thing is made.
    Make,
    /// A thing is made that is there twice if it is made twice.
    MakeOnce,
    /// A thing is put in the place of another.
    Put,
}

/// One call of the API.
#[derive(Clone, Copy)]
struct Call<'a> {
    verb: Verb,
    /// What messages say.
    path: &'static str,
    url: &'a Url,
    body: Option<&'a Value>,
}

/// Somebody else's change was in the way, and may be over.
fn is_conflict(status: StatusCode) -> bool {
    matches!(status, StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED)
}

fn at(origin: &Url, path: &str) -> Url {
    let mut url = origin.clone();
    url.set_path(path);
    url
}

fn minted(body: &[u8]) -> Result<Minted, &'static str> {
    let body = body::json(body)?;
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::extract::{Request, State};
    use branchline_probes::Secret;
    use reqwest::Url;
    use serde_json::{Value, json};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::Client;
    use crate::poller::exchange::Exchanger;
    use crate::poller::pace::{Clock, Pace};
    use crate::poller::path::Path;
    use crate::poller::token::Tokens;
    use crate::poller::transport::Transport;

    const METRICS: &str = "/api/v2/telephony/providers/edges/{edgeId}/metrics";
    const QUERY: &str = "/api/v2/analytics/conversations/details/query";

    /// The first line, the type and the body of each request.
    type Seen = Arc<Mutex<Vec<(String, String, String)>>>;

    struct Vendor {
        client: Client,
        seen: Seen,
        server: JoinHandle<()>,
    }

    impl Drop for Vendor {
        fn drop(&mut self) {
            self.server.abort();
        }
    }

    impl Vendor {
        /// Answers every call with what `answer` makes of its body.
        async fn start(answer: fn(&Value) -> Value) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let url = format!("http://{}", listener.local_addr().expect("an address"));
            let url: Url = url.parse().expect("an address");
            let seen = Seen::default();
            let handler = move |State(seen): State<Seen>, request: Request| async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.expect("a small body");
                if parts.uri.path() == "/oauth/token" {
                    return Body::from(r#"{"access_token":"token","expires_in":86400}"#);
                }
                let kind = parts.headers.get("content-type").map(|it| it.to_str().expect("text"));
                let line = format!("{} {}", parts.method, parts.uri);
                let text = String::from_utf8_lossy(&body).into_owned();
                let kind = kind.unwrap_or_default().to_owned();
                seen.lock().expect("a lock").push((line, kind, text));
                Body::from(answer(&serde_json::from_slice(&body).unwrap_or_default()).to_string())
            };
            let app = Router::new().fallback(handler).with_state(Arc::clone(&seen));
            let server = tokio::spawn(async move {
                axum::serve(listener, app).await.expect("a server");
            });
            let pace = Pace::new(Clock::new(1)).expect("chance");
            let client = Client {
                transport: Transport::new(Exchanger::new(true, 1).expect("a client"), pace),
                api: url.clone(),
                login: url,
                id: "a-client".to_owned(),
                secret: Secret::new("hunter2".to_owned()),
                scopes: String::new(),
                tokens: Tokens::default(),
            };
            Self { client, seen, server }
        }

        fn seen(&self) -> Vec<(String, String, String)> {
            self.seen.lock().expect("a lock").clone()
        }
    }

    // D-API-1
    #[tokio::test]
    async fn an_id_from_elsewhere_stays_within_its_segment() {
        let vendor = Vendor::start(|_| json!({})).await;

        for id in ["a b/../../x?y#z", ".."] {
            let path = Path::of(METRICS, &[id]);
            let answer = vendor.client.call(&path, &[("a", "1&2")], None).await;
            assert_eq!(answer.is_ok(), id != "..");
        }

        let [(line, _, _)] = &vendor.seen()[..] else { panic!("{:?}", vendor.seen()) };
        assert_eq!(
            line,
            "GET /api/v2/telephony/providers/edges/a%20b%2F..%2F..%2Fx%3Fy%23z/metrics?a=1%262"
        );
    }

    #[tokio::test]
    async fn a_query_in_a_body_is_made_again_at_the_address_of_the_next_page() {
        let vendor = Vendor::start(|_| json!({ "results": [], "nextUri": null })).await;
        let body = json!({ "interval": "PT1H" });
        let next = format!("{QUERY}?cursor=2");

        let answer = vendor.client.follow(&Path::fixed(QUERY), &next, Some(&body)).await;

        assert!(answer.is_ok());
        let [(line, _, sent)] = &vendor.seen()[..] else { panic!("{:?}", vendor.seen()) };
        assert_eq!((line, sent), (&format!("POST {next}"), &body.to_string()));
    }
}
