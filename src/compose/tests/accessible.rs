//! Every sample of every kind in every language: whoever reads it with a screen reader, on a small
//! screen, in the dark or as text alone misses nothing.

use super::*;

/// What every mail renders to, with the name of its kind.
fn all_rendered() -> Vec<(&'static str, Language, Rendered)> {
    let (sender, stop) = (sender(), Stop::sample(&sender()));
    let rehearsals = composer().rehearsals(&sender, &stop);
    let rendered = rehearsals.iter().map(|rehearsal| {
        (rehearsal.kind(), rehearsal.language(), rehearsal.rendered(&composer().templates).unwrap())
    });
    rendered.collect()
}

/// What stands between `from` and `to`, each time.
fn between<'a>(text: &'a str, from: &'a str, to: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(from).skip(1).filter_map(move |rest| rest.split(to).next())
}

/// What is seen of HTML, on one line.
fn seen(html: &str) -> String {
    let body = html.split_once("<body").unwrap().1;
    let pieces: Vec<&str> = body.split('>').skip(1).filter_map(|piece| piece.split('<').next()).collect();
    let text = pieces.join(" ").replace("&amp;", "&").replace("&quot;", "\"").replace("&#39;", "'");
    text.replace("&lt;", "<").replace("&gt;", ">").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_text_has_every_link_and_fact_of_the_html() {
    for (kind, language, Rendered { text, html, .. }) in all_rendered() {
        for link in between(&html, "href=\"", "\"") {
            assert!(text.contains(&link.replace("&amp;", "&")), "{language} {kind}: {link}\n{text}");
        }
        let words: Vec<String> = text
            .split_whitespace()
            .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
            .collect();
        for figure in
            seen(&html).split_whitespace().filter(|word| word.contains(|c: char| c.is_ascii_digit()))
        {
            let figure = figure.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
            assert!(words.contains(&figure), "{language} {kind}: {figure}\n{text}");
        }
        for row in between(&html, " scope=\"row\"", "</tr>") {
            let (name, value) = row.split_once('>').unwrap().1.split_once("</th>").unwrap();
            let value = seen(&format!("<body{value}"));
            let value = value.trim();
            let missing = ["Not given", "Ni roddwyd"].contains(&value);
            let told = text.contains(&format!("{name}: {value}")) || (missing && text.contains(name));
            assert!(told, "{language} {kind}: {name}: {value}\n{text}");
        }
    }
}

#[test]
fn the_html_is_built_for_everybody() {
    for (kind, language, Rendered { subject, html, .. }) in all_rendered() {
        let must = [
            "<!DOCTYPE html>\n".to_owned(),
            format!("<html lang=\"{language}\" dir=\"ltr\">"),
            "<meta charset=\"utf-8\">".to_owned(),
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">".to_owned(),
            "<meta name=\"color-scheme\" content=\"light dark\">".to_owned(),
            "@media (prefers-color-scheme: dark)".to_owned(),
            format!("<title>{}</title>", crate::templates::escape(&subject)),
            "max-width:600px".to_owned(),
            "font-size:16px;line-height:24px".to_owned(),
        ];
        for part in must {
            assert!(html.contains(&part), "{language} {kind}: {part}\n{html}");
        }
        assert!(html.len() < 60_000);
        assert_eq!(html.matches("<h1").count(), 1);
        let headings: Vec<u32> = between(&html, "<h", " ").filter_map(|level| level.parse().ok()).collect();
        assert!(headings.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{language} {kind}: {headings:?}");
        for table in between(&html, "<table", ">") {
            let laid_out = table.contains("role=\"presentation\"");
            let bare = table.contains("cellpadding=\"0\" cellspacing=\"0\" border=\"0\"");
            assert!(bare && (laid_out || html.contains(" scope=\"row\"")), "{language} {kind}: {table}");
        }
        for size in between(&html, "font-size:", "px") {
            assert!(size.parse::<u32>().unwrap() >= 16, "{language} {kind}: {size}px");
        }
        // At 320 pixels nothing is wider than the column. (480 is the width of a phone.)
        let html = html.replace("@media (max-width: 480px)", "");
        for width in between(&html, "width:", "px").chain(between(&html, "width=\"", "\"")) {
            let fits = width
                .trim()
                .parse::<u32>()
                .map_or(width.ends_with('%'), |width| width <= 280 || width == 600);
            assert!(fits || width.contains("device-width"), "{language} {kind}: {width}");
        }
        for link in between(&html, "<a ", "</a>") {
            assert!(link.contains("text-decoration:underline"), "{language} {kind}: {link}");
        }
        // What is to be pressed is 44 pixels high: one line of 24 and its padding.
        for press in between(&html, "class=\"press\"", ">") {
            assert!(press.contains("padding:10px 16px"), "{language} {kind}: {press}");
        }
    }
}
