//! The pages: which there are, and what they say. None of them tells anything about a person, because
//! links to them are forwarded and kept with mails.

use std::iter;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use crate::config::Sender;
use crate::domain::stop::Scope;
use crate::templates::{TemplateProblem, Templates};

/// When to try again after we could not answer, in seconds.
const TRY_AGAIN_AFTER: HeaderValue = HeaderValue::from_static("30");

/// A page, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Page {
    /// What is to stop? Whether what the mail was about can be stopped alone.
    Ask { these: bool },
    /// What the mail was about cannot be stopped alone, though it was asked for.
    MailUnknown,
    /// So much is stopped.
    Stopped { scope: Scope, undo: Option<Undo> },
    /// Is the stop to be taken back?
    Undo,
    /// Nothing but words.
    Message(Message),
}

/// How a stop is taken back, and what happens if it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Undo {
    /// The path of the form.
    pub(super) action: String,
    /// The last day.
    pub(super) until: String,
}

/// A page of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    Undone,
    UndoneInVain,
    StoppedSince,
    TooLate,
    NotFound,
    NothingAsked,
    NotAllowed,
    CrossSite,
    TooLarge,
    TooSlow,
    Unavailable,
}

impl Message {
    /// All of them.
    #[cfg(test)]
    const ALL: [Self; 11] = [
        Self::Undone,
        Self::UndoneInVain,
        Self::StoppedSince,
        Self::TooLate,
        Self::NotFound,
        Self::NothingAsked,
        Self::NotAllowed,
        Self::CrossSite,
        Self::TooLarge,
        Self::TooSlow,
        Self::Unavailable,
    ];

    const fn status(self) -> StatusCode {
        match self {
            Self::Undone | Self::UndoneInVain | Self::StoppedSince => StatusCode::OK,
            Self::TooLate => StatusCode::GONE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NothingAsked => StatusCode::BAD_REQUEST,
            Self::NotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::CrossSite => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Undone => "Your emails start again",
            Self::UndoneInVain => "We still send you nothing",
            Self::StoppedSince => "All emails stay stopped",
            Self::TooLate => "It is too late to undo this",
            Self::NotFound => "Error: this page does not exist",
            Self::NothingAsked | Self::NotAllowed | Self::CrossSite => "Error: nothing was changed",
            Self::TooLarge => "Error: that was too much",
            Self::TooSlow => "Error: that took too long",
            Self::Unavailable => "Error: we cannot do this now",
        }
    }

    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Undone => &["The searches and registrations that had ended are back."],
            Self::UndoneInVain => &[
                "The searches and registrations that had ended are back. But we send nothing to your address: an \
                 email could not be delivered to it, or was marked as spam, or we are not allowed to for another reason.",
                "If you want to hear from us again, you are welcome to sign up again.",
            ],
            Self::StoppedSince => {
                &["You have stopped all emails since. We changed nothing, and send you nothing more."]
            }
            Self::TooLate => &[
                "A stop can be undone for 14 days.",
                "If you want to hear from us again, you are welcome to sign up again.",
            ],
            Self::NotFound => &[
                "The link may have been cut off on its way. Open it once more from the email, or copy all of it.",
            ],
            Self::NothingAsked => &["Open the link in the email once more and press one of the buttons."],
            Self::NotAllowed => &["This page cannot be used in this way."],
            Self::CrossSite => {
                &["Another website has sent you here. Go back to our page and press the button there."]
            }
            Self::TooLarge | Self::TooSlow => &["Nothing was changed. Please try again."],
            Self::Unavailable => &["Something does not work on our side. Please try again in a minute."],
        }
    }

    /// Whether a person can help.
    const fn refers_to_people(self) -> bool {
        matches!(
            self,
            Self::UndoneInVain | Self::NotFound | Self::Unavailable | Self::TooLarge | Self::TooSlow
        )
    }
}

/// All pages, ready to be rendered.
#[derive(Debug)]
pub(super) struct Pages {
    templates: Templates,
    sender: Sender,
    /// Where answers are read.
    contact: String,
    /// The path of the style sheet.
    style: String,
    /// How long people who stopped everything are known, if they are ever forgotten.
    forgotten_after: Option<String>,
}

/// What every template knows.
#[derive(Serialize)]
struct View<'a, P: Serialize> {
    title: &'a str,
    sender: &'a str,
    team: &'a str,
    postal_address: &'a str,
    privacy_url: &'a str,
    style: &'a str,
    #[serde(flatten)]
    page: P,
}

#[derive(Serialize)]
struct AskView {
    these: bool,
    mail_unknown: bool,
}

#[derive(Serialize)]
struct StoppedView<'a> {
    everything: bool,
    undo: Option<&'a Undo>,
    forgotten_after: Option<&'a str>,
}

#[derive(Serialize)]
struct MessageView {
    lines: Vec<String>,
}

impl Pages {
    /// Reads the templates.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read.
    pub(super) fn new(
        sender: Sender,
        contact: String,
        style: String,
        forgotten_after: Option<String>,
    ) -> Result<Self, Vec<TemplateProblem>> {
        Ok(Self { templates: Templates::pages()?, sender, contact, style, forgotten_after })
    }

