//! The wish that everything should stop: asked once, heard by all, never taken back.

use tokio_util::sync::CancellationToken;

/// A handle on the wish to stop; every clone hears it and may ask.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A wish nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A handle that hears this wish, and can be asked by itself without stopping the rest.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Asks everything to stop. Asking again changes nothing.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether it was asked for.
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it is asked for.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }
}

/// Asks for a stop when it is dropped: shared in an `Arc`, when the last who holds it is gone.
#[derive(Debug)]
pub struct StopWhenGone(Shutdown);

impl StopWhenGone {
    /// What shall be asked to stop.
    pub const fn new(shutdown: Shutdown) -> Self {
        Self(shutdown)
    }

    /// A handle on the wish.
    pub fn shutdown(&self) -> Shutdown {
        self.0.clone()
    }
}

impl Drop for StopWhenGone {
    fn drop(&mut self) {
        self.0.request();
    }
}
