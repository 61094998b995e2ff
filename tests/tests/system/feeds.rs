//! Every fault that a feed can have: what is said of it, within which time, and what stands in the stream.
//!
//! Times are the clock's, read from what was told: how busy the machine is changes none of them but by the wall's share.

use std::time::Duration;

use cascade_domain::{Shard, Symbol, Venue};
use cascade_simulator::Faults;
use cascade_testkit::{Observed, Observer, TestRedis, eventually};
use cascade_wire::key;
use serde_json::Value;

use crate::harness::{DEADLINE, System, bitcoin_stream, feed, gaps};
use crate::once::{is_whole, liquidations};

/// What `feed:VENUE:health` says.
async fn health(observer: &Observer, venue: Venue) -> Value {
    observer.reading(&key::feed_health(venue)).await.ok().flatten().unwrap_or_default()
}

/// Waits until `feed:VENUE:health` says so.
async fn says(observer: &Observer, venue: Venue, said: impl Fn(&Value) -> bool) {
    let mut last = Value::Null;
    let says = eventually(DEADLINE, async || {
        last = health(observer, venue).await;
        said(&last)
    });
    assert!(says.await, "{venue}: {last}");
}

fn is_healthy(health: &Value) -> bool {
    matches!(health["status"].as_str(), Some("live" | "sampled" | "partial"))
}

