//! The settings: defaults, refusals that name their key and the way out, and what names a set of them.
#![expect(clippy::unwrap_used, reason = "helpers outside test functions")]

use cascade_domain::Symbol;
use cascade_open_interest::{Config, PresetName, Thresholds};

fn read(text: &str) -> Config {
    toml::from_str(text).unwrap()
}

fn symbol(config: &Config, name: &str) -> Thresholds {
    config.symbol(&Symbol::parse(name).unwrap())
}

#[test]
fn each_mistake_is_refused_by_its_key() {
    for (text, key) in [
        ("window_s = 901", "window_s"),
        ("min_venues = 0", "min_venues"),
        ("min_venues = 5", "min_venues"),
        ("flat_move = -0.1", "flat_move"),
        ("flat_move = nan", "flat_move"),
        ("[memory]\nfuture_s = 0", "memory.future_s"),
        ("[memory]\nidle_s = 1", "memory.idle_s"),
        ("[memory]\nmax_symbols = 0", "memory.max_symbols"),
        ("[memory]\nmax_instruments = 65", "memory.max_instruments"),
        ("[samples]\nmark_s = 0", "samples.mark_s"),
        ("[samples]\nopen_interest_s = 4", "samples.open_interest_s"),
        ("[samples]\nfunding_s = 0", "samples.funding_s"),
        ("[samples]\ncoverage = 0", "samples.coverage"),
        ("[samples]\ncoverage = 1.1", "samples.coverage"),
        ("[suspect]\nslack_s = 61", "suspect.slack_s"),
        ("[suspect]\nwait_s = 0", "suspect.wait_s"),
        ("[suspect]\nfloor = 2.0", "suspect.floor"),
        ("[episode]\nupdate_step = 0.0", "episode.update_step"),
        ("[episode]\nresolve_below = 1.5", "episode.resolve_below"),
        ("[others]\nminimum_usd = -1.0", "others.minimum_usd"),
        ("[symbols.XUSDT]\nthreshold_pct = 0.0", "symbols.XUSDT.threshold_pct"),
        ("[symbols.XUSDT]\nthreshold_pct = 1001.0", "symbols.XUSDT.threshold_pct"),
        ("[symbols.XUSDT]\nminimum_usd = inf", "symbols.XUSDT.minimum_usd"),
        ("[presets.seed]\nthreshold_pct = -3.0", "presets.seed.threshold_pct"),
        (
            "[presets.balanced]\nthreshold_pct = 3.0\nsymbols = { XUSDT = 0.0 }",
            "presets.balanced.symbols.XUSDT",
        ),
    ] {
        let refusals = read(text).refusals();
        assert_eq!(refusals.iter().map(|refusal| refusal.key.as_str()).collect::<Vec<_>>(), [key], "{text}");
        let reason = &refusals[0].reason;
        assert!(
            reason.contains("between") || reason.contains("above") || reason.contains("one of"),
            "{reason}"
        );
    }
    assert_eq!(Config::default().refusals(), []);
}

#[test]
fn a_key_that_is_none_is_refused() {
    for text in ["windows = 900", "[presets.calm]\nthreshold_pct = 1.0", "[symbols.XUSDT]\nunit_usd = 1.0"] {
        assert!(toml::from_str::<Config>(text).is_err(), "{text}");
    }
}

#[test]
fn the_thresholds_of_every_group_by_preset() {
    let both = [PresetName::Balanced, PresetName::Seed].map(|preset| Config { preset, ..Config::default() });
    for (name, balanced, seed, minimum_usd) in [
        ("BTCUSDT", 3.0, 15.0, 50e6),
        ("ETHUSDT", 3.0, 18.0, 25e6),
        ("SOLUSDT", 4.0, 25.0, 10e6),
        ("DOGEUSDT", 8.0, 30.0, 5e6),
    ] {
        let expected = [balanced, seed].map(|change_pct| Thresholds { change_pct, minimum_usd });
        assert_eq!([symbol(&both[0], name), symbol(&both[1], name)], expected, "{name}");
    }
}

#[test]
fn what_is_named_changes_and_the_rest_stays() {
    let config = read(
        "[symbols.BTCUSDT]\nthreshold_pct = 2.5\n[symbols.DOGEUSDT]\nminimum_usd = 1_000_000\n\
         [others]\nminimum_usd = 7_000_000",
    );
    assert_eq!(symbol(&config, "BTCUSDT"), Thresholds { change_pct: 2.5, minimum_usd: 50e6 });
    assert_eq!(symbol(&config, "ETHUSDT"), Thresholds { change_pct: 3.0, minimum_usd: 25e6 });
    assert_eq!(symbol(&config, "DOGEUSDT"), Thresholds { change_pct: 8.0, minimum_usd: 1e6 });
    assert_eq!(symbol(&config, "XUSDT"), Thresholds { change_pct: 8.0, minimum_usd: 7e6 });
}

#[test]
fn equal_settings_have_equal_names_and_others_do_not() {
    let of = |text| read(text).engine_label();
    assert_eq!(of(""), Config::default().engine_label());
    assert_eq!(of("preset = \"balanced\""), of(""));
    for text in ["preset = \"seed\"", "min_venues = 3", "[symbols.XUSDT]\nthreshold_pct = 1.0"] {
        assert_ne!(of(text), of(""), "{text}");
    }
    assert!(of("").starts_with(concat!(env!("CARGO_PKG_VERSION"), "+")));
}
