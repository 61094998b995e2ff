//! How a finding goes out: its bytes, and the message of each of its channels. Knows no detector and sends nothing.

use cascade_domain::{EventTime, Finding};
use cascade_wire::{Channel, WireError, encode_finding, finding_to_json};
use serde::Deserialize;

use crate::Simulated;
use crate::config::{Document, Mistakes};

/// How findings go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Each message again as JSON, on `<channel>:json`.
    pub json_mirror: bool,
    /// Findings are marked as a demo's: simulated exchanges are read. No setting of its own.
    pub demo: bool,
}

/// A finding, ready to go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// MessagePack.
    pub bytes: Vec<u8>,
    /// One line of JSON.
    pub json: String,
    /// Channel and message, in order.
    pub publish: Vec<(String, Vec<u8>)>,
}

/// Section `[bus]`.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct BusSection {
    json_mirror: bool,
}

impl Default for BusSection {
    fn default() -> Self {
        Self { json_mirror: true }
    }
}

impl Output {
    /// As section `[bus]` says; a demo's where section `[simulator]` names simulated exchanges.
    pub fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        let section = document.section("bus", mistakes, |_: &BusSection| Vec::new());
        let demo = Simulated::read(document, mistakes).url().is_some();
        Self { json_mirror: section.json_mirror, demo }
    }

    /// Stamps a finding with what only the running service knows.
    pub fn stamp(&self, finding: &mut Finding, now: EventTime) {
        finding.stamp(now, self.demo);
    }

    /// A finding as it goes out.
    ///
    /// # Errors
    /// It can't be encoded.
    pub fn encode(&self, finding: &Finding) -> Result<Outgoing, WireError> {
        let (bytes, json) = (encode_finding(finding)?, finding_to_json(finding)?);
        let mut publish = Vec::new();
        for channel in Channel::of(finding) {
            publish.push((channel.as_str().to_owned(), bytes.clone()));
            if self.json_mirror {
                publish.push((channel.json_twin().to_owned(), json.clone().into_bytes()));
            }
        }
        Ok(Outgoing { bytes, json, publish })
    }
}
