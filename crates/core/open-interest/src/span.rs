//! The spans over which changes are taken, and the grids on which their ends lie.

/// How often a grid has a point, and over how many steps it is asked.
#[derive(Debug)]
pub(crate) struct Pace {
    pub(crate) step_ms: i64,
    /// In steps, rising.
    pub(crate) spans: &'static [usize],
}

/// 5 s for 15 min.
pub(crate) const FINE: Pace = Pace { step_ms: 5_000, spans: &[12, 60, 180] };
/// 1 min for 24 h.
pub(crate) const COARSE: Pace = Pace { step_ms: 60_000, spans: &[60, 1_440] };
/// The longest span, milliseconds.
pub(crate) const LONGEST_MS: i64 = 86_400_000;

/// A span over which a change is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    M1,
    M5,
    M15,
    H1,
    H24,
}

impl Span {
    /// Shortest first.
    pub(crate) const ALL: [Self; 5] = [Self::M1, Self::M5, Self::M15, Self::H1, Self::H24];

    /// Its name in `oi:SYMBOL:change`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::M1 => "1m",
            Self::M5 => "5m",
            Self::M15 => "15m",
            Self::H1 => "1h",
            Self::H24 => "24h",
        }
    }

    /// How long it is.
    pub(crate) const fn seconds(self) -> u32 {
        match self {
            Self::M1 => 60,
            Self::M5 => 300,
            Self::M15 => 900,
            Self::H1 => 3_600,
            Self::H24 => 86_400,
        }
    }

    /// The one of this length.
    pub(crate) fn of_seconds(seconds: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|span| span.seconds() == seconds)
    }

    /// Whether it lies on the fine grid, and which of that grid's spans it is.
    pub(crate) const fn place(self) -> (bool, usize) {
        match self {
            Self::M1 => (true, 0),
            Self::M5 => (true, 1),
            Self::M15 => (true, 2),
            Self::H1 => (false, 0),
            Self::H24 => (false, 1),
        }
    }
}
