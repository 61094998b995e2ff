//! The flags that every program takes, and what they override in the configuration.

use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Override, Sources};
use crate::logs::LogFormat;

/// The flags that every program takes; to be flattened into a program's own.
#[derive(Args, Clone, Default)]
pub struct CommonArgs {
    /// Read settings from this TOML file, over the built-in defaults
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Where Redis answers.
    #[arg(
        long,
        value_name = "URL",
        global = true,
        help = "Where Redis answers, e.g. redis://127.0.0.1:6379"
    )]
    pub redis_url: Option<String>,

    /// Where to serve health and metrics; port 0 picks a free port and prints it
    #[arg(long, value_name = "HOST:PORT", global = true)]
    pub health_addr: Option<String>,

    /// How to write the log to stderr
    #[arg(long, value_enum, value_name = "FORMAT", global = true)]
    pub log_format: Option<LogFormat>,

    /// Changes of single settings, by dotted key.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value, global = true)]
    #[arg(help = "Change one setting, e.g. --set service.log_level=debug; may be given many times")]
    pub settings: Vec<(String, String)>,

    /// Report every mistake in the configuration and exit: 0 if there is none, else 2
    #[arg(long, global = true)]
    pub check_config: bool,
}

/// Shows no value: a URL may hold a password.
impl std::fmt::Debug for CommonArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommonArgs").field("config", &self.config).finish_non_exhaustive()
    }
}

impl CommonArgs {
    /// The layers of the configuration: the built-in defaults, `--config`, `environment`, these flags.
    /// `section` is the program's own section, whose `health_addr` the flag overrides.
    pub fn sources(&self, section: &str, environment: Vec<(String, String)>) -> Sources {
        let of = |key: String, text: &str, flag: &str| Override {
            key,
            text: text.to_owned(),
            flag: flag.to_owned(),
        };
        let mut overrides: Vec<Override> =
            self.settings.iter().map(|(key, text)| of(key.clone(), text, "--set")).collect();
        if let Some(url) = &self.redis_url {
            overrides.push(of("redis.url".to_owned(), url, "--redis-url"));
        }
        if let Some(address) = &self.health_addr {
            overrides.push(of(format!("{section}.health_addr"), address, "--health-addr"));
        }
        if let Some(format) = self.log_format {
            overrides.push(of("service.log_format".to_owned(), format.as_str(), "--log-format"));
        }
        Sources { file: self.config.clone(), environment, overrides, ..Sources::default() }
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write it as KEY=VALUE, e.g. service.log_level=debug".to_owned()),
    }
}

/// The command line of a service.
#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask the running service whether it is ready: exit 0 if it is, else 1
    Healthcheck,
}

impl Cli {
    /// Reads the arguments of the program of this name; the error prints itself.
    pub(crate) fn read(
        arguments: impl IntoIterator<Item = std::ffi::OsString>,
        name: &'static str,
        about: &'static str,
        version: &'static str,
    ) -> Result<Self, clap::Error> {
        let examples = format!(
            "Examples:\n  {name} --redis-url redis://127.0.0.1:6379\n  {name} --config cascade.toml --check-config\n  \
             CASCADE_REDIS__URL=redis://db:6379 {name} --log-format json\n  {name} healthcheck\n\n\
             Settings come from the built-in defaults, --config, variables CASCADE_<SECTION>__<FIELD> and flags;\n\
             later wins. Exit: 0 stopped as asked, 1 failed while running, 2 usage or configuration."
        );
        let mut command = Self::command().name(name).about(about).version(version).after_help(examples);
        let matches = command.try_get_matches_from_mut(arguments)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}
