//! The layers above the defaults: a file, the environment, the flags. Each becomes a list of settings with their origin;
//! a file may also list tables of one kind, each with settings of its own.
//!
//! Knows how a setting is written in each layer, and nothing of what it means.

use std::collections::BTreeSet;

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Value};

use super::item::{Item, LISTS};
use super::mistake::{Mistakes, Origin};
use super::shape::Shape;

/// What every environment variable of ours begins with.
const PREFIX: &str = "CASCADE_";

/// A setting as it was given.
#[derive(Debug)]
pub(super) enum Given {
    /// A value of a TOML file.
    Value(Value),
    /// The text of a variable or a flag; its type is the key's.
    Text(String),
}

/// One key, what was given for it, and by whom.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) path: Vec<String>,
    pub(super) given: Given,
    pub(super) origin: Origin,
}

/// The settings of a TOML text, and its lists of tables by name. Lines that are not TOML are mistakes; the others count.
pub(super) fn from_text(
    path: &str,
    text: &str,
    mistakes: &mut Mistakes,
) -> (Vec<Setting>, Vec<(String, Item)>) {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut walk =
        Walk { path, text, broken: BTreeSet::new(), settings: Vec::new(), items: Vec::new(), mistakes };
    for error in errors {
        let line = error.span().map_or(0, |span| walk.line(span.start));
        if walk.broken.insert(line) {
            let origin = Origin::File { path: path.to_owned(), line };
            walk.mistakes.push("", origin, format!("not TOML: {}", error.message()));
        }
    }
    walk.table(root.into_inner(), &[]);
    (walk.settings, walk.items)
}

struct Walk<'a> {
    path: &'a str,
    text: &'a str,
    broken: BTreeSet<usize>,
    settings: Vec<Setting>,
    items: Vec<(String, Item)>,
    mistakes: &'a mut Mistakes,
}

impl Walk<'_> {
    fn line(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        1 + before.iter().fold(0, |lines, byte| lines + usize::from(*byte == b'\n'))
    }

    fn table(&mut self, table: DeTable<'_>, above: &[String]) {
        for (name, value) in table {
            let line = self.line(name.span().start);
            let mut path = above.to_vec();
            path.push(name.into_inner().into_owned());
            if above.is_empty() && LISTS.contains(&path[0].as_str()) {
                self.list(&path[0], line, value.into_inner());
                continue;
            }
            if matches!(value.get_ref(), DeValue::Table(inner) if !inner.is_empty()) {
                if let DeValue::Table(inner) = value.into_inner() {
                    self.table(inner, &path);
                }
                continue;
            }
            // A broken line may leave half a setting behind; it was told already.
            if self.broken.contains(&line) {
                continue;
            }
            let origin = self.origin(line);
            match Value::deserialize(ValueDeserializer::from(value)) {
                Ok(value) => self.settings.push(Setting { path, given: Given::Value(value), origin }),
                Err(error) => self.mistakes.push(path.join("."), origin, error.message()),
            }
        }
    }

    fn origin(&self, line: usize) -> Origin {
        Origin::File { path: self.path.to_owned(), line }
    }

    /// The tables under `[[name]]`.
    fn list(&mut self, name: &str, line: usize, value: DeValue<'_>) {
        let reason = format!("write each one as a table of its own, headed [[{name}]]");
        let DeValue::Array(tables) = value else {
            return self.mistakes.push(name, self.origin(line), reason);
        };
        for table in tables {
            let line = self.line(table.span().start);
            let DeValue::Table(table) = table.into_inner() else {
                self.mistakes.push(name, self.origin(line), reason.as_str());
                continue;
            };
            let mut item = Item::new(self.origin(line));
            for (key, value) in table {
                let line = self.line(key.span().start);
                if self.broken.contains(&line) {
                    continue;
                }
                let key = key.into_inner().into_owned();
                self.lines_within(&key, &value, &mut item);
                let origin = self.origin(line);
                match Value::deserialize(ValueDeserializer::from(value)) {
                    Ok(value) => item.insert(key, value, origin),
                    Err(error) => self.mistakes.push(format!("{name}.{key}"), origin, error.message()),
                }
            }
            self.items.push((name.to_owned(), item));
        }
    }

    /// Notes where the keys of an inner table stand.
    fn lines_within(&self, above: &str, value: &Spanned<DeValue<'_>>, item: &mut Item) {
        let DeValue::Table(inner) = value.get_ref() else { return };
        for (name, value) in inner {
            let key = format!("{above}.{}", name.get_ref());
            self.lines_within(&key, value, item);
            item.note(key, self.origin(self.line(name.span().start)));
        }
    }
}

/// The settings among environment variables. Variables that are not ours are passed over: a cluster may add some that
/// begin with our prefix. One that differs from ours only in its underscores is a mistake.
pub(super) fn from_environment<'a>(
    variables: impl IntoIterator<Item = &'a (String, String)>,
    shape: &Shape,
    mistakes: &mut Mistakes,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(PREFIX).filter(|_| !text.is_empty()) else { continue };
        let origin = Origin::Variable(name.clone());
        if rest.contains("__") {
            let names: Vec<&str> = rest.split("__").collect();
            settings.push(Setting { path: Shape::spell(&names), given: Given::Text(text.clone()), origin });
        } else if let Some(key) = shape.keys(&[]).into_iter().find(|key| squeeze(key) == squeeze(rest)) {
            let meant = key.replace('.', "__").to_uppercase();
            mistakes.push(key, origin, format!("unknown variable; did you mean {PREFIX}{meant}?"));
        }
    }
    settings
}

/// Letters and digits only, in lower case.
fn squeeze(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
