//! Which rows make the next message to a destination, and when its provider allows it. Knows no provider: budgets are
//! figures.

use std::time::Duration;

use cascade_domain::{Delivery, EventTime, Id};
use cascade_wire::{Receipt, WireError, decode_delivery, dispatch};

use super::{Answer, Settled, Settlement, millis};
use crate::{Bus, BusError, script};

/// What a sender wants to send next.
#[derive(Clone, Copy, Debug)]
pub struct Claiming<'a> {
    /// The destination.
    pub destination: &'a str,
    /// Names this claim among all; the same again gives the same rows.
    pub token: &'a str,
    /// The dispatchers' clock.
    pub now: EventTime,
    /// Only rows of the lane HIGH; they may also overtake a message of another lane that is under way for more than 1 s.
    pub only_high: bool,
    /// So many rows in one message at most; edits of one alert are one whatever their number.
    pub most: usize,
    /// How long the claim holds, wall time: longer than any attempt lasts.
    pub holds: Duration,
    /// Names the destination's settings: what was told with others can't be edited.
    pub settings: Id,
    /// The provider's budgets: name, one each `every`, `burst` at once, `reserve` of them for HIGH.
    pub budgets: &'a [(String, Duration, u32, u32)],
}

/// What a claim gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Claimed {
    /// Rows for one message, the first the most important: all of one alert to be edited, or all to be told anew.
    Rows {
        /// The rows.
        rows: Vec<Row>,
        /// The message to be edited; `None` = they are told anew, whatever the manner in the rows.
        told: Option<Receipt>,
    },
    /// Nothing to do now: ask again when something was decided or settled, or as said here.
    Nothing {
        /// After this long (wall time): a message is under way, or the provider allows none.
        after: Option<Duration>,
        /// When the next row is due (the dispatchers' clock).
        due: Option<EventTime>,
    },
}

/// A row that is ours to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What is to be delivered.
    pub delivery: Delivery,
    /// How often it was tried before.
    pub attempts: u32,
}

impl Bus {
    /// Claims rows for one message. Claims that ran out are put back first, each counted `ambiguous`; what is too old ends
    /// `expired`, and what waits for a destination that is off ends `dead`. Edits and ends of what was never told end
    /// here.
    ///
    /// # Errors
    /// Redis is away or refuses: try the same again. What was claimed all the same is put back when the claim runs out.
    /// [`BusError::Reply`]: another version's rows, which this one can't read; they are put back for it, and the next claim
    /// gives what there is besides.
    pub async fn claim(&self, claiming: &Claiming<'_>) -> Result<Claimed, BusError> {
        let mut cmd = script::CLAIM.call(&[&dispatch::flight(claiming.destination)]);
        cmd.arg(claiming.destination).arg(claiming.token).arg(claiming.now.ms());
        cmd.arg(u8::from(claiming.only_high)).arg(claiming.most).arg(millis(claiming.holds));
        cmd.arg(claiming.settings.to_string());
        for (name, every, burst, reserve) in claiming.budgets {
            cmd.arg(name).arg(u64::try_from(every.as_micros()).unwrap_or(u64::MAX)).arg(burst).arg(reserve);
        }
        let answer = script::CLAIM.run_one(&self.link, cmd, self.settings.response_timeout).await?;
        let (claimed, unreadable) = claimed(answer)?;
        let Some((_, error)) = unreadable.first() else { return Ok(claimed) };
        let Claimed::Rows { rows, .. } = &claimed else { return Ok(claimed) };
        let later = claiming.now.plus_ms(UNREADABLE_MS);
        let others = rows.iter().map(|row| (row.delivery.row, Settled::Later(row.delivery.due_ms)));
        let back = unreadable.iter().map(|(row, _)| (*row, Settled::Again(later)));
        let settlement = Settlement {
            destination: claiming.destination,
            token: claiming.token,
            now: claiming.now,
            rows: &others.chain(back).collect::<Vec<_>>(),
            told: &[],
            close: None,
            off: None,
            unanswered: false,
            history: &[],
        };
        self.settle(&settlement).await?;
        Err(BusError::Reply(format!("a row: {error}")))
    }

    /// Why a destination is off for good; `None` = it is not.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn off(&self, destination: &str) -> Result<Option<String>, BusError> {
        self.get(&dispatch::off(destination)).await
    }

    /// Something is sent to the destination again, for it was configured anew: whether it was off.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn open_again(&self, destination: &str) -> Result<bool, BusError> {
        let mut cmd = redis::cmd("DEL");
        cmd.arg(dispatch::off(destination));
        self.link.query(&cmd, self.settings.response_timeout).await
    }
}

/// How long rows that can't be read here are left for others, of the dispatchers' clock.
const UNREADABLE_MS: i64 = 5_000;

/// What was claimed, and of it what can't be read.
type Read = (Claimed, Vec<(Id, WireError)>);

fn claimed(answer: Vec<redis::Value>) -> Result<Read, BusError> {
    let mut answer = Answer(answer.into_iter());
    if answer.next::<String>()? == "wait" {
        let after = answer.optional()?.map(Duration::from_millis);
        let due = answer.optional()?.map(EventTime::from_ms);
        return Ok((Claimed::Nothing { after, due }, Vec::new()));
    }
    let told: String = answer.next()?;
    let told = (!told.is_empty()).then(|| Receipt::from_json(&told)).transpose();
    let told = told.map_err(|e| BusError::Reply(format!("a receipt: {e}")))?;
    let (mut rows, mut unreadable) = (Vec::new(), Vec::new());
    while !answer.is_over() {
        let row: String = answer.next()?;
        let bits = u64::from_str_radix(&row, 16).map_err(|_| BusError::Reply(format!("a row `{row}`")))?;
        let attempts = answer.next()?;
        let (due, expires) = (EventTime::from_ms(answer.next()?), EventTime::from_ms(answer.next()?));
        let body: Vec<u8> = answer.next()?;
        match decode_delivery(&body) {
            Ok(delivery) => {
                let delivery = Delivery { due_ms: due, expires_ms: expires, ..delivery };
                rows.push(Row { delivery, attempts });
            }
            Err(error) => unreadable.push((Id::from_bits(bits), error)),
        }
    }
    Ok((Claimed::Rows { rows, told }, unreadable))
}
