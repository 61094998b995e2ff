//! When it is worth a line in the log that no venue answers, and that one answers again. Pure: what is known, and when, is
//! handed in.

use cascade_domain::EventTime;

/// For so long no venue answers before it is said, milliseconds: at the start, and between two answers, none does.
const LONGEST_MS: i64 = 30_000;

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// None answers.
    Silent,
    /// One does again.
    Again,
}

/// Since when no venue answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Silence {
    since: Option<EventTime>,
    is_said: bool,
}

impl Silence {
    /// Each of the venues that we ask answers, or does not, as of now; gives what is new of them all.
    pub(crate) fn judge(&mut self, now: EventTime, answers: impl IntoIterator<Item = bool>) -> Option<Said> {
        let (mut asked, mut answered) = (false, false);
        for answers in answers {
            (asked, answered) = (true, answered || answers);
        }
        if answered || !asked {
            self.since = None;
            return (std::mem::take(&mut self.is_said) && answered).then_some(Said::Again);
        }
        let since = *self.since.get_or_insert(now);
        let is_new = !self.is_said && now.since(since) > LONGEST_MS;
        self.is_said |= is_new;
        is_new.then_some(Said::Silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> EventTime {
        EventTime::from_ms(1_791_565_600_000 + second * 1000)
    }

    #[test]
    fn that_no_venue_answers_is_said_once_after_30_seconds_and_once_when_one_does_again() {
        let mut silence = Silence::default();
        let mut said = |second, answers: &[bool]| silence.judge(at(second), answers.iter().copied());
        assert_eq!(said(0, &[false, false]), None, "just started");
        assert_eq!(said(30, &[false, false]), None);
        assert_eq!(said(31, &[false, true]), None, "one answers");
        assert_eq!(said(40, &[false, false]), None);
        assert_eq!(said(71, &[false, false]), Some(Said::Silent));
        assert!((72..1000).all(|second| said(second, &[false, false]).is_none()), "once");
        assert_eq!(said(1000, &[true, false]), Some(Said::Again));
        assert_eq!(said(1001, &[true, true]), None);
    }

    #[test]
    fn who_asks_nobody_has_nothing_to_say() {
        let mut silence = Silence::default();
        let mut said = |second, answers: &[bool]| silence.judge(at(second), answers.iter().copied());
        assert_eq!((said(0, &[]), said(100, &[])), (None, None));
        assert_eq!((said(101, &[false]), said(140, &[false])), (None, Some(Said::Silent)));
        assert_eq!((said(141, &[]), said(142, &[true])), (None, None), "others ask, who knows how they do");
    }
}
