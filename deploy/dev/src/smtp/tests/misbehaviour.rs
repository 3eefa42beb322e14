//! What a server says that follows a script.

use std::io::ErrorKind;

use super::client::Client;
use crate::smtp::{Rule, SmtpServer, Stage};

async fn scripted(rules: impl IntoIterator<Item = Rule>) -> SmtpServer {
    SmtpServer::builder().script(rules).start().await.expect("starts")
}

#[tokio::test]
async fn recipients_are_put_off_or_refused_by_rule() {
    let refused = Rule::at(Stage::Rcpt).to("gone@example.org").reply(550, "5.1.1 No such user");
    let greylist = Rule::at(Stage::Rcpt).each_recipient().first(1).reply(450, "4.2.0 Greylisted");
    let server = scripted([refused.clone(), greylist.clone()]).await;
    let mut client = Client::greeted(server.addr()).await;
    assert_eq!(client.ask("MAIL FROM:<a@example.org>").await, 250);
    for (recipient, code) in [("gone", 550), ("b", 450), ("b", 250), ("c", 450), ("gone", 550), ("c", 250)] {
        assert_eq!(client.ask(&format!("RCPT TO:<{recipient}@example.org>")).await, code);
    }
    assert_eq!((refused.fired(), greylist.fired(), server.tally().rules_fired), (2, 2, 4));
    server.set_script([]);
    assert_eq!(client.ask("RCPT TO:<gone@example.org>").await, 250);
}

#[tokio::test]
async fn data_without_a_recipient_left_is_refused() {
    let server = scripted([Rule::at(Stage::Rcpt).reply(550, "5.1.1 No such user")]).await;
    let mut client = Client::greeted(server.addr()).await;
    client.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nRSET\r\n").await;
    for code in [250, 550, 554, 250] {
        assert_eq!(client.code().await, code);
    }
}

#[tokio::test]
async fn every_stage_can_be_refused() {
    let server = scripted([]).await;
    let steps = [
        (Stage::Ehlo, "EHLO client.test", 250),
        (Stage::Mail, "MAIL FROM:<a@example.org>", 250),
        (Stage::Rcpt, "RCPT TO:<b@example.org>", 250),
        (Stage::Data, "DATA", 354),
        (Stage::EndOfData, "Subject: x\r\n\r\n.", 250),
        (Stage::Noop, "NOOP", 250),
        (Stage::Rset, "RSET", 250),
    ];
    for (refused, ..) in steps {
        let rule = Rule::at(refused).first(1).reply(451, "4.3.0 Not this time");
        server.set_script([rule.clone()]);
        let mut client = Client::connect(server.addr()).await;
        assert_eq!(client.code().await, 220);
        for (stage, line, code) in steps {
            if stage == refused {
                assert_eq!(client.ask(line).await, 451, "{line}");
                if stage == Stage::EndOfData {
                    continue;
                }
            }
            assert_eq!(client.ask(line).await, code, "{line} with {refused:?} refused before");
        }
        assert_eq!(rule.fired(), 1);
    }
    assert_eq!(server.tally().mails, steps.len() - 1);
}

#[tokio::test]
async fn the_greeting_can_turn_clients_away() {
    let server = scripted([Rule::at(Stage::Greeting).first(1).reply(421, "4.3.2 Shutting down")]).await;
    let mut client = Client::connect(server.addr()).await;
    assert_eq!(client.rest().await.expect("no reset"), "421 4.3.2 Shutting down\r\n");
    Client::greeted(server.addr()).await;
}

