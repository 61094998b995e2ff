//! A scenario that is played again: a quiet pause in which the markets go back to where they began, then its phases and
//! forced orders once more. The world itself goes on, so that time, numbers and prices have no seam.

use super::{Phase, World, course_of, milliseconds};
use crate::scenario::Scenario;

/// Open interest goes back by no more than this in a quarter of an hour: less than any detector takes for a swing.
const CALM_SHARE: f64 = 0.025;
/// That quarter of an hour, seconds.
const CALM_S: f64 = 900.0;
/// Longer than any pause needs to be, seconds.
const LONGEST_S: f64 = 86_400.0;

impl World {
    /// Has the scenario played again, drawn from this seed, after a pause of so many seconds, or longer where open interest
    /// has a long way back. Gives the pause's length, seconds.
    pub(crate) fn again(&mut self, scenario: &Scenario, seed: u64, pause_s: u64) -> u64 {
        let now_s = self.elapsed_ms.unsigned_abs() / 1000;
        let pause_s = pause_s.max(calm_s(self.interest.way_back()));
        let from_s = now_s.saturating_add(pause_s);
        self.interest.go_back(self.elapsed_ms, milliseconds(from_s));
        for (market, base) in self.markets.iter_mut().zip(scenario.catalogue().bases()) {
            let Some(course) = course_of(scenario, base.name) else { continue };
            let drift_pct = (course.price / market.trend - 1.0) * 100.0;
            market.phases.clear();
            market.phases.push_back((self.elapsed_ms, Phase::quiet(from_s, drift_pct)));
        }
        self.plan(scenario, seed, from_s);
        pause_s
    }

    /// Millisecond at which the play that is going on, or the next, begins.
    pub(crate) fn begins_ms(&self) -> i64 {
        self.begins_ms.unwrap_or_default()
    }
}

/// How long open interest must take for a way back of this share, so that nobody takes it for a swing; 0 = no matter.
fn calm_s(share: f64) -> u64 {
    if share <= CALM_SHARE {
        return 0;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 900 and a day")]
    let seconds = (CALM_S * share / CALM_SHARE).min(LONGEST_S).ceil() as u64;
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::listed;
    use crate::world::{STEP_MS, duration_ms};
    use cascade_domain::Venue;

    /// The mark and the open interest of Binance's BTC contract after each step, and how many were liquidated in it.
    fn steps(name: &str, plays: u64, pause_s: u64) -> (Vec<(f64, f64, usize)>, Vec<u64>) {
        let scenario = Scenario::named(name).unwrap();
        let mut world = World::new(&scenario, 1);
        let bitcoin = listed(Venue::Binance).find(|listing| listing.base().name == "BTC").unwrap();
        let (mut all, mut rests) = (Vec::new(), Vec::new());
        for play in 1..=plays {
            let end_ms = world.begins_ms() + duration_ms(&scenario);
            while all.len() < usize::try_from(end_ms / STEP_MS).unwrap() {
                let step = world.step();
                let liquidated = step.liquidations.len();
                all.push((world.mark(bitcoin), world.open_interest(bitcoin), liquidated));
            }
            rests.push(world.again(&scenario, 1 + play, pause_s));
        }
        (all, rests)
    }

    fn jump(values: impl Iterator<Item = f64> + Clone) -> f64 {
        values.clone().zip(values.skip(1)).map(|(a, b)| (b / a - 1.0).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn a_second_play_is_the_first_again_and_nothing_jumps_between_them() {
        let (all, pauses) = steps("cascade", 2, 60);
        assert_eq!(pauses, [60, 60]);
        assert_eq!(all.len(), (176 + 60 + 176) * 10);
        let (first, rest) = all.split_at(1760);
        let (pause, second) = rest.split_at(600);
        let low = |part: &[(f64, f64, usize)]| part.iter().map(|(mark, ..)| *mark).fold(f64::MAX, f64::min);
        let count = |part: &[(f64, f64, usize)]| part.iter().map(|(.., count)| count).sum::<usize>();
        let scenario = Scenario::named("cascade").unwrap();
        let planned: u32 =
            scenario.courses().iter().flat_map(|course| &course.phases).map(|phase| phase.orders).sum();
        let planned = usize::try_from(planned).unwrap();
        assert_eq!((count(first), count(pause), count(second)), (planned, 0, planned));
        assert!((second[0].0 / first[0].0 - 1.0).abs() < 0.001, "{} {}", first[0].0, second[0].0);
        assert!((second[0].1 / first[0].1 - 1.0).abs() < 0.003, "{} {}", first[0].1, second[0].1);
        assert!((low(second) / low(first) - 1.0).abs() < 0.001);
        let within = jump(first.iter().map(|(mark, ..)| *mark));
        let across = jump(all[1750..2400].iter().map(|(mark, ..)| *mark));
        assert!(across < within, "{across} {within}");
    }

    #[test]
    fn open_interest_that_exploded_goes_back_so_slowly_that_it_is_no_collapse() {
        let (_, pauses) = steps("oi-explosion", 1, 60);
        assert!((1_500..2_000).contains(&pauses[0]), "{pauses:?}");
    }
}
