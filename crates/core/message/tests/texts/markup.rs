//! Strict readers of the providers' markups: what they take is what a provider takes. Each says what is wrong.

use serde_json::Value;

pub(crate) fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Reads Telegram's HTML: only `b` and `code`, properly nested, only the three entities. Returns the text after parsing.
pub(crate) fn parsed_html(html: &str) -> Result<String, String> {
    let (mut text, mut open, mut rest) = (String::new(), Vec::new(), html);
    while let Some(at) = rest.find(['<', '>', '&']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity =
            [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>')].into_iter().find(|(e, _)| rest.starts_with(e));
        if let Some((entity, c)) = entity {
            text.push(c);
            rest = &rest[entity.len()..];
            continue;
        }
        let end = rest.find('>').ok_or_else(|| format!("a tag that does not end: {rest}"))?;
        match &rest[..=end] {
            tag @ ("<b>" | "<code>") => open.push(tag[1..].to_owned()),
            tag @ ("</b>" | "</code>") if open.last().is_some_and(|last| *last == tag[2..]) => {
                open.pop();
            }
            tag => return Err(format!("{tag} in {html}")),
        }
        rest = &rest[end + 1..];
    }
    text.push_str(rest);
    if open.is_empty() { Ok(text) } else { Err(format!("never closed: {open:?} in {html}")) }
}

/// Whether a text calls nobody: no `@` before what could be a name.
pub(crate) fn calls_nobody(text: &str) -> Result<(), String> {
    let mut following = text.split('@').skip(1).map(|rest| rest.chars().next());
    let calls =
        following.any(|next| next.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '&' | '!')));
    if calls { Err(format!("it calls: {text}")) } else { Ok(()) }
}

/// Reads Discord's Markdown: all marks come in pairs on their line, all others are escaped.
pub(crate) fn check_markdown(text: &str) -> Result<(), String> {
    calls_nobody(text)?;
    for line in text.lines() {
        let (mut bold, mut code, mut chars) = (false, false, line.chars().peekable());
        while let Some(c) = chars.next() {
            match c {
                '`' => code = !code,
                _ if code => {}
                '\\' if chars.next().is_some_and(|c| c.is_ascii_punctuation()) => {}
                '*' if chars.next_if_eq(&'*').is_some() => bold = !bold,
                '\\' | '*' | '_' | '~' | '|' | '<' | '>' | '#' | '[' | ']' => {
                    return Err(format!("a bare {c} in {line}"));
                }
                _ => {}
            }
        }
        if bold || code {
            return Err(format!("never closed: {line}"));
        }
    }
    Ok(())
}

/// Reads an execution of a Discord webhook.
pub(crate) fn check_discord(body: &Value) -> Result<(), String> {
    let fail = |what: &str| Err(format!("{what}: {body}"));
    if body["allowed_mentions"] != serde_json::json!({ "parse": [] }) {
        return fail("mentions");
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let embeds = body["embeds"].as_array().cloned().unwrap_or_default();
    let content = text(&body["content"]);
    check_markdown(&content)?;
    if utf16(&content) > 2000 || embeds.len() > 3 || (embeds.is_empty() && content.trim().is_empty()) {
        return fail("content");
    }
    let mut all = 0;
    for embed in &embeds {
        let (title, description) = (text(&embed["title"]), text(&embed["description"]));
        let footer = text(&embed["footer"]["text"]);
        let fields = embed["fields"].as_array().cloned().unwrap_or_default();
        if utf16(&title) > 256 || utf16(&description) > 4096 || utf16(&footer) > 2048 || fields.len() > 25 {
            return fail("embed");
        }
        if title.trim().is_empty() && description.trim().is_empty() && fields.is_empty() {
            return fail("an empty embed");
        }
        all += utf16(&title) + utf16(&description) + utf16(&footer);
        calls_nobody(&footer)?;
        check_markdown(&title)?;
        check_markdown(&description)?;
        for field in &fields {
            let (name, value) = (text(&field["name"]), text(&field["value"]));
            let is_empty = name.trim().is_empty() || value.trim().is_empty();
            if is_empty || utf16(&name) > 256 || utf16(&value) > 1024 {
                return fail("field");
            }
            check_markdown(&name)?;
            check_markdown(&value)?;
            all += utf16(&name) + utf16(&value);
        }
    }
    if all > 6000 { fail("together too long") } else { Ok(()) }
}

/// Reads Slack's `mrkdwn`: no bare `<`, `>` or `&`, and it calls nobody.
pub(crate) fn check_mrkdwn(text: &str) -> Result<(), String> {
    calls_nobody(text)?;
    let bare = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
    if bare.contains(['<', '>', '&']) { Err(format!("bare: {text}")) } else { Ok(()) }
}

/// Reads a post to a Slack webhook.
pub(crate) fn check_slack(body: &Value) -> Result<(), String> {
    let fail = |what: &str| Err(format!("{what}: {body}"));
    let fallback = body["text"].as_str().unwrap_or_default();
    check_mrkdwn(fallback)?;
    let blocks = body["blocks"].as_array().cloned().unwrap_or_default();
    if fallback.trim().is_empty() || blocks.len() > 50 || utf16(&body.to_string()) > 2 * 12_000 {
        return fail("body");
    }
    let mut all = utf16(fallback);
    for block in &blocks {
        let mut texts: Vec<&Value> = ["fields", "elements"]
            .into_iter()
            .filter_map(|list| block[list].as_array())
            .inspect(|list| assert!((1..=10).contains(&list.len()), "{block}"))
            .flatten()
            .collect();
        let limit = if texts.is_empty() { 3000 } else { 2000 };
        texts.extend(block.get("text"));
        if texts.is_empty() {
            return fail("a block of nothing");
        }
        for text in texts {
            let (kind, inside) = (text["type"].as_str(), text["text"].as_str().unwrap_or_default());
            let is_header = block["type"] == "header";
            if inside.trim().is_empty() || utf16(inside) > if is_header { 150 } else { limit } {
                return fail("text");
            }
            match kind {
                Some("mrkdwn") if !is_header => check_mrkdwn(inside)?,
                Some("plain_text") if is_header => calls_nobody(inside)?,
                _ => return fail("type"),
            }
            all += utf16(inside);
        }
    }
    if all > 12_000 { fail("together too long") } else { Ok(()) }
}

#[test]
fn the_readers_refuse_what_the_providers_refuse() {
    assert_eq!(parsed_html("<b>a &amp; b</b> <code>1</code>").as_deref(), Ok("a & b 1"));
    for bad in ["<b>", "</b>", "<i>a</i>", "a < b", "a & b", "<b><code></b></code>", "a > b"] {
        assert!(parsed_html(bad).is_err(), "{bad}");
    }
    for bad in ["*a*", "**a", "a_b", "@everyone", "<@1>", "`a", "> a"] {
        assert!(check_markdown(bad).is_err(), "{bad}");
    }
    assert_eq!(check_markdown(r"**a** \*b\* `c_d`"), Ok(()));
    for bad in ["<!channel>", "a & b", "@here"] {
        assert!(check_mrkdwn(bad).is_err(), "{bad}");
    }
}
