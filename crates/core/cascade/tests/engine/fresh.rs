//! Rolling figures of findings against the same figures computed afresh from all that was heard (signals.md 9).

use crate::stream::{START, Stream, at, gap, liquidation, mark, symbol, tick};
use cascade_detector::{Config, SymbolOverride};
use cascade_domain::{CascadeFinding, Event, FeedStatus, GapStream, Liquidation, Mark, Usd, Venue};
use proptest::prelude::*;

/// Everything heard, in order; times are milliseconds after the start.
#[derive(Default)]
struct Past {
    prints: Vec<Liquidation>,
    marks: Vec<(i64, Venue, f64)>,
    feeds: Vec<(i64, FeedStatus)>,
    /// The end of the last gap in liquidations.
    void: i64,
}

impl Past {
    /// The largest order of which a print lies in the last 60 s, as large as it was by that print.
    fn largest(&self, now: i64) -> Usd {
        let sum = |place: usize| {
            let last = &self.prints[place];
            let same =
                |print: &&Liquidation| (print.venue, print.event_time_ms) == (last.venue, last.event_time_ms);
            self.prints[..=place].iter().filter(same).fold(Usd::ZERO, |sum, print| sum + print.notional_usd)
        };
        let within = |place: &usize| ms(self.prints[*place].known_at_ms.unwrap()) > now - 60_000;
        (0..self.prints.len()).filter(within).map(sum).max().unwrap_or_default()
    }

    /// The mean coefficient over venue pairs of the whole seconds from 62 to 2 s before.
    fn correlation(&self, now: i64) -> Option<f64> {
        let start = now.div_euclid(1_000) - 62;
        if self.void > start * 1_000 {
            return None;
        }
        let dollars = |venue: Venue| {
            let mut seconds = [0.0; 60];
            for print in self.prints.iter().filter(|print| print.venue == venue) {
                let second = ms(print.event_time_ms).div_euclid(1_000) - start;
                if let Some(sum) = usize::try_from(second).ok().and_then(|place| seconds.get_mut(place)) {
                    *sum += print.notional_usd.dollars();
                }
            }
            seconds
        };
        let series = Venue::ALL.map(dollars);
        let pairs = (0..4).flat_map(|left| (left + 1..4).map(move |right| (left, right)));
        let found: Vec<f64> =
            pairs.filter_map(|(left, right)| pearson(&series[left], &series[right])).collect();
        let pairs = f64::from(u32::try_from(found.len()).unwrap());
        (pairs > 0.0).then(|| found.iter().sum::<f64>() / pairs)
    }

    /// The median over venues that deliver of their last marks, at most 5 s old.
    fn price(&self, moment: i64) -> Option<f64> {
        let okx = self.feeds.iter().rfind(|(at, _)| *at <= moment).map(|(_, status)| *status);
        let delivers = |venue: &Venue| *venue != Venue::Okx || okx.is_none_or(FeedStatus::delivers);
        let last = |venue: Venue| self.marks.iter().rfind(|(at, of, _)| *at <= moment && *of == venue);
        let fresh = |(at, _, price): &(i64, Venue, f64)| (moment - at <= 5_000).then_some(*price);
        let mut prices: Vec<f64> =
            Venue::ALL.into_iter().filter(delivers).filter_map(last).filter_map(fresh).collect();
        prices.sort_by(f64::total_cmp);
        match prices[..] {
            [] => None,
            [price] | [_, price, _] => Some(price),
            [low, high] | [_, low, high, _] => Some(low.midpoint(high)),
            _ => unreachable!("four venues"),
        }
    }

    /// The change over 60 s between whole-second ends, of which 48 seconds are known.
    fn change(&self, now: i64) -> Option<f64> {
        let newest = (now - 1).div_euclid(1_000);
        let known = (newest - 59..=newest).filter(|second| self.price(second * 1_000).is_some()).count();
        let before = self.price((now.div_euclid(1_000) - 60) * 1_000).filter(|_| known >= 48)?;
        Some((self.price(now)? - before) / before)
    }
}

fn ms(time: cascade_domain::EventTime) -> i64 {
    time.ms() - START
}

