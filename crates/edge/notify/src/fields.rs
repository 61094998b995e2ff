//! Reads a table of the configuration field by field and remembers every mistake, by key.
//!
//! Knows no provider. Shows no value that could be a secret.

use cascade_domain::Refusal;
use toml::{Table, Value};
use url::Url;

use crate::secret::{looks_secret, shown};
use crate::{Secret, SecretPlace};

/// Fields in which a secret itself is often written, and where it belongs.
const TEMPTING: [(&str, &str); 5] = [
    ("token", "token_env or token_file"),
    ("bot_token", "token_env or token_file"),
    ("secret", "secret_env or secret_file"),
    ("webhook_url", "url_env or url_file"),
    ("password", "secret_env or secret_file"),
];

/// A table that is being read.
pub(crate) struct Fields<'a> {
    table: &'a Table,
    secret: &'a dyn Fn(&SecretPlace) -> Option<Secret>,
    known: Vec<String>,
    refusals: Vec<Refusal>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(table: &'a Table, secret: &'a dyn Fn(&SecretPlace) -> Option<Secret>) -> Self {
        Self { table, secret, known: Vec::new(), refusals: Vec::new() }
    }

    /// A mistake.
    pub(crate) fn refuse(&mut self, key: impl Into<String>, reason: impl Into<String>) {
        self.refusals.push(Refusal::new(key, reason));
    }

    /// The value of a field, whatever it is.
    pub(crate) fn value(&mut self, key: &str) -> Option<&'a Value> {
        self.know(&[key]);
        self.table.get(key)
    }

    /// A text that is not empty.
    pub(crate) fn text(&mut self, key: &str) -> Option<&'a str> {
        match self.value(key)? {
            Value::String(text) if text.trim().is_empty() => {
                self.refuse(key, "is empty; leave it out or give it a value");
                None
            }
            Value::String(text) => Some(text.trim()),
            _ => {
                self.refuse(key, "expected a text in quotes");
                None
            }
        }
    }

    /// A text that must be there.
    pub(crate) fn required(&mut self, key: &str, what: &str) -> Option<&'a str> {
        if !self.table.contains_key(key) {
            self.refuse(key, format!("is missing: {what}"));
        }
        self.text(key)
    }

    /// `true` or `false`; absent = false.
    pub(crate) fn flag(&mut self, key: &str) -> bool {
        match self.value(key) {
            None => false,
            Some(Value::Boolean(flag)) => *flag,
            Some(_) => {
                self.refuse(key, "expected true or false");
                false
            }
        }
    }

    /// A list of texts; absent = empty.
    pub(crate) fn texts(&mut self, key: &str) -> Vec<&'a str> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.refuse(key, "expected a list of texts, like [\"BTCUSDT\"]");
            return Vec::new();
        };
        let texts: Vec<&str> = items.iter().filter_map(Value::as_str).map(str::trim).collect();
        if texts.len() < items.len() {
            self.refuse(key, "expected texts only in the list");
        }
        texts
    }

    /// A rate in messages a second, above 0 and at most `most`.
    pub(crate) fn rate(&mut self, key: &str, most: f64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
        let rate = match self.value(key)? {
            Value::Float(rate) => *rate,
            Value::Integer(rate) => *rate as f64,
            _ => f64::NAN,
        };
        let fine = rate >= 0.001 && rate <= most;
        if !fine {
            self.refuse(key, format!("expected a number of messages a second, from 0.001 to {most}"));
        }
        fine.then_some(rate)
    }

    /// A secret by `{name}_env` or `{name}_file`, and under `in_place` written there itself; the key that named it.
    /// `what` = what it is, if it must be there.
    pub(crate) fn secret(
        &mut self,
        name: &str,
        in_place: bool,
        what: Option<&str>,
    ) -> Option<(Secret, String)> {
        let (env, file) = (format!("{name}_env"), format!("{name}_file"));
        let mut ways = vec![env.clone(), file.clone()];
        if in_place {
            ways.push(name.to_owned());
        }
        self.know(&ways.iter().map(String::as_str).collect::<Vec<_>>());
        let given: Vec<String> = ways.iter().filter(|key| self.table.contains_key(*key)).cloned().collect();
        let key = match given.as_slice() {
            [] => {
                if let Some(what) = what {
                    self.refuse(env, format!("is missing: {what}; one of {}", ways.join(", ")));
                }
                return None;
            }
            [key] => key.clone(),
            [_, second, ..] => {
                self.refuse(second.clone(), format!("give only one of {}", ways.join(", ")));
                return None;
            }
        };
        let text = self.text(&key)?;
        if key == name {
            return Some((Secret::new(text.to_owned()), key));
        }
        let found = if key == env { self.variable(&key, text) } else { self.file(&key, text) };
        found.map(|secret| (secret, key))
    }

    fn variable(&mut self, key: &str, text: &str) -> Option<Secret> {
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
        let is_name = text.starts_with(is_first) && text.chars().all(|c| is_first(c) || c.is_ascii_digit());
        if !is_name || looks_secret(text) {
            let reason = "expected the name of an environment variable; a secret itself never stands in the \
                          configuration: put it into a variable and name that";
            self.refuse(key, reason);
            return None;
        }
        let found = self.look_up(&SecretPlace::Variable(text.to_owned()));
        if found.is_none() {
            self.refuse(key, format!("the variable {text} that {key} names is not set"));
        }
        found
    }

    fn file(&mut self, key: &str, text: &str) -> Option<Secret> {
        if looks_secret(text) && !text.starts_with(['/', '.']) || text.contains("://") {
            let reason = "expected the path of a file; a secret itself never stands in the configuration: put it \
                          into a file and name that";
            self.refuse(key, reason);
            return None;
        }
        let found = self.look_up(&SecretPlace::File(text.to_owned()));
        if found.is_none() {
            self.refuse(key, format!("the file {} that {key} names can't be read, or is empty", shown(text)));
        }
        found
    }

    fn look_up(&self, place: &SecretPlace) -> Option<Secret> {
        let found = (self.secret)(place)?;
        let text = found.expose().trim();
        (!text.is_empty()).then(|| Secret::new(text.to_owned()))
    }

    /// An address that a field gives: http or https with a host, without name and password in it.
    pub(crate) fn url(&mut self, key: &str, text: &str, allow_http: bool) -> Option<Url> {
        let reason = match Url::parse(text) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host().is_none() => {
                "expected an address that begins with https://"
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "an address with a name or a password in it is refused"
            }
            Ok(url) if url.scheme() == "http" && !allow_http => {
                "expected https://; http:// is for targets that allow_private_targets = true allows"
            }
            Ok(url) => return Some(url),
            Err(_) => "is not an address",
        };
        self.refuse(key, reason);
        None
    }

    /// Takes these keys as known.
    pub(crate) fn know(&mut self, keys: &[&str]) {
        for key in keys {
            if !self.known.iter().any(|known| known == key) {
                self.known.push((*key).to_owned());
            }
        }
    }

    /// All mistakes, unknown fields among them.
    pub(crate) fn finish(mut self) -> Vec<Refusal> {
        for key in self.table.keys().filter(|key| !self.known.contains(key)) {
            let reason = match TEMPTING.iter().find(|(field, _)| field == key) {
                Some((_, instead)) => {
                    format!("a secret itself never stands in the configuration: use {instead}")
                }
                None => unknown(key, &self.known),
            };
            self.refusals.push(Refusal::new(shown(key), reason));
        }
        self.refusals.sort();
        self.refusals.dedup();
        self.refusals
    }
}

/// Why an unknown word is refused, with the known one that it was probably meant to be.
pub(crate) fn unknown<S: AsRef<str>>(word: &str, known: &[S]) -> String {
    let nearest = known.iter().map(|known| (strsim::levenshtein(word, known.as_ref()), known.as_ref())).min();
    match nearest {
        Some((apart, known)) if apart <= (word.len() / 4).max(2) => {
            format!("is not known; did you mean `{known}`?")
        }
        _ => {
            let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
            format!("is not known; there are {}", known.join(", "))
        }
    }
}
