//! What a replay comes to: what was read, what was passed over, and what was found. For people a text of bounded
//! length, for programs one JSON object.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cascade_domain::{Event, EventTime, Finding, Id, Level, State, Symbol, Usd};
use cascade_engine::Passed;
use serde::Serialize;

use crate::words;

/// Episodes that are shown: those with the highest peaks, and among them the largest.
const SHOWN: usize = 30;

/// The counts.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    pub(super) lines: u64,
    pub(super) bad_lines: u64,
    /// Files that broke off.
    pub(super) broken_files: u64,
    pub(super) snapshots: u64,
    /// Notes of the recording that something is missing in it.
    pub(super) missing_notes: u64,
    /// Entries on Redis that were no events when they were recorded.
    pub(super) refused_on_redis: u64,
    /// Frames or parts of them that were not understood, and copies of events (frames).
    pub(super) refused_frames: u64,
    pub(super) duplicates: u64,
    pub(super) events: u64,
    by_kind: BTreeMap<&'static str, u64>,
    /// Events that an engine refused, or that all snapshots hold already, by reason.
    passed: BTreeMap<&'static str, u64>,
    findings: u64,
    by_level: BTreeMap<&'static str, u64>,
    large_liquidations: u64,
    large_usd: Usd,
    /// Of open interest: how many by direction and state.
    open_interest: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    #[serde(serialize_with = "listed")]
    episodes: BTreeMap<Id, Episode>,
    /// SHA-256 of the output.
    pub(super) sha256: String,
    pub(super) seconds: f64,
    #[serde(skip)]
    kinds: [u64; KINDS],
}

/// Kinds of events, counted without a look-up.
const KINDS: usize = 9;

const fn kind(event: &Event) -> usize {
    match event {
        Event::Liquidation(_) => 0,
        Event::TradeBar(_) => 1,
        Event::LargeTrade(_) => 2,
        Event::OpenInterest(_) => 3,
        Event::Mark(_) => 4,
        Event::Gap(_) => 5,
        Event::FeedHealth(_) => 6,
        Event::Tick(_) => 7,
        Event::Trade(_) => 8,
    }
}

const NAMES: [&str; KINDS] = [
    "liquidation",
    "trade_bar",
    "large_trade",
    "open_interest",
    "mark",
    "gap",
    "feed_health",
    "tick",
    "trade",
];

/// What is known of an episode.
#[derive(Clone, Debug, Serialize)]
struct Episode {
    symbol: Symbol,
    /// Absent where it began before the recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    onset_ms: Option<EventTime>,
    first_ms: EventTime,
    peak: Level,
    /// Absent while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notional_usd: Option<Usd>,
}

fn listed<S: serde::Serializer>(episodes: &BTreeMap<Id, Episode>, to: S) -> Result<S::Ok, S::Error> {
    let mut listed: Vec<_> = episodes.values().collect();
    listed.sort_by_key(|episode| (episode.first_ms, episode.symbol));
    to.collect_seq(listed)
}

impl Summary {
    /// Whether what was read is a recording, if only of nothing.
    pub(super) const fn is_recording(&self) -> bool {
        self.events > 0 || self.snapshots > 0 || (self.lines > 0 && self.bad_lines == 0)
    }

    /// Counts an event and what became of it.
    pub(super) fn event(&mut self, event: &Event, taken: Result<(), Passed>) {
        self.events += 1;
        self.kinds[kind(event)] += 1;
        if let Err(passed) = taken {
            let why = match passed {
                Passed::Refused(refused) => refused.as_str(),
                Passed::InSnapshot => "in_snapshot",
            };
            *self.passed.entry(why).or_default() += 1;
        }
    }

    /// Counts a finding.
    pub(super) fn finding(&mut self, finding: &Finding) {
        self.findings += 1;
        match finding {
            Finding::Cascade(told) => {
                *self.by_level.entry(told.level.as_str()).or_default() += 1;
                let episode = self.episodes.entry(told.episode).or_insert(Episode {
                    symbol: told.symbol,
                    onset_ms: (told.state == State::Open).then_some(told.known_at_ms),
                    first_ms: told.known_at_ms,
                    peak: Level::None,
                    duration_ms: None,
                    notional_usd: None,
                });
                episode.peak = episode.peak.max(told.level);
                if let Some(closing) = &told.closing {
                    episode.peak = episode.peak.max(closing.peak_level);
                    episode.duration_ms = Some(closing.duration_ms);
                    episode.notional_usd = Some(closing.notional_usd);
                }
            }
            Finding::LargeLiquidation(told) => {
                self.large_liquidations += 1;
                self.large_usd += told.notional_usd;
            }
            Finding::OpenInterest(told) => {
                let of_direction = self.open_interest.entry(told.direction.as_str()).or_default();
                *of_direction.entry(told.state.as_str()).or_default() += 1;
            }
            Finding::Feed(_) => {}
        }
    }

