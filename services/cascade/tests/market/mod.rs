//! Simulated exchanges, and the settings by which a program finds them.

use std::sync::Arc;

use cascade_domain::Venue;
use cascade_simulator::{Scenario, Simulator};
use cascade_testkit::TestClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Simulated exchanges that a program can be sent to.
pub(crate) struct Market {
    pub(crate) simulator: Arc<Simulator>,
    #[allow(dead_code, reason = "not every test waits for the scenario")]
    pub(crate) clock: Arc<TestClock>,
}

impl Market {
    #[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
    pub(crate) async fn open(scenario: Scenario, speed: f64) -> Self {
        let clock = Arc::new(TestClock::new(speed));
        let simulator =
            Arc::new(Simulator::bind(scenario, 1, Arc::<TestClock>::clone(&clock)).await.unwrap());
        tokio::spawn(Arc::clone(&simulator).run(std::future::pending()));
        Self { simulator, clock }
    }

    /// The settings by which the exchanges are found here.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for venue in Venue::ALL {
            let of = |field: &str| format!("CASCADE_VENUES__{}__{field}", venue.as_str().to_uppercase());
            let endpoints = self.simulator.endpoints(venue);
            variables.push((of("WS_URL"), endpoints.ws_url));
            variables.push((of("REST_URL"), endpoints.rest_url));
            variables.extend(endpoints.coinm_rest_url.map(|url| (of("COINM_REST_URL"), url)));
        }
        variables
    }
}

/// A server that gives every request this answer.
#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
#[allow(dead_code, reason = "not every test has a venue that refuses")]
pub(crate) async fn answers(status: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let answer =
                        format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.ok();
                }
            });
        }
    });
    address
}
