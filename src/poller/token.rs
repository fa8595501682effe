//! The one access token: fetched by one caller at a time, renewed before it ends.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use branchline_probes::Secret;
use metrics::counter;
use tokio::sync::Mutex;

use super::failed::Failed;
use crate::telephony::ApiProblem;

/// What a token's lifetime is believed to be at least and at most. That it lives longer than it was
/// told to is never believed, beyond what keeps each request from fetching a token of its own.
const LIFETIMES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));

/// How long before its end a token is renewed, unless half its life is shorter.
const MARGIN: Duration = Duration::from_secs(300);

/// Between two renewals that the API forced upon us although the token should have been good.
const FORCED: Duration = Duration::from_secs(60);

/// The counter of tokens that were fetched, by cause.
pub(super) const REFRESHES: &str = "branchline_telephony_api_token_refreshes_total";

/// How long refused credentials rest before they are tried again: the first time and at most.
const RESTS: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(3600));

/// A token as the vendor gave it. It cannot be printed.
pub(super) struct Minted {
    pub(super) secret: Secret,
    pub(super) lifetime: Duration,
}

/// The right to make a request. It cannot be printed.
#[derive(Clone)]
pub(super) struct Bearer {
    pub(super) secret: Secret,
    /// Which of the tokens so far this is.
    generation: u64,
}

/// The shelf on which the token lies.
#[derive(Default)]
pub(super) struct Tokens {
    shelf: Mutex<Shelf>,
    /// How many attempts have ended, so that who waited for one shares its end.
    attempts: AtomicU64,
}

#[derive(Default)]
struct Shelf {
    token: Option<Shelved>,
    minted: u64,
    forced: Option<Instant>,
    failed: Option<Failed>,
    refusal: Option<Refusal>,
}

struct Shelved {
    bearer: Bearer,
    /// When it is renewed.
    renewal: Instant,
    /// Until when the API should accept it.
    end: Instant,
}

/// Credentials that were refused are not tried again with every reading.
struct Refusal {
    until: Instant,
    rest: Duration,
}

impl Tokens {
    /// The token in use, or a new one from `mint` when there is none or it ends soon.
    pub(super) async fn bearer(
        &self,
        now: impl Fn() -> Instant,
        mint: impl Future<Output = Result<Minted, Failed>>,
    ) -> Result<Bearer, Failed> {
        let seen = self.attempts.load(Ordering::Acquire);
        let mut shelf = self.shelf.lock().await;
        if let Some(Shelved { bearer, renewal, .. }) = &shelf.token
            && now() < *renewal
        {
            return Ok(bearer.clone());
        }
        let cause = if shelf.minted == 0 { "start" } else { "expiry" };
        self.fetch(&mut shelf, seen, cause, now, mint).await
    }

    /// A token other than the one that the API refused; `None` where the last forced renewal is
    /// too fresh for another.
    pub(super) async fn replace(
        &self,
        refused: &Bearer,
        now: impl Fn() -> Instant,
        mint: impl Future<Output = Result<Minted, Failed>>,
    ) -> Result<Option<Bearer>, Failed> {
        let seen = self.attempts.load(Ordering::Acquire);
        let mut shelf = self.shelf.lock().await;
        if let Some(Shelved { bearer, .. }) = &shelf.token
            && bearer.generation != refused.generation
        {
            return Ok(Some(bearer.clone()));
        }
        if shelf.token.as_ref().is_some_and(|token| now() >= token.end) {
            shelf.token = None;
            return self.fetch(&mut shelf, seen, "expiry", now, mint).await.map(Some);
        }
        if shelf.forced.is_some_and(|at| now().saturating_duration_since(at) < FORCED) {
            return Ok(None);
        }
        shelf.forced = Some(now());
        shelf.token = None;
        self.fetch(&mut shelf, seen, "401", now, mint).await.map(Some)
    }

