//! What alerts say: golden texts for people to read, and what holds for every text whatever an alert is made of.

#![expect(clippy::unwrap_used, reason = "what can not be made is no test")]

mod alerts;
mod golden;
mod markup;
mod properties;
mod telling;
