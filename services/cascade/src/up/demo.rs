//! The course of a demo: wait until everything runs, play the scenario, compare what was expected with what was said.

use std::sync::Arc;
use std::time::Duration;

use cascade_bus::Bus;
use cascade_domain::Venue;
use cascade_pace::Clock;
use cascade_service::{BoxError, Shutdown, SystemClock};
use cascade_simulator::Simulator;
use cascade_wire::dispatch;
use tokio::time::sleep;

use super::books::Books;
use super::say;
use super::verdict::Course;
use super::view::{self, View};

/// How often the demo looks around, wall time.
const LOOK: Duration = Duration::from_millis(100);
/// How many looks until something that does not start is given up: 30 s.
const LOOKS: u32 = 300;
/// How long after the scenario's end the last findings may take, in the clock's time and on the wall.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How many looks until what does not agree is taken as it is: 10 s.
const LAST_LOOKS: u32 = 100;
/// For how long of the clock an alert may wait for others, and a little more.
const LAST_ALERTS: Duration = Duration::from_secs(40);

/// A demo that is going on.
#[derive(Debug)]
pub(crate) struct Demo {
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) bus: Bus,
    pub(crate) view: View,
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) exchanges: Vec<Venue>,
    /// Who is told of alerts; the terminal last.
    pub(crate) destinations: Vec<String>,
    pub(crate) once: bool,
}

impl Demo {
    /// Plays the scenario; with `once` judges it and asks for `shutdown`.
    ///
    /// # Errors
    /// The system did not come up.
    pub(crate) async fn run(self, shutdown: Shutdown, stop: Shutdown) -> Result<(), BoxError> {
        tokio::select! {
            () = stop.requested() => Ok(()),
            ended = self.play(&shutdown) => ended,
        }
    }

    async fn play(&self, shutdown: &Shutdown) -> Result<(), BoxError> {
        self.comes_up().await?;
        // What was told while the feeds came up is not of the scenario.
        self.view.with(|known| known.messages = 0);
        self.simulator.start();
        if self.once {
            let scenario = self.simulator.scenario();
            let (name, seconds) = (scenario.name(), scenario.duration_s());
            say(format!("scenario `{name}` begins: {seconds} s on its clock")).await;
        }
        while !self.simulator.is_over() {
            sleep(LOOK).await;
        }
        if self.once {
            sleep(self.clock.wall(LAST_WORDS).max(Duration::from_secs(1))).await;
            let (table, agreed) = self.verdict().await?;
            say(table).await;
            self.view.judge(agreed);
            shutdown.request();
        }
        std::future::pending().await
    }

    /// Waits until every feed delivers and every shard has its engine.
    async fn comes_up(&self) -> Result<(), BoxError> {
        for _ in 0..LOOKS {
            let feeds = self.view.with(|known| {
                known
                    .feeds
                    .values()
                    .all(|feed| feed.as_ref().is_some_and(|reading| reading.status.delivers()))
            });
            if feeds && self.engines_run().await && self.somebody_decides().await {
                return Ok(());
            }
            sleep(LOOK).await;
        }
        let feeds = self.view.with(|known| {
            let state = |venue: &Venue| {
                let reading = known.feeds.get(venue).and_then(Option::as_ref);
                reading.map_or_else(
                    || format!("{venue}: nothing"),
                    |r| format!("{venue}: {} {}", r.status.as_str(), r.reason).trim_end().to_owned(),
                )
            };
            self.exchanges.iter().map(state).collect::<Vec<_>>().join("; ")
        });
        Err(format!("the system did not come up within 30 s ({feeds}); try --set service.log_level=info")
            .into())
    }

    /// Whether every shard has both engines, of whichever replicas: there may be others on this Redis.
    async fn engines_run(&self) -> bool {
        for engine in [cascade_signals::ENGINE, oi_detector::ENGINE] {
            let owners = self.bus.owners(engine).await.unwrap_or_default();
            if owners.iter().flatten().count() < usize::from(cascade_domain::SHARDS) {
                return false;
            }
        }
        true
    }

    /// Whether somebody decides who is told of alerts.
    async fn somebody_decides(&self) -> bool {
        matches!(self.bus.get(dispatch::DECIDER_LEASE).await, Ok(Some(_)))
    }

    /// The tables of the verdict, and whether everything agrees. What was heard is shown a moment later than it was
    /// heard: so looks for a while until it does.
    async fn verdict(&self) -> Result<(String, bool), BoxError> {
        let patience = self.clock.wall(LAST_ALERTS).as_millis() / LOOK.as_millis();
        let most = LAST_LOOKS.max(u32::try_from(patience).unwrap_or(u32::MAX));
        let mut looks = 0;
        loop {
            view::read(&self.bus, &self.view).await?;
            let audit = self.bus.accounts(self.clock.now()).await?;
            let known = self.view.with(|known| known.clone());
            let name = self.simulator.scenario().name();
            let books = Books::of(audit, &self.destinations, name, known.messages);
            let course = Course {
                expected: self.simulator.scenario().expected(),
                expected_interest: self.simulator.scenario().expected_interest(),
                expected_feeds: self.simulator.scenario().expected_feeds(),
                withheld: Venue::ALL.map(|venue| (venue, self.simulator.withheld(venue).orders)).into(),
                truth: &self.simulator.truth(),
                books: &books,
                started: self.simulator.started_at().unwrap_or_default(),
                now: self.clock.now(),
                speed: self.clock.speed(),
            };
            let (table, agreed) = course.verdict(&known);
            looks += 1;
            if agreed || looks >= most {
                return Ok((table, agreed));
            }
            sleep(LOOK).await;
        }
    }
}
