//! Telegram's HTML, strictly (<https://core.telegram.org/bots/api#html-style>): what is seen of it, or why it can't be parsed.

/// The tags that Telegram knows.
const TAGS: [&str; 15] = [
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "code",
    "pre",
    "a",
    "span",
    "tg-spoiler",
    "blockquote",
];

/// The text that is seen.
///
/// # Errors
/// The description of a 400, after `Bad Request: `.
pub(crate) fn visible(html: &str) -> Result<String, String> {
    let (mut text, mut open, mut rest) = (String::new(), Vec::new(), html);
    while let Some(c) = rest.chars().next() {
        let offset = html.len() - rest.len();
        let step = match c {
            '<' => tag(rest, offset, &mut open)?,
            '&' => {
                let (seen, length) = entity(rest, offset)?;
                text.push(seen);
                length
            }
            '>' => return Err(wrong(&format!("Unescaped \">\" at byte offset {offset}"))),
            _ => {
                text.push(c);
                c.len_utf8()
            }
        };
        rest = rest.get(step..).unwrap_or_default();
    }
    match open.pop() {
        Some(name) => Err(wrong(&format!("Can't find end tag corresponding to start tag \"{name}\""))),
        None => Ok(text),
    }
}

/// The length of the tag that the text begins with.
fn tag(rest: &str, offset: usize, open: &mut Vec<String>) -> Result<usize, String> {
    let end = rest.find('>').ok_or_else(|| wrong(&format!("Unclosed start tag at byte offset {offset}")))?;
    let inside = rest.get(1..end).unwrap_or_default();
    if let Some(name) = inside.strip_prefix('/') {
        match open.pop() {
            Some(last) if last == name.trim() => return Ok(end + 1),
            Some(last) => {
                let reason = format!(
                    "Unmatched end tag at byte offset {offset}, expected \"</{last}>\", found \"</{name}>\""
                );
                return Err(wrong(&reason));
            }
            None => return Err(wrong(&format!("Unexpected end tag at byte offset {offset}"))),
        }
    }
    let (name, attributes) = inside.split_once(' ').unwrap_or((inside, ""));
    let is_fine = match name {
        "a" => attributes.starts_with("href=\"") && attributes.ends_with('"'),
        "span" => attributes == "class=\"tg-spoiler\"",
        "blockquote" => matches!(attributes, "" | "expandable"),
        "code" => attributes.is_empty() || attributes.starts_with("class=\"language-"),
        _ => TAGS.contains(&name) && attributes.is_empty(),
    };
    if !is_fine {
        return Err(wrong(&format!("Unsupported start tag \"{name}\" at byte offset {offset}")));
    }
    open.push(name.to_owned());
    Ok(end + 1)
}

/// The character that an entity stands for, and the length of it.
fn entity(rest: &str, offset: usize) -> Result<(char, usize), String> {
    let unescaped = || wrong(&format!("Unescaped \"&\" at byte offset {offset}"));
    let end = rest.find(';').filter(|end| *end <= 10).ok_or_else(unescaped)?;
    let name = rest.get(1..end).unwrap_or_default();
    let seen = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        _ => {
            let number = name.strip_prefix('#').ok_or_else(unescaped)?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            code.ok().and_then(char::from_u32).ok_or_else(unescaped)?
        }
    };
    Ok((seen, end + 1))
}

fn wrong(why: &str) -> String {
    format!("can't parse entities: {why}")
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn what_is_seen_is_the_text_without_its_markup() {
        let html =
            "<b>BTC &amp; <i>ETH</i></b> &lt;1&gt; <a href=\"https://a.b/?c\">x</a> <code>&#36;</code>";
        assert_eq!(visible(html).unwrap(), "BTC & ETH <1> x $");
    }

    #[test]
    fn markup_that_is_not_whole_can_not_be_parsed() {
        for html in [
            "<b>x",
            "x</b>",
            "<b><i>x</b></i>",
            "<h1>x</h1>",
            "a < b",
            "a & b",
            "a > b",
            "<b",
            "<a>x</a>",
            "<b x>y</b>",
        ] {
            assert!(visible(html).is_err_and(|e| e.starts_with("can't parse entities")), "{html}");
        }
    }
}
