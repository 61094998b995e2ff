//! The shared configuration: the built-in defaults, under a file, under the environment, under flags.
//!
//! Finds every mistake at once and says where each came from. Knows which keys exist and their types (from the
//! defaults document), not what they mean: each section's owner checks its own values.

mod fields;
mod item;
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

use item::LISTS;
use layer::{Given, Setting};
use secret::holds_secret;
use shape::Shape;

pub use item::Item;
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
    shape: Shape,
    defaults: Table,
    values: Table,
    given: BTreeMap<Vec<String>, Origin>,
    items: BTreeMap<String, Vec<Item>>,
    /// What is named by settings and does not stand in them: secrets.
    environment: BTreeMap<String, String>,
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
        let environment = sources.environment.iter().filter(|(_, text)| !text.is_empty()).cloned().collect();
        let mut document = Self { environment, ..Self::default() };
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
                Ok(text) => {
                    let (found, items) = layer::from_text(&path, &text, &mut mistakes);
                    settings.extend(found);
                    for (list, item) in items {
                        document.items.entry(list).or_default().push(item);
                    }
                }
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
        document.shape = shape;
        (document, mistakes)
    }

    fn apply(&mut self, setting: Setting, shape: &Shape, mistakes: &mut Mistakes) {
        let Setting { path, given, origin } = setting;
        if let Some(list) = path.first().filter(|name| LISTS.contains(&name.as_str())) {
            let reason =
                format!("stands in a file (--config FILE): a table of its own each, headed [[{list}]]");
            return mistakes.push(path.join("."), origin, reason);
        }
        let given = match given {
            Given::Text(text) => match shape.table(&path, &text) {
                Some(table) => return self.apply_all(&path, table, &origin, (shape, mistakes)),
                None => Given::Text(text),
            },
            given @ Given::Value(_) => given,
        };
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

    /// Applies every setting of a table that was written as one text.
    fn apply_all(
        &mut self,
        above: &[String],
        table: Table,
        origin: &Origin,
        (shape, mistakes): (&Shape, &mut Mistakes),
    ) {
        for (name, value) in table {
            let path = [above, &[name]].concat();
            let setting = Setting { path, given: Given::Value(value), origin: origin.clone() };
            self.apply(setting, shape, mistakes);
        }
    }

    /// The tables that a file lists under this name, in order.
    pub fn items(&self, list: &str) -> &[Item] {
        self.items.get(list).map_or(&[], Vec::as_slice)
    }

    /// The text of an environment variable that a setting names, or that stands for settings; an empty one is none.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    /// The text of a file that a setting names, without the line break at its end; an empty one is none.
    pub fn file(&self, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(path).ok()?;
        Some(text.trim_end_matches(['\r', '\n']).to_owned()).filter(|text| !text.is_empty())
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
        debug_assert_eq!(self.unwritten::<T>(name), Vec::<String>::new(), "read, and not in the defaults");
        let section = self.typed::<T>(name, mistakes);
        for refusal in refusals(&section) {
            let key = format!("{name}.{}", refusal.key);
            mistakes.push(key.clone(), self.origin(&key), refusal.reason);
        }
        section
    }

    /// Settings that a type reads from the section of this name, and that the defaults do not show: nobody could give them.
    /// Sections side by side in one table (`venues.*`) may share a type: what one of them shows is shown.
    pub fn unwritten<T: DeserializeOwned>(&self, name: &str) -> Vec<String> {
        let above: Vec<String> = name.split('.').map(str::to_owned).collect();
        let paths = fields::paths::<T>().into_iter().map(|path| {
            let below = path.into_iter().map(str::to_owned);
            above.iter().cloned().chain(below).collect::<Vec<String>>()
        });
        paths.filter(|path| !self.shape.knows(path, above.len())).map(|path| path.join(".")).collect()
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
            let with = |path: &[String], value: &Value| {
                let mut tried = good.clone();
                insert(&mut tried, &path[above.len()..], value.clone());
                Value::Table(tried.clone()).try_into::<T>().map(|fits| (tried, fits))
            };
            match with(path, value) {
                Ok(fits) => (good, section) = fits,
                Err(_) if holds_secret(&key) => mistakes.push(key, origin.clone(), "not a valid value"),
                Err(error) => {
                    // A table without a default may be good only as a whole.
                    let whole = self
                        .optional(path)
                        .and_then(|top| Some((top, lookup(&self.values, &top.join("."))?)));
                    match whole.map(|(top, value)| (top.join("."), with(top, value))) {
                        Some((_, Ok(fits))) => (good, section) = fits,
                        Some((top, Err(of_all))) if is_about_another_key(&error) => {
                            mistakes.push(&top, self.origin(&top), of_all.message().trim());
                        }
                        _ => mistakes.push(key, origin.clone(), error.message().trim()),
                    }
                }
            }
        }
        section
    }

    /// The outermost table on the way to this key that has no default.
    fn optional<'a>(&self, path: &'a [String]) -> Option<&'a [String]> {
        let tops = (1..path.len()).map(|depth| &path[..depth]);
        tops.into_iter().find(|top| lookup(&self.defaults, &top.join(".")).is_none())
    }
}

/// Whether a table was refused for what is not in it.
fn is_about_another_key(error: &toml::de::Error) -> bool {
    error.message().starts_with("missing field")
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
