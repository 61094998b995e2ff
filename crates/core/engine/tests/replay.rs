//! Which engine hears what, and in which order findings come out.
#![expect(clippy::unwrap_used, reason = "a name that can't be parsed fails the test")]

use cascade_domain::{
    Coverage, Event, EventTime, FeedHealth, FeedStatus, Feeds, Finding, Gap, GapStream, Id, Instrument,
    LargeLiquidation, Liquidation, PriceKind, Shard, Side, Symbol, Tick, Usd, Venue,
};
use cascade_engine::{Engine, Order, Passed, Place, Refused, Replay, Shards};
use proptest::prelude::*;

const START: i64 = 1_791_565_600_000;

/// Says one thing of every event that it hears, known at the latest of that event and its last tick.
#[derive(Debug)]
struct Echo {
    shard: Shard,
    state: (i64, u64),
}

impl Engine for Echo {
    type State = (i64, u64);
    const STATE_VERSION: u32 = 1;

    fn take(&mut self, event: &Event, out: &mut Vec<Finding>) -> Result<(), Refused> {
        let at = event.known_at().map_or(self.state.0, EventTime::ms);
        if let Event::Tick(_) = event {
            if at <= self.state.0 {
                return Err(Refused::OldTick);
            }
            self.state.0 = at;
        }
        self.state.1 += 1;
        out.push(finding(event, self.shard, self.state.1, at.max(self.state.0)));
        Ok(())
    }

    fn state(&self) -> &Self::State {
        &self.state
    }

    fn resume(&mut self, state: Self::State) {
        self.state = state;
    }
}

fn finding(event: &Event, shard: Shard, count: u64, at: i64) -> Finding {
    let symbol = event.symbol().copied().unwrap_or_else(|| Symbol::parse("NOBODY").unwrap());
    Finding::LargeLiquidation(LargeLiquidation {
        v: 1,
        id: Id::from_bits((u64::from(shard.number()) << 32) | count),
        symbol,
        venue: Venue::Okx,
        instrument: Instrument::parse(event.kind()).unwrap(),
        direction: Side::Long,
        notional_usd: Usd::ZERO,
        threshold_usd: Usd::ZERO,
        price: 1.0,
        feeds: Feeds::default(),
        engine: String::new(),
        warming: false,
        demo: false,
        event_time_ms: EventTime::from_ms(at),
        known_at_ms: EventTime::from_ms(at),
        detected_at_ms: None,
    })
}

fn echo(shard: Shard) -> Echo {
    Echo { shard, state: (0, 0) }
}

fn symbol(number: u8) -> Symbol {
    Symbol::parse(&format!("COIN{number}USDT")).unwrap()
}

fn liquidation(number: u8, at: i64) -> Event {
    Event::Liquidation(Liquidation {
        id: Id::from_bits(1),
        venue: Venue::Okx,
        symbol: symbol(number),
        instrument: Instrument::parse("X").unwrap(),
        side: Side::Long,
        price: 1.0,
        price_kind: PriceKind::Fill,
        quantity: 1.0,
        notional_usd: Usd::ZERO,
        event_time_ms: EventTime::from_ms(START + at),
        published_at_ms: None,
        known_at_ms: None,
        coverage: Coverage::Complete,
        account: None,
    })
}

fn tick(at: i64) -> Event {
    Event::Tick(Tick {
        event_time_ms: EventTime::from_ms(START + at),
        btc_price: None,
        btc_usd_volume_1s: None,
        btc_venues_changed: false,
        feeds: Feeds::default(),
    })
}

fn gap(symbols: Vec<Symbol>) -> Event {
    let (from_ms, to_ms) = (EventTime::from_ms(START), EventTime::from_ms(START + 1));
    let (venue, stream, reason) = (Venue::Okx, GapStream::Mark, String::new());
    Event::Gap(Gap { venue, stream, symbols, from_ms, to_ms, reason })
}

/// The shards that heard an event without a place.
fn heard(event: &Event) -> Vec<u8> {
    let mut replay = Replay::new(echo);
    let mut out = Vec::new();
    replay.take(None, event, &mut out).unwrap();
    out.extend(replay.finish());
    let shard = |said: &Finding| u8::try_from(said.id().bits() >> 32).unwrap();
    let mut shards: Vec<u8> = out.iter().map(shard).collect();
    shards.sort_unstable();
    shards
}

