//! TLS and authentication: as configured, or nothing leaves.

use jobalerts_dev::secrets;
use jobalerts_dev::smtp::{Certificate, Extension, Rule, SmtpServer, Stage};

use super::{ANN, tell};
use crate::harness::tls::AuthorityFile;
use crate::harness::{Delivered, Road, Setup};

async fn delivers(setup: Setup) -> (Road, Result<Delivered, String>) {
    let road = setup.build().await;
    tell(&road, &[ANN]).await;
    let (step, delivered) = road.try_deliver().await;
    let outcome = step.map(|_| delivered).map_err(|error| error.to_string());
    (road, outcome)
}

fn with(certificate: &Certificate, authority: &AuthorityFile, query: &'static str, implicit: bool) -> Setup {
    let smtp = SmtpServer::builder();
    let smtp =
        if implicit { smtp.implicit_tls(certificate) } else { smtp.starttls(certificate).require_tls() };
    Road::setup()
        .smtp(smtp)
        .relay_url(move |server| format!("{}{query}", server.url()))
        .set("smtp.ca_file", authority.path())
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_configured() {
    let certificate = Certificate::for_loopback().unwrap();
    let authority = AuthorityFile::of(&certificate);
    for (query, implicit) in [("?tls=required", false), ("?tls=opportunistic", false), ("", true)] {
        let (road, outcome) = delivers(with(&certificate, &authority, query, implicit)).await;
        assert_eq!(outcome, Ok(Delivered::ONE_MAIL), "{query}");
        assert!(road.only_mail().tls);
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_name_or_time_is_refused() {
    let certificate = Certificate::for_loopback().unwrap();
    let other = Certificate::for_loopback().unwrap();
    let misnamed = Certificate::for_names(&["mail.example.org"]).unwrap();
    let expired = Certificate::expired().unwrap();
    for (certificate, trusted) in [(&certificate, &other), (&misnamed, &misnamed), (&expired, &expired)] {
        let authority = AuthorityFile::of(trusted);
        for (query, implicit) in [("?tls=required", false), ("?tls=opportunistic", false), ("", true)] {
            let (road, outcome) = delivers(with(certificate, &authority, query, implicit)).await;
            let error = outcome.expect_err(query);
            assert!(error.contains("TLS"), "{error}");
            assert_eq!(road.mails().len(), 0);
            assert_eq!(road.mail_rows().await.iter().map(|mail| mail.attempts).sum::<i16>(), 0);
        }
    }
}

/// Nobody on the way can talk us out of TLS.
#[tokio::test]
async fn without_starttls_nothing_leaves_where_it_is_required() {
    let setup = Road::setup().relay_url(|server| format!("{}?tls=required", server.url()));
    let (road, outcome) = delivers(setup).await;
    assert!(outcome.unwrap_err().contains("STARTTLS"));
    assert!(!road.smtp.commands().iter().any(|line| line.starts_with("MAIL")), "{:?}", road.smtp.commands());

    let certificate = Certificate::for_loopback().unwrap();
    let refused = SmtpServer::builder()
        .starttls(&certificate)
        .script([Rule::at(Stage::StartTls).reply(454, "4.7.0 TLS not available")]);
    let setup = Road::setup().smtp(refused).relay_url(|server| format!("{}?tls=required", server.url()));
    let (road, outcome) = delivers(setup).await;
    assert!(outcome.unwrap_err().contains("STARTTLS"));
    assert!(!road.smtp.commands().iter().any(|line| line.starts_with("MAIL")), "{:?}", road.smtp.commands());
}

#[tokio::test]
async fn a_user_who_authenticates_may_send() {
    let certificate = Certificate::for_loopback().unwrap();
    let authority = AuthorityFile::of(&certificate);
    for (password, right) in [("s%23cret", true), ("wrong-one", false)] {
        let smtp = SmtpServer::builder().starttls(&certificate).auth("alerts", "s#cret").require_auth();
        let smtp = smtp.without(Extension::Pipelining);
        let setup = Road::setup()
            .smtp(smtp)
            .set("smtp.ca_file", authority.path())
            .relay_url(move |server| format!("smtp://alerts:{password}@{}?tls=required", server.addr()));
        let (road, outcome) = delivers(setup).await;
        if right {
            assert_eq!(outcome, Ok(Delivered::ONE_MAIL));
            assert_eq!(road.only_mail().user.as_deref(), Some("alerts"));
        } else {
            let error = outcome.unwrap_err();
            assert!(error.contains("AUTH") && error.contains("535"), "{error}");
            assert!(!error.contains(password), "{error}");
        }
    }
}

/// A01: as the server gets it, a mail begins with its signatures.
#[tokio::test]
async fn mails_leave_with_the_signatures_that_are_configured() {
    let folder = std::env::temp_dir().join(format!("jobalerts-it-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    let [rsa, ed25519] = secrets::dkim_keys(&folder).unwrap().map(|path| path.display().to_string());
    let setup = Road::setup().set("dkim.key_file", &rsa).set("dkim.ed25519_key_file", &ed25519);
    let (road, outcome) = delivers(setup).await;
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(outcome, Ok(Delivered::ONE_MAIL));
    let mail = road.only_mail();
    let begin: Vec<(String, String)> = mail.headers().into_iter().take(3).collect();
    for ((name, value), algorithm) in begin.iter().zip(["rsa-sha256", "ed25519-sha256"]) {
        assert_eq!(name, "DKIM-Signature");
        let tags: Vec<&str> = value.split(';').map(str::trim).collect();
        let expected = ["v=1", &format!("a={algorithm}"), "c=relaxed/relaxed", "d=midshire.example"];
        assert_eq!(tags[..4], expected);
    }
    assert_eq!(begin[2].0, "From");
}
