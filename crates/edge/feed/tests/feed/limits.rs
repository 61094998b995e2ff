//! Claims about keeping to a venue's limits, and about the answer to each way of being turned down.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cascade_feed::{Gate, Note, Session, backoff, keep};
use cascade_pace::Clock;
use cascade_venues::{Limits, Quota, Route};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::ear::{Ear, Fast};
use crate::exchange::{Exchange, plan, route};
use crate::keep::kept;

/// Limits of so many connections at once, and so many new ones a minute.
fn limits(connections: usize, a_minute: usize) -> Limits {
    let quota = |most| Quota { most, within: Duration::from_mins(1) };
    Limits {
        connections,
        connects: quota(a_minute),
        subscriptions: usize::MAX,
        requests: None,
        rest: quota(1000),
        weight: None,
    }
}

/// Holds many routes behind one gate beside a script.
async fn all_kept(routes: Vec<Route>, clock: &Arc<Fast>, limits: &Limits, script: impl Future<Output = ()>) {
    let gate = Arc::new(Gate::new(limits));
    let (stop, stopped) = watch::channel(());
    let keeping = routes.into_iter().zip(1..).map(|(route, seed)| {
        let plan = Session { gate: Arc::clone(&gate), ..plan(route, clock) };
        let (mut ear, mut stopped) = (Ear::new(clock.clone()), stopped.clone());
        async move {
            let shutdown = async { drop(stopped.changed().await) };
            keep(&plan, plan.clock.now(), backoff(seed).unwrap(), &mut ear, shutdown).await;
        }
    });
    let scripted = async {
        script.await;
        drop(stop);
    };
    tokio::join!(join_all(keeping), scripted);
}

#[tokio::test]
async fn a_storm_of_reconnects_never_passes_the_venues_rate() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(60));
    let routes = (0..12).map(|_| route(&exchange)).collect();
    all_kept(routes, &clock, &limits(100, 10), async {
        // Every connection is cut as soon as it comes, so that each route is back within a second of the clock.
        let mut came: VecDeque<i64> = VecDeque::new();
        for _ in 0..40 {
            drop(exchange.accept_raw().await);
            came.push_back(clock.now_ns());
        }
        // What is let through at one moment comes a little later, once more and once less so: a tenth is margin.
        for (at, first) in came.iter().enumerate() {
            let within = came.range(at..).filter(|next| **next - first < 54_000_000_000).count();
            assert!(within <= 10, "{within} connections in less than a minute");
        }
        let took = came.back().unwrap() - came.front().unwrap();
        assert!(took >= 3 * 54_000_000_000, "forty connections at ten a minute");
    })
    .await;
}

#[tokio::test]
async fn no_more_connections_stand_at_once_than_the_venue_takes() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(60));
    let routes = (0..3).map(|_| route(&exchange)).collect();
    all_kept(routes, &clock, &limits(2, 1000), async {
        let (first, mut second) = (exchange.accept_subscriber().await, exchange.accept_subscriber().await);
        let third = tokio::time::timeout(Duration::from_millis(200), exchange.accept_raw()).await;
        assert!(third.is_err(), "the third waits for a place");
        second.socket.close(None).await.unwrap();
        drop(exchange.accept().await);
        drop(first);
    })
    .await;
}

/// Turns the next connection down.
async fn turn_down(exchange: &Exchange, status: &str) {
    let mut stream = exchange.accept_raw().await;
    let mut request = vec![0; 4096];
    assert!(stream.read(&mut request).await.unwrap() > 0);
    stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
}