#[test]
fn an_event_goes_where_its_writer_would_have_put_it() {
    let all: Vec<u8> = (0..64).collect();
    assert_eq!(heard(&liquidation(1, 0)), [Shard::of(&symbol(1)).number()]);
    assert_eq!(heard(&tick(0)), all);
    assert_eq!(heard(&gap(Vec::new())), all);
    let (since_ms, reason) = (EventTime::from_ms(START), String::new());
    let health = FeedHealth { venue: Venue::Okx, status: FeedStatus::Live, since_ms, reason };
    assert_eq!(heard(&Event::FeedHealth(health)), all);
    let mut two = [symbol(1), symbol(2), symbol(1)].map(|symbol| Shard::of(&symbol).number()).to_vec();
    two.sort_unstable();
    two.dedup();
    assert_eq!(heard(&gap(vec![symbol(1), symbol(2), symbol(1)])), two);
}

#[test]
fn an_event_with_a_shard_goes_to_that_shard_alone() {
    for event in [tick(0), gap(Vec::new()), liquidation(1, 0)] {
        let mut replay = Replay::new(echo);
        let place = Place { shard: Shard::new(9).unwrap(), entry: None };
        replay.take(Some(place), &event, &mut Vec::new()).unwrap();
        let said: Vec<_> = replay.finish().map(|said| said.id().bits() >> 32).collect();
        assert_eq!(said, [9], "{}", event.kind());
    }
}

#[test]
fn what_a_snapshot_holds_is_not_heard_again() {
    let shard = Shard::new(9).unwrap();
    let mut replay = Replay::new(echo);
    replay.resume(shard, (20, 3), (START + 5_000, 40));
    let mut taken =
        |entry, at| replay.take(Some(Place { shard, entry: Some(entry) }), &tick(at), &mut Vec::new());
    assert_eq!(taken((20, 2), 6_000), Err(Passed::InSnapshot));
    assert_eq!(taken((20, 3), 6_000), Err(Passed::InSnapshot));
    assert_eq!(taken((20, 4), 5_000), Err(Passed::Refused(Refused::OldTick)), "the snapshot knows the time");
    assert_eq!(taken((20, 5), 6_000), Ok(()));
    let ids: Vec<_> = replay.finish().map(|said| said.id().bits() & 0xffff).collect();
    assert_eq!(ids, [41]);
}

#[test]
fn findings_come_out_when_every_shard_has_ticked_past_them() {
    let (mut replay, mut out) = (Replay::new(echo), Vec::new());
    replay.take(None, &liquidation(1, 500), &mut out).unwrap();
    assert_eq!((out.len(), replay.held()), (0, 1));
    for shard in Shard::all() {
        let place = Some(Place { shard, entry: None });
        assert_eq!(out.len(), 0, "{shard}");
        replay.take(place, &tick(1_000), &mut out).unwrap();
    }
    assert_eq!((out.len(), replay.held()), (1, 64), "what is known at the tick itself may have company yet");
    assert_eq!(replay.take(None, &tick(1_000), &mut out), Err(Passed::Refused(Refused::OldTick)));
    assert_eq!((out.len(), replay.held()), (1, 64));
}

#[test]
fn what_no_shard_has_ticked_past_is_held_to_the_end_and_sorted_there() {
    let (mut replay, mut out) = (Replay::new(echo), Vec::new());
    for at in (0..100).rev() {
        replay.take(None, &liquidation(1, at), &mut out).unwrap();
    }
    assert_eq!(out.len(), 0);
    let times: Vec<_> = replay.finish().map(|said| said.known_at().ms() - START).collect();
    assert_eq!(times, (0..100).collect::<Vec<_>>());
}

/// Two detectors say into one order what they hear of these events; what streams out, and what is left at the end.
fn both(steps: &[(Option<Place>, Event)], second_from: Option<(u64, u64)>) -> (Vec<Finding>, Vec<Finding>) {
    // The second one says it in other words.
    let other = |shard| Echo { shard, state: (0, 1 << 16) };
    let (mut first, mut second, mut order) = (Shards::new(echo), Shards::new(other), Order::default());
    if let Some(at) = second_from {
        Shard::all().for_each(|shard| second.resume(shard, at, (0, 1 << 16)));
    }
    let mut streamed = Vec::new();
    for (place, event) in steps {
        let _passed = (first.take(*place, event, &mut order), second.take(*place, event, &mut order));
        order.release(&[first.behind(), second.behind()], &mut streamed);
    }
    (streamed, order.finish().collect())
}

