//! What a well-behaved server says.

use super::client::Client;
use crate::smtp::{Extension, SmtpServer, Speaker};

#[tokio::test]
async fn a_mail_arrives_with_its_envelope_and_dots_unstuffed() {
    let server = SmtpServer::builder().start().await.expect("starts");
    let mut client = Client::greeted(server.addr()).await;
    assert_eq!(client.ask("MAIL FROM:<sender@example.org> BODY=8BITMIME SIZE=100").await, 250);
    assert_eq!(client.ask("RCPT TO:<one@example.org>").await, 250);
    assert_eq!(client.ask("RCPT TO:<two@example.org>").await, 250);
    assert_eq!(client.ask("DATA").await, 354);
    let content =
        "Message-ID: <1@client.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n..a\r\n...\r\nGrüße\r\n";
    assert_eq!(client.ask(&format!("{content}.")).await, 250);
    assert_eq!(client.ask("QUIT").await, 221);
    assert!(client.is_closed().await);

    let mails = server.wait_for(1).await;
    let mail = &mails[0];
    assert_eq!((mail.number, mail.connection, mail.tls, mail.confirmed), (1, 1, false, true));
    assert_eq!((mail.mail_from.as_str(), mail.helo.as_str()), ("sender@example.org", "client.test"));
    assert_eq!(mail.rcpt_to, ["one@example.org", "two@example.org"]);
    assert_eq!(mail.mail_parameters, ["BODY=8BITMIME", "SIZE=100"]);
    assert_eq!(mail.subject().as_deref(), Some("Grüße"));
    assert_eq!(mail.header("subject").as_deref(), Some("=?utf-8?q?Gr=C3=BC=C3=9Fe?="));
    assert_eq!(mail.message_id().as_deref(), Some("1@client.test"));
    assert!(mail.data.ends_with("\r\n\r\n.a\r\n..\r\nGrüße\r\n".as_bytes()));
    assert_eq!(mail.text().as_deref(), Some(".a\r\n..\r\nGrüße\r\n"));
    assert_eq!(mail.html(), None);
    assert_eq!(server.message_ids(), ["1@client.test"]);
    let ended = server.wait_until(|tally| tally.open == 0).await;
    assert_eq!((ended.connections, ended.transactions, ended.mails, ended.confirmed), (1, 1, 1, 1));
}

#[tokio::test]
async fn capabilities_are_listed_and_can_be_left_out() {
    let server = SmtpServer::builder().max_size(1000).start().await.expect("starts");
    let mut client = Client::greeted(server.addr()).await;
    assert_eq!(
        client.ask_all("EHLO client.test").await,
        "250-relay.test greets client.test|250-PIPELINING|250-8BITMIME|250-SMTPUTF8|250-ENHANCEDSTATUSCODES|250 SIZE 1000"
    );
    assert_eq!(client.ask_all("HELO client.test").await, "250 relay.test");

    let bare = SmtpServer::builder()
        .without(Extension::Pipelining)
        .without(Extension::EightBitMime)
        .without(Extension::SmtpUtf8)
        .without(Extension::EnhancedStatusCodes)
        .without(Extension::Size);
    let bare = bare.start().await.expect("starts");
    let mut client = Client::greeted(bare.addr()).await;
    assert_eq!(client.ask_all("EHLO client.test").await, "250 relay.test greets client.test");
    for parameter in ["BODY=8BITMIME", "SMTPUTF8", "SIZE=1", "AUTH=<>"] {
        assert_eq!(client.ask(&format!("MAIL FROM:<a@example.org> {parameter}")).await, 555, "{parameter}");
    }
    assert_eq!(client.ask_all("RSET").await, "250 Forgotten");
}

#[tokio::test]
async fn commands_out_of_order_are_refused() {
    let server = SmtpServer::builder().start().await.expect("starts");
    let mut client = Client::connect(server.addr()).await;
    assert_eq!(client.code().await, 220);
    for (line, code) in [
        ("MAIL FROM:<a@example.org>", 503),
        ("EHLO client.test", 250),
        ("RCPT TO:<b@example.org>", 503),
        ("DATA", 503),
        ("STARTTLS", 503),
        ("AUTH PLAIN", 502),
        ("MAIL FROM:<a@example.org>", 250),
        ("MAIL FROM:<a@example.org>", 503),
        ("DATA", 503),
        ("RCPT TO:<b@example.org> NOTIFY=NEVER", 555),
        ("RCPT TO:<bü@example.org>", 553),
        ("RCPT TO:b@example.org", 501),
        ("RCPT TO:<b@example.org>", 250),
        ("RSET", 250),
        ("RCPT TO:<b@example.org>", 503),
        ("MAIL FROM:<ä@example.org>", 553),
        ("MAIL FROM:<ä@example.org> SMTPUTF8", 250),
        ("RCPT TO:<bü@example.org>", 250),
        ("EHLO again.test", 250),
        ("RCPT TO:<b@example.org>", 503),
        ("NOOP and more", 250),
        ("VRFY somebody", 252),
        ("HELP", 214),
        ("EXPN list", 502),
        ("TURN", 500),
        ("MAIL FROM:<> SIZE=99999999", 552),
        ("MAIL FROM:<> SIZE=many", 501),
        ("MAIL FROM:<>", 250),
    ] {
        assert_eq!(client.ask(line).await, code, "{line}");
    }
}

