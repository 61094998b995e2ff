//! What is a scenario, and what is refused with which reason.

use super::*;

#[test]
fn every_name_is_a_scenario_that_bears_it() {
    for name in Scenario::NAMES {
        assert_eq!(Scenario::named(name).unwrap().name(), *name);
    }
    assert!(Scenario::named("nothing-like-it").is_none());
}

#[test]
fn nonsense_is_refused_with_its_reason() {
    let good = include_str!("../../scenarios/busy-day.toml");
    let refused = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        Scenario::parse(&good.replacen(from, to, 1)).unwrap_err().to_string()
    };
    for (from, to, reason) in [
        ("duration_s = 3600", "duration_s = 0", "duration_s is 0"),
        ("until_s = 3600", "until_s = 3599", "its phases end at 3599 s"),
        ("long_share = 0.5", "long_share = 1.5", "long_share is 1.5, not 0 to 1"),
        ("median_usd = 3000", "median_usd = nan", "median_usd is NaN"),
        ("symbol = \"BTCUSDT\"", "symbol = \"NOPEUSDT\"", "no simulated venue lists it"),
        ("name = ", "nom = ", "unknown field `nom`"),
        ("below = \"ALERT\"", "onset_s = 1", "neither at_least nor below"),
    ] {
        let told = refused(from, to);
        assert!(told.contains(reason), "{told} lacks {reason}");
    }
}

#[test]
fn open_interest_that_makes_no_sense_is_refused_with_its_reason() {
    let good = include_str!("../../scenarios/oi-explosion.toml");
    let refused = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        Scenario::parse(&good.replacen(from, to, 1)).unwrap_err().to_string()
    };
    let btc = "[[expected_interest]]\nsymbol = \"BTCUSDT\"\n";
    for (from, to, reason) in [
        ("open_interest_usd = 6e9", "open_interest_usd = 0", "open_interest_usd is 0, not 1e6 to 1e12"),
        ("open_interest_usd = 6e9", "open_interest_usd = nan", "open_interest_usd is NaN"),
        (
            "open_interest_pct = 5.0",
            "open_interest_pct = 5.0\nopen_interest_venues = []",
            "names no venue, or one twice",
        ),
        (
            "open_interest_pct = 5.0",
            "open_interest_pct = 5.0\nopen_interest_venues = [\"okx\", \"okx\"]",
            "names no venue, or one twice",
        ),
        (btc, "[[expected_interest]]\nsymbol = \"DOGEUSDT\"\n", "has no course"),
        (btc, "[[expected_interest]]\nsymbol = \"SOLUSDT\"\n", "SOLUSDT is expected to do two things"),
        ("direction = \"none\"", "direction = \"none\"\nresolved = true", "nothing is expected of SOLUSDT"),
        ("direction = \"none\"", "direction = \"sideways\"", "unknown variant `sideways`"),
        ("direction = \"none\"", "", "missing field `direction`"),
        ("direction = \"none\"", "direction = \"none\"\nonset = 1", "unknown field `onset`"),
    ] {
        let told = refused(from, to);
        assert!(told.contains(reason), "{told} lacks {reason}");
    }
    let risen = good.replace("open_interest_pct = -", "open_interest_pct = ");
    let told = Scenario::parse(&risen).unwrap_err().to_string();
    assert!(told.contains("a collapse of ETHUSDT is expected, but"), "{told}");
}

#[test]
fn a_fault_a_feed_or_a_swarm_that_makes_no_sense_is_refused_with_its_reason() {
    let with = |tail: &str| {
        let good = include_str!("../../scenarios/busy-day.toml");
        Scenario::parse(&format!("{good}\n{tail}")).map(|_| ()).map_err(|error| error.to_string())
    };
    let fault = |times: &str| format!("[[fault]]\nvenue = \"okx\"\nkind = \"mute\"\n{times}\n");
    assert_eq!(with(&fault("from_s = 1\nuntil_s = 2")), Ok(()));
    let swarm = "[swarm]\nbases = 300\nfrom_s = 5\nuntil_s = 600\norders_per_s = { bybit = 5 }\ntrades_per_s = {}\nquiet_share = 0\nmedian_usd = 100\nsigma = 0.8\nlong_share = 0.5\n";
    assert_eq!(with(swarm), Ok(()));
    let feed = "[[expected_feed]]\nvenue = \"okx\"\nstatus = \"dead\"\n";
    for (tail, reason) in [
        (fault("from_s = 2\nuntil_s = 2"), "from 2 s is over at 2 s"),
        (fault("from_s = 2\nuntil_s = 3601"), "after the end"),
        (fault("from_s = 1\nuntil_s = 2").replace("mute", "burn"), "unknown variant `burn`"),
        (feed.to_owned(), "nothing breaks it"),
        (swarm.replace("300", "501"), "bases is 501, not 1 to 500"),
        (swarm.replace("bybit = 5", "bybit = nan"), "a rate of NaN"),
        (swarm.replace("until_s = 600", "until_s = 5"), "no time of it"),
        (swarm.replace("sigma = 0.8", "sigma = 9"), "sigma is 9, not 0 to 4"),
    ] {
        let told = with(&tail).unwrap_err();
        assert!(told.contains(reason), "{told} lacks {reason}");
    }
}