    async fn fetch(
        &self,
        shelf: &mut Shelf,
        seen: u64,
        cause: &'static str,
        now: impl Fn() -> Instant,
        mint: impl Future<Output = Result<Minted, Failed>>,
    ) -> Result<Bearer, Failed> {
        if let Some(failed) = &shelf.failed {
            let waited = self.attempts.load(Ordering::Acquire) != seen;
            let rests = shelf.refusal.as_ref().is_some_and(|refusal| now() < refusal.until);
            if waited || rests {
                return Err(failed.clone());
            }
        }
        let minted = mint.await;
        self.attempts.fetch_add(1, Ordering::Release);
        match minted {
            Ok(Minted { secret, lifetime }) => {
                counter!(REFRESHES, "cause" => cause).increment(1);
                shelf.minted += 1;
                let bearer = Bearer { secret, generation: shelf.minted };
                let lifetime = lifetime.clamp(LIFETIMES.0, LIFETIMES.1);
                let (renewal, end) = (now() + useful(lifetime), now() + lifetime);
                shelf.token = Some(Shelved { bearer: bearer.clone(), renewal, end });
                shelf.failed = None;
                shelf.refusal = None;
                Ok(bearer)
            }
            Err(failed) => {
                if matches!(failed.problem, ApiProblem::Credentials { .. }) {
                    let last = shelf.refusal.take();
                    let rest = last.map_or(RESTS.0, |refusal| (refusal.rest * 2).min(RESTS.1));
                    shelf.refusal = Some(Refusal { until: now() + rest, rest });
                }
                shelf.failed = Some(failed.clone());
                Err(failed)
            }
        }
    }
}

