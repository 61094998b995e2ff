//! Compares what was told with what an undisturbed replica tells of the same entries.

use std::collections::BTreeMap;
use std::time::Duration;

use cascade_domain::{Finding, Shard, State};
use cascade_testkit::{Observed, Observer};
use cascade_wire::{decode_finding, key};

use crate::Failure;
use crate::site::Takeover;

/// The findings of each shard's alert stream, in order, without the wall time of their detection.
pub(crate) type Told = BTreeMap<Shard, Vec<Finding>>;

/// Reads all alert streams.
pub(crate) async fn told(observer: &Observer) -> Result<Told, Failure> {
    let mut told = Told::new();
    for shard in Shard::all() {
        let entries: Vec<(String, Vec<Vec<u8>>)> =
            observer.command("XRANGE", &[&key::alerts(shard), "-", "+"]).await?;
        let mut findings = Vec::new();
        for (id, fields) in entries {
            let [_, bytes] = fields.as_slice() else {
                return Err(format!("{shard} {id}: no finding").into());
            };
            let mut finding = decode_finding(bytes)?;
            match &mut finding {
                Finding::Cascade(cascade) => cascade.detected_at_ms = None,
                Finding::LargeLiquidation(large) => large.detected_at_ms = None,
                Finding::OpenInterest(interest) => interest.detected_at_ms = None,
                Finding::Feed(feed) => feed.detected_at_ms = None,
            }
            findings.push(finding);
        }
        told.insert(shard, findings);
    }
    Ok(told)
}

/// How what was told differs from the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) missing: usize,
    pub(crate) twice: usize,
    pub(crate) extra: usize,
    /// The same finding with other figures.
    pub(crate) altered: usize,
    /// Shards in which all is told, in another order.
    pub(crate) misordered: usize,
}

/// Compares shard by shard; the first few differences are printed.
pub(crate) fn compare(truth: &Told, told: &Told) -> Difference {
    let mut all = Difference::default();
    let mut shown = 0;
    let mut show = |what: &str, shard: Shard, finding: &Finding, beside: Option<&Finding>| {
        shown += 1;
        if shown <= 3 {
            println!("  {what} in shard {shard}: {finding:?}");
            if let Some(beside) = beside {
                println!("  the truth is: {beside:?}");
            }
        }
    };
    for shard in Shard::all() {
        let (none, none_too) = (Vec::new(), Vec::new());
        let (truth, told) = (truth.get(&shard).unwrap_or(&none), told.get(&shard).unwrap_or(&none_too));
        let mut copies: BTreeMap<_, Vec<&Finding>> = BTreeMap::new();
        for finding in told {
            copies.entry(finding.id()).or_default().push(finding);
        }
        let before = all;
        for finding in truth {
            match copies.remove(&finding.id()).as_deref() {
                None => {
                    all.missing += 1;
                    show("missing", shard, finding, None);
                }
                Some([first, more @ ..]) => {
                    all.twice += more.len();
                    if let Some(more) = more.first() {
                        show("twice", shard, more, None);
                    }
                    if *first != finding {
                        all.altered += 1;
                        show("altered", shard, first, Some(finding));
                    }
                }
                Some([]) => {}
            }
        }
        for extra in copies.values().flatten() {
            all.extra += 1;
            show("extra", shard, extra, None);
        }
        if all == before && truth != told {
            all.misordered += 1;
        }
    }
    all
}

/// How long the longest cascade told was held, seconds of event time.
pub(crate) fn longest_s(truth: &Told) -> i64 {
    let resolved = truth.values().flatten().filter_map(|finding| match finding {
        Finding::Cascade(cascade) if cascade.state == State::Resolved => cascade.closing.as_ref(),
        _ => None,
    });
    resolved.map(|closing| closing.duration_ms / 1000).max().unwrap_or(0)
}

