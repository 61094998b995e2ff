//! A value sampled at whole steps of event time, so that a change over a span is taken between true ends and never
//! across a hole.
//!
//! A sample is unknown where the value was not known at that moment; how much of each span is known is counted as it
//! rolls, so that asking costs nothing.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use cascade_domain::EventTime;
use serde::{Deserialize, Serialize};

/// How many of the last `steps` samples are known.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Span {
    steps: usize,
    #[serde(skip)]
    known: usize,
}

/// Samples at whole steps, oldest first, as many as the longest span needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Kept")]
pub struct Series {
    step_ms: i64,
    spans: Vec<Span>,
    capacity: usize,
    /// Number of the newest sample: its time divided by the step.
    newest: Option<i64>,
    samples: VecDeque<Option<f64>>,
}

/// A series as it stands in a snapshot, before it is believed.
#[derive(Deserialize)]
struct Kept {
    step_ms: i64,
    spans: Vec<Span>,
    capacity: usize,
    newest: Option<i64>,
    samples: VecDeque<Option<f64>>,
}

/// No series has a longer span, in steps.
const LONGEST_SPAN: usize = 100_000;

impl TryFrom<Kept> for Series {
    type Error = &'static str;

    fn try_from(kept: Kept) -> Result<Self, Self::Error> {
        let longest = kept.spans.iter().map(|span| span.steps).max().unwrap_or(0);
        if kept.step_ms < 1 || longest > LONGEST_SPAN || kept.capacity != longest + 2 {
            return Err("a series of no sense");
        }
        let known = |span: &Span| {
            let last = kept.samples.iter().rev().take(span.steps);
            Span { steps: span.steps, known: last.filter(|sample| sample.is_some()).count() }
        };
        let spans = kept.spans.iter().map(known).collect();
        let Kept { step_ms, capacity, newest, samples, .. } = kept;
        if samples.len() > capacity {
            return Err("a series of more samples than it holds");
        }
        Ok(Self { step_ms, spans, capacity, newest, samples })
    }
}

impl Series {
    /// A series with a sample each `step_ms` (at least 1), over which changes across spans of so many steps will be
    /// asked for.
    pub fn new(step_ms: i64, spans: &[usize]) -> Self {
        let longest = spans.iter().copied().max().unwrap_or(0);
        Self {
            step_ms: step_ms.max(1),
            spans: spans.iter().map(|steps| Span { steps: *steps, known: 0 }).collect(),
            capacity: longest + 2,
            newest: None,
            samples: VecDeque::new(),
        }
    }

    /// The steps whose moment lies before `now` and that have no sample yet, oldest first. A series that was never
    /// sampled begins with the last of them; after a long pause only as many as are held are due.
    pub fn due(&self, now: EventTime) -> RangeInclusive<i64> {
        let last = now.ms().saturating_sub(1).div_euclid(self.step_ms);
        let reach = i64::try_from(self.capacity).unwrap_or(i64::MAX);
        let from =
            self.newest.map_or(last, |newest| newest.saturating_add(1).max(last.saturating_sub(reach)));
        from..=last
    }

    /// The moment of a step.
    pub fn moment(&self, step: i64) -> EventTime {
        EventTime::from_ms(step.saturating_mul(self.step_ms))
    }

    /// Records the value at a step. A step that does not follow the newest one starts the series over.
    pub fn record(&mut self, step: i64, value: Option<f64>) {
        let value = value.filter(|value| value.is_finite());
        if self.newest.is_some_and(|newest| newest.checked_add(1) != Some(step)) {
            self.clear();
        }
        self.newest = Some(step);
        self.samples.push_back(value);
        let length = self.samples.len();
        for span in &mut self.spans {
            span.known += usize::from(value.is_some());
            if length > span.steps {
                let gone = self.samples.get(length - 1 - span.steps).copied().flatten();
                span.known = span.known.saturating_sub(usize::from(gone.is_some()));
            }
        }
        if length > self.capacity {
            self.samples.pop_front();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.newest = None;
        self.samples.clear();
        for span in &mut self.spans {
            span.known = 0;
        }
    }

    /// The value at `now` less the `span`-th span, in whole steps; `None` if it was not known at that moment, or if
    /// less than `coverage` (0..=1) of the span's samples are.
    #[expect(clippy::cast_precision_loss, reason = "spans have thousands of steps, not quadrillions")]
    pub fn before(&self, now: EventTime, span: usize, coverage: f64) -> Option<f64> {
        let span = self.spans.get(span)?;
        if (span.known as f64) < coverage * span.steps as f64 {
            return None;
        }
        let newest = self.newest?;
        let step = now.ms().div_euclid(self.step_ms).saturating_sub(i64::try_from(span.steps).ok()?);
        let back = usize::try_from(newest.checked_sub(step)?).ok()?;
        let place = self.samples.len().checked_sub(back.checked_add(1)?)?;
        self.samples.get(place).copied().flatten()
    }
}
