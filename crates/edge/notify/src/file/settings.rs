//! Settings of a file.

use std::path::{Path, PathBuf};

use crate::fields::Fields;

/// Settings of a file.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) path: PathBuf,
}

impl Settings {
    pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let path = PathBuf::from(fields.required("path", "the file that lines are added to")?);
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            fields.refuse("path", "its directory does not exist: make it, or name another path");
            return None;
        }
        if path.is_dir() {
            fields.refuse("path", "is a directory");
            return None;
        }
        Some(Self { path })
    }
}