/// Pearson's coefficient by its textbook formula: amounts are whole dollars, so that the sums are exact.
fn pearson(left: &[f64; 60], right: &[f64; 60]) -> Option<f64> {
    let sum = |of: &dyn Fn(f64, f64) -> f64| left.iter().zip(right).map(|(x, y)| of(*x, *y)).sum::<f64>();
    let (x, y) = (sum(&|x, _| x), sum(&|_, y| y));
    let (xx, yy) = (60.0 * sum(&|x, _| x * x) - x * x, 60.0 * sum(&|_, y| y * y) - y * y);
    (xx > 0.0 && yy > 0.0).then(|| (60.0 * sum(&|x, y| x * y) - x * y) / (xx.sqrt() * yy.sqrt()))
}

fn near(left: Option<f64>, right: Option<f64>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => (left - right).abs() < 1e-9,
        (left, right) => left == right,
    }
}

/// An engine that has something to tell at each tick: any amount is a cascade.
fn talkative() -> Stream {
    let mut config = Config::default();
    config.flow.share = 0.5;
    let own = SymbolOverride { unit_usd: Some(0.01), ..SymbolOverride::default() };
    config.symbols.insert(symbol("BTCUSDT"), own);
    let mut stream = Stream::with(config);
    stream.ticks(-120, 0);
    stream
}

fn check(finding: &CascadeFinding, past: &Past, is_tick: bool) -> Result<(), TestCaseError> {
    let now = ms(finding.known_at_ms);
    prop_assert_eq!(finding.metrics.largest_usd, past.largest(now));
    let change = past.change(now);
    prop_assert!(near(finding.flow.price_change_60s, change), "{:?} for {:?}", finding.flow, change);
    // Computed once a second, so that a late print may be left out until the next.
    if is_tick {
        let (rolling, fresh) = (finding.context.venue_correlation, past.correlation(now));
        prop_assert!(near(rolling, fresh), "{rolling:?} for {fresh:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_findings_say_is_what_looking_back_says(
        steps in prop::collection::vec((0i64..700, 0u8..12, 0i64..1_000_000), 1..300),
    ) {
        let mut stream = talkative();
        let mut past = Past { void: i64::MIN, ..Past::default() };
        let (mut now, mut checked) = (0_i64, 0);
        // From the start there is a mark, and an order, so that each second is sampled.
        for (step, kind, dice) in [(0, 0, 1), (0, 11, 0)].into_iter().chain(steps) {
            let due = now.div_euclid(1_000) + 1..=(now + step).div_euclid(1_000);
            now += step;
            let mut events: Vec<Event> = due.map(|second| {
                let okx = if dice % 5 == 0 { FeedStatus::Stale } else { FeedStatus::Live };
                Event::Tick(tick(second * 1_000, &[(Venue::Okx, okx)]))
            }).collect();
            let venue = Venue::ALL[usize::try_from(dice % 4).unwrap()];
            events.push(match kind {
                0..5 => {
                    let price = 100_000.0 + f64::from(i32::try_from(dice / 4 % 2_000).unwrap());
                    Event::Mark(Mark { venue, ..mark(now, price) })
                }
                5 if dice % 20 == 0 => Event::Gap(gap(GapStream::Liquidations, now - 100, now)),
                _ => {
                    let known = now - if dice % 3 == 0 { dice % 50_000 } else { 0 };
                    let event_time_ms = at(known.div_euclid(500) * 500);
                    Event::Liquidation(Liquidation { venue, event_time_ms, ..liquidation(known, dice / 9 + 1) })
                }
            });
            for event in events {
                let said = stream.cascades().len();
                stream.hear(&event).unwrap();
                let is_tick = matches!(event, Event::Tick(_));
                match event {
                    Event::Tick(tick) => past.feeds.push((ms(tick.event_time_ms), tick.feeds[&Venue::Okx])),
                    Event::Gap(gap) => past.void = ms(gap.to_ms),
                    Event::Mark(mark) => past.marks.push((now, mark.venue, mark.mark_price.unwrap())),
                    Event::Liquidation(print) => past.prints.push(print),
                    _ => {}
                }
                for finding in &stream.cascades()[said..] {
                    check(finding, &past, is_tick)?;
                    checked += 1;
                }
            }
        }
        prop_assert!(checked > 0);
    }
}
