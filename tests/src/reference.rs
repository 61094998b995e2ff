//! The reference page of the configuration (`docs/configuration.md`), made of `config/cascade.toml` alone: its keys, their
//! variables and defaults, and its comments as what they mean.
//!
//! Knows how that file is written (ARCHITECTURE.md, CONTRIBUTING.md), and no setting by its name.

use std::fmt::Write as _;

/// What stands above the first section of the page.
const HEAD: &str = "\
# Configuration

Every setting, with its variable and its default. Made of [config/cascade.toml](../config/cascade.toml); do not edit it here:
`GOLDEN=write cargo test -p cascade-tests --test manifests reference` writes it anew.

Later wins: defaults < a file (`--config FILE`, TOML, only what differs) < environment variables < flags. Lists in variables are
comma-separated or written as in TOML; an empty variable counts as not set. `--check-config` tells every mistake at once. Symbols
in names are examples where a table is open (`symbols.BTCUSDT`): any other may stand there.
";

/// A section of the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Its dotted name; empty for what stands before the first.
    pub name: String,
    /// Whether it is a list of tables, `[[name]]`: written in a file only.
    pub list: bool,
    /// The comment above it.
    pub about: String,
    /// Its rows, in the order of the file.
    pub rows: Vec<Row>,
    /// The lines of a list of tables, as one writes them.
    pub example: Vec<String>,
}

/// Settings that share a comment; mostly one.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// The settings.
    pub settings: Vec<Setting>,
    /// What the comments say of them.
    pub about: String,
}

/// A key with its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name within the section.
    pub name: String,
    /// The default as TOML, on one line.
    pub value: String,
    /// Whether the value is an example only: the key has no default.
    pub example: bool,
}

impl Section {
    /// The environment variable of a setting of this section.
    pub fn variable(&self, setting: &Setting) -> String {
        // Names under open tables keep their case; the others are written in upper case, whatever they are.
        let path = format!("{}.{}", self.name, setting.name);
        format!("CASCADE_{}", path.replace('.', "__").to_uppercase())
    }
}

/// The sections of a defaults document, in its order.
pub fn sections(document: &str) -> Vec<Section> {
    let mut reading = Reading::default();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let (shown, example) = uncommented(line);
        let mut shown = shown.to_owned();
        // A list over several lines.
        while opens_more(&shown) {
            let Some(next) = lines.next() else { break };
            shown = format!("{} {}", split_comment(&shown).0, split_comment(next).0.trim());
        }
        reading.take(&shown, example);
    }
    reading.sections.push(reading.section);
    reading.sections
}

/// The page of a defaults document.
pub fn page(document: &str) -> String {
    let sections = sections(document);
    let mut page = HEAD.to_owned();
    let named = || sections.iter().filter(|section| !section.name.is_empty());
    // A table may have no heading of its own, only those of its tables: the first of them stands for it.
    let mut links: Vec<(&str, String)> = Vec::new();
    for section in named() {
        let top = section.name.split('.').next().unwrap_or_default();
        if links.iter().all(|(known, _)| *known != top) {
            links.push((top, format!("[{top}](#{})", section.name.replace('.', ""))));
        }
    }
    let links: Vec<String> = links.into_iter().map(|(_, link)| link).collect();
    writeln!(page, "\nSections: {}.", links.join(", ")).ok();
    for section in named() {
        render(section, &mut page);
    }
    page
}

fn render(section: &Section, page: &mut String) {
    let depth = if section.name.contains('.') { "###" } else { "##" };
    write!(page, "\n{depth} {}\n", section.name).ok();
    if !section.about.is_empty() {
        write!(page, "\n{}\n", section.about).ok();
    }
    if section.list {
        write!(page, "\n```toml\n{}\n```\n", section.example.join("\n")).ok();
        return;
    }
    page.push_str("\n| setting and variable | default | |\n|---|---|---|\n");
    for row in &section.rows {
        let each = |cell: &dyn Fn(&Setting) -> String| -> String {
            row.settings.iter().map(cell).collect::<Vec<_>>().join("<br>")
        };
        let names = each(&|setting| format!("**`{}`**<br>`{}`", setting.name, section.variable(setting)));
        // A setting takes two lines of its cell; so does its default.
        let values = each(&|setting| format!("{}<br>", value(setting)));
        writeln!(page, "| {names} | {} | {} |", values.trim_end_matches("<br>"), cell(&row.about)).ok();
    }
}

