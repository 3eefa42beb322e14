//! The pages as they are served: what may be asked, how much, how slowly, and what every answer carries.

use std::time::{Duration, Instant};

use jobalerts::domain::token::{Purpose, StopToken};
use jobalerts::web::Limits;
use jobalerts_dev::smtp::{Rule, SmtpServer, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;
use uuid::Uuid;

use crate::harness::events::Event;
use crate::harness::people::curious;
use crate::harness::proxy::Proxy;
use crate::harness::web::{Answer, FORM, ONE_CLICK, raw, request};
use crate::harness::{Road, soon};

const ANN: &str = "ann@example.org";

async fn road() -> Road {
    let road = Road::new().await;
    road.import(&[curious(ANN).registered("pc-dhep")]).await;
    road.hears(&[Event::opened("230000AA")]).await;
    road.drain().await;
    road
}

/// T07, T08, T25.
fn is_dressed(answer: &Answer) {
    for (name, value) in [
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-robots-tag", "noindex"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{answer:?}");
    }
    assert!(
        answer.header("content-type").is_some_and(|kind| kind.ends_with("; charset=utf-8")),
        "{answer:?}"
    );
    for never in ["server", "set-cookie", "location", "x-powered-by"] {
        assert_eq!(answer.header(never), None, "{answer:?}");
    }
}

/// T08: the hosts below ours are bound to TLS as well, unless the operator has others there.
#[tokio::test]
async fn the_hosts_below_ours_can_be_left_out_of_what_is_said_of_tls() {
    let mut road = road().await;
    for (setting, expected) in
        [("true", "max-age=31536000; includeSubDomains"), ("false", "max-age=31536000")]
    {
        road.reconfigure("web.hsts_subdomains", setting);
        let site = road.site().await;
        for path in ["/style.css", "/"] {
            assert_eq!(site.get(path).await.header("strict-transport-security"), Some(expected), "{setting}");
        }
    }
}

/// T06, I15: scanners follow links, and ask in every other way that changes nothing.
#[tokio::test]
async fn what_is_no_post_changes_nothing_and_every_answer_is_dressed() {
    let road = road().await;
    let site = road.site().await;
    let path = road.stop_path(ANN, Some(1)).await;
    // There is something to undo.
    let stopped = site.post(&path, "scope=these").await;
    is_dressed(&stopped);
    road.import(&[curious(ANN).registered("pc-dhep")]).await;
    let undo = stopped.undo().unwrap();
    let before = road.everything().await;
    for (path, get) in [(path.as_str(), 200), (&undo, 200), ("/style.css", 200), ("/", 404), ("/stop/", 404)]
    {
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "PROPFIND", "X"] {
            let answer = site.request(method, path, &[], "").await;
            is_dressed(&answer);
            let expected = if ["GET", "HEAD"].contains(&method) { get } else { 405 };
            assert_eq!(answer.status, expected, "{method} {path}");
            if method == "HEAD" {
                assert_eq!(answer.body, "");
            } else if method == "GET" {
                assert!(!answer.body.is_empty());
            } else {
                assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"));
            }
        }
    }
    let answer = site.post("/style.css", "scope=all").await;
    assert_eq!(answer.status, 405);
    is_dressed(&answer);
    assert_eq!(road.everything().await, before);
}

/// T03: who has the link learns nothing.
#[tokio::test]
async fn the_page_says_nothing_about_the_person() {
    let road = road().await;
    let site = road.site().await;
    let page = site.get(&road.stop_path(ANN, Some(1)).await).await;
    assert_eq!(page.body.matches("<button").count(), 2, "{}", page.body);
    // A mail that is not known, one of somebody else, and none.
    road.import(&[curious("bob@example.org")]).await;
    for (address, mail) in [(ANN, Some(77)), ("bob@example.org", Some(1)), (ANN, None)] {
        let page = site.get(&road.stop_path(address, mail).await).await;
        assert_eq!((page.status, page.body.matches("<button").count()), (200, 1), "{}", page.body);
    }
    let stopped = site.post(&road.stop_path(ANN, Some(1)).await, "scope=all").await;
    for secret in ["ann", "example.org", "Everything", "pc-dhep", "Clerk", "230000AA"] {
        for answer in [&page, &stopped] {
            assert!(!answer.body.contains(secret), "{secret}: {}", answer.body);
        }
    }
}

