//! What is answered at which path.
//!
//! GET, HEAD and OPTIONS change nothing, because mail scanners follow every link (RFC 8058, section 1).
//! A POST to a link to stop is answered without cookies, log-in, redirects or a look at where it comes
//! from, any number of times (RFC 8058, sections 3.1 and 3.2): the token is what allows it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sqlx::PgPool;

use crate::clock::Clock;
use crate::domain::stop::{Route, Scope, undone_until};
use crate::domain::token::{StopToken, TokenError, TokenKeys};
use crate::returns::webhook::{self, Refused, Webhook};
use crate::store::stops::{self, Answer, Request as StopRequest, Stop, Undone};
use crate::store::{self, StoreError};
use crate::templates::STYLE;
use crate::web::Limits;
use crate::web::form::{self, Asked, Unread};
use crate::web::pages::{Message, Page, Pages, Undo};

/// What stands on every answer: nobody keeps it, learns where it led, finds it, or puts it into a frame.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// That browsers reach the host only over TLS for a year (RFC 6797), and whether the hosts below it, too.
const fn transport_security(subdomains: bool) -> HeaderValue {
    HeaderValue::from_static(if subdomains {
        "max-age=31536000; includeSubDomains"
    } else {
        "max-age=31536000"
    })
}

/// The header in which calls of the webhook are signed.
const SIGNATURE: &str = "x-jobalerts-signature";

/// Everything that answers are made of.
pub(super) struct Site {
    pub(super) pool: PgPool,
    pub(super) clock: Clock,
    pub(super) keys: TokenKeys,
    /// How much one click stops.
    pub(super) one_click: Scope,
    /// Whether the hosts below ours are reached only over TLS, too.
    pub(super) hsts_subdomains: bool,
    pub(super) zone: Tz,
    /// The path that all paths are below; empty, or with a slash in front and none at the end.
    pub(super) base: String,
    pub(super) pages: Pages,
    pub(super) limits: Limits,
    /// By which we hear of mails that came back, if somebody may call us.
    pub(super) webhook: Option<Webhook>,
}

/// A path that says what it is about.
type Token = Result<Path<String>, PathRejection>;

/// The paths of a site.
pub(super) fn router(site: Arc<Site>) -> Router {
    let base = site.base.clone();
    let paths = Router::new()
        .without_v07_checks()
        .route(&format!("{base}/stop/{{token}}"), get(ask).post(stop))
        .route(&format!("{base}/undo/{{token}}"), get(ask_undo).post(undo))
        .route(&format!("{base}/style.css"), get(style))
        .route(&format!("{base}/returns"), post(returned));
    paths
        .fallback(async |State(site): State<Arc<Site>>| site.say(Message::NotFound))
        .method_not_allowed_fallback(async |State(site): State<Arc<Site>>| site.say(Message::NotAllowed))
        .layer(middleware::from_fn_with_state(Arc::clone(&site), dress))
        .with_state(site)
}

/// Lets only the usual methods through, and puts the headers on.
async fn dress(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let usual = [Method::GET, Method::HEAD, Method::POST].contains(request.method());
    let mut response = if usual {
        next.run(request).await
    } else {
        let mut response = site.say(Message::NotAllowed);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
        response
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let security = transport_security(site.hsts_subdomains);
    response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, security);
    response
}

async fn style() -> Response {
    let mut response = Response::new(Body::from(STYLE));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    response
}

/// The page with the buttons.
async fn ask(State(site): State<Arc<Site>>, token: Token) -> Response {
    let Some(token) = site.stop_token(token) else { return site.say(Message::NotFound) };
    match site.in_time(site.knows_mail(token)).await {
        Ok(these) => site.show(&Page::Ask { these }),
        Err(unavailable) => unavailable,
    }
}

/// Stops, by one click or by a button of the page.
async fn stop(State(site): State<Arc<Site>>, token: Token, request: Request) -> Response {
    let Some(token) = site.stop_token(token) else { return site.say(Message::NotFound) };
    let asked = match site.asked(request).await {
        Ok(asked) => asked,
        Err(Unread::TooLarge) => return site.say(Message::TooLarge),
        Err(Unread::TooSlow) => return site.say(Message::TooSlow),
    };
    let now = site.clock.now();
    let answer = match asked {
        Asked::Nothing => return site.say(Message::NothingAsked),
        Asked::OneClick => site.in_time(site.stop(token, site.one_click, Route::OneClick, now)).await,
        Asked::Scope(scope) => site.in_time(site.stop(token, scope, Route::Page, now)).await,
    };
    match answer {
        Ok(Answer::Stopped(scope, stop)) => {
            site.show(&Page::Stopped { scope, undo: stop.and_then(|stop| site.way_back(stop, now)) })
        }
        Ok(Answer::PersonUnknown) => site.show(&Page::Stopped { scope: Scope::All, undo: None }),
        Ok(Answer::MailUnknown) => site.show(&Page::MailUnknown),
        Err(unavailable) => unavailable,
    }
}

/// The page with the button that takes a stop back. It looks at nothing but the token.
async fn ask_undo(State(site): State<Arc<Site>>, token: Token) -> Response {
    match site.undo_token(token) {
        Ok(_) => site.show(&Page::Undo),
        Err(message) => site.say(message),
    }
}

/// Takes a stop back.
async fn undo(State(site): State<Arc<Site>>, token: Token, headers: HeaderMap) -> Response {
    let stop = match site.undo_token(token) {
        Ok(stop) => stop,
        Err(message) => return site.say(message),
    };
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return site.say(Message::CrossSite);
    }
    match site.in_time(site.undo(stop)).await {
        Ok(Undone::Undone) => site.say(Message::Undone),
        Ok(Undone::InVain) => site.say(Message::UndoneInVain),
        Ok(Undone::StoppedSince) => site.say(Message::StoppedSince),
        Ok(Undone::TooLate) => site.say(Message::TooLate),
        Err(unavailable) => unavailable,
    }
}

