//! Telegram's HTML, and plain text.
//!
//! Limits: <https://core.telegram.org/bots/api#sendmessage>. Knows no bot.

use crate::document::{Document, Figure, Line};
use crate::markup::{Markup, Page};

/// Telegram's limit on a text after parsing.
pub(crate) const TELEGRAM: usize = 4096;
/// Nobody reads more plain text than this.
pub(crate) const PLAIN: usize = 16_000;
/// How much of a page the heading takes at most.
const HEADING: usize = 300;

/// The whole message as one text of that length at most.
pub(crate) fn page(document: &Document, markup: Markup, limit: usize) -> String {
    let mut page = Page::new(markup, limit);
    page.push(&Line::bold(markup_free(&document.heading)));
    let foot = page.reserve(page.cost(&document.foot) + 1);
    page.extend(&document.happened);
    page.extend(&document.figures.iter().map(figure).collect::<Vec<_>>());
    page.list(&document.list, document.more);
    page.extend(&document.context);
    page.release(foot);
    page.push(&document.foot);
    page.into_text()
}

/// A heading that leaves room for the rest.
fn markup_free(heading: &str) -> String {
    heading.chars().take(HEADING).collect()
}

/// A figure as a line.
pub(crate) fn figure(figure: &Figure) -> Line {
    Line::of(format!("{}: {}", figure.name, figure.value))
}
