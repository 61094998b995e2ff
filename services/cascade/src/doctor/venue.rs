//! One exchange as it is seen from this machine: can it be reached, does it serve us, what time does it have.
//!
//! The words for what an exchange refuses are those of the sessions (`cascade-feed`).

use std::collections::BTreeMap;
use std::time::Duration;

use cascade_domain::{Symbol, Venue};
use cascade_feed::End;
use cascade_feed::probe::{ClockOffset, Place, Probe, Unreached, handshake, reach};
use cascade_feed::rest::RestError;
use cascade_service::environment;
use cascade_venues::{Endpoints, Instruments, Protocol, Wanted, protocol};
use futures_util::future::join_all;
use tokio::time::timeout;

use super::check::Check;

/// For reaching a host.
const REACH: Duration = Duration::from_secs(3);
/// For each of the steps after that: the REST answer with the clock beside it, and the WebSocket.
const STEP: Duration = Duration::from_millis(3_400);
/// Offsets from which the clock is remarked on, and from which it costs events, milliseconds.
const CLOCK_WARN_MS: i64 = 1_000;
const CLOCK_FAIL_MS: i64 = 2_000;
/// How well an offset is known, as a rule, milliseconds. What is known less well is given the benefit of the doubt.
const CLOCK_KNOWN_MS: i64 = 500;

/// An exchange that is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patient<'a> {
    pub(super) venue: Venue,
    pub(super) endpoints: &'a Endpoints,
}

impl Patient<'_> {
    /// Everything that can be found out about it within ten seconds.
    pub(super) async fn examine(self, probe: &Probe) -> Vec<Check> {
        let Self { venue, endpoints, .. } = self;
        let mut checks = Vec::new();
        let hosts = self.hosts();
        let reached = join_all(hosts.keys().map(|place| reach(place, REACH))).await;
        let mut open = Vec::new();
        for ((place, key), reached) in hosts.into_iter().zip(reached) {
            if reached.is_ok() {
                open.push(place.clone());
            }
            checks.push(host(venue, &place, key, reached));
        }
        let is_open = |url: &str| Place::of(url).is_some_and(|place| open.contains(&place));
        let protocol = protocol(venue);
        let mut instruments = Instruments::default();
        // A host that can't be reached answers nothing; that is said already.
        if is_open(&endpoints.rest_url) {
            let asked = timeout(STEP, probe.instruments(protocol, endpoints));
            let timed = timeout(STEP, probe.clock_offset(venue, &endpoints.rest_url));
            let (answer, offset) = tokio::join!(asked, timed);
            checks.push(rest(venue, answer.as_ref().ok()));
            instruments = answer.ok().and_then(Result::ok).unwrap_or_default();
            checks.push(clock(venue, offset.ok()));
        }
        if is_open(&endpoints.ws_url) {
            checks.push(self.web_socket(protocol, &instruments).await);
        }
        checks
    }

    /// The hosts that it is reached at, each with a setting that names it.
    fn hosts(self) -> BTreeMap<Place, &'static str> {
        let Endpoints { ws_url, rest_url, coinm_rest_url } = self.endpoints;
        let urls = [
            ("coinm_rest_url", coinm_rest_url.as_deref()),
            ("rest_url", Some(rest_url.as_str())),
            ("ws_url", Some(ws_url.as_str())),
        ];
        urls.into_iter().filter_map(|(key, url)| Some((Place::of(url?)?, key))).collect()
    }

    /// A handshake at the first address that ingest would connect to for BTC, which every exchange has.
    async fn web_socket(self, protocol: &dyn Protocol, instruments: &Instruments) -> Check {
        let Self { venue, endpoints } = self;
        let name = format!("{venue} WebSocket");
        let btc = Wanted { symbols: Some(Symbol::of_base("BTC").into_iter().collect()), vaults: Vec::new() };
        let routes = protocol.routes(&btc, instruments, endpoints);
        let url = routes.first().map_or(endpoints.ws_url.as_str(), |route| route.url.as_str());
        let change = format!("see what answers there, or set venues.{venue}.ws_url to a host that does");
        match handshake(venue, url, STEP).await {
            Ok(()) => Check::ok(name, format!("opens at {url}")),
            Err(End::Refused { reason, .. }) => Check::fail_as_told(name, &reason, &change),
            Err(end) => Check::fail(name, format!("{url}: {end}"), change),
        }
    }
}

/// Where no HTTP client can be had, nothing can be asked.
pub(super) fn no_client(venue: Venue, reason: &str) -> Check {
    Check::fail(
        venue.as_str(),
        reason,
        "install the system's certificates (`apt-get install ca-certificates`)",
    )
}

fn host(venue: Venue, place: &Place, key: &str, reached: Result<(), Unreached>) -> Check {
    let name = format!("{venue} {place}");
    let error = match reached {
        Ok(()) => return Check::ok(name, "name and port are reached"),
        Err(error) => error,
    };
    let way_out = match &error {
        Unreached::Name { .. } => {
            format!("mend the name service of this machine, or correct venues.{venue}.{key}")
        }
        Unreached::Silent(place) | Unreached::Refused { place, .. } => format!(
            "let outgoing TCP to {place} through the firewall, or correct venues.{venue}.{key}{}",
            proxy().map_or_else(String::new, |name| format!(
                " ({name} is set, but Cascade connects directly, without a proxy)"
            ))
        ),
    };
    Check::fail(name, error.to_string(), way_out)
}

