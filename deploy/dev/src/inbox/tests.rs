//! The inbox over SMTP and HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::{Inbox, router};
use crate::smtp::{Folder, Rule, SmtpServer, Stage, Storage};

const HOSTILE: &str = "From: \"<script>from()</script>\" <a@example.org>\r\n\
    Subject: =?utf-8?q?=3Cscript=3Esubject=28=29=3C/script=3E_=22_onload=3D=22?=\r\n\
    Message-ID: <\"><script>id()</script>@example.org>\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
    </pre><script>text()</script> https://jobs.example/?a=1&b=2\r\n\
    --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
    <p>Hello</p><script>html()</script><img src=x onerror=image()>\r\n--b--\r\n";

/// A server, its inbox and the inbox's pages.
struct Site {
    smtp: SmtpServer,
    inbox: Arc<Inbox>,
    web: SocketAddr,
    directory: PathBuf,
    _pages: AbortOnDropHandle<std::io::Result<()>>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Site {
    async fn start() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("jobalerts-dev-inbox-{}-{number}", std::process::id()));
        let inbox = Arc::new(Inbox::new(Folder::open(&directory).expect("can be made")));
        let unknown = Rule::at(Stage::EndOfData).to_local_prefix("unknown").storing().close();
        let builder = SmtpServer::builder().storage(Storage::Sink(inbox.clone())).script([unknown]);
        let smtp = builder.start().await.expect("starts");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let web = listener.local_addr().expect("an address");
        let pages = tokio::spawn(axum::serve(listener, router(inbox.clone())).into_future());
        Self { smtp, inbox, web, directory, _pages: AbortOnDropHandle::new(pages) }
    }

    /// Sends a mail in one go, and reads until the server closes.
    async fn receive(&self, recipient: &str, content: &str) {
        let mut stream = TcpStream::connect(self.smtp.addr()).await.expect("the server listens");
        let envelope =
            format!("EHLO c\r\nMAIL FROM:<sender@example.org>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n");
        let session = format!("{envelope}{content}.\r\nQUIT\r\n");
        stream.write_all(session.as_bytes()).await.expect("the connection takes it");
        let mut replies = String::new();
        // A rule may cut the session short while the QUIT has not been read.
        let _ = stream.read_to_string(&mut replies).await;
    }

    async fn request(&self, head: &str) -> Answer {
        let mut stream = TcpStream::connect(self.web).await.expect("the server listens");
        stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.expect("the connection takes it");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer in UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close", self.web)).await
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200);
        serde_json::from_str(&answer.body).expect("JSON")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).expect("can be removed");
    }
}

#[tokio::test]
async fn mails_are_listed_with_the_newest_first() {
    let site = Site::start().await;
    let empty = site.get("/").await;
    assert!(empty.body.contains("No mails yet") && !empty.body.contains("<form"));
    site.receive("one@example.org", "Subject: First\r\n\r\nSome   words\r\n").await;
    site.receive("two@example.org", "Subject: Second\r\n\r\n").await;
    site.receive("unknown@example.org", "From: Jobs <jobs@example.org>\r\n\r\n").await;
    let page = site.get("/").await;
    assert_eq!(page.status, 200);
    let place = |text: &str| page.body.find(text).expect(text);
    assert!(place("(no subject)") < place("Second") && place("Second") < place("First"));
    assert!(page.body.contains("3 mails") && page.body.contains("one@example.org"));
    assert!(page.body.contains("<span class=\"excerpt\">Some words</span>"));
    assert_eq!(page.body.matches("unconfirmed").count(), 1);

    let list = site.json("/api/mails").await;
    let subjects: Vec<&Value> =
        list.as_array().expect("a list").iter().map(|mail| &mail["subject"]).collect();
    assert_eq!(subjects, ["", "Second", "First"]);
    assert_eq!(list[0]["from"], "Jobs <jobs@example.org>");
    assert_eq!(list[0]["confirmed"], false);
    assert_eq!(list[2]["from"], "sender@example.org");
    assert_eq!(list[2]["to"][0], "one@example.org");
    assert_eq!(list[2]["file"], "0001-first.eml");
}

