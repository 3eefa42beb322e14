use super::*;

static HOSTS: std::sync::LazyLock<[String; 1]> = std::sync::LazyLock::new(|| ["a.example".to_owned()]);

const TEXT: &str = "New\nArchive assistant\nhttps://a.example/1\nHow to stop\n";
const HTML: &str = "<html lang=\"en-GB\"><body class=\"page\"><p></p><h1>New</h1> Archive assistant \
                    <a class=\"x\" href=\"https://a.example/1\">Read the advert</a> How to stop</body>";

fn slot(text: &str, writer: Writer) -> Slot<'_> {
    Slot { name: "title", text, writer }
}

fn draft<'a>(slots: &'a [Slot<'a>], text: &'a str, html: &'a str) -> Draft<'a> {
    let stop = ["How to stop"; 2];
    let hosts = &*HOSTS;
    Draft {
        language: Language::EnGb,
        subject: "New: archives",
        from_name: Some("Alerts"),
        text,
        html,
        slots,
        stop,
        hosts,
        hidden: None,
    }
}

fn rules(draft: &Draft<'_>) -> Vec<Rule> {
    mail(draft).into_iter().map(|finding| finding.rule).collect()
}

#[test]
fn a_good_mail_passes() {
    assert_eq!(rules(&draft(&[slot("Archive assistant", Writer::Source)], TEXT, HTML)), []);
}

#[test]
fn each_broken_rule_is_found() {
    let good = draft(&[], TEXT, HTML);
    let long = "é".repeat(40);
    let large = format!("{TEXT}{}", "x".repeat(LARGEST_PART));
    let link =
        |tag: &str| HTML.replace("<a class=\"x\" href=\"https://a.example/1\">Read the advert</a>", tag);
    let (insecure, hidden, here) = (
        link("<a href=\"http://a.example/1\">Read</a>"),
        link("<a href=\"https://a.example/2\">Read</a>"),
        link("<a href=\"https://a.example/1\"> Here </a>"),
    );
    let (foreign, foreign_text) = (
        link("<a href=\"https://b.example/1\">Read</a>"),
        TEXT.replace("https://a.example/1", "https://b.example/1"),
    );
    let script = link("<a href=\"javascript:alert(1)\">Read</a>");
    let script_text = TEXT.replace("https://a.example/1", "javascript:alert(1)");
    for (broken, expected) in [
        (Draft { subject: "", ..good }, vec![Rule::Missing]),
        (Draft { subject: &long, ..good }, vec![Rule::LongSubject]),
        (Draft { subject: "a\rb", ..good }, vec![Rule::Control]),
        (Draft { subject: "New: {TITLE}", ..good }, vec![Rule::Placeholder]),
        (Draft { text: &large, ..good }, vec![Rule::TooLarge]),
        (Draft { stop: ["Stop it", "How to stop"], ..good }, vec![Rule::Missing]),
        (Draft { stop: ["How to stop", ""], ..good }, vec![Rule::Missing]),
        (Draft { html: &insecure, ..good }, vec![Rule::NotHttps, Rule::LinkOnlyInHtml]),
        (Draft { html: &hidden, ..good }, vec![Rule::LinkOnlyInHtml]),
        (Draft { html: &here, ..good }, vec![Rule::LinkText]),
        (Draft { html: &foreign, text: &foreign_text, ..good }, vec![Rule::UnknownHost]),
        (Draft { html: &script, text: &script_text, ..good }, vec![Rule::NotHttps]),
    ] {
        assert_eq!(rules(&broken), expected, "{broken:?}");
    }
}

#[test]
fn a_slot_is_wrong_only_as_a_whole() {
    let judged = |text: &str, writer| {
        let (body, page) = (format!("{TEXT}{text}"), format!("{HTML}{}", escape(text)));
        rules(&draft(&[slot(text, writer)], &body, &page))
    };
    for fine in ["Null space engineer", "Midnight shift warden", "None of the above", "R&D <b>", "Nan"] {
        assert_eq!(judged(fine, Writer::Source), [], "{fine}");
    }
    for nothing in ["null", "None", "NaN", "undefined"] {
        assert_eq!(judged(nothing, Writer::Source), [Rule::NoValue], "{nothing}");
        assert_eq!(judged(nothing, Writer::Reader), [], "{nothing}");
    }
    for unfilled in ["{{title}}", "{TITLE}", "for {job_title} now", "a }} b"] {
        assert_eq!(judged(unfilled, Writer::Source), [Rule::Placeholder], "{unfilled}");
        assert_eq!(judged(unfilled, Writer::Reader), [], "{unfilled}");
    }
    for fine in ["{}", "{a b}", "a { b", "Closes at 10:12am, or 12:30pm."] {
        assert_eq!(judged(fine, Writer::Us), [], "{fine}");
    }
    for ambiguous in ["Closes at midnight.", "at 12am on", "12PM"] {
        assert_eq!(judged(ambiguous, Writer::Us), [Rule::AmbiguousTime], "{ambiguous}");
    }
    assert_eq!(judged("", Writer::Source), [Rule::Missing]);
}

#[test]
fn our_own_words_are_judged() {
    let judged = |name: &'static str, text: &str| {
        let (body, page) = (format!("{TEXT}{text}"), format!("{HTML}{}", escape(text)));
        rules(&draft(&[Slot { name, text, writer: Writer::Us }], &body, &page))
    };
    for fine in [
        "Closes on Friday 8 December 2023.",
        "The day has moved from Saturday 17 February 2024 to Saturday 24 February 2024, same time and place.",
        "It opened at 10am on Tuesday 5 March 2024 and closed at 10:20am on Tuesday 5 March 2024.",
        "Reference 8 December.",
    ] {
        assert_eq!(judged("lead", fine), [], "{fine}");
    }
    for (wrong, rule) in [
        ("Closes on Thursday 8 December 2023.", Rule::Weekday),
        ("Closes on 8 December 2023.", Rule::Weekday),
        ("Look at Careers at Careers.", Rule::DoubledWords),
        ("This is your last chance.", Rule::BannedWords),
    ] {
        let judged = judged("lead", wrong);
        assert!(judged.contains(&rule), "{wrong}: {judged:?}");
    }
}