/// The variable that names a proxy, if one is set.
fn proxy() -> Option<String> {
    let is_proxy = |name: &str| ["HTTPS_PROXY", "ALL_PROXY"].contains(&name.to_uppercase().as_str());
    environment().into_iter().find(|(name, value)| is_proxy(name) && !value.is_empty()).map(|(name, _)| name)
}

/// `None` = no answer in time.
fn rest(venue: Venue, answer: Option<&Result<Instruments, RestError>>) -> Check {
    let name = format!("{venue} REST");
    let change = format!("see what answers there, or set venues.{venue}.rest_url to a host that does");
    match answer {
        Some(Ok(found)) if found.is_empty() => {
            Check::fail(name, "answers, and lists no dollar-quoted perpetual", change)
        }
        Some(Ok(found)) => Check::ok(name, format!("answers, {} instruments", found.len())),
        Some(Err(error @ RestError::Refused { .. })) => {
            Check::fail_as_told(name, &error.to_string(), &change)
        }
        Some(Err(error @ RestError::Limited { .. })) => Check::fail(
            name,
            error.to_string(),
            format!("wait, and see what else asks {venue} from this address: the limits count addresses"),
        ),
        Some(Err(error)) => Check::fail(name, error.to_string(), change),
        None => Check::fail(name, format!("no answer within {} ms", STEP.as_millis()), change),
    }
}

/// `None` = no answer in time.
fn clock(venue: Venue, offset: Option<Result<ClockOffset, RestError>>) -> Check {
    let name = format!("{venue} clock");
    let again = "ask again; nothing else hangs on it";
    match offset {
        None => Check::warn(name, "not compared: no answers in time", again),
        Some(Err(error)) => Check::warn(name, format!("not compared: {error}"), again),
        Some(Ok(offset)) => apart(name, offset),
    }
}

fn apart(name: String, ClockOffset { ahead_ms, uncertain_ms }: ClockOffset) -> Check {
    let (apart, seconds) =
        (ahead_ms.saturating_abs(), |ms: i64| format!("{}.{:02}", ms / 1000, ms % 1000 / 10));
    let way = if ahead_ms < 0 { "behind" } else { "ahead of" };
    let found = format!("this machine is {} s {way} it (± {} s)", seconds(apart), seconds(uncertain_ms));
    let surely = if uncertain_ms > CLOCK_KNOWN_MS { apart.saturating_sub(uncertain_ms) } else { apart };
    let set = "set the clock and keep it set: `timedatectl set-ntp true`, or chrony";
    match surely {
        CLOCK_FAIL_MS.. => Check::fail(
            name,
            format!("{found}: events are held to the two seconds before they are received"),
            set,
        ),
        CLOCK_WARN_MS.. => Check::warn(name, found, set),
        _ => Check::ok(name, found),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    fn status(ahead_ms: i64, uncertain_ms: i64) -> Status {
        apart(String::new(), ClockOffset { ahead_ms, uncertain_ms }).status
    }

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off_either_way() {
        for (ahead_ms, expected) in
            [(0, Status::Ok), (999, Status::Ok), (1_000, Status::Warn), (2_000, Status::Fail)]
        {
            assert_eq!((status(ahead_ms, 200), status(-ahead_ms, 200)), (expected, expected), "{ahead_ms}");
        }
        assert_eq!(status(2_500, 2_400), Status::Ok, "known too badly to blame the clock");
        let told = apart(String::new(), ClockOffset { ahead_ms: -4_050, uncertain_ms: 170 }).found;
        assert!(told.starts_with("this machine is 4.05 s behind it (± 0.17 s): "), "{told}");
    }

    #[test]
    fn a_blocked_port_is_named_with_the_setting() {
        let place = Place { host: "ws.okx.com".to_owned(), port: 8443 };
        let check = host(Venue::Okx, &place, "ws_url", Err(Unreached::Silent(place.clone())));
        assert_eq!((check.status, check.name.as_str()), (Status::Fail, "okx ws.okx.com:8443"));
        assert!(check.found.contains("port 8443 seems to be blocked"), "{}", check.found);
        let way_out = check.way_out.unwrap();
        assert!(
            way_out.contains("TCP to ws.okx.com:8443") && way_out.contains("venues.okx.ws_url"),
            "{way_out}"
        );
    }

    #[test]
    fn a_refusal_and_too_many_requests_have_a_way_out_each() {
        let venue = Venue::Binance;
        let reason = "binance answers HTTP 451: not here; run from another place".to_owned();
        let retry_after = Duration::from_mins(2);
        let refused = rest(venue, Some(&Err(RestError::Refused { venue, status: 451, reason, retry_after })));
        assert_eq!(refused.found, "binance answers HTTP 451: not here");
        assert_eq!(refused.way_out.as_deref(), Some("run from another place"));
        let limited = rest(venue, Some(&Err(RestError::Limited { venue, status: 418, retry_after })));
        assert!(limited.found.contains("418") && limited.found.contains("120 s"), "{}", limited.found);
        assert_eq!(rest(venue, None).status, Status::Fail);
    }
}
