//! What the system is compared with: the same two hops through Redis with empty work. An encoded event is appended to
//! its stream when it is due, read, and published once. Each step sends what waits in one go, as the services do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Bus, BusSettings, PortChoice, PrivateRedis, StreamId};
use cascade_domain::{
    Coverage, Event, EventTime, Id, Instrument, Liquidation, PriceKind, Shard, Side, Symbol, Usd, Venue,
};
use cascade_pace::Clock;
use cascade_service::{BoxError, Shutdown, Supervisor};
use cascade_simulator::{Schedule, Volley};
use cascade_wire::{decode_event, encode_event};
use tokio::sync::mpsc;

use super::heard::Heard;

const CHANNEL: &str = "cascade:bench:floor";
/// How long a read waits for the first entry, and how many of a shard it takes: as the services read.
const BLOCK: Duration = Duration::from_millis(500);
const ENTRIES: usize = 500;
/// Events that may wait to be added, and how many one round trip adds: as ingest flushes.
const QUEUE: usize = 1 << 20;
const FLUSH: usize = 2_000;
/// Messages that may wait to be looked at.
pub(crate) const SUBSCRIBER_QUEUE: usize = 1 << 20;

type Added = (Shard, Vec<u8>);

/// The floor with a Redis of its own.
pub(crate) struct Floor {
    // Dropped in order: the tasks end before their Redis does.
    _tasks: Supervisor,
    _redis: PrivateRedis,
    queue: mpsc::Sender<Added>,
    pub(crate) heard: Heard,
}

impl Floor {
    pub(crate) async fn start(clock: &Arc<dyn Clock>) -> Result<Self, BoxError> {
        let mut tasks = Supervisor::new(&Shutdown::new(), BLOCK);
        let redis = PrivateRedis::start(PortChoice::Free).await?;
        let settings = BusSettings {
            instance: "bench-floor".to_owned(),
            subscriber_queue: SUBSCRIBER_QUEUE,
            ..BusSettings::default()
        };
        let bus = Bus::open(&redis.url(), settings)?;
        let mut subscriber = bus.subscriber(&[CHANNEL.to_owned()])?;
        subscriber.subscribed().await;
        let (heard, (queue, waiting)) = (Heard::default(), mpsc::channel(QUEUE));
        tasks.spawn("floor: relay", relay(bus.clone()));
        tasks.spawn("floor: add", add(bus, waiting));
        tasks.spawn("floor: hear", heard.clone().listen(subscriber, Arc::clone(clock), number));
        Ok(Self { _tasks: tasks, _redis: redis, queue, heard })
    }

    /// Has a frame's events added; gives how many.
    pub(crate) fn fire(&self, symbols: u32) -> impl FnMut(&Schedule, u64) -> u64 + Send + 'static {
        let queue = self.queue.clone();
        move |schedule, frame| {
            let at = EventTime::from_ms(schedule.leaves_ns(frame).div_euclid(1_000_000));
            let event = |number| event(number, frame % u64::from(symbols.max(1)), at);
            let added =
                schedule.numbers(frame).filter_map(event).filter(|one| queue.try_send(one.clone()).is_ok());
            added.count().try_into().unwrap_or(u64::MAX)
        }
    }
}

/// The event of this number, encoded as ingest would.
fn event(number: u64, market: u64, at: EventTime) -> Option<Added> {
    let name = format!("V{market:04}USDT");
    let symbol = Symbol::parse(&name).ok()?;
    let price: f64 = Volley::price(number).parse().ok()?;
    let liquidation = Liquidation {
        id: Id::from_bits(number),
        venue: Venue::Bybit,
        symbol,
        instrument: Instrument::parse(&name).ok()?,
        side: Side::Long,
        price,
        price_kind: PriceKind::Bankruptcy,
        quantity: 2.0,
        notional_usd: Usd::from_f64(price * 2.0)?,
        event_time_ms: at,
        published_at_ms: Some(at),
        known_at_ms: Some(at),
        coverage: Coverage::Complete,
        account: None,
    };
    Some((Shard::of(&symbol), encode_event(&Event::Liquidation(liquidation)).ok()?))
}

/// Which event a message is about.
fn number(message: &[u8]) -> Option<u64> {
    match decode_event(message).ok()? {
        Event::Liquidation(liquidation) => Volley::number(liquidation.price),
        _ => None,
    }
}

/// The first hop.
async fn add(bus: Bus, mut waiting: mpsc::Receiver<Added>) -> Result<(), BoxError> {
    let mut events = Vec::with_capacity(FLUSH);
    while waiting.recv_many(&mut events, FLUSH).await > 0 {
        bus.append(&events).await?;
        events.clear();
    }
    Ok(())
}

/// The second hop.
async fn relay(bus: Bus) -> Result<(), BoxError> {
    let mut reader = bus.reader();
    let mut positions: BTreeMap<Shard, StreamId> =
        Shard::all().map(|shard| (shard, StreamId::ZERO)).collect();
    loop {
        let mut messages = Vec::new();
        for (shard, entries) in reader.read(&positions, BLOCK, ENTRIES).await? {
            for entry in entries {
                positions.insert(shard, entry.id);
                messages.extend(entry.one.map(|bytes| (CHANNEL.to_owned(), bytes)));
            }
        }
        bus.publish(&messages).await?;
    }
}