/// How long a token is used before it is renewed.
fn useful(lifetime: Duration) -> Duration {
    let lifetime = lifetime.clamp(LIFETIMES.0, LIFETIMES.1);
    (lifetime - MARGIN.min(lifetime / 2)).max(LIFETIMES.0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Duration, Instant};

    use branchline_probes::{Foreign, Secret};
    use tokio::task::JoinSet;

    use super::{Minted, Tokens, useful};
    use crate::poller::failed::Failed;
    use crate::telephony::ApiProblem;

    #[derive(Default)]
    struct Mint(AtomicU32);

    impl Mint {
        async fn token(&self, lifetime: u64) -> Result<Minted, Failed> {
            let number = self.0.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            let secret = Secret::new(format!("token {number}"));
            Ok(Minted { secret, lifetime: Duration::from_secs(lifetime) })
        }

        async fn refusal(&self) -> Result<Minted, Failed> {
            self.0.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            let host = "login.example".to_owned();
            let detail = Foreign::new("invalid_client");
            Err(Failed::from(ApiProblem::Credentials { host, detail }))
        }

        fn count(&self) -> u32 {
            self.0.load(Ordering::SeqCst)
        }
    }

    // D-API-4
    #[tokio::test]
    async fn two_hundred_calls_at_expiry_fetch_exactly_one_token() {
        let start = Instant::now();
        let (tokens, mint) = (Arc::new(Tokens::default()), Arc::new(Mint::default()));
        assert!(tokens.bearer(|| start, mint.token(3600)).await.is_ok());
        let expiry = start + Duration::from_secs(3600);

        let mut calls = JoinSet::new();
        for _ in 0..200 {
            let (tokens, mint) = (Arc::clone(&tokens), Arc::clone(&mint));
            calls.spawn(async move {
                let bearer = tokens.bearer(|| expiry, mint.token(3600)).await;
                bearer.map(|bearer| bearer.secret.expose().to_owned()).ok()
            });
        }
        let bearers = calls.join_all().await;

        assert_eq!(mint.count(), 2, "the first one and one at expiry");
        assert_eq!(bearers.len(), 200);
        assert!(bearers.iter().all(|bearer| bearer.as_deref() == Some("token 1")));
    }

    // D-API-4
    #[test]
    fn a_token_is_renewed_300_s_before_its_end_or_at_half_its_life() {
        let useful = |seconds| useful(Duration::from_secs(seconds)).as_secs();

        assert_eq!(useful(3600), 3300);
        assert_eq!(useful(300), 150);
        assert_eq!(useful(60), 30);
        assert_eq!(useful(10), 5);
        assert_eq!(useful(0), 1, "no request needs a token of its own");
        assert_eq!(useful(999_999_999), 86_100, "more than 24 h counts as 24 h");
    }

    // D-API-4
    #[tokio::test]
    async fn one_renewal_a_minute_is_forced_and_all_who_hold_the_old_token_share_it() {
        let start = Instant::now();
        let (tokens, mint) = (Tokens::default(), Mint::default());
        let Ok(first) = tokens.bearer(|| start, mint.token(3600)).await else {
            panic!("the mint always gives")
        };

        let second = tokens.replace(&first, || start, mint.token(3600)).await.ok().flatten();
        let shared = tokens.replace(&first, || start, mint.token(3600)).await.ok().flatten();
        let second = second.expect("the first forced renewal");
        let soon = start + Duration::from_secs(59);
        let denied = tokens.replace(&second, || soon, mint.token(3600)).await.ok().flatten();
        let later = start + Duration::from_secs(60);
        let third = tokens.replace(&second, || later, mint.token(3600)).await.ok().flatten();

        assert_eq!(second.secret.expose(), "token 1");
        assert_eq!(shared.expect("shared").secret.expose(), "token 1");
        assert!(denied.is_none());
        assert_eq!(third.expect("a minute later").secret.expose(), "token 2");
    }

    // D-API-4
    #[tokio::test]
    async fn tokens_that_live_for_5_s_are_renewed_as_often_as_it_takes() {
        let start = Instant::now();
        let (tokens, mint) = (Tokens::default(), Mint::default());
        let mut refused = Vec::new();

        for second in [0_u64, 6, 12, 18] {
            let held = start + Duration::from_secs(second);
            let Ok(bearer) = tokens.bearer(|| held, mint.token(5)).await else {
                panic!("the mint always gives")
            };
            let over = held + Duration::from_secs(5);
            let other = tokens.replace(&bearer, || over, mint.token(5)).await.ok().flatten();
            refused.push(other.is_none());
        }
        let half = start + Duration::from_secs(26);
        let before = mint.count();
        assert!(tokens.bearer(|| half, mint.token(5)).await.is_ok());

        assert_eq!(refused, [false; 4], "an end that was told is no refusal");
        assert_eq!(mint.count(), before + 1, "renewed at half its life");
    }

    // F7
    #[tokio::test]
    async fn refused_credentials_rest_5_minutes_then_10_and_never_more_than_an_hour() {
        let start = Instant::now();
        let (tokens, mint) = (Tokens::default(), Mint::default());
        let mut asked_at = Vec::new();

        for second in (0..3 * 3600).step_by(60) {
            let now = start + Duration::from_secs(second);
            let before = mint.count();
            assert!(tokens.bearer(|| now, mint.refusal()).await.is_err());
            if mint.count() > before {
                asked_at.push(second / 60);
            }
        }

        assert_eq!(asked_at, [0, 5, 15, 35, 75, 135]);
    }

    // F7
    #[tokio::test]
    async fn who_waited_for_a_failed_attempt_shares_its_failure() {
        let start = Instant::now();
        let (tokens, mint) = (Arc::new(Tokens::default()), Arc::new(Mint::default()));

        let mut calls = JoinSet::new();
        for _ in 0..20 {
            let (tokens, mint) = (Arc::clone(&tokens), Arc::clone(&mint));
            calls.spawn(async move {
                tokens.bearer(|| start, mint.refusal()).await.map(|_| ()).is_err()
            });
        }

        assert!(calls.join_all().await.into_iter().all(|failed| failed));
        assert_eq!(mint.count(), 1);
    }
}
