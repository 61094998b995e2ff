//! What the tests share: exchanges, and how the program is led to them.

use std::sync::Arc;
use std::time::Duration;

use cascade_domain::Venue;
use cascade_simulator::{Scenario, Simulator};
use cascade_testkit::{TestClock, TestRedis};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_liquidation-ingest");
/// How long anything may take on a busy machine, wall time.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Forced orders for sixteen seconds, which are as good as three minutes for those who only store them.
const BURST: &str = r#"
name = "burst"
duration_s = 20
[[symbol]]
symbol = "BTCUSDT"
price = 82400
funding_8h = 0.0003
[[symbol.phase]]
until_s = 16
orders = 2400
median_usd = 9000
sigma = 1.5
long_share = 0.9
drift_pct = -2.0
open_interest_pct = -2.0
trade_rate = 5.0
backstop_share = 0.01
[[symbol.phase]]
until_s = 20
orders = 2
median_usd = 2000
sigma = 0.6
long_share = 0.6
drift_pct = 0.0
open_interest_pct = 0.0
"#;

/// Simulated exchanges that run, at the wall's pace; `burst` is the tests' own scenario.
pub(crate) async fn exchanges(scenario: &str) -> Arc<Simulator> {
    let scenario = match scenario {
        "burst" => Scenario::parse(BURST),
        name => Ok(Scenario::named(name).unwrap()),
    };
    let scenario = scenario.unwrap();
    let simulator = Simulator::bind(scenario, 1, Arc::new(TestClock::new(1.0))).await.unwrap();
    let simulator = Arc::new(simulator);
    tokio::spawn(Arc::clone(&simulator).run(std::future::pending()));
    simulator
}

/// The variables that lead the program to this Redis and these exchanges.
pub(crate) fn variables(redis: &TestRedis, simulator: &Simulator) -> Vec<(String, String)> {
    let mut variables = vec![("CASCADE_REDIS__URL".to_owned(), redis.url())];
    for venue in Venue::ALL {
        let (endpoints, name) = (simulator.endpoints(venue), venue.as_str().to_uppercase());
        let mut set = |key: &str, url| variables.push((format!("CASCADE_VENUES__{name}__{key}"), url));
        set("WS_URL", endpoints.ws_url);
        set("REST_URL", endpoints.rest_url);
        if let Some(url) = endpoints.coinm_rest_url {
            set("COINM_REST_URL", url);
        }
    }
    variables
}
