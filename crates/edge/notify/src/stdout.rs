//! This process' standard output: a text a message.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use cascade_domain::Delivery;
use cascade_message::Style;
use cascade_wire::Receipt;

use crate::{Network, Outcome};

/// Where texts are written to. Clones are the same.
#[derive(Clone)]
pub struct Output(Arc<Mutex<Box<dyn Write + Send>>>);

impl Output {
    /// The process' own.
    pub fn stdout() -> Self {
        Self::new(io::stdout())
    }

    /// Any other.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(writer))))
    }

    /// Writes a text whole, off the runtime: whoever reads it may be slow, or stopped.
    async fn write(&self, text: String, within: Duration) -> Result<(), Outcome> {
        let output = Arc::clone(&self.0);
        let writing = tokio::task::spawn_blocking(move || {
            let mut output = match output.try_lock() {
                Ok(output) => output,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Err("is still busy with another message".to_owned()),
            };
            output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(|e| e.to_string())
        });
        match tokio::time::timeout(within, writing).await {
            Ok(Ok(written)) => written.map_err(|why| Outcome::Failed(format!("standard output {why}"))),
            Ok(Err(_)) => {
                Err(Outcome::Unanswered("standard output ended while it was written to".to_owned()))
            }
            // Somebody may read it yet.
            Err(_) => Err(Outcome::Unanswered("nobody reads standard output".to_owned())),
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}

/// The sender.
#[derive(Clone, Debug)]
pub(crate) struct Stdout {
    output: Output,
    within: Duration,
}

impl Stdout {
    pub(crate) const fn new(output: Output, network: Network) -> Self {
        Self { output, within: network.timeout }
    }

    pub(crate) fn replace(&mut self, output: Output) {
        self.output = output;
    }

    pub(crate) async fn send(&self, deliveries: &[Delivery], style: &Style) -> Outcome {
        let mut text = cascade_message::text(deliveries, style);
        text.push('\n');
        match self.output.write(text, self.within).await {
            Ok(()) => Outcome::sent(Receipt::default()),
            Err(outcome) => outcome,
        }
    }
}