/// Takes in what a mail provider tells us of a mail; for programs, so that the status says it all. Where
/// it is not known yet that the mail left, or Postgres is away, they have to call again.
async fn returned(State(site): State<Arc<Site>>, request: Request) -> Response {
    let Some(webhook) = &site.webhook else { return site.say(Message::NotFound) };
    let (parts, body) = request.into_parts();
    let octets = match form::octets(body, site.limits.body, site.limits.body_within).await {
        Ok(octets) => octets,
        Err(Unread::TooLarge) => return status(StatusCode::PAYLOAD_TOO_LARGE),
        Err(Unread::TooSlow) => return status(StatusCode::REQUEST_TIMEOUT),
    };
    let signature = parts.headers.get(SIGNATURE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let taken = webhook::take(&site.pool, webhook, signature, &octets, site.clock.now());
    match tokio::time::timeout(site.limits.answer_within, taken).await {
        Ok(Ok(taken)) if !taken.has_to_come_again() => status(StatusCode::NO_CONTENT),
        Ok(Err(Refused::NotSigned(error))) => {
            tracing::warn!(%error, "a call of the webhook was not believed");
            status(StatusCode::UNAUTHORIZED)
        }
        Ok(Err(Refused::NotACall)) => status(StatusCode::BAD_REQUEST),
        Ok(Err(Refused::Store(error))) => {
            tracing::warn!(%error, "a call of the webhook cannot be taken in");
            status(StatusCode::SERVICE_UNAVAILABLE)
        }
        Ok(Ok(_)) | Err(_) => status(StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

impl Site {
    fn show(&self, page: &Page) -> Response {
        self.pages.answer(page)
    }

    fn say(&self, message: Message) -> Response {
        self.show(&Page::Message(message))
    }

    /// What a link to stop is about. Of one that is not ours only the fact is logged.
    fn stop_token(&self, token: Token) -> Option<StopToken> {
        let found = StopToken::verify(&token.ok()?.0, &self.keys, self.clock.now()).ok();
        if found.is_none() {
            tracing::debug!("somebody tried a link to stop that is not ours");
        }
        found
    }

    /// Which stop a link takes back.
    fn undo_token(&self, token: Token) -> Result<i64, Message> {
        let Path(token) = token.map_err(|_| Message::NotFound)?;
        self.keys.undone(&token, self.clock.now()).map_err(|error| match error {
            TokenError::Expired => Message::TooLate,
            TokenError::Forged => {
                tracing::debug!("somebody tried a link to undo that is not ours");
                Message::NotFound
            }
        })
    }

    /// What a request asks for.
    async fn asked(&self, request: Request) -> Result<Asked, Unread> {
        let (parts, body) = request.into_parts();
        if form::says_larger(&parts.headers, self.limits.body) {
            return Err(Unread::TooLarge);
        }
        let octets = form::octets(body, self.limits.body, self.limits.body_within).await?;
        Ok(form::asked(&parts.headers, octets).await)
    }

    async fn knows_mail(&self, token: StopToken) -> store::Result<bool> {
        let Some(mail) = token.mail else { return Ok(false) };
        let mut transaction = self.pool.begin().await?;
        store::hurry(&mut transaction, self.limits.answer_within).await?;
        stops::knows_mail(&mut transaction, token.person, mail).await
    }

    /// Where a mail program asks for what cannot be stopped alone, everything is: whoever presses that
    /// button sees no page that says otherwise.
    async fn stop(
        &self,
        token: StopToken,
        scope: Scope,
        route: Route,
        now: DateTime<Utc>,
    ) -> store::Result<Answer> {
        let mut request = StopRequest { person: token.person, mail: token.mail, scope, route };
        let mut transaction = self.pool.begin().await?;
        store::hurry(&mut transaction, self.limits.answer_within).await?;
        let mut answer = stops::stop(&mut transaction, request, now).await?;
        if answer == Answer::MailUnknown && route == Route::OneClick {
            request.scope = Scope::All;
            answer = stops::stop(&mut transaction, request, now).await?;
        }
        transaction.commit().await?;
        if let Answer::Stopped(scope, Some(_)) = answer {
            tracing::info!(scope = scope.name(), route = route.name(), "somebody stopped");
        }
        Ok(answer)
    }

    async fn undo(&self, stop: i64) -> store::Result<Undone> {
        let mut transaction = self.pool.begin().await?;
        store::hurry(&mut transaction, self.limits.answer_within).await?;
        let undone = stops::undo(&mut transaction, stop, self.clock.now()).await?;
        transaction.commit().await?;
        tracing::info!(outcome = ?undone, "somebody took back a stop");
        Ok(undone)
    }

    /// What the tables say, unless they take too long or are away.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, Response> {
        let error = match tokio::time::timeout(self.limits.answer_within, answer).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        tracing::warn!(error, "a page cannot be served");
        Err(self.say(Message::Unavailable))
    }

    /// How a stop is taken back, while it can be.
    fn way_back(&self, stop: Stop, now: DateTime<Utc>) -> Option<Undo> {
        let until = undone_until(stop.at);
        (now < until).then(|| Undo {
            action: format!("{}/undo/{}", self.base, self.keys.undo(stop.id, until)),
            until: until.with_timezone(&self.zone).format("%-I:%M%P on %A %-d %B").to_string(),
        })
    }
}