/// The gaps of a venue's liquidations with this reason.
async fn gaps_for(observer: &Observer, venue: Venue, reason: &str) -> Vec<Value> {
    let mut told = bitcoin_stream(observer).await;
    told.retain(|event| {
        let liquidations = event["kind"] == "gap" && event["stream"] == "liquidations";
        liquidations && event["venue"] == venue.as_str() && event["reason"] == reason
    });
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_frames_end_no_session_and_cost_no_neighbour_and_good_ones_count_once_in_any_order() {
    let system = System::start(TestRedis::start().await.unwrap(), 8.0, &[]).await;
    let observer = system.observer(&[]).await;
    let faults = system.faults();
    let opened = Venue::ALL.map(|venue| system.simulator.opened(venue));
    for venue in Venue::ALL {
        faults.duplicate(venue, true);
        faults.reorder(venue, true);
    }
    system.simulator.start();
    for (break_it, label) in [
        (Faults::half_frame as fn(&Faults, Venue), "malformed"),
        (Faults::compressed, "malformed"),
        (|faults: &Faults, venue| faults.garble(venue, "[\"nonsense"), "malformed"),
        (|faults: &Faults, venue| faults.binary(venue, &[0xff, 0x00]), "malformed"),
    ] {
        for venue in Venue::ALL {
            let refused = || system.ingest.counted(&["cascade_refused_total", venue.as_str(), label]);
            let before = refused();
            break_it(&faults, venue);
            assert!(eventually(DEADLINE, async || refused() > before).await, "{venue}");
        }
    }
    is_whole(&system, &observer).await;
    for (venue, opened) in Venue::ALL.into_iter().zip(opened) {
        assert_eq!(gaps(&observer, venue, "liquidations").await, [""; 0], "{venue}");
        assert_eq!(system.simulator.opened(venue), opened, "{venue}: no session ended");
        assert!(is_healthy(&health(&observer, venue).await), "{venue}");
    }
    assert!(system.ingest.counted(&["cascade_duplicates_total"]) > 1000.0);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_session_is_a_gap_by_its_name_and_is_survived() {
    let system = System::start(TestRedis::start().await.unwrap(), 8.0, &[]).await;
    let (observer, faults) = (system.observer(&[]).await, system.faults());
    let venue = Venue::Bybit;
    let connections = system.simulator.connections(venue);
    for (name, break_it, reason) in [
        ("close", Faults::close as fn(&Faults, Venue), "closed"),
        ("cut in a frame", Faults::cut_in_frame, "closed"),
        ("oversize", |faults: &Faults, venue| faults.oversize(venue, 5 << 20), "too_large"),
        ("slow reader", Faults::cut_slow_readers, "closed"),
        (
            "an old connection",
            |faults, venue| faults.connection_age(venue, Some(Duration::from_secs(1))),
            "closed",
        ),
        ("rate limit", |faults: &Faults, venue| faults.limit_close(venue, 1008, "rate limit"), "closed"),
    ] {
        let broken_at = system.now();
        break_it(&faults, venue);
        let mut told = Vec::new();
        let named = eventually(DEADLINE, async || {
            told = gaps_for(&observer, venue, reason).await;
            told.retain(|gap| gap["to_ms"].as_i64() >= Some(broken_at.ms()));
            !told.is_empty()
        });
        assert!(named.await, "{name}");
        faults.connection_age(venue, None);
        let late_ms = told[0]["to_ms"].as_i64().unwrap() - broken_at.ms();
        assert!(late_ms < 30_000, "{name}: told {late_ms} ms later");
        let told_at = system.now().ms();
        says(&observer, venue, |health| {
            let heard = health["last_frame_ms"].as_i64() > Some(told_at);
            heard && health["status"] == "live" && system.simulator.connections(venue) == connections
        })
        .await;
    }
    assert!(system.ingest.lives());
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_told_and_changes_neither_health_nor_bars() {
    let system = System::start(TestRedis::start().await.unwrap(), 6.0, &[]).await;
    let (mut observer, faults) = (system.observer(&["cascade:critical"]).await, system.faults());
    for (venue, offset_ms) in [(Venue::Binance, -4_000), (Venue::Bybit, 4_000), (Venue::Okx, 4_000)] {
        faults.wrong_clock(venue, offset_ms);
        let told = |health: &Value| {
            let near = |ms: i64| (ms - offset_ms).abs() < 1_500;
            health["clock_offset_ms"].as_i64().is_some_and(near)
                && is_healthy(health)
                && health["reason"].as_str().is_some_and(|reason| reason.contains("its clock is"))
        };
        says(&observer, venue, told).await;
    }
    let since = system.now();
    system.simulator.start();
    observer.wait_for(DEADLINE, |seen| seen.iter().any(|m| m.value["level"] == "EXTREME")).await.unwrap();
    is_whole(&system, &observer).await;
    for event in liquidations(&observer).await {
        let (known, happened) =
            (event["known_at_ms"].as_i64().unwrap(), event["event_time_ms"].as_i64().unwrap());
        assert!(known >= since.ms() && known <= system.now().ms(), "held to what we know: {event}");
        assert!((known - happened).abs() < 8_000, "{event}");
    }
    let mut bars = bitcoin_stream(&observer).await;
    bars.retain(|event| event["kind"] == "trade_bar" && event["instrument"] == "BTCUSDT");
    for venue in [Venue::Binance, Venue::Bybit] {
        let opens: Vec<i64> = bars
            .iter()
            .filter(|bar| bar["venue"] == venue.as_str())
            .filter_map(|bar| bar["open_time_ms"].as_i64())
            .filter(|at| *at > since.ms() + 10_000)
            .collect();
        assert!(opens.len() > 100, "{venue}: {} bars", opens.len());
        let most = (opens.iter().max().unwrap() - opens.iter().min().unwrap()) / 1000 + 1;
        let told = i64::try_from(opens.len()).unwrap();
        assert!(told * 10 >= most * 9, "{venue}: {} bars in {most} s", opens.len());
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_eight_minutes_late_is_stored_once_and_known_when_it_came() {
    let system = System::start(TestRedis::start().await.unwrap(), 20.0, &[]).await;
    let observer = system.observer(&[]).await;
    let late_ms = 8 * 60_000;
    system.faults().delay_topic(Venue::Okx, "liquidation-orders", Duration::from_mins(8));
    system.simulator.start();
    is_whole(&system, &observer).await;
    let mut of_okx = liquidations(&observer).await;
    of_okx.retain(|event| event["venue"] == "okx");
    assert!(of_okx.len() > 50);
    for event in of_okx {
        let delay_ms = event["known_at_ms"].as_i64().unwrap() - event["event_time_ms"].as_i64().unwrap();
        assert!((late_ms..late_ms + 30_000).contains(&delay_ms), "{event}");
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_stands_still_is_stale_then_dead_and_nothing_that_was_sent_is_lost() {
    let system = System::start(TestRedis::start().await.unwrap(), 4.0, &[]).await;
    let observer = system.observer(&[]).await;
    let (venue, stalled_at) = (Venue::Okx, system.now());
    system.faults().stall(venue, true);
    says(&observer, venue, |health| health["status"] == "dead").await;
    let since = health(&observer, venue).await["since_ms"].as_i64().unwrap() - stalled_at.ms();
    assert!((29_000..40_000).contains(&since), "dead after {since} ms");
    system.faults().stall(venue, false);
    says(&observer, venue, is_healthy).await;
    assert_eq!(feed(&observer, Venue::Bybit).await, "live");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_of_a_venue_is_told_and_obeyed() {
    let system = System::start(TestRedis::start().await.unwrap(), 20.0, &[]).await;
    let (observer, faults) = (system.observer(&[]).await, system.faults());
    let rows = [
        (Venue::Binance, 418, "418", Some(120)),
        (Venue::Bybit, 403, "403", Some(600)),
        (Venue::Okx, 429, "429", Some(60)),
        (Venue::Hyperliquid, 451, "451", None),
    ];
    for (venue, status, ..) in rows {
        faults.answer_connect(venue, Some((status, None)));
        faults.close(venue);
    }
    let closed_at = system.now();
    for (venue, _, said, _) in rows {
        says(&observer, venue, |health| {
            let broken = matches!(health["status"].as_str(), Some("refused" | "dead"));
            broken && health["reason"].as_str().is_some_and(|reason| reason.contains(said))
        })
        .await;
    }
    assert_eq!(feed(&observer, Venue::Hyperliquid).await, "refused");
    for (venue, ..) in rows {
        faults.answer_connect(venue, None);
    }
    for (venue, _, _, away_s) in rows {
        let Some(away_s) = away_s else { continue };
        says(&observer, venue, is_healthy).await;
        let back = gaps_until(&observer, venue).await - closed_at.ms();
        assert!(back >= away_s * 1000, "{venue} was asked again after {back} ms");
    }
    assert_eq!(feed(&observer, Venue::Hyperliquid).await, "refused", "asked again in an hour");
    system.stop().await;
}

/// Until when the last gap of a venue's liquidations lasted.
async fn gaps_until(observer: &Observer, venue: Venue) -> i64 {
    let told = bitcoin_stream(observer).await;
    let of_venue = told.iter().filter(|event| {
        event["kind"] == "gap" && event["stream"] == "liquidations" && event["venue"] == venue.as_str()
    });
    of_venue.filter_map(|gap| gap["to_ms"].as_i64()).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_dies_in_a_cascade_is_named_in_every_finding_told_as_dead_and_as_back() {
    let system = System::play("dead-feed", TestRedis::start().await.unwrap(), (8.0, &[]), |_| {}).await;
    let mut observer = system.observer(&["cascade:signals", "cascade:ops", "cascade:ops:json"]).await;
    system.simulator.start();
    let started = system.now().ms();
    let on = |seen: &[Observed], channel: &str| -> Vec<Value> {
        seen.iter().filter(|m| m.channel == channel).map(|m| m.value.clone()).collect()
    };
    let is_back =
        |seen: &[Observed]| on(seen, "cascade:ops:json").iter().any(|told| told["state"] == "resolved");
    observer.wait_for(2 * DEADLINE, is_back).await.unwrap();
    let seen = observer.seen();

    let told = on(seen, "cascade:ops");
    assert_eq!(told, on(seen, "cascade:ops:json"));
    let short: Vec<_> =
        told.iter().map(|f| (f["state"].as_str().unwrap(), f["status"].as_str().unwrap())).collect();
    assert_eq!(short, [("open", "dead"), ("resolved", "sampled")], "{told:?}");
    assert!(told.iter().all(|f| f["finding"] == "feed" && f["scope"] == "feed:binance"));
    let dead_since = told[0]["since_ms"].as_i64().unwrap();
    assert!(
        (29_000..40_000).contains(&(dead_since - started - 46_000)),
        "dead {dead_since}, started {started}"
    );
    let lasted = told[0]["known_at_ms"].as_i64().unwrap() - dead_since;
    assert!((60_000..70_000).contains(&lasted), "told after {lasted} ms");

    let back_at = told[1]["since_ms"].as_i64().unwrap();
    let meanwhile: Vec<_> = on(seen, "cascade:signals")
        .into_iter()
        .filter(|f| (dead_since + 2_000..back_at).contains(&f["known_at_ms"].as_i64().unwrap()))
        .collect();
    assert!(!meanwhile.is_empty());
    for finding in &meanwhile {
        assert_eq!(finding["feeds"]["binance"], "dead", "{finding}");
        assert!(finding["lower_bound"].as_array().unwrap().contains(&"binance".into()), "{finding}");
    }
    let risen = on(seen, "cascade:signals").into_iter().any(|f| {
        let high = matches!(f["level"].as_str(), Some("CRITICAL" | "EXTREME"));
        let rises =
            f["state"] == "level" && f["previous_level"] != "EXTREME" && f["previous_level"] != f["level"];
        high && rises && f["known_at_ms"].as_i64() > Some(started + 47_500)
    });
    assert!(risen, "the others carry a level on");
    let alerts = observer.stream(&key::alerts(Shard::of_scope("feed:binance"))).await.unwrap();
    let durable =
        alerts.into_iter().flat_map(|entry| entry.values).filter(|f| f["finding"] == "feed").count();
    assert_eq!(durable, 2);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_dies_is_told_as_the_busiest_where_no_other_venue_published_more() {
    let system = System::start(TestRedis::start().await.unwrap(), 8.0, &[]).await;
    let mut observer = system.observer(&["cascade:ops"]).await;
    system.simulator.start();
    is_whole(&system, &observer).await;
    let mut stored = Venue::ALL.map(|venue| (0, venue.as_str()));
    for event in liquidations(&observer).await {
        stored.iter_mut().filter(|(_, venue)| event["venue"] == *venue).for_each(|(count, _)| *count += 1);
    }
    stored.sort_unstable();
    let [.., (second, other), (most, busiest)] = stored;
    assert!(most > second && second > 0, "{stored:?}");
    let dying = Venue::ALL.into_iter().filter(|venue| [other, busiest].contains(&venue.as_str()));
    dying.for_each(|venue| system.faults().mute(venue, true));
    let told = |seen: &[Observed], venue: &str| {
        let mut findings = seen.iter().map(|message| message.value.clone());
        findings.find(|f| f["venue"] == venue && f["status"] == "dead")
    };
    let both = |seen: &[Observed]| told(seen, busiest).is_some() && told(seen, other).is_some();
    observer.wait_for(2 * DEADLINE, both).await.unwrap();
    let is_busiest = |venue| told(observer.seen(), venue).unwrap()["busiest"] == true;
    assert!(is_busiest(busiest) && !is_busiest(other), "{stored:?}: {:?}", observer.seen());
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_newly_listed_is_read_within_the_hour_and_what_runs_is_not_touched() {
    let refresh: &[(&str, &str)] = &[("ingest.instruments_refresh_s", "60")];
    let unlisted = |faults: &Faults| Venue::ALL.into_iter().for_each(|venue| faults.unlisted(venue, "SOL"));
    let system = System::play("cascade", TestRedis::start().await.unwrap(), (8.0, refresh), unlisted).await;
    let observer = system.observer(&[]).await;
    let opened = Venue::ALL.map(|venue| system.simulator.opened(venue));
    let solana = key::market(Shard::of(&Symbol::parse("SOLUSDT").unwrap()));
    let heard = async |venue: Venue| {
        let entries = observer.stream(&solana).await.unwrap_or_default();
        let mut events = entries.into_iter().flat_map(|entry| entry.values);
        events.any(|e| e["symbol"] == "SOLUSDT" && e["venue"] == venue.as_str() && e["kind"] == "mark")
    };
    for venue in Venue::ALL {
        assert!(!heard(venue).await, "{venue} does not list it");
        system.faults().list(venue, "SOL");
    }
    for (venue, opened) in Venue::ALL.into_iter().zip(opened) {
        assert!(eventually(DEADLINE, async || heard(venue).await).await, "{venue}");
        assert_eq!(system.simulator.opened(venue), opened, "{venue}: on the connections that stand");
        assert_eq!(gaps(&observer, venue, "liquidations").await, [""; 0], "{venue}");
    }
    system.stop().await;
}
