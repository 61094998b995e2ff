//! The token with which somebody may ask for something: `coordinator.token_env` or `token_file`. Never shown.

use std::fmt;

use cascade_service::config::{Document, Mistakes};
use subtle::ConstantTimeEq;

/// The shortest token that nobody guesses, bytes.
const SHORTEST: usize = 16;

/// A bearer token.
#[derive(Clone)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Token {
    /// A token of this text; `None` = it is too short, or can't stand in a header.
    pub fn new(text: &str) -> Option<Self> {
        let is_good = text.len() >= SHORTEST && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_good.then(|| Self(text.to_owned()))
    }

    /// Whether this is it. How long that takes says nothing but the length.
    pub(crate) fn is(&self, offered: &str) -> bool {
        self.0.as_bytes().ct_eq(offered.as_bytes()).into()
    }

    /// Reads the one that is configured; `None` = none is. What is wrong with it is a mistake, without its text.
    pub(crate) fn read(document: &Document, mistakes: &mut Mistakes) -> Option<Self> {
        const ENV: &str = "coordinator.token_env";
        const FILE: &str = "coordinator.token_file";
        let given = |key| document.text(key).filter(|text| !text.is_empty());
        let (key, found, missing) = match (given(ENV), given(FILE)) {
            (None, None) => return None,
            (Some(_), Some(_)) => {
                mistakes.push(
                    FILE,
                    document.origin(FILE),
                    "not both: the token stands in a variable or in a file",
                );
                return None;
            }
            (Some(name), None) => {
                let found = document.variable(name).map(str::to_owned);
                (
                    ENV,
                    found,
                    "there is no such variable, or it is empty: this names the one that holds the token",
                )
            }
            (None, Some(path)) => (
                FILE,
                document.file(path),
                "there is no such file, or it is empty: this names the one that holds the token",
            ),
        };
        let reason = match found.as_deref().map(Self::new) {
            Some(Some(token)) => return Some(token),
            Some(None) => {
                format!("the token must have at least {SHORTEST} characters, all of them visible ASCII")
            }
            None => missing.to_owned(),
        };
        mistakes.push(key, document.origin(key), reason);
        None
    }
}

#[cfg(test)]
mod tests {
    use cascade_service::config::{Override, Sources};

    use super::*;

    fn read(settings: &[(&str, &str)], variables: &[(&str, &str)]) -> (Option<Token>, String) {
        let overrides = settings.iter().map(|(key, text)| Override {
            key: format!("coordinator.{key}"),
            text: (*text).to_owned(),
            flag: "--set".to_owned(),
        });
        let environment = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let sources = Sources {
            overrides: overrides.collect(),
            environment: environment.collect(),
            ..Sources::default()
        };
        let (document, mut mistakes) = Document::load(&sources);
        let token = Token::read(&document, &mut mistakes);
        (token, mistakes.to_string())
    }

    #[test]
    fn a_token_is_read_from_where_it_lies_and_is_the_only_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789abcdef\n").unwrap();
        let (from_file, mistakes) = read(&[("token_file", file.path().to_str().unwrap())], &[]);
        assert_eq!(mistakes, "");
        let (from_env, _) = read(&[("token_env", "API_TOKEN")], &[("API_TOKEN", "0123456789abcdef")]);
        for token in [from_file.unwrap(), from_env.unwrap()] {
            assert!(token.is("0123456789abcdef"));
            assert!(!token.is("0123456789abcdeF") && !token.is("") && !token.is("0123456789abcdef0"));
            assert_eq!(format!("{token:?}"), "***");
        }
        assert!(read(&[], &[("API_TOKEN", "0123456789abcdef")]).0.is_none());
    }

    #[test]
    fn what_is_wrong_with_a_token_is_said_without_it() {
        for (settings, variables, reason) in [
            (vec![("token_env", "API_TOKEN")], vec![("API_TOKEN", "short-secret")], "at least 16"),
            (vec![("token_env", "API_TOKEN")], vec![("API_TOKEN", "0123456789 abcdef")], "visible"),
            (vec![("token_env", "API_TOKEN")], vec![], "no such variable"),
            (vec![("token_file", "/no/such/file")], vec![], "no such file"),
            (vec![("token_env", "A"), ("token_file", "/b")], vec![("A", "0123456789abcdef")], "not both"),
        ] {
            let (token, mistakes) = read(&settings, &variables);
            assert!(token.is_none() && mistakes.contains(reason), "{mistakes}");
            assert!(!mistakes.contains("short-secret") && !mistakes.contains("0123456789"), "{mistakes}");
        }
    }
}
