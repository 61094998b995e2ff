//! What `up` knows of the running system, all of it heard over Redis like anybody else would.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cascade_bus::{Bus, Message};
use cascade_domain::{
    CascadeFinding, EventTime, FeedStatus, Finding, InterestChangeReading, InterestFinding, InterestReading,
    Level, State, Swing, Symbol, Usd, Venue,
};
use cascade_service::{BoxError, Shutdown};
use cascade_wire::{Channel, FeedHealthReading, decode_finding, key};
use serde::Deserialize;

use super::lines::Lines;
use super::say;

/// How often read-models are looked at, wall time.
const LOOK: Duration = Duration::from_millis(300);
/// How many findings the table shows.
const LATEST: usize = 12;
/// How many alerts it shows.
pub(super) const ALERTS: usize = 4;
/// How many markets it shows.
pub(super) const MARKETS: usize = 12;
/// The span of open interest that is shown.
const SPAN: &str = "15m";

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    /// A table that is drawn anew all the time.
    Table,
    /// A line for each thing that happens.
    Lines,
}

/// The part of `velocity:SYMBOL:current` that is shown.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Flow {
    pub(crate) event_time_ms: EventTime,
    pub(crate) usd_30s_long: Usd,
    pub(crate) usd_30s_short: Usd,
    pub(crate) count_30s: u64,
    pub(crate) risk_score: f64,
}

/// What the signals of one market have said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) level: Level,
    pub(crate) peak: Level,
    /// When each level was first held.
    pub(crate) reached: BTreeMap<Level, EventTime>,
    pub(crate) resolved_at: Option<EventTime>,
}

/// The part of `oi:SYMBOL:current` and `oi:SYMBOL:change` that is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) event_time_ms: EventTime,
    pub(crate) usd: Option<Usd>,
    /// Over 15 minutes, percent of the coins.
    pub(crate) change_pct: Option<f64>,
}

/// What was said of one market's open interest, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenInterest {
    pub(crate) said: Vec<(Swing, State)>,
    /// The largest change by size, percent.
    pub(crate) peak_pct: Option<f64>,
}

/// Everything that is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) feeds: BTreeMap<Venue, Option<FeedHealthReading>>,
    pub(crate) flows: BTreeMap<Symbol, Flow>,
    pub(crate) held: BTreeMap<Symbol, Held>,
    pub(crate) seen: BTreeMap<Symbol, Seen>,
    pub(crate) seen_interest: BTreeMap<Symbol, SeenInterest>,
    /// What was said of each venue's feed, in order.
    pub(crate) outages: BTreeMap<Venue, Vec<(State, FeedStatus)>>,
    pub(crate) latest: VecDeque<Finding>,
    /// The latest messages on alerts, each by its first line.
    pub(crate) alerts: VecDeque<String>,
    /// How many there were.
    pub(crate) messages: u64,
    pub(crate) verdict: Option<bool>,
}

/// A shared view; clones show the same.
#[derive(Clone, Debug)]
pub(crate) struct View(Arc<Mutex<Known>>);

impl View {
    pub(crate) fn new(exchanges: &[Venue]) -> Self {
        let feeds = exchanges.iter().map(|venue| (*venue, None)).collect();
        Self(Arc::new(Mutex::new(Known { feeds, ..Known::default() })))
    }

    /// Looks at the state, or changes it, for a moment: everybody else waits meanwhile, so nothing is printed in it.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether what was expected and what was seen agreed; `None` where nothing was to be judged.
    pub(crate) fn verdict(&self) -> Option<bool> {
        self.with(|state| state.verdict)
    }

    pub(crate) fn judge(&self, agreed: bool) {
        self.with(|state| state.verdict = Some(agreed));
    }

    /// A message on alerts, by its first line.
    pub(super) fn told(&self, line: String) {
        self.with(|state| {
            state.messages += 1;
            state.alerts.push_front(line);
            state.alerts.truncate(ALERTS);
        });
    }

    fn hear(&self, finding: Finding) {
        self.with(|state| {
            if let Finding::Cascade(signal) = &finding {
                state.seen.entry(signal.symbol).or_default().hear(signal);
            }
            if let Finding::OpenInterest(interest) = &finding {
                state.seen_interest.entry(interest.symbol).or_default().hear(interest);
            }
            if let Finding::Feed(feed) = &finding {
                state.outages.entry(feed.venue).or_default().push((feed.state, feed.status));
            }
            if !matches!(&finding, Finding::Cascade(signal) if signal.state == State::Update) {
                state.latest.push_front(finding);
                state.latest.truncate(LATEST);
            }
        });
    }
}

impl Seen {
    fn hear(&mut self, signal: &CascadeFinding) {
        self.level = signal.level;
        self.peak = self.peak.max(signal.level);
        for level in Level::ALL.into_iter().filter(|level| *level > Level::None && *level <= signal.level) {
            self.reached.entry(level).or_insert(signal.known_at_ms);
        }
        if signal.state == State::Resolved {
            self.resolved_at = Some(signal.known_at_ms);
        }
    }
}

