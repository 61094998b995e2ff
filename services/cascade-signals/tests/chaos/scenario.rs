//! What happens on the exchanges: sixty markets, one of them in a cascade of fifty minutes, the others in short ones; large
//! orders, prices, bars, gaps, feeds that die and come back; some events late, some from a future that is refused.
//!
//! Told second by second of event time, in entries for all 64 shards. Knows no wall time and no Redis.

use cascade_testkit::Random;
use std::collections::BTreeMap;

use cascade_domain::{
    Coverage, Event, EventTime, FeedHealth, FeedStatus, Feeds, Gap, GapStream, Id, Instrument, Liquidation,
    Mark, OpenInterest, PriceKind, Shard, Side, Symbol, Tick, TradeBar, Usd, Venue,
};
use cascade_wire::encode_event;

use crate::Failure;

/// Markets.
const MARKETS: usize = 60;
/// Second of event time at which the long cascade begins.
const ONSET_S: i64 = 60;
/// Small liquidations a second of event time, over all markets.
const SMALL: usize = 8;
/// Markets whose marks come often enough to give a price.
const PRICED: usize = 8;
/// A feed dies once in so many seconds of event time, and is away for so many.
const FEED_DIES_S: usize = 240;
const FEED_AWAY_S: i64 = 30;

/// How a market does just now.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Quiet,
    /// Orders of this many units each, about one in `every` seconds.
    Cascade {
        side: Side,
        units: f64,
        every: usize,
    },
}

#[derive(Clone, Debug)]
struct Market {
    symbol: Symbol,
    shard: Shard,
    unit: f64,
    price: f64,
    mood: Mood,
    /// Second at which the mood changes.
    until: i64,
}

/// One second of event time.
#[derive(Debug)]
pub(crate) struct Second {
    /// For each shard the events of one entry, encoded.
    pub(crate) entries: Vec<(Shard, Vec<Vec<u8>>)>,
    /// How many events of exchanges there are among them; ticks, gaps and feed states are not counted.
    pub(crate) events: usize,
}

/// The scenario so far.
#[derive(Debug)]
pub(crate) struct Scenario {
    random: Random,
    start: EventTime,
    second: i64,
    markets: Vec<Market>,
    /// Which market has the long cascade, and its seconds.
    marathon: usize,
    marathon_s: i64,
    feeds: Feeds,
    /// Who is dead, and until which second.
    dead: Option<(Venue, i64)>,
    /// Nobody is liquidated any more.
    calm: bool,
    weight: BTreeMap<Shard, usize>,
}

impl Scenario {
    /// A scenario whose long cascade lasts `marathon_s` seconds.
    pub(crate) fn new(seed: u64, start: EventTime, marathon_s: i64) -> Result<Self, Failure> {
        let mut random = Random::new(seed);
        let mut markets = Vec::new();
        for number in 0..MARKETS {
            let (name, unit, price) = match number {
                0 => ("BTCUSDT".to_owned(), 3e6, 82_000.0),
                1 => ("ETHUSDT".to_owned(), 2e6, 3_000.0),
                2 => ("SOLUSDT".to_owned(), 5e5, 140.0),
                _ => (format!("K{number:02}USDT"), 1e5, random.between(0.1, 50.0)),
            };
            let symbol = Symbol::parse(&name)?;
            let until = random.ms(20, 200);
            markets.push(Market { symbol, shard: Shard::of(&symbol), unit, price, mood: Mood::Quiet, until });
        }
        // A market with marks, in another shard than the busiest.
        let busiest = markets.first().map(|market| market.shard);
        let lone: Vec<usize> =
            (3..PRICED).filter(|number| markets.get(*number).map(|market| market.shard) != busiest).collect();
        let marathon = *random.one_of(&lone).ok_or("every market is in one shard")?;
        if let Some(market) = markets.get_mut(marathon) {
            market.until = ONSET_S;
        }
        let feeds = [
            (Venue::Binance, FeedStatus::Sampled),
            (Venue::Bybit, FeedStatus::Live),
            (Venue::Okx, FeedStatus::Sampled),
            (Venue::Hyperliquid, FeedStatus::Partial),
        ];
        Ok(Self {
            random,
            start,
            second: 0,
            markets,
            marathon,
            marathon_s,
            feeds: feeds.into_iter().collect(),
            dead: None,
            calm: false,
            weight: BTreeMap::new(),
        })
    }

