use super::*;

/// As they were seen of Gmail, Outlook.com and Exchange Online, Yahoo,
/// Apple, Postfix, and Exim.
const SEEN: [(Judgement, &str); 53] = [
    (
        Judgement::NoMailbox,
        "550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos",
    ),
    (Judgement::Shut, "550 5.2.1 The email account that you tried to reach is inactive."),
    (Judgement::Shut, "550 5.2.1 The email account that you tried to reach is disabled."),
    (
        Judgement::Full,
        "552 5.2.2 The recipient's inbox is out of storage space and inactive. Please direct the recipient to",
    ),
    (
        Judgement::Full,
        "452 4.2.2 The recipient's inbox is out of storage space. Please direct the recipient to",
    ),
    (
        Judgement::Later,
        "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered.",
    ),
    (Judgement::Busy, "451 4.3.0 Mail server temporarily rejected message. gsmtp"),
    (
        Judgement::Away,
        "421 4.7.0 Try again later, closing connection. (EHLO) a1-20020a170906d60100b009be - gsmtp",
    ),
    (
        Judgement::Policy,
        "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address.",
    ),
    (
        Judgement::Policy,
        "421 4.7.26 This mail has been rate limited because it is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM.",
    ),
    (Judgement::Policy, "451 4.7.23 The sending IP address for this message doesn't have a PTR record"),
    (Judgement::Policy, "550 5.7.26 This mail has been blocked because the sender is unauthenticated."),
    (Judgement::Policy, "550 5.7.25 The IP address sending this message does not have a PTR record setup"),
    (
        Judgement::Policy,
        "550 5.7.1 [192.0.2.1 19] Gmail has detected that this message is likely suspicious due to the very low reputation of the sending domain.",
    ),
    (Judgement::Policy, "550 5.7.30 This message was rejected because it failed DKIM verification"),
    (Judgement::TooLarge, "552 5.3.4 Your message exceeded Google's message size limits."),
    (Judgement::TooLarge, "552 5.2.3 Your message exceeded Google's message size limits."),
    (
        Judgement::Busy,
        "452 4.5.0 Domain policy size per transaction exceeded, please try this recipient in a separate transaction.",
    ),
    (
        Judgement::Later,
        "452 4.5.3 Your message has too many recipients. For more information regarding Google's sending limits",
    ),
    (
        Judgement::Policy,
        "550 5.7.515 Access denied, sending domain midshire.example does not meet the required authentication level.",
    ),
    (
        Judgement::Shut,
        "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [VI1EUR05FT013.eop-eur05.prod.protection.outlook.com]",
    ),
    (
        Judgement::Policy,
        "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).",
    ),
    (
        Judgement::Busy,
        "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.",
    ),
    (Judgement::Busy, "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)"),
    (
        Judgement::NoMailbox,
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
    ),
    (
        Judgement::Refused,
        "550 5.4.1 Recipient address rejected: Access denied. [AM6EUR05FT064.eop-eur05.prod.protection.outlook.com]",
    ),
    (
        Judgement::Refused,
        "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed",
    ),
    (
        Judgement::Policy,
        "550 5.7.509 Access denied, sending domain midshire.example does not pass DMARC verification and has a DMARC policy of reject.",
    ),
    (
        Judgement::Full,
        "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded",
    ),
    (Judgement::Later, "432 4.2.0 STOREDRV.Deliver; recipient thread limit exceeded"),
    (
        Judgement::Shut,
        "554 delivery error: dd This user doesn't have a yahoo.com account (p@yahoo.com) [0] - mta1234.mail.bf1.yahoo.com",
    ),
    (
        Judgement::Shut,
        "554 30 Sorry, your message to p@yahoo.com cannot be delivered. This mailbox is disabled (554.30).",
    ),
    (
        Judgement::Away,
        "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes",
    ),
    (
        Judgement::Policy,
        "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list",
    ),
    (
        Judgement::Policy,
        "554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes",
    ),
    (Judgement::Busy, "451 4.3.2 Please try again later. See https://postmaster.yahooinc.com/error-codes"),
    (Judgement::NoMailbox, "550 5.1.6 recipient no longer on server: p@icloud.com"),
    (Judgement::NoMailbox, "550 5.1.1 <p@icloud.com>: inactive email address"),
    (
        Judgement::Policy,
        "554 5.7.1 [CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137",
    ),
    (Judgement::Full, "552 5.2.2 <p@icloud.com>: user is over quota"),
    (
        Judgement::NoMailbox,
        "550 5.1.1 <p@example.org>: Recipient address rejected: User unknown in local recipient table",
    ),
    (Judgement::NoMailbox, "550 5.1.2 <p@example.org>: Recipient address rejected: Domain not found"),
    (Judgement::Later, "450 4.1.2 <p@example.org>: Recipient address rejected: Domain not found"),
    (
        Judgement::Later,
        "450 4.2.0 <p@example.org>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.org.html",
    ),
    (Judgement::Later, "450 4.7.1 Client host rejected: cannot find your hostname, [192.0.2.1]"),
    (Judgement::Policy, "554 5.7.1 <p@example.org>: Relay access denied"),
    (
        Judgement::Policy,
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
    ),
    (Judgement::Busy, "452 4.3.1 Insufficient system storage"),
    (Judgement::Shut, "550 Unrouteable address"),
    (Judgement::Later, "451 Greylisted, please try again in 300 seconds"),
    (Judgement::Policy, "550 rejected because 192.0.2.1 is in a black list at zen.spamhaus.org"),
    (Judgement::TooLarge, "552 Message size exceeds maximum permitted"),
    (Judgement::Refused, "550 Administrative prohibition"),
];

