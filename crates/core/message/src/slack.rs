//! Slack: blocks, and the text that notifications show.
//!
//! Limits: <https://docs.slack.dev/reference/block-kit/blocks>. Knows no webhook.

use serde_json::{Value, json};

use crate::chat::page;
use crate::document::{Document, Figure, Line};
use crate::markup::{Markup, Page};

const HEADER: usize = 150;
const SECTION: usize = 3000;
/// Of one field of a section; ten of them at most.
const FIELD: usize = 400;
const MOST_FIELDS: usize = 10;
const CONTEXT: usize = 1500;
const FOOT: usize = 200;
/// Of the text beside the blocks.
const FALLBACK: usize = 1000;
/// Of a text instead of blocks.
const PLAIN: usize = 11_000;
const M: Markup = Markup::Slack;

/// The body of a post to a webhook.
pub(crate) fn body(document: &Document) -> Value {
    let header = Markup::Chat.text(&document.heading, HEADER);
    let mut blocks =
        vec![json!({ "type": "header", "text": { "type": "plain_text", "text": header, "emoji": false } })];
    let mut happened = Page::new(M, SECTION);
    happened.extend(&document.happened);
    happened.list(&document.list, document.more);
    blocks.extend(section(&happened.into_text()));
    let fields: Vec<_> = document.figures.iter().take(MOST_FIELDS).map(field).collect();
    if !fields.is_empty() {
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    let mut context = Page::new(M, CONTEXT);
    context.extend(&document.context);
    blocks.extend(section(&context.into_text()));
    let mut foot = Page::new(M, FOOT);
    foot.push(&document.foot);
    blocks.push(json!({ "type": "context", "elements": [markdown(&foot.into_text())] }));
    json!({ "text": M.text(&document.title, FALLBACK), "blocks": blocks })
}

/// The same as one text without blocks.
pub(crate) fn plain(document: &Document) -> Value {
    json!({ "text": page(document, M, PLAIN) })
}

fn section(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| json!({ "type": "section", "text": markdown(text) }))
}

fn field(figure: &Figure) -> Value {
    let mut page = Page::new(M, FIELD);
    page.push(&Line::bold(&figure.name));
    page.push(&Line::of(&figure.value));
    markdown(&page.into_text())
}

/// A text in which nothing is looked for but markup.
fn markdown(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}
