//! Markups, and pages of them that are never too long: a page takes whole lines, and cuts one between characters before
//! they are escaped, so that what was opened is always closed.
//!
//! Knows no provider's address. Lengths are UTF-16 code units, which are never fewer than characters.

use crate::document::{Face, Line, Span};

/// What stands behind an `@` so that it calls nobody.
const NOBODY: char = '\u{200b}';

/// A markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Markup {
    /// None, for files and terminals.
    None,
    /// None, where an `@` would call somebody.
    Chat,
    /// Telegram's HTML: lengths are those after parsing.
    Html,
    /// Discord's Markdown.
    Discord,
    /// Slack's `mrkdwn`.
    Slack,
}

/// The length of a text in UTF-16 code units.
pub(crate) fn length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

impl Markup {
    /// Writes a character so that it means itself; returns what it costs.
    fn put(self, c: char, face: Face, out: &mut String) -> usize {
        let before = out.len();
        match (self, c) {
            (Self::Html | Self::Slack, '&') => out.push_str("&amp;"),
            (Self::Html | Self::Slack, '<') => out.push_str("&lt;"),
            (Self::Html | Self::Slack, '>') => out.push_str("&gt;"),
            // Inside code nothing can be escaped but by not being there.
            (Self::Discord | Self::Slack, '`') if face == Face::Code => out.push('\''),
            (Self::Discord, '\\' | '`' | '*' | '_' | '~' | '|' | '<' | '>' | '#' | '[' | ']')
                if face != Face::Code =>
            {
                out.extend(['\\', c]);
            }
            // Slack has no escape for these; another character that looks the same has no meaning.
            (Self::Slack, '*') if face == Face::Bold => out.push('\u{2217}'),
            (Self::Chat | Self::Html | Self::Discord | Self::Slack, '@') | (Self::Slack, '#') => {
                out.extend([c, NOBODY]);
            }
            _ => out.push(c),
        }
        match (self, c) {
            (Self::Html, '&' | '<' | '>') => 1,
            _ => length(&out[before..]),
        }
    }

    /// What opens and closes a face.
    const fn marks(self, face: Face) -> (&'static str, &'static str) {
        match (self, face) {
            (_, Face::Plain) | (Self::None | Self::Chat, _) => ("", ""),
            (Self::Html, Face::Bold) => ("<b>", "</b>"),
            (Self::Html, Face::Code) => ("<code>", "</code>"),
            (Self::Discord, Face::Bold) => ("**", "**"),
            (Self::Slack, Face::Bold) => ("*", "*"),
            (Self::Discord | Self::Slack, Face::Code) => ("`", "`"),
        }
    }

    /// A text, escaped, of that length at most.
    pub(crate) fn text(self, text: &str, most: usize) -> String {
        self.span(text, Face::Plain, most).0
    }

    /// A span's inside, its cost, and whether it is all there. What is cut ends in an ellipsis.
    fn span(self, text: &str, face: Face, most: usize) -> (String, usize, bool) {
        let (mut out, mut cost, mut last) = (String::new(), 0, (0, 0));
        for c in text.chars() {
            cost += self.put(c, face, &mut out);
            if cost > most {
                out.truncate(last.0);
                if most > last.1 {
                    out.push('…');
                    return (out, last.1 + 1, false);
                }
                return (out, last.1, false);
            }
            // Up to here there is room for an ellipsis too.
            if cost < most {
                last = (out.len(), cost);
            }
        }
        (out, cost, true)
    }

    /// A line of that length at most, its cost, and whether it is all there.
    fn line(self, line: &Line, most: usize) -> (String, usize, bool) {
        let (mut out, mut cost) = (String::new(), 0);
        for Span { face, text } in &line.0 {
            let (open, close) = self.marks(*face);
            let marks = if self == Self::Html { 0 } else { length(open) + length(close) };
            let Some(room) = most.checked_sub(cost + marks).filter(|room| *room > 0) else {
                return (out, cost, false);
            };
            let (inside, inside_cost, is_whole) = self.span(text, *face, room);
            if !inside.is_empty() {
                out.extend([open, &inside, close]);
                cost += marks + inside_cost;
            }
            if !is_whole {
                return (out, cost, false);
            }
        }
        (out, cost, true)
    }
}

/// A text of lines that grows up to a limit.
#[derive(Debug)]
pub(crate) struct Page {
    markup: Markup,
    text: String,
    room: usize,
}

impl Page {
    /// An empty page of a length.
    pub(crate) const fn new(markup: Markup, limit: usize) -> Self {
        Self { markup, text: String::new(), room: limit }
    }

    /// Adds a line, cut where it must be; whether it is there as a whole.
    pub(crate) fn push(&mut self, line: &Line) -> bool {
        let gap = usize::from(!self.text.is_empty());
        let Some(room) = self.room.checked_sub(gap) else { return false };
        let (text, cost, is_whole) = self.markup.line(line, room);
        self.put(&text, cost, gap);
        is_whole
    }

    /// Adds lines until one has to be cut.
    pub(crate) fn extend<'a>(&mut self, lines: impl IntoIterator<Item = &'a Line>) {
        for line in lines {
            if !self.push(line) {
                return;
            }
        }
    }

    /// Adds as many of these lines as fit as a whole, and says how many more there are.
    pub(crate) fn list(&mut self, lines: &[Line], more: u64) {
        for (index, line) in lines.iter().enumerate() {
            let gap = usize::from(!self.text.is_empty());
            let left = more.saturating_add(u64::try_from(lines.len() - index - 1).unwrap_or(u64::MAX));
            let reserved = if left == 0 { 0 } else { 1 + self.cost(&and_more(left)) };
            let room = self.room.saturating_sub(gap + reserved);
            let (text, cost, is_whole) = self.markup.line(line, room);
            if !is_whole {
                self.push(&and_more(left.saturating_add(1)));
                return;
            }
            self.put(&text, cost, gap);
        }
        if more > 0 {
            self.push(&and_more(more));
        }
    }

    /// What a line costs as a whole.
    pub(crate) fn cost(&self, line: &Line) -> usize {
        self.markup.line(line, usize::MAX).1
    }

    fn put(&mut self, text: &str, cost: usize, gap: usize) {
        if !text.is_empty() {
            if gap > 0 {
                self.text.push('\n');
            }
            self.text.push_str(text);
            self.room -= gap + cost;
        }
    }

    /// Sets so much aside for what comes last.
    pub(crate) fn reserve(&mut self, length: usize) -> usize {
        let set_aside = self.room.min(length);
        self.room -= set_aside;
        set_aside
    }

    /// Gives it back.
    pub(crate) fn release(&mut self, length: usize) {
        self.room += length;
    }

    /// What was written.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

fn and_more(count: u64) -> Line {
    Line::of(format!("and {count} more"))
}