#[tokio::test]
async fn a_hostile_mail_stays_text_on_every_page() {
    let site = Site::start().await;
    site.receive("b@example.org", HOSTILE).await;
    for path in ["/", "/mails/1"] {
        let page = site.get(path).await;
        assert_eq!(page.status, 200);
        assert!(
            page.body.contains("&lt;script&gt;subject()&lt;/script&gt; &quot; onload=&quot;"),
            "{}",
            page.body
        );
        assert!(!page.body.contains("<script") && !page.body.contains("<img"), "{}", page.body);
        assert!(page.head.contains("content-security-policy: default-src 'none'; style-src 'self'"));
        assert!(page.head.contains("x-content-type-options: nosniff"));
    }
    let page = site.get("/mails/1").await.body;
    assert_eq!(page.matches("<iframe").count(), 2);
    assert_eq!(page.matches("sandbox=\"\" src=\"/mails/1/html\"").count(), 2);
    assert!(page.contains("width=\"320\"") && page.contains("width=\"800\""));
    assert!(page.contains("<a href=\"https://jobs.example/?a=1&amp;b=2\" target=\"_blank\" rel=\"noopener"));

    let html = site.get("/mails/1/html").await;
    assert!(html.body.starts_with("<p>Hello</p><script>"), "the mail itself is shown as it is");
    assert!(
        html.head.contains("content-security-policy: sandbox; default-src 'none'; style-src 'unsafe-inline'")
    );
    let source = site.get("/mails/1/source").await;
    assert_eq!(source.body, HOSTILE);
    assert!(source.head.contains("content-type: text/plain"));

    let mail = site.json("/api/mails/1").await;
    assert_eq!(mail["headers"][0][0], "From");
    assert!(mail["html"].as_str().expect("a part").contains("<script>html()"));
    assert!(mail["text"].as_str().expect("a part").contains("<script>text()"));
}

#[tokio::test]
async fn a_mail_without_html_has_no_frames() {
    let site = Site::start().await;
    site.receive("b@example.org", "Subject: Plain\r\n\r\nJust text\r\n").await;
    let page = site.get("/mails/1").await;
    assert!(!page.body.contains("<iframe") && page.body.contains("Just text"));
    assert_eq!(site.get("/mails/1/html").await.status, 404);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let site = Site::start().await;
    for path in ["/mails/1", "/mails/1/html", "/mails/1/source", "/api/mails/1", "/favicon.ico"] {
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
    assert_eq!(site.get("/mails/x").await.status, 400);
    assert_eq!(site.get("/style.css").await.status, 200);
}

#[tokio::test]
async fn deleting_removes_mails_and_their_files() {
    let site = Site::start().await;
    std::fs::write(site.directory.join("note.txt"), "not a mail").expect("can be written");
    site.receive("b@example.org", HOSTILE).await;
    let files = || std::fs::read_dir(&site.directory).expect("is there").count();
    assert_eq!(files(), 4);
    let post = |origin: &str| {
        let head = "POST /delete HTTP/1.1\r\nConnection: close\r\nContent-Length: 0";
        format!("{head}\r\nHost: {}\r\nOrigin: {origin}", site.web)
    };
    assert_eq!(site.request(&post("http://evil.example")).await.status, 403);
    assert_eq!(site.request(&post("null")).await.status, 403);
    assert_eq!(site.inbox.entries().len(), 1);
    let answer = site.request(&post(&format!("http://{}", site.web))).await;
    assert_eq!(answer.status, 303);
    assert!(answer.head.contains("location: /"));
    assert_eq!((site.inbox.entries().len(), files()), (0, 1));
}

#[tokio::test]
async fn only_this_machines_names_are_answered() {
    let site = Site::start().await;
    let port = site.web.port();
    for (host, status) in [
        (format!("localhost:{port}"), 200),
        (format!("127.0.0.1:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        ("localhost".to_owned(), 200),
        (format!("rebound.example:{port}"), 421),
        ("127.0.0.1.example".to_owned(), 421),
    ] {
        let head = format!("GET /api/mails HTTP/1.1\r\nHost: {host}\r\nConnection: close");
        assert_eq!(site.request(&head).await.status, status, "{host}");
    }
}