    /// How long the long cascade has lasted, seconds of event time; negative before it.
    pub(crate) const fn marathon_at(&self) -> i64 {
        self.second - ONSET_S
    }

    /// The market of the long cascade.
    pub(crate) fn marathon(&self) -> Result<Symbol, Failure> {
        Ok(self.markets.get(self.marathon).ok_or("no such market")?.symbol)
    }

    /// The shard of which most has been told.
    pub(crate) fn busiest(&self) -> Option<Shard> {
        self.weight.iter().max_by_key(|(_, events)| **events).map(|(shard, _)| *shard)
    }

    /// From here on nobody is liquidated.
    pub(crate) const fn calm_down(&mut self) {
        self.calm = true;
    }

    /// The next second, with so many events of exchanges, or a few more.
    pub(crate) fn next(&mut self, events: usize) -> Result<Second, Failure> {
        let now = self.start.plus_ms(self.second * 1000);
        let mut told: BTreeMap<Shard, Vec<Event>> = BTreeMap::new();
        let every: Vec<Event> = self.everywhere(now)?;
        for shard in Shard::all() {
            told.insert(shard, every.clone());
        }
        let mut of_markets = Vec::new();
        if !self.calm {
            self.liquidate(now, &mut of_markets)?;
        }
        self.price(now, &mut of_markets)?;
        while of_markets.len() < events {
            let number = self.draw();
            of_markets.push(self.bar(number, now)?);
        }
        let count = of_markets.len();
        for event in of_markets {
            if let Some(symbol) = event.symbol() {
                let shard = Shard::of(symbol);
                *self.weight.entry(shard).or_default() += 1;
                told.entry(shard).or_default().push(event);
            }
        }
        self.second += 1;
        let encode = |(shard, events): (Shard, Vec<Event>)| {
            let encoded: Result<Vec<_>, _> = events.iter().map(encode_event).collect();
            Ok::<_, Failure>((shard, encoded?))
        };
        Ok(Second { entries: told.into_iter().map(encode).collect::<Result<_, _>>()?, events: count })
    }

    /// The tick, and what befalls the feeds.
    fn everywhere(&mut self, now: EventTime) -> Result<Vec<Event>, Failure> {
        let mut events = Vec::new();
        let health = |venue, status, reason: &str| {
            Event::FeedHealth(FeedHealth { venue, status, since_ms: now, reason: reason.to_owned() })
        };
        match self.dead {
            Some((venue, until)) if self.second >= until => {
                let status = if venue == Venue::Bybit { FeedStatus::Live } else { FeedStatus::Sampled };
                self.dead = None;
                self.feeds.insert(venue, status);
                for stream in [GapStream::Liquidations, GapStream::Mark] {
                    events.push(Event::Gap(Gap {
                        venue,
                        stream,
                        symbols: Vec::new(),
                        from_ms: now.plus_ms(-FEED_AWAY_S * 1000),
                        to_ms: now.plus_ms(-1),
                        reason: "closed".to_owned(),
                    }));
                }
                events.push(health(venue, status, ""));
            }
            None if self.random.once_in(FEED_DIES_S) => {
                let venues = [Venue::Binance, Venue::Bybit, Venue::Okx];
                let venue = *self.random.one_of(&venues).ok_or("no venue")?;
                self.dead = Some((venue, self.second + FEED_AWAY_S));
                self.feeds.insert(venue, FeedStatus::Dead);
                events.push(health(venue, FeedStatus::Dead, "silent"));
            }
            _ => {}
        }
        let bitcoin = self.markets.first().ok_or("no market")?.price;
        events.push(Event::Tick(Tick {
            event_time_ms: now,
            btc_price: Some(bitcoin),
            btc_usd_volume_1s: Usd::from_f64(self.random.between(1e5, 5e6)),
            btc_venues_changed: self.random.once_in(500),
            feeds: self.feeds.clone(),
        }));
        Ok(events)
    }