fn judged(point: Point, reply: &str) -> (Judgement, u16) {
    let (code, text) = reply.split_once(' ').unwrap();
    let code = code.parse().unwrap();
    (Judgement::of(point, code, text), code)
}

#[test]
fn replies_as_they_were_seen() {
    for (judgement, reply) in SEEN {
        assert_eq!(judged(Point::Recipient, reply).0, judgement, "{reply}");
    }
}

#[test]
fn the_first_digit_of_the_reply_wins() {
    for (judgement, sequel, reply) in [
        (Judgement::Later, Sequel::Waits, "450 5.1.1 unverified address"),
        (Judgement::NoMailbox, Sequel::Ends, "550 4.1.1 no such user"),
        (Judgement::Full, Sequel::Waits, "452 5.2.2 mailbox full"),
        (Judgement::Full, Sequel::Ends, "552 4.2.2 mailbox full"),
        (Judgement::Policy, Sequel::Waits, "550 4.7.26 unauthenticated"),
        (Judgement::Later, Sequel::Waits, "552 5.5.3 Too many recipients"),
        (Judgement::Later, Sequel::Waits, "552 Too many recipients"),
        (Judgement::Away, Sequel::WaitsUncounted, "421 5.1.1 closing"),
        (Judgement::Busy, Sequel::Waits, "400 "),
        (Judgement::Refused, Sequel::Ends, "599 "),
    ] {
        let (found, code) = judged(Point::Recipient, reply);
        assert_eq!((found, found.sequel(code)), (judgement, sequel), "{reply}");
    }
}

/// S05: what is said of the sender ends no mail, except what is wrong with that mail.
#[test]
fn a_refused_sender_is_no_recipients_fault() {
    for (judgement, reply) in [
        (Judgement::Policy, "550 5.1.8 Sender address rejected: Domain not found"),
        (Judgement::Policy, "550 5.1.1 Sender unknown"),
        (Judgement::Policy, "553 sorry, that domain isn't allowed"),
        (Judgement::Policy, "530 5.7.0 Authentication required"),
        (Judgement::TooLarge, "552 5.3.4 Message size exceeds fixed limit"),
        (Judgement::NotInternational, "550 5.6.7 SMTPUTF8 is required"),
        (Judgement::Busy, "451 4.3.0 Later"),
    ] {
        assert_eq!(judged(Point::Sender, reply).0, judgement, "{reply}");
    }
}

#[test]
fn a_status_code_stands_at_the_head_and_is_whole() {
    let read = |text| Status::read(text).map(|status| (status.subject, status.detail));
    assert_eq!(read("5.7.515 Access denied"), Some((7, 515)));
    assert_eq!(read("#5.1.1 bad address"), Some((1, 1)));
    assert_eq!(read("(4.2.2) full"), Some((2, 2)));
    for text in ["", "55.1.1 x", "5.1 x", "5.1.1.1 x", "2.1.5 x", "5.x.1", "5.1.1000", "see 5.1.1"] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn codes_say_nothing_of_anybody() {
    for (reply, expected) in [
        ("550 5.1.1 ann@example.org: unknown", "550 5.1.1"),
        ("550 ann@example.org: unknown", "550"),
        ("421", "421"),
    ] {
        assert_eq!(codes(reply), expected);
    }
}

/// Only what a mailbox is at fault for may ever be held against a person.
#[test]
fn a_policy_never_ends_a_mail() {
    for judgement in Judgement::ALL {
        let ends = [450, 550].map(|code| judgement.sequel(code) == Sequel::Ends);
        if matches!(judgement.signal(), Signal::Rejects | Signal::Strained) {
            assert_eq!(ends, [false, false], "{judgement:?}");
        }
    }
}