/// T02: only what we signed, for this.
#[tokio::test]
async fn what_we_did_not_sign_is_not_found_and_changes_nothing() {
    let road = road().await;
    let site = road.site().await;
    let before = road.everything().await;
    let stop = road.stop_path(ANN, Some(1)).await;
    let undo = road.keys().undo(1, road.clock.now() + chrono::Duration::days(1));
    let expired = road.keys().undo(1, road.clock.now());
    let bounce = road.keys().bounce(1);
    let cut = &stop[..stop.len() - 1];
    let longer = format!("{stop}a");
    let unsigned = road.keys().sign(Purpose::Stop, b"too short", None);
    for path in [
        cut,
        &longer,
        "/stop/abc",
        "/stop/%ff",
        "/stop/a/b",
        &format!("/stop/{undo}"),
        &format!("/stop/{bounce}"),
        &format!("/stop/{unsigned}"),
        &stop.replace("/stop/", "/undo/"),
        &format!("/undo/{bounce}"),
        "/undo/",
    ] {
        for answer in [site.get(path).await, site.post(path, ONE_CLICK).await] {
            assert_eq!(answer.status, 404, "{path}");
            is_dressed(&answer);
        }
    }
    for answer in
        [site.get(&format!("/undo/{expired}")).await, site.post(&format!("/undo/{expired}"), "").await]
    {
        assert_eq!(answer.status, 410);
        is_dressed(&answer);
    }
    assert_eq!(road.everything().await, before);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let road = road().await;
    let site = road.site().await;
    let path = road.stop_path(ANN, None).await;
    let large = format!("{ONE_CLICK}&x={}", "x".repeat(9_000));
    let answer = site.post(&path, &large).await;
    assert_eq!(answer.status, 413);
    is_dressed(&answer);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: pages\r\nConnection: close\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunked = raw(site.address, &format!("{head}{:x}\r\n{large}\r\n0\r\n\r\n", large.len())).await;
    assert_eq!(chunked.status, 413);
    let nothing = site.post(&path, "x=y").await;
    assert_eq!(nothing.status, 400);
    assert_eq!(road.count("select count(*) from stops").await, 0);
    // What is chunked and small is read.
    let small = raw(site.address, &format!("{head}{:x}\r\n{ONE_CLICK}\r\n0\r\n\r\n", ONE_CLICK.len())).await;
    assert_eq!(small.status, 200);
    assert_eq!(road.count("select count(*) from stops").await, 1);
}

/// Reads until the other side ends it; returns what came, and how long it took.
async fn cut_off(address: std::net::SocketAddr, text: &str) -> (String, Duration) {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon("the end of a connection", stream.read_to_end(&mut answer)).await.unwrap();
    (String::from_utf8(answer).unwrap(), begun.elapsed())
}

