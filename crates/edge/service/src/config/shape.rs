//! What a configuration may hold: the keys and types of the defaults document.
//!
//! Every key of the document is known, and so is every setting that it shows on a line beginning with `#` directly
//! followed by a name: optional, its value there an example of the type. Knows nothing of what the values mean.

use toml::de::ValueDeserializer;
use toml::{Table, Value};

use super::secret::{holds_secret, redact};

/// Tables whose keys are the user's own; what stands under each of them has the shape of the example.
const OPEN: [&str; 4] = [
    "cascade.symbols",
    "open_interest.symbols",
    "open_interest.presets.balanced.symbols",
    "open_interest.presets.seed.symbols",
];

/// Lists that one word may stand for.
const WORDS: [(&str, &str); 1] = [("ingest.symbols", "all")];

/// Lists of numbers whose default is empty: it shows no type.
const NUMBERS: [&str; 1] = ["telegram.allowed_users"];

/// The known keys and the types of their values.
#[derive(Debug, Default)]
pub(super) struct Shape(Table);

impl Shape {
    /// The shape of a defaults document.
    pub(super) fn parse(defaults: &str) -> Result<Self, toml::de::Error> {
        let shown: Vec<&str> = defaults
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
                _ => line,
            })
            .collect();
        toml::from_str(&shown.join("\n")).map(Self)
    }

    /// The example that stands for this key, if the key is known: a leaf or a table.
    fn find(&self, path: &[String]) -> Option<&Value> {
        let mut table = &self.0;
        let mut found = None;
        for (depth, name) in path.iter().enumerate() {
            let open = OPEN.contains(&path[..depth].join(".").as_str());
            let value = if open { table.values().next() } else { table.get(name) }?;
            if let Value::Table(inner) = value {
                table = inner;
            } else if depth + 1 < path.len() {
                return None;
            }
            found = Some(value);
        }
        found
    }

    /// Whether the document shows this key or table: in its section, the first names of the path, or in one beside that.
    pub(super) fn knows(&self, path: &[String], section: usize) -> bool {
        let beside = || {
            let Some(Value::Table(beside)) =
                section.checked_sub(1).filter(|n| *n > 0).and_then(|n| self.find(&path[..n]))
            else {
                return false;
            };
            let with =
                |name: &String| [&path[..section - 1], std::slice::from_ref(name), &path[section..]].concat();
            // In an open table any name is known.
            let open = |name: &String| {
                OPEN.contains(&[&path[..section - 1], std::slice::from_ref(name)].concat().join(".").as_str())
            };
            beside.keys().any(|name| !open(name) && self.find(&with(name)).is_some())
        };
        self.find(path).is_some() || beside()
    }

    /// The key as the document spells it, from a variable's upper-case names. Names under open tables stay as they are.
    pub(super) fn spell(names: &[&str]) -> Vec<String> {
        let mut path: Vec<String> = Vec::with_capacity(names.len());
        for name in names {
            let open = OPEN.contains(&path.join(".").as_str());
            path.push(if open { (*name).to_owned() } else { name.to_lowercase() });
        }
        path
    }

    /// The value, brought to the type that the key asks for, or why it is refused.
    pub(super) fn fit(&self, path: &[String], value: Value) -> Result<Value, String> {
        let expected = self.find(path).ok_or_else(|| self.unknown(path))?;
        let key = path.join(".");
        let found = describe(&key, &value);
        let word = word_for(&key);
        let value = match (expected, widened(expected, value)) {
            (Value::Float(_), Value::Float(number)) if !number.is_finite() => {
                return Err(format!("expected a finite number, found {number}"));
            }
            (Value::Array(_), Value::String(text)) if word == Some(text.as_str()) => Value::String(text),
            (Value::Array(examples), Value::Array(items)) => Value::Array(fit_items(&key, examples, items)?),
            (expected, value) if expected.same_type(&value) => value,
            (expected, _) => {
                let or = word.map(|w| format!(" or \"{w}\"")).unwrap_or_default();
                return Err(format!("expected {}{or}, found {found}", kind(expected)));
            }
        };
        Ok(value)
    }

    /// The value that a text from a variable or a flag stands for.
    pub(super) fn read(&self, path: &[String], text: &str) -> Result<Value, String> {
        let expected = self.find(path).ok_or_else(|| self.unknown(path))?;
        let written = || parse(text).unwrap_or_else(|| Value::String(text.to_owned()));
        let value = match expected {
            Value::String(_) => Value::String(text.to_owned()),
            Value::Array(_) if word_for(&path.join(".")) == Some(text) => Value::String(text.to_owned()),
            Value::Array(_) if text.trim_start().starts_with('[') => written(),
            Value::Array(examples) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                let texts = match examples.first() {
                    Some(first) => first.is_str(),
                    None => !NUMBERS.contains(&path.join(".").as_str()),
                };
                let item = |item: &str| match parse(item) {
                    Some(value) if !texts => value,
                    _ => Value::String(item.to_owned()),
                };
                Value::Array(items.map(item).collect())
            }
            _ => written(),
        };
        self.fit(path, value)
    }

    /// The settings of a text that is written for a known table as a whole, `{ from = "23:00", ... }`.
    pub(super) fn table(&self, path: &[String], text: &str) -> Option<Table> {
        let is_table = matches!(self.find(path), Some(Value::Table(_)));
        match parse(text).filter(|_| is_table) {
            Some(Value::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// Every known key, dotted; under open tables with the names that `like` bears there.
    pub(super) fn keys(&self, like: &[String]) -> Vec<String> {
        let mut keys = Vec::new();
        collect(&self.0, &mut Vec::new(), like, &mut keys);
        keys
    }

    /// Why an unknown key is refused, with the known one that it was probably meant to be.
    fn unknown(&self, path: &[String]) -> String {
        let key = path.join(".");
        let keys = self.keys(path);
        let best = keys.iter().map(|known| (distance(&key, known), known)).min();
        if let Some((apart, known)) = best
            && apart <= (key.len() / 4).max(2)
        {
            return format!("unknown key; did you mean `{known}`?");
        }
        let section = path.split_last().map(|(_, parents)| parents.join(".")).unwrap_or_default();
        let inside = format!("{section}.");
        let siblings: Vec<&str> = keys.iter().filter_map(|known| known.strip_prefix(&inside)).collect();
        if siblings.is_empty() {
            let sections: Vec<&str> = self.0.keys().map(String::as_str).collect();
            return format!("unknown key; the sections are {}", sections.join(", "));
        }
        format!("unknown key; [{section}] has {}", siblings.join(", "))
    }
}

/// The word that may stand for the list at this key.
fn word_for(key: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _)| *known == key).map(|(_, word)| *word)
}

