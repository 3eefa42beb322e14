//! Vacancy alerts that, together, take every branch of the templates. Their words are harmless, so
//! that whatever is wrong in what they render is wrong in the templates.

use super::{ItemView, View};
use crate::compose::Sender;

impl<'a> View<'a> {
    /// One mail for each way through the templates.
    pub(in crate::compose) fn samples(sender: &'a Sender) -> Vec<Self> {
        let sample = |test, discreet, items: Vec<ItemView<'a>>| Self {
            page_title: String::new(),
            test,
            discreet,
            several: (items.len() > 1).then_some(items.len()),
            many_searches: items.iter().any(|item| item.many_searches),
            items,
            as_of: "10:02am on Tuesday 5 March 2024".to_owned(),
            force: &sender.name,
            team: &sender.team,
            postal_address: &sender.postal_address,
            privacy_url: sender.privacy_url.as_str(),
            place_in_subject: Some("Midtown".to_owned()),
        };
        let several = || vec![full(sender, Some(1)), bare(sender, Some(2))];
        vec![
            sample(false, false, vec![full(sender, None)]),
            sample(false, false, vec![bare(sender, None)]),
            sample(false, false, several()),
            sample(false, true, vec![full(sender, None)]),
            sample(false, true, several()),
            sample(true, false, vec![full(sender, None)]),
            sample(true, true, several()),
        ]
    }
}

/// Everything that an advert can say.
fn full(sender: &Sender, number: Option<usize>) -> ItemView<'_> {
    ItemView {
        number,
        title: "Archive assistant".to_owned(),
        closing: "Closes at noon on Tuesday 19 March 2024, UK time.".to_owned(),
        employer: Some("Midshire".to_owned()),
        place: Some("Riverside, Midtown".to_owned()),
        contract: Some("Permanent".to_owned()),
        hours: Some("Part-time".to_owned()),
        pay: Some("£24,000 a year".to_owned()),
        grade: Some("Scale 3".to_owned()),
        audience: Some("Serving staff".to_owned()),
        reference: "240000AB".to_owned(),
        searches: Some("\"Archives\" and \"Near me\"".to_owned()),
        many_searches: true,
        url: Some("https://careers.midshire.example/jobs/240000AB".to_owned()),
        label: number.map(|_| "Archive assistant".to_owned()),
        public_url: sender.public_url.as_str(),
    }
}

/// As little as an advert can say.
fn bare(sender: &Sender, number: Option<usize>) -> ItemView<'_> {
    ItemView {
        number,
        title: "Archive volunteer".to_owned(),
        closing: "No closing date is given; it can close at any time.".to_owned(),
        employer: None,
        place: None,
        contract: None,
        hours: None,
        pay: None,
        grade: None,
        audience: None,
        reference: "240000AC".to_owned(),
        searches: number.map(|_| "\"Archives\"".to_owned()),
        many_searches: false,
        url: None,
        label: None,
        public_url: sender.public_url.as_str(),
    }
}