#[tokio::test]
async fn connections_are_closed_at_every_stage_without_a_reply() {
    for (stage, before, line) in [
        (Stage::Ehlo, "", "EHLO client.test\r\n"),
        (Stage::Mail, "EHLO c\r\n", "MAIL FROM:<>\r\n"),
        (Stage::Rcpt, "EHLO c\r\nMAIL FROM:<>\r\n", "RCPT TO:<b@example.org>\r\n"),
        (Stage::Data, "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n", "DATA\r\n"),
        (Stage::Body, "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n", "Subject: x\r\n"),
        (Stage::EndOfData, "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n", ".\r\n"),
        (Stage::Quit, "", "QUIT\r\n"),
    ] {
        let server = scripted([Rule::at(stage).close()]).await;
        let mut client = Client::connect(server.addr()).await;
        assert_eq!(client.code().await, 220);
        for command in before.split_inclusive("\r\n") {
            client.send(command).await;
            assert!(matches!(client.code().await, 250 | 354), "{command}");
        }
        client.send(line).await;
        assert!(client.is_closed().await, "{stage:?}");
        assert_eq!(server.tally().mails, 0);
    }
    for stage in [Stage::Connect, Stage::Greeting] {
        let server = scripted([Rule::at(stage).close()]).await;
        assert!(Client::connect(server.addr()).await.is_closed().await, "{stage:?}");
    }
}

#[tokio::test]
async fn replies_to_earlier_pipelined_commands_precede_a_close() {
    let server = scripted([Rule::at(Stage::Data).close()]).await;
    let mut client = Client::greeted(server.addr()).await;
    client.send("MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n").await;
    assert_eq!(
        client.rest().await.expect("no reset"),
        "250 2.1.0 Sender noted\r\n250 2.1.5 Recipient noted\r\n"
    );
}

#[tokio::test]
async fn after_the_final_dot_a_mail_vanishes_or_arrives_unknown() {
    let server = scripted([
        Rule::at(Stage::EndOfData).to_local_prefix("lost").close(),
        Rule::at(Stage::EndOfData).to_local_prefix("unknown").first(1).storing().close(),
        Rule::at(Stage::EndOfData).to_local_prefix("denied").storing().reply(451, "4.3.0 Not really"),
    ])
    .await;
    for recipient in ["lost@example.org", "unknown@example.org"] {
        let mut client = Client::greeted(server.addr()).await;
        client.envelope(recipient).await;
        client.send("Subject: x\r\n\r\n.\r\n").await;
        assert!(client.is_closed().await);
    }
    let mut client = Client::greeted(server.addr()).await;
    assert_eq!(client.mail("unknown@example.org", "again").await, 250);
    assert_eq!(client.mail("denied@example.org", "denied").await, 451);
    let seen: Vec<(String, bool)> =
        server.mails().iter().map(|mail| (mail.rcpt_to[0].clone(), mail.confirmed)).collect();
    let expected =
        [("unknown@example.org", false), ("unknown@example.org", true), ("denied@example.org", false)];
    assert_eq!(seen, expected.map(|(recipient, confirmed)| (recipient.to_owned(), confirmed)));
    let tally = server.tally();
    assert_eq!((tally.mails, tally.confirmed), (3, 1));
}

