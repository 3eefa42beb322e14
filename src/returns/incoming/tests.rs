use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;

use super::*;

/// The sample mails, by their names.
fn samples() -> BTreeMap<String, Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/returns");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

/// In one word each.
fn called(mail: &[u8]) -> String {
    match Incoming::read(mail).map(|incoming| incoming.what) {
        None => "none".to_owned(),
        Some(What::Bounce(status)) => format!("bounce {status}"),
        Some(What::Delayed(status)) => format!("delayed {status}"),
        Some(What::Complaint { shown }) => format!(
            "complaint{}{}",
            if shown.contains("bounce+@BOUNCE@@") { " bounce" } else { "" },
            if shown.contains("/stop/@STOP@>") { " stop" } else { "" },
        ),
        Some(What::NoNews) => "no news".to_owned(),
        Some(What::Automatic) => "automatic".to_owned(),
        Some(What::SaysStop { from, answers }) => format!("stop {} {}", from.lookup(), answers.len()),
        Some(What::Other) => "other".to_owned(),
    }
}

/// B02, B05, B08.
#[test]
fn every_sample_is_what_it_is() {
    let expected = BTreeMap::from([
        ("postfix-user-unknown", "bounce 5.1.1"),
        ("postfix-mailbox-full", "bounce 5.2.2"),
        ("postfix-delayed", "delayed 4.4.1"),
        ("postfix-relayed", "no news"),
        ("exim-user-unknown", "bounce 5.1.1"),
        ("exim-plain", "bounce 5.0.0"),
        ("exchange-online-not-found", "bounce 5.1.10"),
        ("exchange-online-sender-rejected", "bounce 5.7.515"),
        ("gmail-does-not-exist", "bounce 5.1.1"),
        ("gmail-disabled", "bounce 5.2.1"),
        ("yahoo-arf-abuse", "complaint bounce stop"),
        ("yahoo-arf-not-spam", "no news"),
        ("arf-redacted", "complaint stop"),
        ("outlook-jmrp", "complaint bounce stop"),
        ("out-of-office", "automatic"),
        ("vacation-old", "automatic"),
        ("read-receipt", "automatic"),
        ("unsubscribe-mail", "automatic"),
        ("reply-stop", "stop ann@example.org 3"),
        ("reply-question", "other"),
        ("forged", "bounce 5.1.1"),
    ]);
    let samples = samples();
    let found: BTreeMap<&str, String> =
        samples.iter().map(|(name, mail)| (name.as_str(), called(&as_ids(mail)))).collect();
    let found: BTreeMap<&str, &str> = found.iter().map(|(name, what)| (*name, what.as_str())).collect();
    assert_eq!(found, expected);
    for (name, mail) in &samples {
        let text = String::from_utf8(as_ids(mail)).unwrap().replace('\n', "\r\n");
        assert_eq!(called(text.as_bytes()), expected[name.as_str()], "{name} as it goes over SMTP");
    }
}

/// With a Message-ID in its place.
fn as_ids(mail: &[u8]) -> Vec<u8> {
    String::from_utf8(mail.to_vec()).unwrap().replace("@MESSAGE-ID@", "<abc@midshire.example>").into_bytes()
}

#[test]
fn a_mail_names_where_it_was_sent() {
    let samples = samples();
    for name in ["postfix-user-unknown", "exim-plain", "exchange-online-not-found"] {
        let addressed = Incoming::read(&samples[name]).unwrap().addressed;
        assert!(addressed.contains("bounce+@BOUNCE@@"), "{name}: {addressed}");
    }
}

#[test]
fn one_word_is_a_stop_and_more_is_not() {
    for (text, stops) in [
        ("stop", true),
        ("STOP.\n", true),
        ("\n \nUnsubscribe", true),
        ("*Remove me*\n\n-- \nAnn", true),
        ("please stop", false),
        ("stop sending me this on Sundays", false),
        ("yes", false),
        ("> stop", false),
        ("", false),
    ] {
        let mail = format!("From: ann@example.org\nIn-Reply-To: <a@b.example>\n\n{text}\n");
        assert_eq!(called(mail.as_bytes()).starts_with("stop"), stops, "{text:?}");
    }
    let unanswered = "From: ann@example.org\nSubject: stop\n\nstop\n";
    assert_eq!(called(unanswered.as_bytes()), "other", "it answers nothing of ours");
}

#[test]
fn what_is_too_large_or_too_deep_is_not_read() {
    let large = [b"Subject: x\n\n".to_vec(), vec![b'x'; LARGEST]].concat();
    assert_eq!(called(&large), "none");
    for part in ["Content-Type: message/rfc822\n\n", "CONTENT-TYPE: multipart/mixed; boundary=a\n\n--a\n"] {
        let deep = part.repeat(LARGEST / part.len());
        assert_eq!(called(deep.as_bytes()), "none");
        let less = part.repeat(MOST_PARTS);
        let _ = called(less.as_bytes());
    }
}

#[test]
fn of_several_recipients_the_worst_counts() {
    let report = |recipients: &str| {
        format!(
            "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n\
             Content-Type: message/delivery-status\n\nReporting-MTA: dns; a.example\n\n{recipients}\n\n--x--\n"
        )
    };
    for (recipients, expected) in [
        ("Action: delayed\nStatus: 4.4.1\n\nAction: failed\nStatus: 5.2.2", "bounce 5.2.2"),
        ("action: FAILED (really)\nstatus: 5.1.1 (no such user)", "bounce 5.1.1"),
        ("Action: failed\nStatus: nonsense", "bounce 5.0.0"),
        ("Action: failed", "bounce 5.0.0"),
        ("Action: failed\nDiagnostic-Code: smtp; 550-5.1.1\n no such user", "bounce 5.1.1"),
        ("Action: expanded\nStatus: 2.0.0", "no news"),
        ("Action: delivered\nStatus: 5.1.1", "no news"),
        ("Status: 5.1.1", "no news"),
    ] {
        assert_eq!(called(report(recipients).as_bytes()), expected, "{recipients}");
    }
}

proptest! {
    #[test]
    fn garbage_is_read_or_not(garbage: Vec<u8>) {
        let _ = Incoming::read(&garbage);
    }

    #[test]
    fn a_mutilated_mail_is_read_or_not(
        sample: prop::sample::Index,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<Vec<u8>>()), 0..6),
    ) {
        let samples: Vec<Vec<u8>> = samples().into_values().collect();
        let mut mail = samples[sample.index(samples.len())].clone();
        for (from, to, with) in cuts {
            let (from, to) = (from.index(mail.len() + 1), to.index(mail.len() + 1));
            mail.splice(from.min(to)..from.max(to), with);
        }
        let _ = Incoming::read(&mail);
    }

    /// Lines in another order, twice, or not at all: boundaries lie in each other in odd ways.
    #[test]
    fn a_shuffled_mail_is_read_or_not(sample: prop::sample::Index, lines: Vec<prop::sample::Index>) {
        let samples: Vec<Vec<u8>> = samples().into_values().collect();
        let mail = &samples[sample.index(samples.len())];
        let all: Vec<&[u8]> = mail.split(|octet| *octet == b'\n').collect();
        let shuffled: Vec<&[u8]> = lines.iter().map(|line| all[line.index(all.len())]).collect();
        let _ = Incoming::read(&shuffled.join(&b'\n'));
    }
}
