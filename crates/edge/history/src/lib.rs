//! The history of alerts: a projection of its stream on Redis into SQLite, and questions about it.
//!
//! Knows no policy and no provider. The stream is the record; the file can be made anew from it as far back as it is kept.