#[tokio::test]
async fn a_reset_is_seen_as_one() {
    let server = scripted([Rule::at(Stage::Mail).reset()]).await;
    let mut client = Client::greeted(server.addr()).await;
    client.send("MAIL FROM:<>\r\n").await;
    assert_eq!(client.rest().await.expect_err("a reset").kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_hanging_server_reads_on_until_the_client_goes() {
    let hang = Rule::at(Stage::EndOfData).hang();
    let server = scripted([hang.clone()]).await;
    let mut client = Client::greeted(server.addr()).await;
    client.envelope("b@example.org").await;
    client.send("Subject: x\r\n\r\n.\r\n").await;
    server.wait_until(|tally| tally.rules_fired == 1).await;
    client.send("NOOP\r\n".repeat(100_000)).await;
    assert_eq!(server.tally().open, 1);
    drop(client);
    let tally = server.wait_until(|tally| tally.open == 0).await;
    assert_eq!(tally.mails, 0);
}

#[tokio::test]
async fn a_slow_close_waits_for_the_client() {
    let server = scripted([Rule::at(Stage::Quit).half_close()]).await;
    let mut client = Client::greeted(server.addr()).await;
    client.send("QUIT\r\n").await;
    assert!(client.is_closed().await);
    client.send("NOOP\r\n").await;
    assert_eq!(server.tally().open, 1);
    drop(client);
    server.wait_until(|tally| tally.open == 0).await;
}

#[tokio::test]
async fn replies_can_be_garbage_long_or_in_many_packets() {
    let server = scripted([
        Rule::at(Stage::Noop).first(1).raw(b"\xff\x00 what?\r\n".to_vec()),
        Rule::at(Stage::Noop).first(1).dripping(),
        Rule::at(Stage::Rcpt).first(1).reply(250, "2.1.5 One\n2.1.5 Two\n2.1.5 Three").dripping(),
        Rule::at(Stage::Rset).reply(250, "2.0.0 And goodbye").then_close(),
    ])
    .await;
    let mut client = Client::greeted(server.addr()).await;
    client.send("NOOP\r\n").await;
    let mut garbage = [0; 10];
    tokio::io::AsyncReadExt::read_exact(&mut client.stream, &mut garbage).await.expect("ten octets");
    assert_eq!(&garbage, b"\xff\x00 what?\r\n");
    assert_eq!(client.ask_all("NOOP").await, "250 2.0.0 Still here");
    assert_eq!(client.ask("MAIL FROM:<>").await, 250);
    assert_eq!(
        client.ask_all("RCPT TO:<b@example.org>").await,
        "250-2.1.5 One|250-2.1.5 Two|250 2.1.5 Three"
    );
    assert_eq!(client.ask("DATA").await, 354);
    assert_eq!(client.ask("Subject: x\r\n\r\n.").await, 250);
    assert_eq!(client.ask("RSET").await, 250);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn data_can_be_answered_with_something_else_than_354() {
    let server = scripted([Rule::at(Stage::Data).first(1).reply(250, "2.0.0 What of it")]).await;
    let mut client = Client::greeted(server.addr()).await;
    assert_eq!(client.ask("MAIL FROM:<>").await, 250);
    assert_eq!(client.ask("RCPT TO:<b@example.org>").await, 250);
    assert_eq!(client.ask("DATA").await, 250);
    assert_eq!(client.ask("DATA").await, 354);
}

#[tokio::test]
async fn connections_and_mails_per_connection_can_be_limited() {
    let server =
        SmtpServer::builder().max_mails_per_connection(2).max_connections(1).start().await.expect("starts");
    let mut client = Client::greeted(server.addr()).await;
    assert_eq!(Client::connect(server.addr()).await.code().await, 421);
    assert_eq!(client.mail("b@example.org", "one").await, 250);
    assert_eq!(client.mail("b@example.org", "two").await, 250);
    assert_eq!(client.ask("MAIL FROM:<>").await, 421);
    assert!(client.is_closed().await);
    assert_eq!(server.connections()[0].mails, 2);
}

#[tokio::test]
async fn a_server_can_go_away_and_come_back_on_its_port() {
    let server = scripted([]).await;
    let mut client = Client::greeted(server.addr()).await;
    server.stop_listening().await.expect("keeps the port");
    let refused = tokio::net::TcpStream::connect(server.addr()).await.expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(client.ask("NOOP").await, 250);
    server.cut_connections();
    assert!(client.is_closed().await);
    server.listen_again().await.expect("listens");
    server.listen_again().await.expect("listens already");
    let mut client = Client::greeted(server.addr()).await;
    assert_eq!(client.mail("b@example.org", "back").await, 250);
}

#[tokio::test]
async fn dropping_the_server_ends_everything() {
    let server = scripted([Rule::at(Stage::Noop).hang()]).await;
    let address = server.addr();
    let mut client = Client::greeted(address).await;
    client.send("NOOP\r\n").await;
    server.wait_until(|tally| tally.rules_fired == 1).await;
    drop(server);
    assert!(client.is_closed().await);
}
