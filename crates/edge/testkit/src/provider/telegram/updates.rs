//! Updates of a bot: buttons that somebody presses, long polls, and the 409 of two pollers.

use std::sync::Mutex;
use std::time::Duration;

use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{FakeTelegram, State, bad_request, error, lock, result};

impl FakeTelegram {
    /// Somebody presses a button; the number of the update.
    pub fn press(&self, user: i64, name: &str, message: &str, data: &str) -> i64 {
        let number = self.state().next_update;
        let query = format!("query{number}");
        self.state().queries.insert(query.clone());
        self.push(json!({ "callback_query": {
            "id": query,
            "from": { "id": user, "is_bot": false, "first_name": name, "username": name },
            "message": { "message_id": message.parse::<i64>().unwrap_or_default(), "chat": { "id": -1 } },
            "chat_instance": "1",
            "data": data,
        }}))
    }

    /// Something happens to the bot; the number of the update.
    pub fn push(&self, mut update: Value) -> i64 {
        let mut state = self.state();
        let number = state.next_update;
        state.next_update += 1;
        update["update_id"] = number.into();
        state.updates.insert(number, update);
        drop(state);
        self.pushed.notify_waiters();
        number
    }

    /// What those who pressed were told: the press, the text.
    pub fn answers(&self) -> Vec<(String, String)> {
        self.state().answers.clone()
    }

    /// Updates that nobody has confirmed yet.
    pub fn unconfirmed(&self) -> usize {
        self.state().updates.len()
    }

    /// How often two asked for updates at once.
    pub fn conflicts(&self) -> u64 {
        self.state().conflicts
    }

    /// How often updates were asked for.
    pub fn polls(&self) -> u64 {
        self.state().polls
    }

    /// Refuses the next polls with this status.
    pub fn fail_polls(&self, status: u16, times: usize) {
        self.state().failing.extend(std::iter::repeat_n(status, times));
    }

    /// Lets who answers a press wait for ever, or no more.
    pub fn hang_answers(&self, hang: bool) {
        self.state().answers_hang = hang;
    }

    /// Whether somebody waits for updates now.
    pub fn is_polled(&self) -> bool {
        self.state().waiting > 0
    }
}

/// The status with which this poll is refused, if it is; it counts all the same.
pub(super) fn failing(state: &Mutex<State>) -> Option<u16> {
    let mut inside = lock(state);
    let status = inside.failing.pop_front()?;
    inside.polls += 1;
    Some(status)
}

/// A poll under way; a client that goes away ends it.
struct Poll<'a> {
    state: &'a Mutex<State>,
    number: u64,
}

impl<'a> Poll<'a> {
    fn begin(state: &'a Mutex<State>) -> Self {
        let mut inside = lock(state);
        inside.polls += 1;
        inside.waiting += 1;
        Poll { state, number: inside.polls }
    }

    fn has_lost(&self) -> bool {
        lock(self.state).polls != self.number
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        lock(self.state).waiting -= 1;
    }
}

/// A long poll. A newer one ends an older one that waits.
pub(super) async fn poll(state: &Mutex<State>, pushed: &Notify, body: &Value) -> Response {
    if let Some(offset) = body["offset"].as_i64() {
        lock(state).updates.retain(|number, _| *number >= offset);
    }
    let seconds = body["timeout"].as_u64().unwrap_or(0).min(50);
    let poll = Poll::begin(state);
    pushed.notify_waiters();
    let waiting = async {
        loop {
            let notified = pushed.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if poll.has_lost() {
                lock(state).conflicts += 1;
                return true;
            }
            if !due(&lock(state), body).is_empty() {
                return false;
            }
            notified.await;
        }
    };
    if let Ok(true) = tokio::time::timeout(Duration::from_secs(seconds), waiting).await {
        let why = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
        return error(409, why, &Value::Null);
    }
    result(&due(&lock(state), body).into())
}

fn due(state: &State, body: &Value) -> Vec<Value> {
    let is_wanted = |update: &&Value| {
        let wanted = body["allowed_updates"].as_array();
        wanted.is_none_or(|kinds| kinds.iter().filter_map(Value::as_str).any(|kind| !update[kind].is_null()))
    };
    state.updates.values().filter(is_wanted).take(100).cloned().collect()
}

pub(super) fn answered(state: &mut State, body: &Value) -> Response {
    let query = body["callback_query_id"].as_str().unwrap_or_default();
    let text = body["text"].as_str().unwrap_or_default();
    if text.chars().count() > 200 {
        return bad_request("MESSAGE_TOO_LONG");
    }
    if !state.queries.remove(query) {
        return bad_request("query is too old and response timeout expired or query ID is invalid");
    }
    state.answers.push((query.to_owned(), text.to_owned()));
    result(&true.into())
}
