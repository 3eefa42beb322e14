//! The inbox over HTTP.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Entry, Inbox, page};

/// What the inbox's own pages may do: use its style sheet, show mails in frames, send its form.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; frame-src 'self'; img-src data:; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the HTML of a mail may do: be styled and show images it brings along.
const MAIL_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
    form-action 'none'; base-uri 'none'; frame-ancestors 'self'";

/// The pages of an inbox: `/` (all mails), `/mails/{number}` (one), `/api/mails` and `/api/mails/{number}` (the same
/// as JSON). Requests for other hosts than this machine are refused, so no website can read the mails by giving its
/// own name this address.
pub fn router(inbox: Arc<Inbox>) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/style.css", get(style))
        .route("/mails/{number}", get(mail))
        .route("/mails/{number}/html", get(mail_html))
        .route("/mails/{number}/source", get(mail_source))
        .route("/delete", post(delete))
        .route("/api/mails", get(api_list))
        .route("/api/mails/{number}", get(api_mail))
        .fallback(async || not_found())
        .layer(from_fn(guard))
        .with_state(inbox)
}

/// Turns away what other sites ask for, and sets the headers of every response.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = if !is_for_loopback(request.headers(), request.uri()) {
        (StatusCode::MISDIRECTED_REQUEST, "Only requests to this machine are answered.").into_response()
    } else if request.method() != Method::GET && !is_same_origin(request.headers()) {
        (StatusCode::FORBIDDEN, "Only the inbox's own pages may do this.").into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, REFERRER_POLICY, "no-referrer");
    set(headers, CACHE_CONTROL, "no-store");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(PAGE_POLICY));
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

fn is_for_loopback(headers: &HeaderMap, uri: &Uri) -> bool {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| uri.authority().map(Authority::as_str));
    let Some(host) = host else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

/// Whether a page of this server sent the request; programs that send no Origin may too.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let host = headers.get(HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    origin.as_bytes().strip_prefix(b"http://") == Some(host)
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Html(page::not_found())).into_response()
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

async fn list(State(inbox): State<Arc<Inbox>>) -> Html<String> {
    Html(page::list(&inbox.entries()))
}

async fn mail(State(inbox): State<Arc<Inbox>>, Path(number): Path<usize>) -> Response {
    match inbox.entry(number) {
        Some(entry) => Html(page::mail(&entry)).into_response(),
        None => not_found(),
    }
}

async fn mail_html(State(inbox): State<Arc<Inbox>>, Path(number): Path<usize>) -> Response {
    match inbox.entry(number).and_then(|entry| entry.mail.html()) {
        Some(html) => ([(CONTENT_SECURITY_POLICY, MAIL_POLICY)], Html(html)).into_response(),
        None => not_found(),
    }
}

async fn mail_source(State(inbox): State<Arc<Inbox>>, Path(number): Path<usize>) -> Response {
    match inbox.entry(number) {
        Some(entry) => {
            ([(CONTENT_TYPE, "text/plain; charset=utf-8")], entry.mail.data.clone()).into_response()
        }
        None => not_found(),
    }
}

async fn delete(State(inbox): State<Arc<Inbox>>) -> Response {
    match inbox.clear() {
        Ok(()) => Redirect::to("/").into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("Not everything could be deleted: {error}"))
                .into_response()
        }
    }
}

async fn api_list(State(inbox): State<Arc<Inbox>>) -> Json<Value> {
    let entries = inbox.entries();
    Json(entries.iter().rev().map(|entry| json!(**entry)).collect())
}

async fn api_mail(State(inbox): State<Arc<Inbox>>, Path(number): Path<usize>) -> Response {
    match inbox.entry(number) {
        Some(entry) => Json(details(&entry)).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({ "error": "no such mail" }))).into_response(),
    }
}

/// All of a mail: what the list has, its headers, and its parts.
fn details(entry: &Entry) -> Value {
    let mut details = json!(entry);
    details["headers"] = json!(entry.mail.headers());
    details["text"] = json!(entry.mail.text());
    details["html"] = json!(entry.mail.html());
    details
}
