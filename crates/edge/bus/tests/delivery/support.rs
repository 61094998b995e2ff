//! What the tests share: books of their own, deliveries as short as can be, and what the history says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cascade_bus::delivery::{Account, Claimed, Claiming, Decided, Row, Settled, Settlement};
use cascade_bus::{Bus, StreamId};
use cascade_domain::{
    Alert, AlertReason, Decision, Delivery, Ending, EventTime, Heading, Id, Manner, Priority, Subject, Usd,
};
use cascade_testkit::TestRedis;
use cascade_wire::{HistoryOf, Letter, Receipt};

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// Longer than any test.
pub(crate) const HOLDS: Duration = Duration::from_mins(10);
/// A claim that runs out at once.
pub(crate) const NO_TIME: Duration = Duration::from_millis(1);
/// The settings of that chat.
pub(crate) const SETTINGS: Id = Id::from_bits(7);
pub(crate) const CHAT: &str = "chat";

/// The dispatchers' clock, ms after the start.
pub(crate) fn at(ms: i64) -> EventTime {
    EventTime::from_ms(1_791_565_600_000 + ms)
}

pub(crate) fn alert(number: u64, revision: u64) -> Alert {
    let heading = Heading { kind: "test", rule: "test", scope: "somewhere", episode: Id::from_bits(number) };
    Alert::new(&heading, revision, at(0), Subject::Test { by: "a test".to_owned() })
}

/// The first revision of an alert, to be told anew as soon as may be.
pub(crate) fn delivery(number: u64, lane: Priority) -> Delivery {
    revision(number, 1, lane)
}

pub(crate) fn revision(number: u64, revision: u64, lane: Priority) -> Delivery {
    let alert = alert(number, revision);
    Delivery {
        row: Delivery::row_of(alert.revision, CHAT, false),
        destination: CHAT.to_owned(),
        alert,
        reason: AlertReason::First,
        manner: Manner::New,
        lane,
        due_ms: at(0),
        expires_ms: at(900_000),
        after: None,
        count: 1,
    }
}

pub(crate) fn edit(number: u64, revision_number: u64, reason: AlertReason) -> Delivery {
    Delivery { manner: Manner::Edit, reason, ..revision(number, revision_number, Priority::Medium) }
}

pub(crate) fn worth(dollars: i64, mut delivery: Delivery) -> Delivery {
    delivery.alert.usd = Usd::from_dollars(dollars);
    delivery
}

pub(crate) fn suppress(number: u64, reason: AlertReason) -> Decision {
    let alert = alert(number, 1);
    Decision::Suppress {
        row: Delivery::row_of(alert.revision, CHAT, false),
        destination: CHAT.to_owned(),
        alert: Arc::new(alert),
        reason,
    }
}

pub(crate) fn withdraw(delivery: &Delivery, reason: AlertReason) -> Decision {
    Decision::Withdraw { row: delivery.row, destination: delivery.destination.clone(), reason }
}

/// A server and its books.
pub(crate) struct Books {
    pub(crate) server: TestRedis,
    pub(crate) bus: Bus,
    tokens: AtomicU64,
}

pub(crate) async fn books() -> Books {
    let server = TestRedis::start_append_only().await.unwrap();
    let bus = server.bus("test").unwrap();
    Books { server, bus, tokens: AtomicU64::new(0) }
}

pub(crate) fn ask(token: &str, now: EventTime) -> Claiming<'_> {
    Claiming {
        destination: CHAT,
        token,
        now,
        only_high: false,
        most: 10,
        holds: HOLDS,
        settings: SETTINGS,
        budgets: &[],
    }
}

impl Books {
    /// Writes decisions after all that were written.
    pub(crate) async fn decide(&self, decisions: &[Decision]) {
        let generation = self.bus.policy().await.unwrap().map_or(0, |kept| kept.generation);
        let decided =
            Decided { generation, writer: "test", now: at(0), state: b"state", decisions, history: &[] };
        assert!(self.bus.decide(&decided).await.unwrap());
    }

    pub(crate) async fn tell(&self, deliveries: &[&Delivery]) {
        let decisions: Vec<_> =
            deliveries.iter().map(|delivery| Decision::Tell(Box::new((*delivery).clone()))).collect();
        self.decide(&decisions).await;
    }

    /// What a claim of its own gives.
    pub(crate) async fn claim(&self, now: EventTime) -> (String, Claimed) {
        let token = format!("claim{}", self.tokens.fetch_add(1, Ordering::Relaxed));
        let claimed = self.bus.claim(&ask(&token, now)).await.unwrap();
        (token, claimed)
    }

    /// Claims, and settles what was claimed as sent; the rows.
    pub(crate) async fn send(&self, now: EventTime, told: &Receipt) -> Vec<Id> {
        let (token, claimed) = self.claim(now).await;
        let rows = rows(claimed);
        let alerts: Vec<_> = rows.iter().map(|row| (row.delivery.alert.id, Some(told.clone()))).collect();
        let rows: Vec<_> = rows.into_iter().map(|row| row.delivery.row).collect();
        let sent: Vec<_> = rows.iter().map(|row| (*row, sent())).collect();
        let settlement = Settlement { told: &alerts, ..settlement(&token, &sent) };
        assert_eq!(self.bus.settle(&settlement).await.unwrap(), vec![true; sent.len()]);
        rows
    }

    pub(crate) async fn account(&self) -> Account {
        let audit = self.bus.accounts(at(0)).await.unwrap();
        let account = audit.accounts.get(CHAT).cloned().unwrap_or_default();
        assert!(account.adds_up(), "{account:?}");
        account
    }

    pub(crate) async fn ended(&self, ending: Ending, reason: &str) -> u64 {
        self.account().await.reasons.get(&(ending, reason.to_owned())).copied().unwrap_or(0)
    }

    pub(crate) async fn history(&self) -> Vec<HistoryOf> {
        let entries = self.bus.history(StreamId::ZERO, 1000).await.unwrap();
        entries.into_iter().map(|(_, entry)| entry.unwrap().what).collect()
    }

    /// Any command, as a person would type it.
    pub(crate) async fn raw<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(self.server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut cmd = redis::cmd(words[0]);
        cmd.arg(&words[1..]);
        cmd.query_async(&mut connection).await.unwrap()
    }
}

pub(crate) fn sent() -> Settled {
    Settled::Ended(Ending::Sent, "first".to_owned())
}

pub(crate) fn settlement<'a>(token: &'a str, rows: &'a [(Id, Settled)]) -> Settlement<'a> {
    Settlement {
        destination: CHAT,
        token,
        now: at(0),
        rows,
        told: &[],
        close: None,
        off: None,
        unanswered: false,
        history: &[],
    }
}

pub(crate) fn letter(delivery: &Delivery, reason: &str) -> Settled {
    Settled::Dead(Box::new(Letter {
        at_ms: at(0),
        reason: reason.to_owned(),
        said: "chat \"not\" found".to_owned(),
        attempts: 1,
        delivery: delivery.clone(),
    }))
}

pub(crate) fn rows(claimed: Claimed) -> Vec<Row> {
    let Claimed::Rows { rows, .. } = claimed else { panic!("{claimed:?}") };
    rows
}

pub(crate) fn ids(claimed: Claimed) -> Vec<Id> {
    rows(claimed).into_iter().map(|row| row.delivery.row).collect()
}

pub(crate) fn is_nothing(claimed: &Claimed) -> bool {
    matches!(claimed, Claimed::Nothing { .. })
}

pub(crate) fn receipt(editable: bool) -> Receipt {
    Receipt { message: Some("17".to_owned()), editable, settings: Some(SETTINGS) }
}
