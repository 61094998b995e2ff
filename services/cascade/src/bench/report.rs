//! What was measured, as a table for people and as JSON for programs. Measures nothing.

use std::fmt::Write as _;

use cascade_service::BoxError;
use serde_json::{Map, Value, json};

use super::heard::Figures;
use super::process::StageFigures;
use super::site::Memory;

/// The quantiles that are shown, and what they are called.
const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

/// One rate.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) rate: u32,
    pub(crate) floor: Figures,
    pub(crate) system: Figures,
    /// At its end.
    pub(crate) memory: Memory,
    pub(crate) stages: Vec<StageFigures>,
}

impl Row {
    pub(crate) fn new(rate: u32) -> Result<Self, BoxError> {
        let (floor, system) = (Figures::new()?, Figures::new()?);
        Ok(Self { rate, floor, system, memory: Vec::new(), stages: Vec::new() })
    }

    /// How many times the floor's the system's is; nothing where there is no floor.
    fn ratio(&self, of: impl Fn(&Figures) -> u64) -> Option<f64> {
        let (floor, system) = (of(&self.floor), of(&self.system));
        (floor > 0).then(|| number(system) / number(floor))
    }
}

/// The whole run.
#[derive(Debug)]
pub(crate) struct Report {
    symbols: u32,
    /// Before anything was sent.
    idle: Memory,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) const fn new(symbols: u32, idle: Memory) -> Self {
        Self { symbols, idle, rows: Vec::new() }
    }

    /// Liquidations of which no finding was heard, and findings that were heard twice: the floor's, too.
    pub(crate) fn lost(&self) -> u64 {
        let of = |figures: &Figures| figures.lost() + figures.twice;
        self.rows.iter().map(|row| of(&row.floor) + of(&row.system)).sum()
    }

    /// The table.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "\n{:>8}  {:<6} {:>9} {:>9} {:>7} {:>6} {:>11} {:>11} {:>11} {:>11}\n",
            "events/s", "", "sent", "received", "lost", "twice", "p50", "p99", "p99.9", "max"
        );
        for row in &self.rows {
            for (what, figures) in [("floor", &row.floor), ("system", &row.system)] {
                let Figures { sent, received, twice, .. } = figures;
                let lost = figures.lost();
                write!(text, "{:>8}  {what:<6} {sent:>9} {received:>9} {lost:>7} {twice:>6}", row.rate).ok();
                for (_, quantile) in QUANTILES {
                    write!(text, " {:>11}", milliseconds(figures.quantile_us(quantile))).ok();
                }
                writeln!(text, " {:>11}", milliseconds(figures.max_us())).ok();
            }
            write!(text, "{:>8}  {:<41}", "", "system / floor").ok();
            let ratios = QUANTILES.map(|(_, quantile)| row.ratio(|figures| figures.quantile_us(quantile)));
            for ratio in ratios.into_iter().chain([row.ratio(Figures::max_us)]) {
                let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
                write!(text, " {ratio:>11}").ok();
            }
            text.push('\n');
            if !row.stages.is_empty() {
                write!(text, "{:>8}  stages, p50 / p99 of the last minute:", "").ok();
                for StageFigures { stage, p50_us, p99_us } in &row.stages {
                    write!(text, "  {} {:.2} / {:.2} ms", stage.as_str(), p50_us / 1e3, p99_us / 1e3).ok();
                }
                text.push('\n');
            }
        }
        self.memory(&mut text);
        text.trim_end().to_owned()
    }

    fn memory(&self, text: &mut String) {
        for (place, (name, idle)) in self.idle.iter().enumerate() {
            write!(text, "\n{name}: {} idle with {} markets", megabytes(*idle), self.symbols).ok();
            for row in &self.rows {
                let kb = row.memory.get(place).and_then(|(_, kb)| *kb);
                write!(text, ", {} after {}/s", megabytes(kb), row.rate).ok();
            }
        }
        writeln!(text, "\nload average {}", load_average().unwrap_or_else(|| "unknown".to_owned())).ok();
    }

    /// The same for programs. Times are in microseconds.
    pub(crate) fn json(&self) -> Value {
        let rates: Vec<Value> = self.rows.iter().map(row_json).collect();
        json!({
            "symbols": self.symbols,
            "lost": self.lost(),
            "load_average": load_average(),
            "idle_memory_kb": memory_json(&self.idle),
            "rates": rates,
        })
    }
}

fn row_json(row: &Row) -> Value {
    let figures = |figures: &Figures| {
        let mut object = Map::new();
        let counts = [
            ("sent", figures.sent),
            ("received", figures.received),
            ("lost", figures.lost()),
            ("twice", figures.twice),
        ];
        object.extend(counts.map(|(key, count)| (key.to_owned(), json!(count))));
        for (name, quantile) in QUANTILES {
            object.insert(format!("{name}_us"), json!(figures.quantile_us(quantile)));
        }
        object.insert("max_us".to_owned(), json!(figures.max_us()));
        Value::Object(object)
    };
    let mut ratio = Map::new();
    for (name, quantile) in QUANTILES {
        ratio.insert(name.to_owned(), json!(row.ratio(|figures| figures.quantile_us(quantile))));
    }
    let stage =
        |figures: &StageFigures| json!({"p50_us": figures.p50_us.round(), "p99_us": figures.p99_us.round()});
    let stages: Map<_, _> =
        row.stages.iter().map(|figures| (figures.stage.as_str().to_owned(), stage(figures))).collect();
    json!({
        "rate": row.rate, "floor": figures(&row.floor), "system": figures(&row.system), "ratio": ratio,
        "stages": stages, "memory_kb": memory_json(&row.memory),
    })
}

fn memory_json(memory: &Memory) -> Value {
    memory.iter().map(|(name, kb)| ((*name).to_owned(), json!(kb))).collect::<Map<_, _>>().into()
}

/// What the machine says of its load over 1, 5 and 15 minutes.
fn load_average() -> Option<String> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    Some(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

fn milliseconds(us: u64) -> String {
    format!("{:.3} ms", number(us) / 1e3)
}

fn megabytes(kb: Option<u64>) -> String {
    kb.map_or_else(|| "unknown memory".to_owned(), |kb| format!("{:.1} MB", number(kb) * 1024.0 / 1e6))
}

#[expect(clippy::cast_precision_loss, reason = "shown")]
fn number(count: u64) -> f64 {
    count as f64
}
