//! Where the findings go: one JSON line each to stdout or a file, and all of them into a hash. Knows no engine.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use cascade_domain::Finding;
use cascade_wire::finding_to_json;
use sha2::{Digest, Sha256};

/// The output of a replay.
pub(super) struct Output {
    to: Option<Box<dyn Write>>,
    hash: Sha256,
}

impl Output {
    /// Into a file; where none is named to stdout, unless only the hash is wanted.
    pub(super) fn open(file: Option<&Path>, only_hash: bool) -> io::Result<Self> {
        let to: Option<Box<dyn Write>> = match file {
            Some(file) => Some(Box::new(BufWriter::new(File::create(file)?))),
            None if only_hash => None,
            None => Some(Box::new(BufWriter::new(io::stdout()))),
        };
        Ok(Self { to, hash: Sha256::new() })
    }

    /// Writes a finding.
    pub(super) fn put(&mut self, finding: &Finding) -> io::Result<()> {
        let mut line = finding_to_json(finding).map_err(io::Error::other)?;
        line.push('\n');
        self.hash.update(&line);
        match &mut self.to {
            Some(to) => to.write_all(line.as_bytes()),
            None => Ok(()),
        }
    }

    /// Brings everything out, and gives the SHA-256 of it in hex digits.
    pub(super) fn close(mut self) -> io::Result<String> {
        if let Some(to) = &mut self.to {
            to.flush()?;
        }
        let hex = |text, byte: &u8| format!("{text}{byte:02x}");
        Ok(self.hash.finalize().iter().fold(String::new(), hex))
    }
}
