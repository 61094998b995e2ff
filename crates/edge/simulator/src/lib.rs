//! The four exchanges' wire formats as real WebSocket and HTTP servers on one listener, driven by a scenario.
//!
//! Used by the demonstration and by tests. It writes each venue's format a second time, from the venues' pages and
//! from captured frames, and shares no code with those who read it. It publishes no more than the venue does: the
//! truth, of which a client sees only samples, is in [`Truth`]. Knows nothing of Redis, engines or findings.

mod binance;
mod broken;
mod bybit;
mod connection;
mod exchange;
mod faults;
mod hyperliquid;
mod interest;
mod limit;
mod listing;
mod numeral;
mod okx;
mod plan;
mod random;
#[cfg(test)]
mod reach;
mod rest;
mod sampling;
mod scenario;
mod schedule;
mod server;
mod socket;
mod synthetic;
mod truth;
mod volley;
mod wire;
mod world;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cascade_domain::{BaseUrls, EventTime, Venue};
use cascade_pace::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use broken::PollFault;
pub use faults::Faults;
pub use plan::{ExpectedFeed, ExpectedInterest, FaultKind, PlannedFault};
pub use scenario::{Expected, Scenario, ScenarioError};
pub use schedule::Schedule;
pub use truth::{Shown, Sides, Tally, Truth};
pub use volley::Volley;

use server::Floor;
use world::{STEP_MS, Step, World, duration_ms, milliseconds};