/// How long a route says that it stays away, and how long it does, in seconds of the clock.
async fn away(clock: &Arc<Fast>, turn_downs: &[&str]) -> Vec<(u64, i64)> {
    let exchange = Exchange::open().await;
    let (plan, ear) = (plan(route(&exchange), clock), Ear::new(clock.clone()));
    let mut back = Vec::new();
    kept(&plan, &ear, async {
        for status in turn_downs {
            turn_down(&exchange, status).await;
            back.push(clock.now());
        }
        drop(exchange.accept_raw().await);
        back.push(clock.now());
    })
    .await;
    let told = ear.notes().into_iter().filter_map(|(_, note)| match note {
        Note::Ended { retry_in, .. } => retry_in,
        _ => None,
    });
    told.zip(back.windows(2)).map(|(told, at)| (told.as_secs(), at[1].since(at[0]) / 1000)).collect()
}

#[tokio::test]
async fn each_way_of_being_turned_down_has_its_own_wait_which_is_told() {
    let cases = [
        (60, "429 Too Many Requests", 60, 62),
        (60, "429 Too Many Requests\r\nRetry-After: 90", 90, 92),
        (600, "403 Forbidden", 600, 602),
        (3600, "451 Unavailable For Legal Reasons", 3600, 3602),
        (3600, "401 Unauthorized", 3600, 3602),
        (3600, "429 Too Many Requests\r\nRetry-After: 5400", 5400, 5402),
        (1, "503 Service Unavailable", 0, 1),
    ];
    join_all(cases.map(|(speed, turn_down, least_s, most_s)| async move {
        let clock = Fast::new(speed);
        let waits = away(&clock, &[turn_down]).await;
        let (told_s, took_s) = waits[0];
        assert!((least_s..=most_s).contains(&told_s), "{turn_down}: {told_s} s");
        assert!(took_s >= i64::try_from(least_s).unwrap(), "{turn_down}: away for {took_s} s");
    }))
    .await;
}

#[tokio::test]
async fn bans_in_a_row_double_the_wait() {
    let waits = away(&Fast::new(600), &["418 I'm a teapot"; 3]).await;
    let told: Vec<u64> = waits.iter().map(|(told_s, _)| *told_s).collect();
    assert!(told[0] >= 120 && told[0] < 123 && told[1] >= 240 && told[1] < 243 && told[2] >= 480, "{told:?}");
    assert!(waits.iter().all(|(told_s, took_s)| *took_s >= i64::try_from(*told_s).unwrap() - 3), "{waits:?}");
}

#[tokio::test]
async fn a_close_for_policy_keeps_us_away_for_a_minute_and_a_restart_does_not() {
    for (code, least_s, most_s) in
        [(CloseCode::Policy, 60, 62), (CloseCode::Restart, 0, 1), (CloseCode::Again, 0, 1)]
    {
        let (exchange, clock) = (Exchange::open().await, Fast::new(60));
        let (plan, ear) = (plan(route(&exchange), &clock), Ear::new(clock.clone()));
        kept(&plan, &ear, async {
            let mut peer = exchange.accept_subscriber().await;
            let frame = CloseFrame { code, reason: "".into() };
            peer.socket.close(Some(frame)).await.unwrap();
            drop(exchange.accept_raw().await);
        })
        .await;
        let told_s = ear.notes().into_iter().find_map(|(_, note)| match note {
            Note::Ended { retry_in, .. } => retry_in,
            _ => None,
        });
        let told_s = told_s.unwrap().as_secs();
        assert!((least_s..=most_s).contains(&told_s), "{code:?}: {told_s} s");
    }
}

#[tokio::test]
async fn a_venue_that_turns_our_address_down_is_left_alone_by_every_route() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(60));
    let routes = (0..2).map(|_| route(&exchange)).collect();
    all_kept(routes, &clock, &limits(100, 1000), async {
        let both = [exchange.accept_raw().await, exchange.accept_raw().await];
        let [mut first, second] = both;
        let mut request = vec![0; 4096];
        assert!(first.read(&mut request).await.unwrap() > 0);
        first.write_all(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let turned_down = clock.now();
        tokio::task::yield_now().await;
        drop((first, second));
        drop(exchange.accept_raw().await);
        let away_s = clock.now().since(turned_down) / 1000;
        assert!(away_s >= 59, "one of them was back after {away_s} s");
    })
    .await;
}