#[test]
fn one_thing_closes_once() {
    let slot = |name, text| Slot { name, text, writer: Writer::Us };
    let (early, late) = ("until Monday 4 December 2023", "until Friday 8 December 2023");
    for (slots, two) in [
        (
            vec![slot("title", "A"), slot("lead", early), slot("Closes", "Monday 4 December 2023, noon")],
            false,
        ),
        (vec![slot("title", "A"), slot("lead", early), slot("Closes", "Friday 8 December 2023")], true),
        (vec![slot("title", "A"), slot("lead", early), slot("title", "B"), slot("lead", late)], false),
    ] {
        assert_eq!(has_two_closings(English.lexicon(), &slots), two);
    }
}

#[test]
fn times_have_an_order() {
    let at = |hour: u32| Some(format!("2024-03-05T{hour:02}:00:00Z").parse().unwrap());
    let now = at(12).unwrap();
    let rules = |to_come, opens, shuts| {
        times(to_come, opens, shuts, now).into_iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    assert_eq!(rules(at(13), at(13), at(14)), []);
    assert_eq!(rules(at(11), at(11), None), []);
    assert_eq!(rules(at(10), at(10), at(14)), [Rule::Past]);
    assert_eq!(rules(None, at(14), at(13)), [Rule::ClosesFirst]);
}

#[test]
fn a_discreet_mail_reveals_nothing_at_first_sight() {
    let quiet = Draft { hidden: Some("Midshire"), ..draft(&[], TEXT, HTML) };
    assert_eq!(rules(&quiet), []);
    let (text, html) = (format!("\n Constable \n{TEXT}"), HTML.replace("<p></p>", "<p>\n at Midshire</p>"));
    for (broken, place) in [
        (Draft { subject: "A Police role", ..quiet }, "subject"),
        (Draft { from_name: Some("MIDSHIRE alerts"), ..quiet }, "from"),
        (Draft { from_name: None, ..quiet }, "from"),
        (Draft { text: &text, ..quiet }, "text"),
        (Draft { html: &html, ..quiet }, "html"),
    ] {
        assert_eq!(mail(&broken), [Finding { place, rule: Rule::Revealing }]);
    }
}

#[test]
fn the_frame_is_judged_by_every_word() {
    let judged = |words: &str| {
        let html = HTML.replace("Archive", words);
        frame(&draft(&[], words, &html))
            .into_iter()
            .map(|finding| (finding.place, finding.rule))
            .collect::<Vec<_>>()
    };
    assert_eq!(judged("Archive"), []);
    for (words, rule) in [
        ("it is null now", Rule::NoValue),
        ("Pay: None", Rule::NoValue),
        ("Dear {NAME}", Rule::Placeholder),
        ("by midnight", Rule::AmbiguousTime),
        ("Do!", Rule::Style),
        ("hurry along", Rule::BannedWords),
        ("Please note", Rule::Style),
    ] {
        assert_eq!(judged(words), [("text", rule), ("html", rule)], "{words}");
    }
    assert_eq!(judged("<h1>Two"), [("html", Rule::Structure)]);
    let absent = [slot("Gone", Writer::Source)];
    assert_eq!(frame(&draft(&absent, TEXT, HTML)), [Finding { place: "title", rule: Rule::Missing }]);
}
