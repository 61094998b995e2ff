//! One table of a list of tables, such as `[[destination]]`: its settings, and where each of them stands.
//!
//! Knows no list's meaning: who owns it checks the names and the values.

use std::collections::BTreeMap;
use std::fmt;

use toml::{Table, Value};

use super::mistake::Origin;

/// The lists that a file may hold.
pub(super) const LISTS: [&str; 1] = ["destination"];

/// One table of a list.
#[derive(Clone)]
pub struct Item {
    table: Table,
    header: Origin,
    origins: BTreeMap<String, Origin>,
}

/// Shows no value: it may be a secret.
impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item").field("header", &self.header).finish_non_exhaustive()
    }
}

impl Item {
    pub(super) fn new(header: Origin) -> Self {
        Self { table: Table::new(), header, origins: BTreeMap::new() }
    }

    /// What a program makes up by itself of what it was given otherwise, by `origin`.
    pub fn made(table: Table, origin: Origin) -> Self {
        Self { table, ..Self::new(origin) }
    }

    pub(super) fn insert(&mut self, key: String, value: Value, origin: Origin) {
        self.origins.insert(key.clone(), origin);
        self.table.insert(key, value);
    }

    pub(super) fn note(&mut self, key: String, origin: Origin) {
        self.origins.insert(key, origin);
    }

    /// Its settings.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// Who gave this key (dotted, relative to the table), or what is above it, or the table.
    pub fn origin(&self, key: &str) -> &Origin {
        let mut key = key;
        loop {
            if let Some(origin) = self.origins.get(key) {
                return origin;
            }
            match key.rsplit_once('.') {
                Some((above, _)) => key = above,
                None => return &self.header,
            }
        }
    }
}
