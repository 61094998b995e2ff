//! The history of alerts: a projection of its stream on Redis into SQLite, and questions about it.
//!
//! Knows no policy and no provider. The stream is the record; the file can be made anew from it as far back as it is kept.
//! Everything but the projection blocks: callers put it on a thread where that may be.

mod error;
mod projection;
mod question;
mod schema;
mod store;

pub use error::HistoryError;
pub use projection::{Batch, Projection, Step, projected};
pub use question::{Act, Attempted, Delivered, Question, Stand, Told};
pub use store::History;