/// The default as a cell shows it: long lists line by line.
fn value(setting: &Setting) -> String {
    let code = |text: &str| if text == "\"\"" { "empty".to_owned() } else { format!("`{text}`") };
    let shown = if setting.value.len() > 70 && setting.value.starts_with('[') {
        let items = setting.value.trim_matches(|c| "[] ,".contains(c)).split(", ");
        items.map(code).collect::<Vec<_>>().join("<br>")
    } else {
        code(&setting.value)
    };
    if setting.example { format!("none; e.g. {}", cell(&shown)) } else { cell(&shown) }
}

/// What would end a cell, written out.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The line as a setting or heading that it shows, and whether it was commented out: `#name = ...`, `#[[list]]`.
fn uncommented(line: &str) -> (&str, bool) {
    match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => (rest, true),
        _ => (line, false),
    }
}

/// Whether a list begins on this line that does not end on it.
fn opens_more(line: &str) -> bool {
    let code = split_comment(line).0;
    !code.starts_with(['#', '['])
        && code.contains(" = [")
        && code.matches('[').count() > code.matches(']').count()
}

/// A line as its code and its comment; a `#` within a text is none.
fn split_comment(line: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => return (line[..at].trim_end(), line[at + 1..].trim()),
            _ => {}
        }
    }
    (line.trim_end(), "")
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    sections: Vec<Section>,
    section: Section,
    /// The comment that nothing has followed yet.
    comment: Vec<String>,
    /// Whether the next bare setting shares the comment of the last row.
    shares: bool,
}

impl Reading {
    fn take(&mut self, line: &str, example: bool) {
        if let Some(words) = line.strip_prefix('#') {
            self.shares = false;
            self.comment.push(words.trim().to_owned());
        } else if line.trim().is_empty() {
            self.shares = false;
            if self.section.name.is_empty() && self.section.about.is_empty() {
                self.section.about = self.comment.join("\n");
                self.comment.clear();
            }
        } else if line.starts_with('[') {
            self.heading(split_comment(line).0);
        } else {
            self.setting(line, example);
        }
    }

    fn heading(&mut self, line: &str) {
        self.shares = false;
        let (name, list) = (line.trim_matches(|c| "[]".contains(c)).to_owned(), line.starts_with("[["));
        if list && self.section.list && self.section.name == name {
            // A further table of the same list.
            self.section.example.push(String::new());
        } else {
            let about = std::mem::take(&mut self.comment).join("\n");
            let next = Section { name, list, about, ..Section::default() };
            self.sections.push(std::mem::replace(&mut self.section, next));
        }
        if list {
            self.section.example.push(line.to_owned());
        }
    }

    fn setting(&mut self, line: &str, example: bool) {
        if self.section.list {
            self.comment.clear();
            return self.section.example.push(line.to_owned());
        }
        let (code, beside) = split_comment(line);
        let Some((name, value)) = code.split_once('=') else { return };
        let setting = Setting { name: name.trim().to_owned(), value: one_line(value), example };
        let above = std::mem::take(&mut self.comment);
        let bare = above.is_empty() && beside.is_empty();
        if let Some(row) = self.section.rows.last_mut().filter(|_| bare && self.shares) {
            return row.settings.push(setting);
        }
        self.shares = !above.is_empty() && beside.is_empty();
        let about: Vec<&str> =
            above.iter().map(String::as_str).chain([beside]).filter(|t| !t.is_empty()).collect();
        self.section.rows.push(Row { settings: vec![setting], about: about.join(" ") });
    }
}

/// The value with single spaces and without the comma that may end a list.
fn one_line(value: &str) -> String {
    let words: Vec<&str> = value.split_whitespace().collect();
    words.join(" ").replace("[ ", "[").replace(", ]", "]").replace(" ]", "]")
}