    /// A market: the first, Bitcoin's, is drawn most.
    fn draw(&mut self) -> usize {
        if self.random.once_in(6) { 0 } else { self.random.below(MARKETS) }
    }

    fn liquidate(&mut self, now: EventTime, events: &mut Vec<Event>) -> Result<(), Failure> {
        for _ in 0..SMALL {
            let (number, usd) = (self.draw(), self.random.between(20.0, 1_500.0));
            let side = *self.random.one_of(&Side::ALL).ok_or("no side")?;
            self.order((number, side), usd, now, events)?;
        }
        for number in 0..self.markets.len() {
            let market = self.markets.get(number).ok_or("no such market")?.clone();
            if self.second >= market.until {
                self.change_mood(number);
            }
            if let Mood::Cascade { side, units, every } = market.mood
                && self.random.once_in(every)
            {
                let usd = market.unit * units * self.random.between(0.5, 1.5);
                self.order((number, side), usd, now, events)?;
            }
        }
        Ok(())
    }

    /// Short cascades with long silences between them; the long one never falls silent for as long as it lasts.
    fn change_mood(&mut self, number: usize) {
        let lasting = number == self.marathon && (0..self.marathon_s).contains(&self.marathon_at());
        let side = if self.random.once_in(3) { Side::Short } else { Side::Long };
        let random = &mut self.random;
        let was_quiet = matches!(self.markets.get(number).map(|market| market.mood), Some(Mood::Quiet));
        let (mood, lasts_s) = if lasting {
            match random.below(5) {
                // Too short a silence for the episode to close.
                0 if !was_quiet => (Mood::Quiet, 25),
                1 | 2 => (Mood::Cascade { side: Side::Long, units: 0.06, every: 3 }, random.ms(15, 60)),
                3 => (Mood::Cascade { side: Side::Long, units: 0.25, every: 3 }, random.ms(15, 60)),
                _ => (Mood::Cascade { side: Side::Long, units: 0.8, every: 4 }, random.ms(10, 30)),
            }
        } else if was_quiet {
            let (units, every) = (random.between(0.05, 0.9), 1 + random.below(4));
            (Mood::Cascade { side, units, every }, random.ms(20, 90))
        } else {
            (Mood::Quiet, random.ms(90, 600))
        };
        if let Some(market) = self.markets.get_mut(number) {
            (market.mood, market.until) = (mood, self.second + lasts_s.max(1));
        }
    }

    /// An order of one print or of three, seldom late, seldom from the future.
    fn order(
        &mut self,
        (number, side): (usize, Side),
        usd: f64,
        now: EventTime,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        let market = self.markets.get(number).ok_or("no such market")?.clone();
        let venue = *self.random.one_of(&Venue::ALL).ok_or("no venue")?;
        let known = match self.random.below(400) {
            0 => now.plus_ms(120_000),
            1..=8 => now.plus_ms(-self.random.ms(1_000, 20_000)),
            _ => now.plus_ms(self.random.ms(0, 999)),
        };
        let prints = if self.random.once_in(5) { 3 } else { 1 };
        let usd = usd / f64::from(prints);
        let happened = known.plus_ms(-self.random.ms(5, 300));
        for _ in 0..prints {
            events.push(Event::Liquidation(Liquidation {
                id: Id::from_bits(self.random.next()),
                venue,
                symbol: market.symbol,
                instrument: instrument(&market)?,
                side,
                price: market.price,
                price_kind: PriceKind::Fill,
                quantity: usd / market.price,
                notional_usd: Usd::from_f64(usd).ok_or("not money")?,
                event_time_ms: happened,
                published_at_ms: None,
                known_at_ms: Some(known),
                coverage: Coverage::Complete,
                account: (venue == Venue::Hyperliquid).then(|| Id::from_bits(market.price.to_bits())),
            }));
        }
        Ok(())
    }