impl SeenInterest {
    fn hear(&mut self, finding: &InterestFinding) {
        self.said.push((finding.direction, finding.state));
        let told = finding.change_pct.into_iter().chain(finding.ending.map(|ending| ending.peak_change_pct));
        self.peak_pct =
            self.peak_pct.into_iter().chain(told).max_by(|one, other| one.abs().total_cmp(&other.abs()));
    }
}

impl Known {
    /// The markets that are shown, most liquidated first.
    pub(crate) fn markets(&self) -> Vec<(&Symbol, &Flow)> {
        let mut markets: Vec<_> = self.flows.iter().collect();
        markets.sort_by_key(|(symbol, flow)| {
            (std::cmp::Reverse(flow.usd_30s_long + flow.usd_30s_short), **symbol)
        });
        markets.truncate(MARKETS);
        markets
    }
}

/// Listens and looks until asked to stop; with [`Screen::Lines`] prints what happens.
pub(crate) async fn watch(bus: Bus, view: View, screen: Screen, shutdown: Shutdown) -> Result<(), BoxError> {
    tokio::select! {
        () = shutdown.requested() => Ok(()),
        ended = look(&bus, &view, screen) => ended,
    }
}

async fn look(bus: &Bus, view: &View, screen: Screen) -> Result<(), BoxError> {
    let channels = [Channel::Signals, Channel::Large, Channel::OpenInterest, Channel::Ops]
        .map(|channel| channel.as_str().to_owned());
    let mut subscriber = bus.subscriber(&channels)?;
    let mut looks = tokio::time::interval(LOOK);
    let mut lines = (screen == Screen::Lines).then(Lines::default);
    loop {
        let news = tokio::select! {
            message = subscriber.next() => hear(view, lines.as_ref(), &message).into_iter().collect(),
            _ = looks.tick() => {
                if let Err(error) = read(bus, view).await {
                    tracing::warn!(%error, "can't look at the read-models");
                }
                let feeds = |lines: &mut Lines| view.with(|known| lines.feeds(&known.feeds));
                lines.as_mut().map(feeds).unwrap_or_default()
            }
        };
        if !news.is_empty() {
            say(news.join("\n")).await;
        }
    }
}

/// Takes in a finding; gives its line.
fn hear(view: &View, lines: Option<&Lines>, message: &Message) -> Option<String> {
    match decode_finding(&message.bytes) {
        Ok(finding) => {
            let line = lines.and_then(|lines| lines.finding(&finding));
            view.hear(finding);
            line
        }
        Err(error) => {
            tracing::warn!(channel = message.channel, %error, "unreadable finding");
            None
        }
    }
}

/// Looks at the read-models, now.
pub(crate) async fn read(bus: &Bus, view: &View) -> Result<(), BoxError> {
    let venues: Vec<_> = view.with(|state| state.feeds.keys().copied().collect());
    let feeds =
        bus.get_many(&venues.iter().map(|venue| key::feed_health(*venue)).collect::<Vec<_>>()).await?;
    let keys = bus.scan(key::VELOCITIES).await?;
    let flows = bus.get_many(&keys).await?;
    let shown = view.with(|state| {
        for (venue, text) in venues.iter().zip(feeds) {
            state.feeds.insert(*venue, text.and_then(|text| serde_json::from_str(&text).ok()));
        }
        state.flows = keys
            .iter()
            .zip(flows)
            .filter_map(|(name, text)| {
                let symbol = Symbol::parse(name.split(':').nth(1)?).ok()?;
                Some((symbol, serde_json::from_str(&text?).ok()?))
            })
            .collect();
        state.markets().into_iter().map(|(symbol, _)| *symbol).collect::<Vec<_>>()
    });
    let held = held(bus, &shown).await?;
    view.with(|state| state.held = held);
    Ok(())
}

/// What these markets hold.
async fn held(bus: &Bus, symbols: &[Symbol]) -> Result<BTreeMap<Symbol, Held>, BoxError> {
    let names =
        symbols.iter().flat_map(|symbol| [key::open_interest(symbol), key::open_interest_change(symbol)]);
    let texts = bus.get_many(&names.collect::<Vec<_>>()).await?;
    let read = |(symbol, texts): (&Symbol, &[Option<String>])| {
        let [current, change] = texts else { return None };
        let current: InterestReading = serde_json::from_str(current.as_ref()?).ok()?;
        let change: Option<InterestChangeReading> =
            change.as_ref().and_then(|text| serde_json::from_str(text).ok());
        let held = Held {
            event_time_ms: current.event_time_ms,
            usd: current.total.and_then(|total| total.usd),
            change_pct: change.and_then(|change| Some(change.spans.get(SPAN)?.change_pct)),
        };
        Some((*symbol, held))
    };
    Ok(symbols.iter().zip(texts.chunks(2)).filter_map(read).collect())
}