#[test]
fn of_two_detectors_nothing_is_told_before_both_have_come_past_it() {
    let step = |entry, event| {
        let place = move |shard| Some(Place { shard, entry: Some((entry, 0)) });
        Shard::all().map(move |shard| (place(shard), Event::clone(&event)))
    };
    let steps: Vec<_> = (1..=4).flat_map(|at| step(at, tick(i64::try_from(at).unwrap() * 1_000))).collect();
    let (streamed, rest) = both(&steps, None);
    assert_eq!((streamed.len(), rest.len()), (3 * 64 * 2, 64 * 2));
    // The second one's snapshots hold the first three.
    let (streamed, rest) = both(&steps, Some((3, 0)));
    assert_eq!((streamed.len(), rest.len()), (3 * 64, 64 * 2));
    let (streamed, rest) = both(&steps, Some((9, 0)));
    assert_eq!((streamed.len(), rest.len()), (0, 4 * 64), "one that never begins holds back the other");
}

#[derive(Clone, Debug)]
enum Step {
    Own { number: u8, at: i64 },
    TickOf { shard: u8, at: i64 },
    TickAll { at: i64 },
    Gap { of: Vec<u8> },
}

impl Step {
    fn event(&self) -> (Option<Place>, Event) {
        match self {
            Self::Own { number, at } => (None, liquidation(*number, *at)),
            Self::TickOf { shard, at } => {
                (Some(Place { shard: Shard::new(*shard).unwrap(), entry: None }), tick(*at))
            }
            Self::TickAll { at } => (None, tick(*at)),
            Self::Gap { of } => (None, gap(of.iter().map(|number| symbol(*number)).collect())),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_u8, 0..20_000_i64).prop_map(|(number, at)| Step::Own { number, at }),
        4 => (0..64_u8, 0..20_000_i64).prop_map(|(shard, at)| Step::TickOf { shard, at }),
        2 => (0..20_000_i64).prop_map(|at| Step::TickAll { at }),
        1 => prop::collection::vec(0..6_u8, 0..3).prop_map(|of| Step::Gap { of }),
    ]
}

proptest! {
    #[test]
    fn what_streams_out_is_what_sorting_everything_gives(steps in prop::collection::vec(step(), 0..200)) {
        let (mut replay, mut streamed) = (Replay::new(echo), Vec::new());
        for step in &steps {
            let (place, event) = step.event();
            let _passed = replay.take(place, &event, &mut streamed);
        }
        streamed.extend(replay.finish());
        let mut sorted = streamed.clone();
        sorted.sort_by_key(|said| (said.known_at(), said.symbol().copied(), said.kind(), said.id()));
        prop_assert_eq!(streamed, sorted);
    }

    #[test]
    fn two_detectors_say_in_one_order_what_each_says_alone(steps in prop::collection::vec(step(), 0..200)) {
        let steps: Vec<_> = steps.iter().map(Step::event).collect();
        let (mut streamed, rest) = both(&steps, None);
        streamed.extend(rest);
        let mut sorted = streamed.clone();
        sorted.sort_by_key(|said| (said.known_at(), said.symbol().copied(), said.kind(), said.id()));
        prop_assert_eq!(&streamed, &sorted);
        let (mut replay, mut alone) = (Replay::new(echo), Vec::new());
        for (place, event) in &steps {
            let _passed = replay.take(*place, event, &mut alone);
        }
        alone.extend(replay.finish());
        let is_first = |said: &Finding| said.id().bits() & (1 << 16) == 0;
        let (first, second): (Vec<_>, Vec<_>) = streamed.into_iter().partition(is_first);
        prop_assert_eq!(second.len(), first.len());
        prop_assert_eq!(first, alone);
    }

    #[test]
    fn nothing_is_lost_or_said_twice(steps in prop::collection::vec(step(), 0..100)) {
        let (mut replay, mut streamed) = (Replay::new(echo), Vec::new());
        let mut alone: Vec<Echo> = Shard::all().map(echo).collect();
        let mut said = Vec::new();
        for step in &steps {
            let (place, event) = step.event();
            let _passed = replay.take(place, &event, &mut streamed);
            let shards: Vec<u8> = match (&event, place) {
                (_, Some(place)) => vec![place.shard.number()],
                (Event::Liquidation(print), None) => vec![Shard::of(&print.symbol).number()],
                (Event::Gap(gap), None) if !gap.symbols.is_empty() => {
                    gap.symbols.iter().map(|symbol| Shard::of(symbol).number()).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
                }
                _ => (0..64).collect(),
            };
            for shard in shards {
                let _refused = alone[usize::from(shard)].take(&event, &mut said);
            }
        }
        streamed.extend(replay.finish());
        said.sort_by_key(|said| (said.known_at(), said.symbol().copied(), said.id()));
        prop_assert_eq!(streamed, said);
    }
}