#[tokio::test]
async fn lines_have_limits_and_line_ends() {
    let server = SmtpServer::builder().start().await.expect("starts");
    let mut client = Client::greeted(server.addr()).await;
    assert_eq!(client.ask(&format!("NOOP {}", "x".repeat(505))).await, 250);
    assert_eq!(client.ask(&format!("NOOP {}", "x".repeat(506))).await, 500);
    assert_eq!(client.ask(&"x".repeat(100_000)).await, 500);
    client.send("NOOP\n").await;
    assert_eq!(client.code().await, 500);
    assert_eq!(client.ask("NOOP").await, 250);
}

#[tokio::test]
async fn content_that_smtp_does_not_allow_is_refused() {
    let server = SmtpServer::builder().max_size(20_000).max_recipients(2).start().await.expect("starts");
    let mut client = Client::greeted(server.addr()).await;
    for (content, code) in [
        (format!("{}\r\n", "x".repeat(998)), 250),
        (format!("{}\r\n", "x".repeat(999)), 554),
        ("a\nb\r\n".to_owned(), 554),
        ("a\n.\nMAIL FROM:<smuggled@example.org>\r\n".to_owned(), 554),
        ("ä\r\n".to_owned(), 554),
        ("x\r\n".repeat(6_666), 250),
        ("x\r\n".repeat(6_667), 552),
        ("x\r\n".repeat(100_000), 552),
        (String::new(), 250),
    ] {
        client.envelope("b@example.org").await;
        assert_eq!(client.ask(&format!("{content}.")).await, code, "{content:.40}");
    }
    assert_eq!(client.ask("MAIL FROM:<a@example.org>").await, 250);
    for (recipient, code) in [("1", 250), ("2", 250), ("3", 452)] {
        assert_eq!(client.ask(&format!("RCPT TO:<{recipient}@example.org>")).await, code);
    }
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    let server = SmtpServer::builder().start().await.expect("starts");
    let mut client = Client::greeted(server.addr()).await;
    client.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<>\r\nDATA\r\n").await;
    for code in [250, 250, 501, 354] {
        assert_eq!(client.code().await, code);
    }
    client.send("Subject: x\r\n\r\n.\r\nMAIL FROM:<a@example.org>\r\nQUIT\r\n").await;
    for code in [250, 250, 221] {
        assert_eq!(client.code().await, code);
    }
    assert!(client.is_closed().await);
    assert_eq!(server.mails()[0].rcpt_to, ["b@example.org"]);
}

#[tokio::test]
async fn octets_may_come_one_by_one() {
    let server = SmtpServer::builder().start().await.expect("starts");
    let mut client = Client::connect(server.addr()).await;
    let session =
        "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nA: b\r\n\r\n..\r\n.\r\nQUIT\r\n";
    for octet in session.as_bytes() {
        client.send([*octet]).await;
    }
    let replies = client.rest().await.expect("no reset");
    assert!(replies.ends_with("354 End with a dot on a line\r\n250 2.0.0 Taken\r\n221 2.0.0 Goodbye\r\n"));
    assert_eq!(server.mails()[0].data, b"A: b\r\n\r\n.\r\n");
}

#[tokio::test]
async fn the_transcript_has_both_sides() {
    let server = SmtpServer::builder().start().await.expect("starts");
    let mut client = Client::greeted(server.addr()).await;
    assert_eq!(client.ask("NOOP").await, 250);
    assert_eq!(server.commands(), ["EHLO client.test", "NOOP"]);
    let transcript = server.transcript();
    let first = transcript.first().expect("a greeting");
    assert_eq!((first.connection, first.speaker), (1, Speaker::Server));
    assert_eq!(first.text, "220 relay.test ESMTP");
}

#[tokio::test]
async fn auth_lets_the_right_users_in() {
    let server =
        SmtpServer::builder().auth("user", "pass word").require_auth().start().await.expect("starts");
    let mut client = Client::greeted(server.addr()).await;
    assert!(client.ask_all("EHLO client.test").await.contains("250 AUTH PLAIN LOGIN"));
    for (line, code) in [
        ("MAIL FROM:<a@example.org>", 530),
        ("AUTH CRAM-MD5", 504),
        ("AUTH PLAIN !!!", 501),
        ("AUTH PLAIN AHVzZXIAd3Jvbmc=", 535),
        ("AUTH PLAIN", 334),
        ("*", 501),
        ("AUTH LOGIN", 334),
        ("dXNlcg==", 334),
        ("d3Jvbmc=", 535),
        ("AUTH LOGIN dXNlcg==", 334),
        ("cGFzcyB3b3Jk", 235),
        ("AUTH PLAIN AHVzZXIAcGFzcyB3b3Jk", 503),
    ] {
        assert_eq!(client.ask(line).await, code, "{line}");
    }
    assert_eq!(client.mail("b@example.org", "x").await, 250);
    assert_eq!(server.mails()[0].user.as_deref(), Some("user"));
    assert_eq!(server.connections()[0].user.as_deref(), Some("user"));

    let mut client = Client::greeted(server.addr()).await;
    assert_eq!(client.ask_all("AUTH PLAIN").await, "334 ");
    assert_eq!(client.ask("AHVzZXIAcGFzcyB3b3Jk").await, 235);
}