/// The value written in TOML, if the text is one.
fn parse(text: &str) -> Option<Value> {
    ValueDeserializer::parse(text.trim()).ok().and_then(|value| serde::Deserialize::deserialize(value).ok())
}

/// A whole number as a number, where one is asked for.
fn widened(example: &Value, value: Value) -> Value {
    match (example, value) {
        (Value::Float(_), Value::Integer(whole)) => {
            #[expect(clippy::cast_precision_loss, reason = "settings are far below 2^53")]
            let number = whole as f64;
            Value::Float(number)
        }
        (_, value) => value,
    }
}

/// The items of a list, each of the type of the example.
fn fit_items(key: &str, examples: &[Value], items: Vec<Value>) -> Result<Vec<Value>, String> {
    let Some(example) = examples.first() else { return Ok(items) };
    let fit = |item| match widened(example, item) {
        item if example.same_type(&item) => Ok(item),
        wrong => Err(format!("expected a list of {}, found {} in it", kinds(example), describe(key, &wrong))),
    };
    items.into_iter().map(fit).collect()
}

fn collect(table: &Table, path: &mut Vec<String>, like: &[String], keys: &mut Vec<String>) {
    let open = OPEN.contains(&path.join(".").as_str());
    for (name, value) in table {
        let name = if open { like.get(path.len()).unwrap_or(name) } else { name };
        path.push(name.clone());
        match value {
            Value::Table(inner) => collect(inner, path, like, keys),
            _ => keys.push(path.join(".")),
        }
        path.pop();
        if open {
            return;
        }
    }
}

/// The type in words.
const fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// The type in words, for many.
const fn kinds(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "texts",
        Value::Integer(_) => "whole numbers",
        Value::Float(_) => "numbers",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "dates",
        Value::Array(_) => "lists",
        Value::Table(_) => "tables",
    }
}

/// What was found, in words that show no secret.
fn describe(key: &str, value: &Value) -> String {
    match value {
        Value::String(_) if holds_secret(key) => "text".to_owned(),
        Value::String(text) => format!("the text `{}`", redact(text)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) if !holds_secret(key) => format!("`{value}`"),
        other => kind(other).to_owned(),
    }
}

/// The Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