    /// Nothing more comes.
    pub(super) fn close(&mut self) {
        let counted = NAMES.into_iter().zip(self.kinds).filter(|(_, count)| *count > 0);
        self.by_kind = counted.collect();
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{} in {}", many(self.events, "event"), many(self.lines, "line"));
        text.push_str(&listing(&self.by_kind));
        for (count, what) in [
            (self.snapshots, "snapshots resumed"),
            (self.bad_lines, "bad lines"),
            (self.broken_files, "files that break off"),
            (self.missing_notes, "places where the recording itself says that something is missing"),
            (self.refused_on_redis, "refused on Redis"),
            (self.refused_frames, "refused in frames"),
            (self.duplicates, "told before"),
        ] {
            if count > 0 {
                write!(text, ", {count} {what}").ok();
            }
        }
        let passed: u64 = self.passed.values().sum();
        write!(text, "\n{} passed over by the engines{}", many(passed, "event"), listing(&self.passed)).ok();
        write!(text, "\n{}", many(self.findings, "finding")).ok();
        let kinds = [self.cascades(), self.large(), self.interest()];
        let kinds: Vec<_> = kinds.into_iter().flatten().collect();
        if !kinds.is_empty() {
            write!(text, ": {}", kinds.join(", ")).ok();
        }
        self.table(&mut text);
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let rate = self.events as f64 / self.seconds.max(1e-9);
        write!(text, "\nsha256 {}; {:.2} s, {rate:.0} events/s", self.sha256, self.seconds).ok();
        text
    }

    /// `3 of cascades (CRITICAL 1, ALERT 2)`.
    fn cascades(&self) -> Option<String> {
        let count: u64 = self.by_level.values().sum();
        let levels = Level::ALL.iter().rev().filter_map(|level| {
            let count = self.by_level.get(level.as_str())?;
            Some(format!("{level} {count}"))
        });
        (count > 0).then(|| format!("{count} of cascades ({})", levels.collect::<Vec<_>>().join(", ")))
    }

    /// `2 large liquidations of $3.1M`.
    fn large(&self) -> Option<String> {
        let count = self.large_liquidations;
        (count > 0).then(|| format!("{} of {}", many(count, "large liquidation"), self.large_usd))
    }

    /// `3 of open interest (explosion open 1, explosion update 2)`.
    fn interest(&self) -> Option<String> {
        let count: u64 = self.open_interest.values().flat_map(BTreeMap::values).sum();
        let kinds = self.open_interest.iter().flat_map(|(direction, states)| {
            states.iter().map(move |(state, count)| format!("{direction} {state} {count}"))
        });
        (count > 0).then(|| format!("{count} of open interest ({})", kinds.collect::<Vec<_>>().join(", ")))
    }

    fn table(&self, text: &mut String) {
        let mut shown: Vec<_> = self.episodes.values().collect();
        shown.sort_by_key(|episode| std::cmp::Reverse((episode.peak, episode.notional_usd)));
        let more = shown.len().saturating_sub(SHOWN);
        shown.truncate(SHOWN);
        shown.sort_by_key(|episode| (episode.first_ms, episode.symbol));
        if !shown.is_empty() {
            write!(
                text,
                "\n{:<16} {:<23} {:<9} {:>13} {:>9}",
                "EPISODE", "ONSET (UTC)", "PEAK", "LASTED", "NOTIONAL"
            )
            .ok();
        }
        for episode in shown {
            let onset = episode.onset_ms.map_or_else(|| "before".to_owned(), words::date_time);
            let lasted = episode.duration_ms.map_or_else(
                || "goes on".to_owned(),
                |ms| words::duration(u64::try_from(ms).unwrap_or(0).saturating_add(500) / 1000),
            );
            let usd = episode.notional_usd.map_or_else(|| "-".to_owned(), |usd| usd.to_string());
            let (symbol, peak) = (episode.symbol.as_str(), episode.peak.as_str());
            write!(text, "\n{symbol:<16} {onset:<23} {peak:<9} {lasted:>13} {usd:>9}").ok();
        }
        if more > 0 {
            write!(text, "\nand {} with lower peaks or less", many(more as u64, "episode")).ok();
        }
    }
}

/// ` (gap 3, tick 600)`, or nothing.
fn listing(counts: &BTreeMap<&'static str, u64>) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let named: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    format!(" ({})", named.join(", "))
}

/// `1 event`, `2 events`.
fn many(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