/// Who says nothing, half a head or half a body is cut off, and so is who stays for too long.
#[tokio::test]
async fn slow_clients_are_cut_off_and_make_room() {
    let road = road().await;
    let short = Duration::from_millis(300);
    let limits = Limits { head_within: short, body_within: short, connections: 1, ..Limits::default() };
    let site = road.site_within(limits).await;
    let path = road.stop_path(ANN, None).await;
    for text in ["", "GET /", "GET /style.css HTTP/1.1\r\nHost: pages\r\nX-Slow: "] {
        let (answer, took) = cut_off(site.address, text).await;
        assert!(!answer.contains("200 OK"), "{text:?} {answer}");
        assert!(took >= short && took < short * 20, "{text:?} {took:?}");
    }
    let half = format!(
        "POST {path} HTTP/1.1\r\nHost: pages\r\nContent-Type: {FORM}\r\nContent-Length: 26\r\n\r\nList-Un"
    );
    let (answer, _) = cut_off(site.address, &half).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(road.count("select count(*) from stops").await, 0);
    // A kept connection on which nothing more is asked.
    let (answer, took) = cut_off(site.address, "GET /style.css HTTP/1.1\r\nHost: pages\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && took >= short, "{answer}");
    // All places are taken by one of these: who comes meanwhile is served after it.
    let _slow = TcpStream::connect(site.address).await.unwrap();
    assert_eq!(site.get("/style.css").await.status, 200);

    let limits = Limits { connection: short, grace: short, ..Limits::default() };
    let site = road.site_within(limits).await;
    let (_, took) = cut_off(site.address, "GET /style.css HTTP/1.1\r\nHost: pages\r\n\r\n").await;
    assert!(took >= short && took < Duration::from_secs(9), "{took:?}");
}

/// OPS-1: while the database is away or slow it is said so, and when to come back.
#[tokio::test]
async fn it_serves_while_the_database_is_away_or_slow() {
    let mut road = road().await;
    let path = road.stop_path(ANN, Some(1)).await;
    let undo = format!("/undo/{}", road.keys().undo(1, road.clock.now() + chrono::Duration::days(1)));
    let holder = road.pool().clone();
    let database = Url::parse(road.config().database.url.expose()).unwrap();
    let mut proxy = Proxy::to(format!("{}:{}", database.host_str().unwrap(), database.port().unwrap()));
    let mut by_proxy = database.clone();
    by_proxy.set_ip_host(proxy.address().ip()).unwrap();
    by_proxy.set_port(Some(proxy.address().port())).unwrap();
    road.reconfigure("database.url", by_proxy.as_str());
    let site =
        road.site_within(Limits { answer_within: Duration::from_millis(700), ..Limits::default() }).await;
    let unavailable = async || {
        let answers = [site.get(&path).await, site.post(&path, ONE_CLICK).await, site.post(&undo, "").await];
        for answer in answers {
            assert_eq!(answer.status, 503);
            assert_eq!(answer.header("retry-after"), Some("30"));
            assert!(answer.body.contains("Please try again in a minute"), "{}", answer.body);
            is_dressed(&answer);
        }
    };
    unavailable().await;
    proxy.up();
    assert_eq!(site.get(&path).await.status, 200);
    proxy.down().await;
    unavailable().await;
    proxy.up();
    // Somebody holds the person for long.
    let mut held = holder.begin().await.unwrap();
    sqlx::query("select from subscribers for update").execute(&mut *held).await.unwrap();
    assert_eq!(site.post(&path, ONE_CLICK).await.status, 503);
    held.rollback().await.unwrap();
    assert_eq!(site.get("/style.css").await.status, 200);
    // It comes back, and what timed out left nothing half done.
    let stopped = soon("the database again", async {
        loop {
            let answer = site.post(&path, ONE_CLICK).await;
            if answer.status == 200 {
                return answer;
            }
        }
    })
    .await;
    assert!(stopped.body.contains("All emails are stopped"));
    assert_eq!(road.count("select count(*) from stops").await, 1);
}

/// The pages are below the path that people know them by.
#[tokio::test]
async fn they_are_below_the_public_path() {
    let road = Road::setup().set("web.public_url", "https://midshire.example/alerts/").build().await;
    road.import(&[curious(ANN)]).await;
    let site = road.site().await;
    let path = road.stop_path(ANN, None).await;
    assert_eq!(site.get(&path).await.status, 404);
    let page = site.get(&format!("/alerts{path}")).await;
    assert!(page.status == 200 && page.body.contains("href=\"/alerts/style.css\""), "{page:?}");
    assert_eq!(site.get("/alerts/style.css").await.status, 200);
    let stopped = site.post(&format!("/alerts{path}"), ONE_CLICK).await;
    let undo = stopped.undo().unwrap();
    assert!(undo.starts_with("/alerts/undo/"));
    assert_eq!(site.post(&undo, "").await.status, 200);
}

/// T07, T19: the daemon serves the pages beside everything else, and its log at any level knows no token.
#[tokio::test]
async fn no_log_knows_a_token_and_the_end_waits_for_who_is_served() {
    let smtp = SmtpServer::builder().script([Rule::at(Stage::EndOfData).first(1).reply(450, "4.2.0 Later")]);
    let road = Road::setup().smtp(smtp).set("log.level", "trace").set("log.format", "json").build().await;
    road.import(&[curious(ANN)]).await;
    let mut daemon = road.daemon().await;
    let address = daemon.pages().await;
    let path = road.stop_path(ANN, None).await;
    let stranger = StopToken { person: Uuid::from_u128(7), mail: None }.sign(&road.keys());
    let forged = format!("{path}forged");
    let headers = [("Content-Type", FORM)];
    assert_eq!(request(address, "GET", &path, &[], "").await.status, 200);
    assert_eq!(request(address, "GET", &forged, &[], "").await.status, 404);
    assert_eq!(request(address, "POST", &format!("/stop/{stranger}"), &headers, ONE_CLICK).await.status, 200);
    let stopped = request(address, "POST", &path, &headers, ONE_CLICK).await;
    let undo = stopped.undo().unwrap();
    assert_eq!(request(address, "POST", &undo, &[], "").await.status, 200);
    // Half a request is under way at the end, and is still answered.
    let mut late = TcpStream::connect(address).await.unwrap();
    let length = ONE_CLICK.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: pages\r\nContent-Type: {FORM}\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    late.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    soon("its wish for the rest", late.read_exact(&mut go_on)).await.unwrap();
    daemon.send("TERM");
    daemon.says("stopping; finishes what is under way").await;
    late.write_all(ONE_CLICK.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon("the answer", late.read_to_string(&mut answer)).await.unwrap();
    let (status, log) = daemon.ended().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let log = log.to_lowercase();
    for secret in [path.trim_start_matches("/stop/"), undo.trim_start_matches("/undo/"), &stranger] {
        assert!(!log.contains(&secret[..12]), "{log}");
    }
    assert!(!log.contains(&road.public_id(ANN).await.to_string()));
}
