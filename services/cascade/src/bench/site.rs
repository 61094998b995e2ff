//! Everything that the system consists of, running: a private Redis, an exchange, the two services, a subscriber.

use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Bus, BusSettings, PortChoice, PrivateRedis};
use cascade_domain::Finding;
use cascade_pace::Clock;
use cascade_service::{BoxError, Supervisor};
use cascade_simulator::Volley;
use cascade_wire::{Channel, decode_finding};

use super::floor::SUBSCRIBER_QUEUE;
use super::heard::Heard;
use super::process::{Process, StageFigures};

/// How long everything may take to be ready on a busy machine, wall time, and how often it is asked.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(50);

/// Memory of a service, kB, where it is known.
pub(crate) type Memory = Vec<(&'static str, Option<u64>)>;

/// The system.
pub(crate) struct Site {
    // Fields are dropped in order: who reads from Redis goes before it.
    ingest: Process,
    signals: Process,
    pub(crate) volley: Arc<Volley>,
    pub(crate) heard: Heard,
    _redis: PrivateRedis,
}

impl Site {
    /// Starts everything and waits until each market is heard and each service ready.
    pub(crate) async fn start(
        symbols: u32,
        clock: &Arc<dyn Clock>,
        tasks: &mut Supervisor,
    ) -> Result<Self, BoxError> {
        let redis = PrivateRedis::start(PortChoice::Free).await?;
        let markets = usize::try_from(symbols)?;
        let volley = Arc::new(Volley::bind(markets, Arc::clone(clock)).await?);
        let (serving, shutdown) = (Arc::clone(&volley), tasks.shutdown());
        tasks.spawn("exchange", async move { Ok(serving.run(shutdown.requested()).await?) });
        let settings = BusSettings {
            instance: "bench".to_owned(),
            subscriber_queue: SUBSCRIBER_QUEUE,
            ..BusSettings::default()
        };
        let mut subscriber =
            Bus::open(&redis.url(), settings)?.subscriber(&[Channel::Large.as_str().to_owned()])?;
        subscriber.subscribed().await;
        let heard = Heard::default();
        tasks.spawn("subscriber", heard.clone().listen(subscriber, Arc::clone(clock), number));

        let endpoints = volley.endpoints();
        let common = [format!("redis.url={}", redis.url()), "service.log_level=warn".to_owned()];
        let reading = [
            "ingest.exchanges=bybit".to_owned(),
            "ingest.symbols=all".to_owned(),
            format!("venues.bybit.ws_url={}", endpoints.ws_url),
            format!("venues.bybit.rest_url={}", endpoints.rest_url),
        ];
        let telling = ["cascade.others.large_usd=1".to_owned()];
        let signals = Process::start("cascade-signals", &[&common[..], &telling].concat()).await?;
        let ingest = Process::start("liquidation-ingest", &[&common[..], &reading].concat()).await?;
        let site = Self { ingest, signals, volley, heard, _redis: redis };
        let ready = async {
            while site.volley.heard_markets() < markets
                || !site.ingest.is_ready().await
                || !site.signals.is_ready().await
            {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(PATIENCE, ready).await.is_err() {
            let heard = site.volley.heard_markets();
            return Err(format!("not ready in time: {heard} of {markets} markets are read").into());
        }
        Ok(site)
    }

    /// Memory of the services now.
    pub(crate) fn memory(&self) -> Result<Memory, BoxError> {
        [&self.ingest, &self.signals].into_iter().map(|part| Ok((part.name, part.resident_kb()?))).collect()
    }

    /// What the services' stages took in the last minute.
    pub(crate) async fn stages(&self) -> Result<Vec<StageFigures>, BoxError> {
        let mut stages = self.ingest.stages().await?;
        stages.extend(self.signals.stages().await?);
        Ok(stages)
    }
}

/// Which liquidation a finding is about.
fn number(message: &[u8]) -> Option<u64> {
    match decode_finding(message).ok()? {
        Finding::LargeLiquidation(large) => Volley::number(large.price),
        Finding::Cascade(_) | Finding::OpenInterest(_) | Finding::Feed(_) => None,
    }
}
