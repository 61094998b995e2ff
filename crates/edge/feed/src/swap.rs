//! A value that somebody else may replace while it is used.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

/// The value in use, and where a newer one comes from.
#[derive(Debug)]
pub(crate) struct Swapped<T> {
    newest: watch::Receiver<Arc<T>>,
    /// The value in use.
    pub(crate) now: Arc<T>,
}

impl<T> Swapped<T> {
    /// Begins with the newest value.
    pub(crate) fn new(newest: &watch::Receiver<Arc<T>>) -> Self {
        let mut newest = newest.clone();
        let now = Arc::clone(&newest.borrow_and_update());
        Self { newest, now }
    }

    /// Takes a newer value into use, if there is one; says whether there was. Costs next to nothing if there is none.
    pub(crate) fn refresh(&mut self) -> bool {
        let has_changed = self.newest.has_changed().unwrap_or(false);
        if has_changed {
            self.now = Arc::clone(&self.newest.borrow_and_update());
        }
        has_changed
    }

    /// Waits for a newer value and takes it into use; for ever if none can come any more. Loses nothing when it is
    /// dropped before it is ready.
    pub(crate) async fn changed(&mut self) {
        if self.newest.changed().await.is_err() {
            pending::<()>().await;
        }
        self.now = Arc::clone(&self.newest.borrow_and_update());
    }
}

/// A value that nobody replaces.
pub(crate) fn fixed<T>(value: Arc<T>) -> watch::Receiver<Arc<T>> {
    watch::channel(value).1
}
