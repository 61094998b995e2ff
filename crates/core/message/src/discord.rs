//! Discord: at most three embeds (what happened, the figures, the context), and nobody is ever mentioned.
//!
//! Limits: <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>. Knows no webhook.

use serde_json::{Value, json};

use crate::chat::page;
use crate::document::{Document, Tone};
use crate::markup::{Markup, Page, length};

const CONTENT: usize = 2000;
const TITLE: usize = 256;
/// Of what happened; less than Discord's 4096, so that all embeds together stay below its 6000.
const HAPPENED: usize = 2800;
/// Of the context.
const CONTEXT: usize = 1000;
/// Of all fields together.
const FIELDS: usize = 1500;
const FIELD_NAME: usize = 64;
const FIELD_VALUE: usize = 256;
const MOST_FIELDS: usize = 25;
const FOOTER: usize = 200;
const M: Markup = Markup::Discord;

/// The body of an execution of a webhook.
pub(crate) fn body(document: &Document) -> Value {
    let colour = colour(document.tone);
    let mut happened = Page::new(M, HAPPENED);
    happened.extend(&document.happened);
    happened.list(&document.list, document.more);
    let mut first = json!({ "title": M.text(&document.heading, TITLE), "color": colour });
    describe(&mut first, happened.into_text());
    let mut embeds = vec![first];
    let fields = fields(document);
    if !fields.is_empty() {
        embeds.push(json!({ "color": colour, "fields": fields }));
    }
    let mut context = Page::new(M, CONTEXT);
    context.extend(&document.context);
    let context = context.into_text();
    // A foot of its own would be an empty box: it stands below the last embed.
    if !context.is_empty() {
        embeds.push(json!({ "color": colour, "description": context }));
    }
    let mut foot = Page::new(Markup::Chat, FOOTER);
    foot.push(&document.foot);
    if let Some(last) = embeds.last_mut() {
        last["footer"] = json!({ "text": foot.into_text() });
    }
    json!({ "embeds": embeds, "allowed_mentions": { "parse": [] } })
}

/// The same as one text without embeds.
pub(crate) fn plain(document: &Document) -> Value {
    json!({ "content": page(document, M, CONTENT), "embeds": [], "allowed_mentions": { "parse": [] } })
}

fn describe(embed: &mut Value, text: String) {
    if !text.is_empty() {
        embed["description"] = Value::String(text);
    }
}

fn fields(document: &Document) -> Vec<Value> {
    let mut room = FIELDS;
    let mut fields = Vec::new();
    for figure in document.figures.iter().take(MOST_FIELDS) {
        let (name, value) = (M.text(&figure.name, FIELD_NAME), M.text(&figure.value, FIELD_VALUE));
        let cost = length(&name) + length(&value);
        if name.is_empty() || value.is_empty() || cost > room {
            continue;
        }
        room -= cost;
        fields.push(json!({ "name": name, "value": value, "inline": true }));
    }
    fields
}

const fn colour(tone: Tone) -> u32 {
    match tone {
        Tone::Calm => 0x2e_cc_71,
        Tone::Low => 0x34_98_db,
        Tone::Medium => 0xe6_7e_22,
        Tone::High => 0xe7_4c_3c,
    }
}
