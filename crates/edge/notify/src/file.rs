//! A file: the body of a webhook a line. Nothing is rotated; a file that was moved away is made anew.

mod settings;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cascade_domain::Delivery;
use cascade_message::Style;
use cascade_wire::Receipt;

pub(crate) use settings::Settings;

use crate::{Check, Network, Outcome};

/// The sender.
#[derive(Clone, Debug)]
pub(crate) struct File {
    path: PathBuf,
    within: Duration,
}

impl File {
    pub(crate) fn new(settings: &Settings, network: Network) -> Self {
        Self { path: settings.path.clone(), within: network.timeout }
    }

    pub(crate) async fn send(&self, deliveries: &[Delivery], style: &Style) -> Outcome {
        let mut lines = String::new();
        for delivery in deliveries {
            lines.push_str(&cascade_message::webhook(delivery, style).to_string());
            lines.push('\n');
        }
        match self.append(lines).await {
            Ok(()) => Outcome::sent(Receipt { editable: deliveries.len() == 1, ..Receipt::default() }),
            Err(outcome) => outcome,
        }
    }

    pub(crate) async fn check(&self) -> Check {
        match self.append(String::new()).await {
            Ok(()) => Check::good("can be written"),
            Err(outcome) => Check::of(outcome),
        }
    }

    async fn append(&self, lines: String) -> Result<(), Outcome> {
        let path = self.path.clone();
        let writing = tokio::task::spawn_blocking(move || append(&path, &lines));
        match tokio::time::timeout(self.within, writing).await {
            Ok(Ok(written)) => {
                written.map_err(|e| Outcome::Failed(format!("the file can't be written: {e}")))
            }
            Ok(Err(_)) => Err(Outcome::Unanswered("the file ended while it was written to".to_owned())),
            // It may be yet.
            Err(_) => Err(Outcome::Unanswered("the file is not written in time".to_owned())),
        }
    }
}

/// One write for all of it: lines of several processes do not mix.
fn append(path: &Path, lines: &str) -> std::io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path)?.write_all(lines.as_bytes())
}