/// What a round has shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) seed: u64,
    pub(crate) wall: Duration,
    pub(crate) events: usize,
    pub(crate) findings: usize,
    pub(crate) longest_s: i64,
    pub(crate) difference: Difference,
    /// What Redis refused the zombie, by reason.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Streams that were cut before a replica was killed.
    pub(crate) cut: usize,
    pub(crate) killed: Vec<Takeover>,
    pub(crate) paused: Vec<Takeover>,
    pub(crate) stopped: Vec<Takeover>,
    /// Messages on `cascade:episodes` and `cascade:large` that a subscriber heard: for information, as pub/sub loses what
    /// is said while Redis is away, and this subscriber hears nothing more once it has been.
    pub(crate) heard: usize,
    /// What did not hold.
    pub(crate) failures: Vec<String>,
}

/// After a kill -9, and where a replica hangs; and for every cursor to move again, as a new owner first reads what
/// is left, and a shard that has nothing to tell moves its own every two seconds only.
const AFTER_KILL: Duration = Duration::from_secs(15);
/// After a graceful stop.
const AFTER_STOP: Duration = Duration::from_secs(1);

impl Verdict {
    /// The table's head.
    pub(crate) const HEAD: &'static str = "round                 seed  wall  events findings missing twice extra altered order | zombie refused        cut | kill -9 owned/moving s       hung        stopped     | longest heard";

    /// Judges what was measured. `patience`: by how much longer a takeover may take than it should, as where programs
    /// are not optimised and share their processors with other tests.
    pub(crate) fn judge(&mut self, minute_s: i64, patience: u32) {
        let mut fail = |failed: bool, what: String| {
            if failed {
                self.failures.push(what);
            }
        };
        fail(self.difference != Difference::default(), format!("{:?}", self.difference));
        fail(self.findings < 100, format!("only {} findings: nothing is shown", self.findings));
        fail(
            self.longest_s < minute_s,
            format!("no cascade lasted {minute_s} s: the longest {}", self.longest_s),
        );
        fail(self.refused.is_empty(), "nothing was refused to the zombie".to_owned());
        fail(self.cut == 0, "no stream was cut to its snapshot".to_owned());
        for (takeovers, limit, what) in [
            (&self.killed, AFTER_KILL, "kill -9"),
            (&self.paused, AFTER_KILL, "SIGSTOP"),
            (&self.stopped, AFTER_STOP, "a graceful stop"),
        ] {
            fail(takeovers.is_empty(), format!("no takeover after {what}"));
            for Takeover { owned, moving } in takeovers {
                fail(
                    *owned > limit * patience,
                    format!("taken over {:.2} s after {what}", owned.as_secs_f64()),
                );
                let moving_s = moving.as_secs_f64();
                fail(
                    *moving > AFTER_KILL,
                    format!("a cursor stood still until {moving_s:.2} s after {what}"),
                );
            }
        }
    }

    /// Whether the zombie was refused a write; else it saw in time that its leases were lost.
    pub(crate) fn refused_a_write(&self) -> bool {
        ["fenced", "cursor_moved"].iter().any(|reason| self.refused.contains_key(*reason))
    }

    /// Its line in the table.
    pub(crate) fn line(&self, round: usize) -> String {
        let times = |takeovers: &[Takeover]| {
            let times: Vec<_> = takeovers
                .iter()
                .map(|t| format!("{:.1}/{:.1}", t.owned.as_secs_f64(), t.moving.as_secs_f64()))
                .collect();
            times.join(" ")
        };
        let refused: Vec<_> =
            self.refused.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let d = self.difference;
        format!(
            "{round:>5} {:>20} {:>4}s {:>7} {:>8} {:>7} {:>5} {:>5} {:>7} {:>5} | {:<21} {:>3} | {:<22} {:>11} {:>11} | {:>6}s {:>5} {}",
            self.seed,
            self.wall.as_secs(),
            self.events,
            self.findings,
            d.missing,
            d.twice,
            d.extra,
            d.altered,
            d.misordered,
            refused.join(", "),
            self.cut,
            times(&self.killed),
            times(&self.paused),
            times(&self.stopped),
            self.longest_s,
            self.heard,
            if self.failures.is_empty() { "ok" } else { "FAILED" },
        )
    }
}

/// How many messages came, each channel's copies counted.
pub(crate) fn heard(seen: &[Observed]) -> usize {
    seen.len()
}