    /// The answer that shows a page.
    pub(super) fn answer(&self, page: &Page) -> Response {
        let (status, html) = match self.html(page) {
            Ok(html) => (status(page), html),
            Err(error) => {
                tracing::error!(%error, "a page cannot be written");
                (StatusCode::INTERNAL_SERVER_ERROR, String::new())
            }
        };
        let mut response = Response::new(Body::from(html));
        *response.status_mut() = status;
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, html);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, TRY_AGAIN_AFTER);
        }
        response
    }

    fn html(&self, page: &Page) -> Result<String, TemplateProblem> {
        match page {
            Page::Ask { these } => {
                self.render("ask", "Stop emails", AskView { these: *these, mail_unknown: false })
            }
            Page::MailUnknown => {
                self.render("ask", "Stop emails", AskView { these: false, mail_unknown: true })
            }
            Page::Stopped { scope, undo } => {
                let everything = *scope == Scope::All;
                let title = if everything { "All emails are stopped" } else { "These emails are stopped" };
                let forgotten_after =
                    self.forgotten_after.as_deref().filter(|_| everything && undo.is_some());
                self.render(
                    "stopped",
                    title,
                    StoppedView { everything, undo: undo.as_ref(), forgotten_after },
                )
            }
            Page::Undo => self.render("undo", "Undo the stop", ()),
            Page::Message(message) => {
                let words = message.words().iter().map(|line| (*line).to_owned());
                let people = || format!("If it does not help, write to {}. A person reads it.", self.contact);
                let people = iter::once_with(people).filter(|_| message.refers_to_people());
                self.render("message", message.title(), MessageView { lines: words.chain(people).collect() })
            }
        }
    }

    fn render(&self, name: &str, title: &str, page: impl Serialize) -> Result<String, TemplateProblem> {
        let Sender { name: sender, team, postal_address, privacy_url } = &self.sender;
        let privacy_url = privacy_url.as_str();
        let view = View { title, sender, team, postal_address, privacy_url, style: &self.style, page };
        self.templates.html(name, &view)
    }
}

fn status(page: &Page) -> StatusCode {
    match page {
        Page::Message(message) => message.status(),
        _ => StatusCode::OK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> Pages {
        pages_of(Some("28 days"))
    }

    fn pages_of(forgotten_after: Option<&str>) -> Pages {
        let sender = Sender {
            name: "Midshire <Police>".to_owned(),
            team: "Recruitment Team".to_owned(),
            postal_address: "1 Example Square".to_owned(),
            privacy_url: "https://careers.midshire.example/privacy".parse().unwrap(),
        };
        let contact = "recruitment@midshire.example".to_owned();
        Pages::new(sender, contact, "/alerts/style.css".to_owned(), forgotten_after.map(str::to_owned))
            .unwrap()
    }

    fn all() -> Vec<Page> {
        let undo = Undo { action: "/undo/abc".to_owned(), until: "5 December".to_owned() };
        let mut all =
            vec![Page::Ask { these: true }, Page::Ask { these: false }, Page::MailUnknown, Page::Undo];
        for scope in [Scope::These, Scope::All] {
            all.extend([Some(undo.clone()), None].map(|undo| Page::Stopped { scope, undo }));
        }
        all.extend(Message::ALL.map(Page::Message));
        all
    }

    /// L22: language, one heading that the title repeats, a style sheet of our own and nothing else.
    #[test]
    fn every_page_is_whole_and_fit_for_everybody() {
        for page in all() {
            let html = pages().html(&page).unwrap();
            assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en-GB\">"), "{html}");
            assert_eq!(html.matches("<h1>").count(), 1, "{html}");
            let (_, rest) = html.split_once("<h1>").unwrap();
            let heading = rest.split("</h1>").next().unwrap();
            assert!(html.contains(&format!("<title>{heading} - Midshire &lt;Police&gt;</title>")), "{html}");
            assert_eq!(html.matches("rel=\"stylesheet\" href=\"/alerts/style.css\"").count(), 1);
            for never in ["<script", " style=", "<img", "http://", " onclick"] {
                assert!(!html.contains(never), "{never}: {html}");
            }
        }
    }

    #[test]
    fn a_page_offers_what_can_be_done_and_nothing_else() {
        let html = |page: &Page| pages().html(page).unwrap();
        let buttons = |page: &Page| html(page).matches("<button").count();
        assert_eq!(buttons(&Page::Ask { these: true }), 2);
        assert_eq!(buttons(&Page::Ask { these: false }), 1);
        assert_eq!(buttons(&Page::MailUnknown), 1);
        for page in all() {
            let undo = matches!(&page, Page::Stopped { undo: Some(_), .. });
            assert_eq!(html(&page).contains("action=\"/undo/abc\""), undo, "{page:?}");
            let forgets = matches!(&page, Page::Stopped { undo: Some(_), scope: Scope::All });
            assert_eq!(html(&page).contains("after 28 days"), forgets, "{page:?}");
            let never = pages_of(None).html(&page).unwrap();
            assert!(!never.contains("forget") && !never.contains("delete"), "{page:?}: {never}");
        }
    }

    #[test]
    fn who_could_not_be_served_is_told_when_to_come_back() {
        for message in Message::ALL {
            let response = pages().answer(&Page::Message(message));
            assert_eq!(response.status(), message.status());
            let unavailable = message == Message::Unavailable;
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), unavailable, "{message:?}");
        }
    }
}
