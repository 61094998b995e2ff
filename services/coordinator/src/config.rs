//! The settings of coordinator: section `[coordinator]`, and where Redis is.

use cascade_bus::RedisUrl;
use cascade_domain::Refusal;
use cascade_service::config::{Document, Mistakes};
use cascade_service::{Simulated, redis_url};
use serde::Deserialize;

use crate::Token;

/// Everything that coordinator is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Redis answers.
    pub redis_url: RedisUrl,
    /// What is expected.
    pub coordinator: Coordinator,
    /// With which token somebody may ask for something; `None` = nobody may.
    pub token: Option<Token>,
    /// Whether simulated exchanges are read: then nothing that is shown is of the market.
    pub is_demo: bool,
}

/// Section `[coordinator]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Coordinator {
    /// The services that must run for the system to be healthy.
    pub services: Vec<String>,
}

impl Default for Coordinator {
    fn default() -> Self {
        let services = ["liquidation-ingest", "oi-detector", "cascade-signals", "alert-dispatcher"];
        Self { services: services.map(str::to_owned).to_vec() }
    }
}

impl Coordinator {
    fn refusals(&self) -> Vec<Refusal> {
        if self.services.is_empty() {
            return vec![Refusal::new("services", "at least one service, or nothing would ever be missing")];
        }
        Vec::new()
    }
}

impl Config {
    /// Reads the sections, adding what is wrong with them to the mistakes.
    pub fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        let coordinator = document.section("coordinator", mistakes, Coordinator::refusals);
        let token = Token::read(document, mistakes);
        let is_demo = Simulated::read(document, mistakes).url().is_some();
        Self { redis_url: redis_url(document, mistakes), coordinator, token, is_demo }
    }
}