/// Why the simulator can't go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The address can't be listened on.
    #[error("the simulated exchanges can't listen on {0}: {1}")]
    Bind(String, #[source] std::io::Error),
    /// The listener failed.
    #[error("the simulator's listener failed: {0}")]
    Serve(#[source] std::io::Error),
    /// `run` was called a second time.
    #[error("the simulator runs already")]
    RunsAlready,
}

/// Where a simulator listens if it is not told: on a free port of this machine.
const ANYWHERE: &str = "127.0.0.1:0";

/// Four exchanges on one port.
#[derive(Debug)]
pub struct Simulator {
    scenario: Scenario,
    seed: u64,
    /// How long it is quiet until the scenario is played again; none = it is played once.
    pause: Option<Duration>,
    plays: AtomicU64,
    addr: SocketAddr,
    listener: Mutex<Option<TcpListener>>,
    floor: Arc<Floor>,
    started: watch::Sender<Option<EventTime>>,
    truth: Mutex<Truth>,
}

impl Simulator {
    /// Takes a free port of 127.0.0.1. Nothing is served until [`Simulator::run`].
    ///
    /// # Errors
    /// No port can be had.
    pub async fn bind(scenario: Scenario, seed: u64, clock: Arc<dyn Clock>) -> Result<Self, SimulatorError> {
        Self::bind_to(ANYWHERE, scenario, seed, clock).await
    }

    /// Takes this address, `HOST:PORT`. Nothing is served until [`Simulator::run`].
    ///
    /// # Errors
    /// It is no address, not of this machine, or in use.
    pub async fn bind_to(
        address: &str,
        scenario: Scenario,
        seed: u64,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SimulatorError> {
        let refused = |error| SimulatorError::Bind(address.to_owned(), error);
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let addr = listener.local_addr().map_err(refused)?;
        let floor = Arc::new(Floor::new(scenario.catalogue(), clock));
        let simulator = Self {
            scenario,
            seed,
            pause: None,
            plays: AtomicU64::new(0),
            addr,
            listener: Mutex::new(Some(listener)),
            floor,
            started: watch::channel(None).0,
            truth: Mutex::default(),
        };
        // Whoever asks at once is answered too.
        let (quiet, now) = (World::quiet(&simulator.scenario, seed), simulator.floor.clock.now());
        simulator.tell(&quiet, &Step::default(), now);
        Ok(simulator)
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A venue's base addresses.
    pub fn endpoints(&self, venue: Venue) -> BaseUrls {
        BaseUrls::simulated(venue, &format!("http://{}", self.addr))
    }

    /// When the scenario is over, it is played again after a quiet pause of this length (in whole seconds of the clock,
    /// one at least), with connections kept. In the pause prices and open interest go back to where they began; where
    /// that is a long way for open interest, the pause is longer, so that nobody takes it for an explosion or a collapse.
    #[must_use]
    pub const fn repeating(mut self, pause: Duration) -> Self {
        self.pause = Some(pause);
        self
    }

    /// How many times the scenario has begun.
    pub fn plays(&self) -> u64 {
        self.plays.load(Ordering::Relaxed)
    }

    /// A handle by which the exchanges are broken.
    pub fn faults(&self) -> Faults {
        Faults::new(Arc::clone(&self.floor))
    }

    /// How many clients are connected to a venue.
    pub fn connections(&self, venue: Venue) -> usize {
        self.floor.exchange(venue).connected()
    }

    /// How many connections a venue has ever let in. One that it closed at once, because it was too many, counts too.
    pub fn opened(&self, venue: Venue) -> u64 {
        self.floor.exchange(venue).counts.opened
    }

    /// How many connections, messages, subscriptions and REST requests a venue refused because they broke its limits.
    /// What a fault refused does not count.
    pub fn refused_for_rate(&self, venue: Venue) -> u64 {
        self.floor.exchange(venue).counts.refused_for_rate
    }

    /// How many connections a venue cut because their client did not read in time.
    pub fn slow_readers(&self, venue: Venue) -> u64 {
        self.floor.exchange(venue).counts.slow_readers
    }

    /// How many trades there were on a venue, those of forced orders too, also before the scenario's second 0.
    pub fn trades(&self, venue: Venue) -> u64 {
        self.floor.exchange(venue).counts.trades
    }

    /// What of a venue's published liquidations was published while it was mute, so that no client heard it when it
    /// happened. [`Truth`] counts it as published.
    pub fn withheld(&self, venue: Venue) -> Tally {
        self.floor.exchange(venue).counts.withheld
    }

    /// The scenario's second 0 is now. Before, the market is quiet: marks and trades flow, nobody is liquidated. A
    /// second call does nothing.
    pub fn start(&self) {
        let now = self.floor.clock.now();
        self.started.send_if_modified(|started| started.is_none() && started.replace(now).is_none());
    }

    /// The clock's time of the scenario's second 0; none before [`Simulator::start`].
    pub fn started_at(&self) -> Option<EventTime> {
        *self.started.borrow()
    }

    /// The scenario that is played.
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Whether the scenario's duration has passed on the clock, once at least.
    pub fn is_over(&self) -> bool {
        self.started_at().is_some_and(|at| self.floor.clock.now().since(at) >= duration_ms(&self.scenario))
    }

    /// What really happened so far, and how much of it was published.
    pub fn truth(&self) -> Truth {
        self.truth_now().clone()
    }

    /// Serves and drives the exchanges until `shutdown` is done; then every connection is cut.
    ///
    /// # Errors
    /// The listener failed, or this is the second call.
    pub async fn run(self: Arc<Self>, shutdown: impl Future<Output = ()>) -> Result<(), SimulatorError> {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let listener = listener.ok_or(SimulatorError::RunsAlready)?;
        let driven = async {
            tokio::select! {
                () = self.drive() => {}
                () = shutdown => {}
            }
        };
        let ended = server::serve(listener, Arc::clone(&self.floor), driven).await;
        for venue in Venue::ALL {
            self.floor.exchange(venue).cut_all();
        }
        ended.map_err(SimulatorError::Serve)
    }

    /// Steps the world as the clock goes: first the quiet, then the scenario. A step that is late is made up for.
    async fn drive(&self) {
        let mut started = self.started.subscribe();
        let clock = &self.floor.clock;
        let mut origin = clock.now();
        let mut quiet = World::quiet(&self.scenario, self.seed);
        while started.borrow_and_update().is_none() {
            let step = quiet.step();
            tokio::select! {
                () = self.wait_until(origin.plus_ms(step.end_ms)) => self.tell(&quiet, &step, origin),
                _ = started.changed() => {}
            }
        }
        origin = started.borrow().unwrap_or(origin);
        let mut world = World::new(&self.scenario, self.seed);
        let (mut began_ms, mut next_ms) = (0, Some(0));
        loop {
            let step = world.step();
            self.wait_until(origin.plus_ms(step.end_ms)).await;
            let from_ms = step.end_ms - STEP_MS;
            if next_ms == Some(from_ms) {
                (began_ms, next_ms) = (from_ms, None);
                self.begins();
            }
            self.break_as_planned(from_ms - began_ms);
            self.tell(&world, &step, origin);
            if step.end_ms - began_ms == duration_ms(&self.scenario) {
                next_ms = self.over(&mut world);
            }
        }
    }

    fn begins(&self) {
        let play = self.plays.fetch_add(1, Ordering::Relaxed) + 1;
        let (scenario, seconds) = (self.scenario.name(), self.scenario.duration_s());
        tracing::info!(play, scenario, seconds, "the scenario begins");
    }

    /// A play is over; gives the millisecond at which the next begins, if there is one.
    fn over(&self, world: &mut World) -> Option<i64> {
        let (play, scenario) = (self.plays(), self.scenario.name());
        let Some(pause) = self.pause else {
            tracing::info!(play, scenario, "the scenario is over: the exchanges stay open, and quiet");
            return None;
        };
        let again_s = world.again(&self.scenario, self.seed.wrapping_add(play), pause.as_secs().max(1));
        tracing::info!(play, scenario, again_s, "the scenario is over, and is played again");
        Some(world.begins_ms())
    }

    /// Begins and ends the scenario's own faults, each once, so that a test's [`Faults`] are left alone.
    fn break_as_planned(&self, at_ms: i64) {
        for fault in self.scenario.faults() {
            let on = at_ms == milliseconds(fault.from_s);
            if on || at_ms == milliseconds(fault.until_s) {
                match fault.kind.of_polls() {
                    Some(polls) => self.faults().break_polls(fault.venue, on.then_some(polls)),
                    None => self.faults().mute(fault.venue, on),
                }
            }
        }
    }

    /// Yields at least once, so that sockets are served while steps are made up for.
    async fn wait_until(&self, at: EventTime) {
        tokio::task::yield_now().await;
        loop {
            let left = at.since(self.floor.clock.now());
            let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else { return };
            let left = Duration::from_millis(left.min(STEP_MS.unsigned_abs()));
            tokio::time::sleep(self.floor.clock.wall(left)).await;
        }
    }

    fn tell(&self, world: &World, step: &Step, origin: EventTime) {
        self.floor.stepped(origin.plus_ms(step.end_ms));
        let mut truth = self.truth_now();
        for venue in Venue::ALL {
            self.floor.exchange(venue).step((world, step), origin, &mut truth);
        }
    }

    fn truth_now(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
