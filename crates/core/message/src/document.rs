//! What a message says, before any provider's markup: lines of spans, figures with their names, a foot.
//!
//! A span's text is clean by construction: one line, nothing that steers. Knows no limit and no markup.

use crate::words::clean;

/// How a span is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// As the rest.
    Plain,
    /// Bold.
    Bold,
    /// As code.
    Code,
}

/// A piece of a line in one face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) face: Face,
    pub(crate) text: String,
}

/// A line of spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line(pub(crate) Vec<Span>);

impl Line {
    /// A line that begins with plain text.
    pub(crate) fn of(text: impl AsRef<str>) -> Self {
        Self::default().and(text)
    }

    /// A line that begins in bold.
    pub(crate) fn bold(text: impl AsRef<str>) -> Self {
        Self::default().with(Face::Bold, text)
    }

    /// A line that says why.
    pub(crate) fn why(text: impl AsRef<str>) -> Self {
        Self::bold("Why:").and(format!(" {}", text.as_ref()))
    }

    /// And plain text.
    pub(crate) fn and(self, text: impl AsRef<str>) -> Self {
        self.with(Face::Plain, text)
    }

    /// And bold text.
    pub(crate) fn and_bold(self, text: impl AsRef<str>) -> Self {
        self.with(Face::Bold, text)
    }

    /// And code.
    pub(crate) fn code(self, text: impl AsRef<str>) -> Self {
        self.with(Face::Code, text)
    }

    fn with(mut self, face: Face, text: impl AsRef<str>) -> Self {
        let text = clean(text.as_ref());
        if !text.is_empty() {
            self.0.push(Span { face, text });
        }
        self
    }
}

/// What colour a message has, where it can have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tone {
    /// Over.
    Calm,
    /// Worth knowing.
    Low,
    /// Worth a look.
    Medium,
    /// At once.
    High,
}

/// A named figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// What is said of one alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Story {
    /// The first line of a message of its own.
    pub(crate) heading: String,
    /// The first part of a line among others: what it is.
    pub(crate) lead: String,
    /// The rest of that line: how much.
    pub(crate) rest: String,
    /// What happened.
    pub(crate) happened: Vec<Line>,
    /// The figures.
    pub(crate) figures: Vec<Figure>,
    /// Several things, the most important first.
    pub(crate) list: Vec<Line>,
    /// How many more of these there are than are listed.
    pub(crate) more: u64,
    /// Why, and what is not known.
    pub(crate) context: Vec<Line>,
}

impl Story {
    /// Adds a figure, if it is known.
    pub(crate) fn figure(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.figures.push(Figure { name: clean(name), value: clean(&value) });
        }
    }
}

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) tone: Tone,
    /// Clean; one line.
    pub(crate) heading: String,
    /// One plain line, for where nothing else is shown.
    pub(crate) title: String,
    pub(crate) happened: Vec<Line>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) list: Vec<Line>,
    pub(crate) more: u64,
    pub(crate) context: Vec<Line>,
    /// When, and which alert.
    pub(crate) foot: Line,
}