    /// Prices move, and some are told.
    fn price(&mut self, now: EventTime, events: &mut Vec<Event>) -> Result<(), Failure> {
        for number in 0..self.markets.len() {
            let drift = match self.markets.get(number).map(|market| market.mood) {
                Some(Mood::Cascade { side: Side::Long, .. }) => -0.0004,
                Some(Mood::Cascade { side: Side::Short, .. }) => 0.0005,
                _ => 0.0,
            };
            let step = 1.0 + drift + self.random.between(-0.0006, 0.0006);
            if let Some(market) = self.markets.get_mut(number) {
                market.price *= step;
            }
        }
        for number in 0..PRICED {
            if self.random.once_in(2) {
                events.push(self.mark(number, now)?);
            }
        }
        if self.random.once_in(3) {
            events.push(self.open_interest(now)?);
        }
        Ok(())
    }

    fn mark(&mut self, number: usize, now: EventTime) -> Result<Event, Failure> {
        let market = self.markets.get(number).ok_or("no such market")?.clone();
        let venue = *self.random.one_of(&Venue::ALL).ok_or("no venue")?;
        let at = now.plus_ms(self.random.ms(0, 999));
        Ok(Event::Mark(Mark {
            venue,
            symbol: market.symbol,
            instrument: instrument(&market)?,
            mark_price: Some(market.price * self.random.between(0.9999, 1.0001)),
            index_price: Some(market.price),
            funding_rate: Some(self.random.between(-0.0005, 0.0005)),
            funding_interval_h: Some(8.0),
            next_funding_time_ms: None,
            event_time_ms: Some(at),
            known_at_ms: Some(at),
        }))
    }

    fn open_interest(&mut self, now: EventTime) -> Result<Event, Failure> {
        let number = self.random.below(PRICED);
        let market = self.markets.get(number).ok_or("no such market")?.clone();
        let venue = *self.random.one_of(&Venue::ALL).ok_or("no venue")?;
        let coins = market.unit * self.random.between(990.0, 1010.0) / market.price;
        Ok(Event::OpenInterest(OpenInterest {
            venue,
            symbol: market.symbol,
            instrument: instrument(&market)?,
            coins: Some(coins),
            usd: Usd::from_f64(coins * market.price),
            inverse: false,
            event_time_ms: Some(now),
            published_at_ms: None,
            known_at_ms: Some(now.plus_ms(self.random.ms(0, 999))),
        }))
    }

    fn bar(&mut self, number: usize, now: EventTime) -> Result<Event, Failure> {
        let market = self.markets.get(number).ok_or("no such market")?.clone();
        let venue = *self.random.one_of(&Venue::ALL).ok_or("no venue")?;
        let quantity = self.random.between(1.0, 1e4) / market.price;
        let usd = Usd::from_f64(quantity * market.price).ok_or("not money")?;
        Ok(Event::TradeBar(TradeBar {
            venue,
            symbol: market.symbol,
            instrument: instrument(&market)?,
            open_time_ms: now.plus_ms(-1000),
            close_time_ms: now,
            open: market.price,
            high: market.price * 1.0003,
            low: market.price * 0.9997,
            close: market.price * 1.0001,
            buy_quantity: quantity,
            sell_quantity: quantity,
            buy_usd: usd,
            sell_usd: usd,
            trades: 12,
            largest_usd: usd,
            known_at_ms: Some(now.plus_ms(self.random.ms(0, 999))),
        }))
    }
}

fn instrument(market: &Market) -> Result<Instrument, Failure> {
    Ok(Instrument::parse(market.symbol.as_str())?)
}
