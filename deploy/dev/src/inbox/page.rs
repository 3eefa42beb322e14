//! The inbox's pages.

use std::fmt::{Display, Write as _};
use std::sync::Arc;

use super::Entry;
use super::escape::{Escaped, Linked};

/// Widths at which the HTML of a mail is shown, in CSS pixels: a small telephone, and a window on a desk.
const WIDTHS: [u16; 2] = [320, 800];

/// All mails, the newest first.
pub(super) fn list(entries: &[Arc<Entry>]) -> String {
    let mut items = String::new();
    for entry in entries.iter().rev() {
        item(&mut items, entry);
    }
    let count = match entries.len() {
        0 => "No mails yet".to_owned(),
        1 => "1 mail".to_owned(),
        mails => format!("{mails} mails"),
    };
    let content = if entries.is_empty() {
        "<p class=\"empty\">Mails appear here when they come. Reload the page to see them.</p>".to_owned()
    } else {
        format!("<ol class=\"mails\" reversed>{items}</ol>")
    };
    let delete = if entries.is_empty() {
        ""
    } else {
        "<form method=\"post\" action=\"/delete\"><button type=\"submit\">Delete all</button></form>"
    };
    document(
        "Inbox",
        format_args!(
            "<header class=\"bar\"><h1>Inbox</h1><p class=\"count\">{count}</p>\
             <nav aria-label=\"Actions\"><a class=\"button\" href=\"/\">Reload</a>{delete}</nav></header>\
             <main>{content}</main>"
        ),
    )
}

fn item(items: &mut String, entry: &Entry) {
    put(
        items,
        format_args!(
            "<li><a href=\"/mails/{}\"><span class=\"subject\">{}</span>{}\
             <span class=\"to\">{}</span>{}<span class=\"excerpt\">{}</span></a></li>",
            entry.number,
            Escaped(title(entry)),
            time(entry),
            Escaped(&entry.to.join(", ")),
            unconfirmed(entry),
            Escaped(&entry.excerpt),
        ),
    );
}

/// One mail: as HTML at several widths, as text, its headers, its source.
pub(super) fn mail(entry: &Entry) -> String {
    let mail = &entry.mail;
    let mut sections = String::new();
    let mut links = String::new();
    let mut section = |id: &str, name: &str, content: &dyn Display| {
        put(&mut links, format_args!("<li><a href=\"#{id}\">{name}</a></li>"));
        put(
            &mut sections,
            format_args!(
                "<section id=\"{id}\" aria-labelledby=\"{id}-name\"><h2 id=\"{id}-name\">{name}</h2>{content}</section>"
            ),
        );
    };
    if mail.html().is_some() {
        section("html", "HTML", &frames(entry.number));
    }
    if let Some(text) = mail.text() {
        section("text", "Text", &preformatted("Text of the mail", &Linked(&text)));
    }
    section("headers", "Headers", &headers(entry));
    let source = String::from_utf8_lossy(&mail.data);
    let link = format!("<p><a href=\"/mails/{}/source\">Source alone</a></p>", entry.number);
    section(
        "source",
        "Source",
        &format_args!("{link}{}", preformatted("Source of the mail", &Escaped(&source))),
    );
    let title = Escaped(title(entry));
    document(
        &title,
        format_args!(
            "<header class=\"bar\"><nav aria-label=\"Inbox\"><a class=\"button\" href=\"/\">Inbox</a></nav>\
             <nav class=\"parts\" aria-label=\"Parts of the mail\"><ul>{links}</ul></nav></header>\
             <main><h1>{title}</h1>{}{}{sections}</main>",
            unconfirmed(entry),
            envelope(entry),
        ),
    )
}

/// The page for what is not there.
pub(super) fn not_found() -> String {
    document(
        "Not found",
        format_args!(
            "<main><h1>Not found</h1><p>There is no such mail, or it was deleted.</p>\
             <p><a class=\"button\" href=\"/\">Inbox</a></p></main>"
        ),
    )
}

/// What stands above the parts of a mail.
fn envelope(entry: &Entry) -> String {
    let mail = &entry.mail;
    let user = mail.user.as_deref().map(|user| format!(", as {}", Escaped(user))).unwrap_or_default();
    format!(
        "<dl class=\"envelope\"><dt>From</dt><dd>{}</dd><dt>To</dt><dd>{}</dd><dt>Received</dt><dd>{}</dd>\
         <dt>Size</dt><dd>{} octets</dd><dt>Over</dt><dd>connection {}{}{user}</dd>\
         <dt>File</dt><dd><code>{}</code></dd></dl>",
        Escaped(&entry.from),
        Escaped(&entry.to.join(", ")),
        time(entry),
        entry.size,
        mail.connection,
        if mail.tls { ", TLS" } else { "" },
        Escaped(&entry.file),
    )
}

/// The HTML of a mail in frames where no script runs and nothing is fetched.
fn frames(number: usize) -> String {
    let mut frames = String::from("<div class=\"frames\">");
    for width in WIDTHS {
        put(
            &mut frames,
            format_args!(
                "<figure><figcaption>{width} pixels wide</figcaption>\
                 <iframe class=\"w{width}\" sandbox=\"\" src=\"/mails/{number}/html\" width=\"{width}\" \
                 title=\"The mail, {width} pixels wide\"></iframe></figure>"
            ),
        );
    }
    frames.push_str("</div>");
    frames
}

fn headers(entry: &Entry) -> String {
    let mut rows =
        String::from("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Headers\"><table>");
    for (name, value) in entry.mail.headers() {
        put(
            &mut rows,
            format_args!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", Escaped(&name), Linked(&value)),
        );
    }
    rows.push_str("</table></div>");
    rows
}

/// Text in its own lines; it can be reached and scrolled by keyboard.
fn preformatted(label: &str, text: &dyn Display) -> String {
    // HTML drops one line end at the beginning of the element.
    format!("<pre tabindex=\"0\" role=\"region\" aria-label=\"{label}\">\n{text}</pre>")
}

fn time(entry: &Entry) -> String {
    let received = entry.received;
    format!("<time datetime=\"{}\">{}</time>", received.to_rfc3339(), received.format("%Y-%m-%d %H:%M:%S"))
}

fn title(entry: &Entry) -> &str {
    if entry.subject.is_empty() { "(no subject)" } else { &entry.subject }
}

fn unconfirmed(entry: &Entry) -> &'static str {
    if entry.confirmed {
        ""
    } else {
        "<span class=\"badge\" title=\"The sender was not told that this mail was taken\">unconfirmed</span>"
    }
}

fn document(title: impl Display, body: std::fmt::Arguments<'_>) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"/style.css\"></head>\
         <body>{body}</body></html>"
    )
}

fn put(page: &mut String, content: std::fmt::Arguments<'_>) {
    page.write_fmt(content).expect("a string takes all text");
}
