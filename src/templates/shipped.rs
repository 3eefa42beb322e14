//! The templates that ship with the program.

macro_rules! shipped {
    ($name:literal) => {
        ($name, include_str!(concat!("../../templates/email/", $name, ".hbs")))
    };
}

/// By name.
pub(crate) const SHIPPED: &[(&str, &str)] = &[
    shipped!("layout/already-applied.html"),
    shipped!("layout/already-applied.txt"),
    shipped!("layout/announcement.html"),
    shipped!("layout/announcement.txt"),
    shipped!("layout/as-of.html"),
    shipped!("layout/as-of.txt"),
    shipped!("layout/before-you-click.html"),
    shipped!("layout/before-you-click.txt"),
    shipped!("layout/calendar-file.html"),
    shipped!("layout/calendar-file.txt"),
    shipped!("layout/complaint-contact.html"),
    shipped!("layout/complaint-contact.txt"),
    shipped!("layout/correction-box.html"),
    shipped!("layout/correction-box.txt"),
    shipped!("layout/discreet.html"),
    shipped!("layout/discreet.txt"),
    shipped!("layout/explanation.html"),
    shipped!("layout/explanation.txt"),
    shipped!("layout/facts.html"),
    shipped!("layout/facts.txt"),
    shipped!("layout/headline.html"),
    shipped!("layout/headline.txt"),
    shipped!("layout/lead.html"),
    shipped!("layout/lead.txt"),
    shipped!("layout/look-for.html"),
    shipped!("layout/look-for.txt"),
    shipped!("layout/may-close-early.html"),
    shipped!("layout/may-close-early.txt"),
    shipped!("layout/not-an-application.html"),
    shipped!("layout/not-an-application.txt"),
    shipped!("layout/page.html"),
    shipped!("layout/page.txt"),
    shipped!("layout/receipt.html"),
    shipped!("layout/receipt.txt"),
    shipped!("layout/sender-identity.html"),
    shipped!("layout/sender-identity.txt"),
    shipped!("layout/stop-and-change.html"),
    shipped!("layout/stop-and-change.txt"),
    shipped!("layout/summary.html"),
    shipped!("layout/summary.txt"),
    shipped!("layout/test-banner.html"),
    shipped!("layout/test-banner.txt"),
    shipped!("layout/title.html"),
    shipped!("layout/title.txt"),
    shipped!("layout/what-next.html"),
    shipped!("layout/what-next.txt"),
    shipped!("layout/what-to-do.html"),
    shipped!("layout/what-to-do.txt"),
    shipped!("layout/which-is-for-me.html"),
    shipped!("layout/which-is-for-me.txt"),
    shipped!("layout/why-you-each.html"),
    shipped!("layout/why-you-each.txt"),
    shipped!("layout/why-you.html"),
    shipped!("layout/why-you.txt"),
    shipped!("closed-early/body.html"),
    shipped!("closed-early/body.txt"),
    shipped!("closing-soon/body.html"),
    shipped!("closing-soon/body.txt"),
    shipped!("correction/body.html"),
    shipped!("correction/body.txt"),
    shipped!("digest/body.html"),
    shipped!("digest/body.txt"),
    shipped!("event-day-changed/body.html"),
    shipped!("event-day-changed/body.txt"),
    shipped!("event-day/body.html"),
    shipped!("event-day/body.txt"),
    shipped!("lapsed/body.html"),
    shipped!("lapsed/body.txt"),
    shipped!("lapsed/stop-and-change.html"),
    shipped!("lapsed/stop-and-change.txt"),
    shipped!("missed/body.html"),
    shipped!("missed/body.txt"),
    shipped!("open-now/body.html"),
    shipped!("open-now/body.txt"),
    shipped!("opening-date/body.html"),
    shipped!("opening-date/body.txt"),
    shipped!("programme-changed/body.html"),
    shipped!("programme-changed/body.txt"),
    shipped!("still-interested/body.html"),
    shipped!("still-interested/body.txt"),
    shipped!("vacancy-alert/body.html"),
    shipped!("vacancy-alert/body.txt"),
    shipped!("withdrawn/body.html"),
    shipped!("withdrawn/body.txt"),
    shipped!("cy-GB/layout/already-applied.html"),
    shipped!("cy-GB/layout/already-applied.txt"),
    shipped!("cy-GB/layout/as-of.html"),
    shipped!("cy-GB/layout/as-of.txt"),
    shipped!("cy-GB/layout/before-you-click.html"),
    shipped!("cy-GB/layout/before-you-click.txt"),
    shipped!("cy-GB/layout/discreet.html"),
    shipped!("cy-GB/layout/discreet.txt"),
    shipped!("cy-GB/layout/facts.html"),
    shipped!("cy-GB/layout/facts.txt"),
    shipped!("cy-GB/layout/look-for.html"),
    shipped!("cy-GB/layout/look-for.txt"),
    shipped!("cy-GB/layout/may-close-early.html"),
    shipped!("cy-GB/layout/may-close-early.txt"),
    shipped!("cy-GB/layout/not-an-application.html"),
    shipped!("cy-GB/layout/not-an-application.txt"),
    shipped!("cy-GB/layout/receipt.html"),
    shipped!("cy-GB/layout/receipt.txt"),
    shipped!("cy-GB/layout/sender-identity.html"),
    shipped!("cy-GB/layout/sender-identity.txt"),
    shipped!("cy-GB/layout/stop-and-change.html"),
    shipped!("cy-GB/layout/stop-and-change.txt"),
    shipped!("cy-GB/layout/test-banner.html"),
    shipped!("cy-GB/layout/test-banner.txt"),
    shipped!("cy-GB/layout/which-is-for-me.html"),
    shipped!("cy-GB/layout/which-is-for-me.txt"),
    shipped!("cy-GB/layout/why-you-each.html"),
    shipped!("cy-GB/layout/why-you-each.txt"),
    shipped!("cy-GB/layout/why-you.html"),
    shipped!("cy-GB/layout/why-you.txt"),
    shipped!("cy-GB/lapsed/body.html"),
    shipped!("cy-GB/lapsed/body.txt"),
    shipped!("cy-GB/lapsed/stop-and-change.html"),
    shipped!("cy-GB/lapsed/stop-and-change.txt"),
    shipped!("cy-GB/open-now/body.html"),
    shipped!("cy-GB/open-now/body.txt"),
    shipped!("cy-GB/still-interested/body.html"),
    shipped!("cy-GB/still-interested/body.txt"),
    shipped!("cy-GB/vacancy-alert/body.html"),
    shipped!("cy-GB/vacancy-alert/body.txt"),
];

macro_rules! shipped_page {
    ($name:literal) => {
        ($name, include_str!(concat!("../../templates/page/", $name, ".hbs")))
    };
}
/// The templates of the pages that ship with the program, by name.
pub(super) const SHIPPED_PAGES: &[(&str, &str)] = &[
    shipped_page!("layout/foot.html"),
    shipped_page!("layout/head.html"),
    shipped_page!("ask.html"),
    shipped_page!("message.html"),
    shipped_page!("stopped.html"),
    shipped_page!("undo.html"),
];

/// The style sheet of the pages.
pub const STYLE: &str = include_str!("../../templates/page/style.css");

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::SHIPPED;

    #[test]
    fn every_template_file_ships() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/email");
        let mut folders = vec![folder.clone()];
        while let Some(inner) = folders.pop() {
            for entry in std::fs::read_dir(inner).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().trim_end_matches(".hbs");
                assert!(SHIPPED.iter().any(|(shipped, _)| *shipped == name), "{name}");
            }
        }
    }
}
