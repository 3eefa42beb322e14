use super::*;

const LONDON: Tz = Tz::Europe__London;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn a_closing_is_said_as_precisely_as_it_was_given() {
    let date: NaiveDate = "2023-12-08".parse().unwrap();
    for (shuts, sentence, until) in [
        (
            Closing::Instant(at("2023-12-04T12:00:00Z")),
            "Yn cau am hanner dydd ddydd Llun 4 Rhagfyr 2023, amser y DU.",
            Some("hanner dydd ddydd Llun 4 Rhagfyr 2023"),
        ),
        (
            Closing::Instant(at("2024-06-30T23:00:00Z")),
            "Yn cau am 11:59 yr hwyr ddydd Sul 30 Mehefin 2024, amser y DU.",
            Some("11:59 yr hwyr ddydd Sul 30 Mehefin 2024"),
        ),
        (
            Closing::Date(date),
            "Yn cau ddydd Gwener 8 Rhagfyr 2023. Nid yw'r hysbyseb yn rhoi amser, felly peidiwch â'i adael tan \
             gyda'r nos.",
            Some("ddydd Gwener 8 Rhagfyr 2023"),
        ),
        (
            Closing::CloseOfBusiness(date),
            "Yn cau ar ddiwedd y diwrnod gwaith ddydd Gwener 8 Rhagfyr 2023.",
            Some("ddiwedd y diwrnod gwaith ddydd Gwener 8 Rhagfyr 2023"),
        ),
        (Closing::OpenUntilFilled, "Ni roddir dyddiad cau; gall gau unrhyw bryd.", None),
    ] {
        assert_eq!(Welsh.closing(shuts, LONDON), sentence);
        assert_eq!(Welsh.until(shuts, LONDON).as_deref(), until);
    }
}

#[test]
fn times_have_the_part_of_the_day() {
    for (moment, said) in [
        ("2024-03-05T10:02:59Z", "10:02 y bore ddydd Mawrth 5 Mawrth 2024"),
        ("2024-03-06T12:30:00Z", "12:30 y prynhawn ddydd Mercher 6 Mawrth 2024"),
        ("2024-03-06T17:30:00Z", "5:30 y prynhawn ddydd Mercher 6 Mawrth 2024"),
        ("2024-03-07T18:00:00Z", "6 yr hwyr ddydd Iau 7 Mawrth 2024"),
        ("2024-03-09T00:30:00Z", "12:30 y bore ddydd Sadwrn 9 Mawrth 2024"),
    ] {
        assert_eq!(Welsh.moment(at(moment), LONDON), said);
    }
    let opens = When::Instant(at("2024-03-05T10:00:00Z"));
    assert_eq!(Welsh.begins_fact(opens, LONDON), "Dydd Mawrth 5 Mawrth 2024, 10 y bore, amser y DU");
    assert_eq!(
        Welsh.begins_fact(opens, Tz::Europe__Madrid),
        "Dydd Mawrth 5 Mawrth 2024, 11 y bore, amser Madrid"
    );
}

#[test]
fn words_change_behind_numbers_and_before_vowels() {
    for (given, said) in [
        ("P1Y", "1 flwyddyn"),
        ("P2Y", "2 flynedd"),
        ("P3Y", "3 blynedd"),
        ("P5Y", "5 mlynedd"),
        ("P1Y6M", "1 flwyddyn a 6 mis"),
        ("P2M", "2 fis"),
        ("P8W", "8 wythnos"),
        ("P2D", "2 ddiwrnod"),
        ("tua dwy flynedd", "tua dwy flynedd"),
    ] {
        assert_eq!(Welsh.length(given), said);
    }
    assert_eq!(list(&["A", "\"Birmingham\""]), "A a \"Birmingham\"");
    assert_eq!(list(&["A", "B", "\"Archives\""]), "A, B ac \"Archives\"");
    assert_eq!(list(&["A", "8 arall"]), "A ac 8 arall");
    assert_eq!(list(&["A", "3 arall"]), "A a 3 arall");
    assert_eq!(Welsh.routes_are_open(2, true), "Agorodd 2 lwybr heddiw");
    assert_eq!(Welsh.routes_are_open(3, false), "Mae 3 llwybr ar agor");
}

#[test]
fn pay_is_said_in_figures() {
    let of = |min, max| Welsh.pay(&Pay { currency: "GBP".to_owned(), min, max, unit: PayUnit::Year });
    assert_eq!(of(2_990_700, 4_500_000).as_deref(), Some("£29,907 i £45,000 y flwyddyn"));
    assert_eq!(of(0, 4_500_000).as_deref(), Some("Hyd at £45,000 y flwyddyn"));
    assert_eq!(of(0, 0), None);
}
