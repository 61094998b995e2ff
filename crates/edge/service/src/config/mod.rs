//! The shared configuration: the built-in defaults, under a file, under the environment, under flags.
//!
//! Finds every mistake at once and says where each came from. Knows which keys exist and their types (from the
//! defaults document), not what they mean: each section's owner checks its own values.

mod layer;
mod mistake;
mod secret;
mod shape;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use cascade_domain::Refusal;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use layer::{Given, Setting};
use secret::holds_secret;
use shape::Shape;

pub use mistake::{Mistake, Mistakes, Origin};
pub use secret::redact;

/// `config/cascade.toml`: every setting with its default.
pub const DEFAULTS: &str = include_str!("../../../../../config/cascade.toml");

/// A setting given by a flag.
#[derive(Clone, PartialEq, Eq)]
pub struct Override {
    /// The dotted key, e.g. `redis.url`.
    pub key: String,
    /// The value, written as in a variable: bare text, a comma-separated list, or TOML.
    pub text: String,
    /// The flag that gave it, e.g. `--redis-url`.
    pub flag: String,
}

/// Shows no value: it may be a secret.
impl fmt::Debug for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Override").field("key", &self.key).field("flag", &self.flag).finish_non_exhaustive()
    }
}

/// The layers of a configuration.
#[derive(Clone)]
pub struct Sources {
    /// The defaults document; normally [`DEFAULTS`].
    pub defaults: &'static str,
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Environment variables; those that are not ours are passed over.
    pub environment: Vec<(String, String)>,
    /// What the flags say.
    pub overrides: Vec<Override>,
}

impl Default for Sources {
    fn default() -> Self {
        Self { defaults: DEFAULTS, file: None, environment: Vec::new(), overrides: Vec::new() }
    }
}

/// Shows no value: the environment holds secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The merged configuration. Settings that were refused are not in it: their defaults are.
#[derive(Default)]
pub struct Document {
    defaults: Table,
    values: Table,
    given: BTreeMap<Vec<String>, Origin>,
}

/// Shows who gave what, and no value.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("given", &self.given).finish_non_exhaustive()
    }
}

impl Document {
    /// Reads and merges the layers; every syntax error, unknown key and wrong type is a mistake.
    pub fn load(sources: &Sources) -> (Self, Mistakes) {
        let mut mistakes = Mistakes::default();
        let mut document = Self::default();
        let shape = match (sources.defaults.parse::<Table>(), Shape::parse(sources.defaults)) {
            (Ok(defaults), Ok(shape)) => {
                document.values.clone_from(&defaults);
                document.defaults = defaults;
                shape
            }
            (Err(error), _) | (_, Err(error)) => {
                mistakes.push("", Origin::Default, error.message());
                return (document, mistakes);
            }
        };
        let mut settings = Vec::new();
        if let Some(file) = &sources.file {
            let path = file.display().to_string();
            match std::fs::read_to_string(file) {
                Ok(text) => settings.extend(layer::from_text(&path, &text, &mut mistakes)),
                Err(error) => {
                    mistakes.push("", Origin::File { path, line: 0 }, format!("can't be read: {error}"));
                }
            }
        }
        settings.extend(layer::from_environment(&sources.environment, &shape, &mut mistakes));
        settings.extend(sources.overrides.iter().map(|flag| Setting {
            path: flag.key.split('.').map(str::to_owned).collect(),
            given: Given::Text(flag.text.clone()),
            origin: Origin::Flag(flag.flag.clone()),
        }));
        for setting in settings {
            document.apply(setting, &shape, &mut mistakes);
        }
        (document, mistakes)
    }

    fn apply(&mut self, setting: Setting, shape: &Shape, mistakes: &mut Mistakes) {
        let Setting { path, given, origin } = setting;
        let fitted = match given {
            Given::Value(value) => shape.fit(&path, value),
            Given::Text(text) => shape.read(&path, &text),
        };
        match fitted {
            Ok(value) => {
                insert(&mut self.values, &path, value);
                self.given.insert(path, origin);
            }
            Err(reason) => mistakes.push(path.join("."), origin, reason),
        }
    }

    /// The section of this dotted name as its owner's type, with the owner's own refusals added to the mistakes.
    /// A value that does not fit the type is a mistake too, and its default takes its place.
    pub fn section<T>(
        &self,
        name: &str,
        mistakes: &mut Mistakes,
        refusals: impl FnOnce(&T) -> Vec<Refusal>,
    ) -> T
    where
        T: Default + DeserializeOwned,
    {
        let section = self.typed::<T>(name, mistakes);
        for refusal in refusals(&section) {
            let key = format!("{name}.{}", refusal.key);
            mistakes.push(key.clone(), self.origin(&key), refusal.reason);
        }
        section
    }

    /// The text at this dotted key, if there is one.
    pub fn text(&self, key: &str) -> Option<&str> {
        lookup(&self.values, key)?.as_str()
    }

    /// Who gave the setting at this key, or the first one below it.
    pub fn origin(&self, key: &str) -> Origin {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        let below = self.given.iter().find(|(given, _)| given.starts_with(&path));
        below.map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    fn typed<T>(&self, name: &str, mistakes: &mut Mistakes) -> T
    where
        T: Default + DeserializeOwned,
    {
        let Some(whole) = lookup(&self.values, name) else { return T::default() };
        if let Ok(section) = whole.clone().try_into::<T>() {
            return section;
        }
        // Something does not fit. What was given is put over the defaults one by one, so that each misfit is named.
        let mut good = lookup(&self.defaults, name).and_then(Value::as_table).cloned().unwrap_or_default();
        let mut section = match Value::Table(good.clone()).try_into::<T>() {
            Ok(section) => section,
            Err(error) => {
                mistakes.push(name, Origin::Default, error.message());
                return T::default();
            }
        };
        let above: Vec<String> = name.split('.').map(str::to_owned).collect();
        for (path, origin) in self.given.iter().filter(|(path, _)| path.starts_with(&above)) {
            let key = path.join(".");
            let Some(value) = lookup(&self.values, &key) else { continue };
            let mut tried = good.clone();
            insert(&mut tried, &path[above.len()..], value.clone());
            match Value::Table(tried.clone()).try_into::<T>() {
                Ok(fits) => (good, section) = (tried, fits),
                Err(_) if holds_secret(&key) => mistakes.push(key, origin.clone(), "not a valid value"),
                Err(error) => mistakes.push(key, origin.clone(), error.message().trim()),
            }
        }
        section
    }
}

/// The value at a dotted key.
fn lookup<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let mut names = key.split('.');
    let first = table.get(names.next()?)?;
    names.try_fold(first, |value, name| value.as_table()?.get(name))
}

/// Puts a value at a path, making the tables on the way.
fn insert(table: &mut Table, path: &[String], value: Value) {
    let Some((name, below)) = path.split_first() else { return };
    if below.is_empty() {
        table.insert(name.clone(), value);
        return;
    }
    let inner = table.entry(name.clone()).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = inner {
        insert(inner, below, value);
    }
}
