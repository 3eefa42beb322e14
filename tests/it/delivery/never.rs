//! Refused for good: the reason is kept, without the address, and nobody else is affected.

use jobalerts_dev::smtp::{Extension, Rule, SmtpServer, Stage};

use super::{ANN, BOB, about_to_tell, scripted};
use crate::harness::Delivered;

#[tokio::test]
async fn a_refusal_ends_it_with_the_reason_and_without_the_address() {
    for stage in [Stage::Rcpt, Stage::Data, Stage::EndOfData] {
        let rule = Rule::at(stage).to_local_prefix("ann");
        let reply = "5.1.1 <Ann@Example.ORG>: user ann@example.org unknown";
        let road = about_to_tell(&[ANN, BOB], scripted([rule.reply(550, reply)])).await;
        assert_eq!(
            road.deliver().await,
            Delivered { accepted: 1, failed: 1, ..Delivered::NOTHING },
            "{stage:?}"
        );

        let refused =
            road.mail_rows().await.into_iter().find(|mail| mail.outcome.as_deref() == Some("refused"));
        let refused = refused.expect("one was refused");
        let reply = refused.reply.unwrap();
        assert!(reply.starts_with("550 5.1.1 "), "{reply}");
        assert!(!reply.to_lowercase().contains(&refused.address), "{reply}");
        let mut endings = road.endings().await;
        endings.sort();
        assert_eq!(endings, [None, Some("refused".to_owned())]);
        road.at("2023-12-13T08:31:00Z");
        assert_eq!(road.deliver().await, Delivered::NOTHING, "it is not tried again");
        assert_eq!(road.mails().len(), 1);
    }
}

/// RFC 6531: an international local part goes to a server that knows of it, and to no other.
#[tokio::test]
async fn an_international_address_needs_a_server_that_knows_of_it() {
    let address = "jürgen@example.org";
    let road = about_to_tell(&[address, BOB], SmtpServer::builder()).await;
    assert_eq!(road.deliver().await, Delivered { accepted: 2, ..Delivered::NOTHING });
    let mails = road.mails_to(address);
    assert_eq!(mails.len(), 1);
    assert!(mails[0].mail_parameters.iter().any(|parameter| parameter == "SMTPUTF8"), "{:?}", mails[0]);

    let road = about_to_tell(&[address, BOB], SmtpServer::builder().without(Extension::SmtpUtf8)).await;
    assert_eq!(road.deliver().await, Delivered { accepted: 1, failed: 1, ..Delivered::NOTHING });
    let refused = road.mail_rows().await.into_iter().find(|mail| mail.address == address).unwrap();
    assert_eq!(refused.outcome.as_deref(), Some("refused"));
    assert!(refused.reply.unwrap().contains("SMTPUTF8"));
    assert_eq!(road.only_mail().rcpt_to, [BOB]);
}

/// A plain old server without any extension.
#[tokio::test]
async fn a_server_without_extensions_gets_its_mail() {
    let smtp = SmtpServer::builder()
        .without(Extension::EightBitMime)
        .without(Extension::Size)
        .without(Extension::Pipelining)
        .without(Extension::EnhancedStatusCodes)
        .without(Extension::SmtpUtf8);
    let road = about_to_tell(&[ANN], smtp).await;
    assert_eq!(road.deliver().await, Delivered::ONE_MAIL);
}
