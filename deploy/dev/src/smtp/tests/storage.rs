//! Where mails go.

use std::fs;
use std::io;
use std::sync::Arc;

use super::client::Client;
use crate::smtp::{ReceivedMail, Sink, SmtpServer, Storage};

#[tokio::test]
async fn counting_remembers_message_ids_only() {
    let server = SmtpServer::builder().storage(Storage::Count).start().await.expect("starts");
    let mut client = Client::greeted(server.addr()).await;
    for subject in ["one", "two"] {
        assert_eq!(client.mail("b@example.org", subject).await, 250);
    }
    assert!(server.wait_for(2).await.is_empty());
    assert_eq!(server.message_ids(), ["one@client.test", "two@client.test"]);
    assert!(server.transcript().is_empty());
}

#[tokio::test]
async fn a_folder_gets_the_mail_and_its_parts_under_running_numbers() {
    let directory = std::env::temp_dir().join(format!("jobalerts-dev-folder-{}", std::process::id()));
    for run in 0..2 {
        let server =
            SmtpServer::builder().storage(Storage::Folder(directory.clone())).start().await.expect("starts");
        let mut client = Client::greeted(server.addr()).await;
        client.envelope("b@example.org").await;
        let content = "Subject: Zwei Teile\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/alternative; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain\r\n\
            --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>rich</p>\r\n--b--\r\n";
        assert_eq!(client.ask(&format!("{content}.")).await, 250, "run {run}");
        assert_eq!(client.mail("b@example.org", "plain only").await, 250, "run {run}");
    }
    let mut names: Vec<String> = fs::read_dir(&directory)
        .expect("is there")
        .map(|entry| entry.expect("is readable").file_name().into_string().expect("is UTF-8"))
        .collect();
    names.sort();
    let html = fs::read_to_string(directory.join("0001-zwei-teile.html")).expect("is there");
    let text = fs::read_to_string(directory.join("0001-zwei-teile.txt")).expect("is there");
    fs::remove_dir_all(&directory).expect("can be removed");
    assert_eq!(
        names,
        [
            "0001-zwei-teile.eml",
            "0001-zwei-teile.html",
            "0001-zwei-teile.txt",
            "0002-plain-only.eml",
            "0002-plain-only.txt",
            "0003-zwei-teile.eml",
            "0003-zwei-teile.html",
            "0003-zwei-teile.txt",
            "0004-plain-only.eml",
            "0004-plain-only.txt",
        ]
    );
    assert_eq!((html.trim(), text.trim()), ("<p>rich</p>", "plain"));
}

#[tokio::test]
async fn a_mail_that_cannot_be_kept_is_put_off() {
    struct Full;
    impl Sink for Full {
        fn store(&self, _: &Arc<ReceivedMail>) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    let server = SmtpServer::builder().storage(Storage::Sink(Arc::new(Full))).start().await.expect("starts");
    let mut client = Client::greeted(server.addr()).await;
    assert_eq!(client.mail("b@example.org", "x").await, 451);
    assert_eq!(server.tally().mails, 0);
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let address = "0.0.0.0:0".parse().expect("an address");
    assert!(SmtpServer::builder().listen(address).start().await.is_err());
}
