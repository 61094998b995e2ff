//! What a button carries: an act on an alert, signed with a key of the bot's token, in at most 64 bytes.
//!
//! Knows no update and no list of users: who may press is the reader's affair.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cascade_domain::{Alert, Id, Symbol, Which};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::Secret;

/// The most bytes that Telegram carries.
pub(crate) const MOST_BYTES: usize = 64;
/// Bytes of a signature: 96 bits, 16 characters.
const SIGNATURE_BYTES: usize = 12;
/// Characters of an act, an id, and a signature.
const FIXED: usize = 1 + 11 + 16;

/// What a button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// Somebody takes care of it.
    Ack,
    /// Tells no more of its kind for 15 minutes.
    Mute15m,
    /// The same for an hour.
    Mute1h,
    /// The same for four hours.
    Mute4h,
}

impl Act {
    /// All, in the order of the buttons.
    pub const ALL: [Self; 4] = [Self::Ack, Self::Mute15m, Self::Mute1h, Self::Mute4h];

    /// What the button says.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ack => "Ack",
            Self::Mute15m => "Mute 15m",
            Self::Mute1h => "Mute 1h",
            Self::Mute4h => "Mute 4h",
        }
    }

    /// For how long it mutes, if it does.
    pub const fn mutes_for(self) -> Option<Duration> {
        match self {
            Self::Ack => None,
            Self::Mute15m => Some(Duration::from_mins(15)),
            Self::Mute1h => Some(Duration::from_hours(1)),
            Self::Mute4h => Some(Duration::from_hours(4)),
        }
    }

    const fn code(self) -> char {
        match self {
            Self::Ack => 'a',
            Self::Mute15m => 'q',
            Self::Mute1h => 'h',
            Self::Mute4h => 'f',
        }
    }
}

/// A button that was pressed, its signature good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Press {
    /// What is to be done.
    pub act: Act,
    /// The alert whose message bears the button.
    pub alert: Id,
    /// What a mute concerns: the alert's market, or its rule where it has none.
    pub which: Which,
}

/// A key for buttons, made of a token. Not the token: what is signed with it is shown to everybody in the chat.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

impl Key {
    pub(crate) fn of(token: &Secret) -> Option<Self> {
        let mut derived = Hmac::<Sha256>::new_from_slice(token.expose().as_bytes()).ok()?;
        derived.update(b"cascade buttons 1");
        Hmac::new_from_slice(&derived.finalize().into_bytes()).ok().map(Self)
    }

    /// What a button carries.
    pub(crate) fn callback(&self, alert: &Alert, act: Act) -> String {
        let id = BASE64_URL_SAFE_NO_PAD.encode(alert.id.bits().to_be_bytes());
        let what = match &alert.symbol {
            Some(symbol) => format!("s{symbol}"),
            None => format!("r{}", alert.rule),
        };
        // A rule of more than any name's length is left out: the button then mutes nothing rather than too much.
        let what = if FIXED + what.len() <= MOST_BYTES { what } else { String::new() };
        let said = format!("{}{id}{what}", act.code());
        format!("{}{said}", self.sign(&said))
    }

    /// Reads what a button carried; `None` = we have not signed that.
    pub(crate) fn press(&self, data: &str) -> Option<Press> {
        let (signature, said) = data.split_at_checked(16)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        let mut mac = self.0.clone();
        mac.update(said.as_bytes());
        // In constant time; the length first, for a shorter one would be taken as a prefix.
        if signature.len() != SIGNATURE_BYTES || mac.verify_truncated_left(&signature).is_err() {
            return None;
        }
        let act = Act::ALL.into_iter().find(|act| said.starts_with(act.code()))?;
        let id = BASE64_URL_SAFE_NO_PAD.decode(said.get(1..12)?).ok()?;
        let alert = Id::from_bits(u64::from_be_bytes(id.try_into().ok()?));
        let what = said.get(12..)?;
        let which = Which {
            symbol: what.strip_prefix('s').and_then(|symbol| Symbol::parse(symbol).ok()),
            rule: what.strip_prefix('r').map(str::to_owned),
            destination: None,
        };
        Some(Press { act, alert, which })
    }

    fn sign(&self, said: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(said.as_bytes());
        let bytes = mac.finalize().into_bytes();
        BASE64_URL_SAFE_NO_PAD.encode(&bytes[..SIGNATURE_BYTES])
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use cascade_domain::{EventTime, Heading, Subject};

    use super::*;

    fn alert(symbol: Option<&str>, rule: &str) -> Alert {
        let heading = Heading { kind: "test", rule, scope: "market", episode: Id::from_bits(7) };
        let subject = Subject::Test { by: "test".to_owned() };
        let symbol = symbol.map(|symbol| Symbol::parse(symbol).unwrap());
        Alert { symbol, ..Alert::new(&heading, 1, EventTime::from_ms(0), subject) }
    }

    fn key(token: &str) -> Key {
        Key::of(&Secret::new(token.to_owned())).unwrap()
    }

    #[test]
    fn a_button_carries_its_act_and_alert_in_at_most_64_bytes() {
        let key = key("1:a");
        let longest = "币安人生币安人生币AUSDT";
        assert_eq!(longest.len(), 32);
        for alert in [alert(Some("BTCUSDT"), "cascade"), alert(Some(longest), "cascade"), alert(None, "feed")]
        {
            for act in Act::ALL {
                let data = key.callback(&alert, act);
                assert!(data.len() <= MOST_BYTES, "{} bytes", data.len());
                let press = key.press(&data).unwrap();
                assert_eq!((press.act, press.alert), (act, alert.id));
                assert_eq!(press.which.symbol, alert.symbol);
                assert_eq!(press.which.rule.is_some(), alert.symbol.is_none());
            }
        }
        let endless = alert(None, &"r".repeat(60));
        let press = key.press(&key.callback(&endless, Act::Ack)).unwrap();
        assert_eq!((press.alert, press.which), (endless.id, Which::default()));
    }

    #[test]
    fn a_button_that_was_changed_cut_or_signed_by_another_is_not_ours() {
        let (ours, other) = (key("1:a"), key("1:b"));
        let data = ours.callback(&alert(Some("BTCUSDT"), "cascade"), Act::Ack);
        assert!(other.press(&data).is_none());
        for at in 0..data.len() {
            let mut bytes = data.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(String::from_utf8(bytes).is_ok_and(|changed| ours.press(&changed).is_none()));
            assert!(ours.press(&data[..at]).is_none());
        }
        assert!(ours.press("").is_none() && ours.press("币安人生币安人生币安人生").is_none());
    }
}
