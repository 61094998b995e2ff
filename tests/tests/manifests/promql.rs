//! Reads `PromQL` as far as it takes to see which metrics are named, with which labels: tokens and brackets, no grammar.

use std::collections::BTreeSet;

use cascade_service::{Kind, Metric};

/// What every series has besides its own labels, by whoever scrapes it.
const OF_TARGET: [&str; 5] = ["job", "instance", "pod", "namespace", "container"];
/// Series of Prometheus itself that rules and dashboards may ask for; the labels of `ALERTS` are those of any rule.
const OF_PROMETHEUS: [&str; 2] = ["up", "ALERTS"];
/// Words that are followed by a list of labels.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const AGGREGATIONS: [&str; 9] =
    ["sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile", "stddev"];
const WORDS: [&str; 9] = ["and", "or", "unless", "offset", "bool", "inf", "nan", "start", "end"];

/// A piece of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Text(String),
    Mark(char),
}

/// What an expression asks for.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// What is wrong with it.
    pub(crate) mistakes: Vec<String>,
    /// The metrics of ours that it names.
    pub(crate) metrics: BTreeSet<String>,
    /// Labels that its result may have.
    pub(crate) labels: BTreeSet<String>,
}

fn tokens(text: &str) -> Vec<Token> {
    let (mut found, chars) = (Vec::new(), text.chars().collect::<Vec<_>>());
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        let word = |c: char| c.is_ascii_alphanumeric() || "_:$.".contains(c);
        if let quote @ ('"' | '\'' | '`') = c {
            let mut inside = String::new();
            at += 1;
            while at < chars.len() && chars[at] != quote {
                at += usize::from(chars[at] == '\\' && quote != '`');
                inside.extend(chars.get(at));
                at += 1;
            }
            found.push(Token::Text(inside));
        } else if word(c) {
            let end = chars[at..].iter().position(|c| !word(*c)).map_or(chars.len(), |len| at + len);
            let name: String = chars[at..end].iter().collect();
            at = end - 1;
            // Numbers, durations and variables of Grafana are no names.
            if !c.is_ascii_digit() && !".$".contains(c) {
                found.push(Token::Name(name));
            } else {
                found.push(Token::Text(name));
            }
        } else if c == '#' {
            at += chars[at..].iter().position(|c| *c == '\n').unwrap_or(chars.len() - at);
        } else if !c.is_whitespace() {
            found.push(Token::Mark(c));
        }
        at += 1;
    }
    found
}

/// A series of ours or of Prometheus by its name: the labels that it may have, or why there is none.
fn labels_of(name: &str) -> Result<BTreeSet<&'static str>, String> {
    if OF_PROMETHEUS.contains(&name) {
        let rules = ["alertname", "alertstate", "severity"].into_iter().filter(|_| name == "ALERTS");
        let any = Metric::ALL.map(Metric::spec).into_iter().flat_map(|spec| spec.labels.iter().copied());
        return Ok(any.filter(|_| name == "ALERTS").chain(rules).chain(OF_TARGET).collect());
    }
    let own = |labels: &[&'static str], more: &[&'static str]| -> BTreeSet<&'static str> {
        labels.iter().chain(more).chain(&OF_TARGET).copied().collect()
    };
    for spec in Metric::ALL.map(Metric::spec) {
        let Some(rest) = name.strip_prefix(spec.name) else { continue };
        match (rest, spec.kind) {
            ("", Kind::Histogram) => {
                return Err(format!("{name} is a histogram: it has _bucket, _sum and _count"));
            }
            ("", Kind::Summary) => return Ok(own(spec.labels, &["quantile"])),
            ("", _) | ("_sum" | "_count", Kind::Histogram | Kind::Summary) => {
                return Ok(own(spec.labels, &[]));
            }
            ("_bucket", Kind::Histogram) => return Ok(own(spec.labels, &["le"])),
            _ => {}
        }
    }
    Err(format!("no metric is called {name}"))
}

/// Whether `rate` makes sense of a series.
fn only_grows(name: &str) -> bool {
    Metric::ALL.map(Metric::spec).iter().any(|spec| match spec.kind {
        Kind::Counter => spec.name == name,
        Kind::Histogram | Kind::Summary => name != spec.name && name.starts_with(spec.name),
        Kind::Gauge => false,
    })
}

/// Where the bracket that opens at `open` is closed.
fn close(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Mark('(' | '{' | '[') => depth += 1,
            Token::Mark(')' | '}' | ']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Where the bracket that is closed at `end` opens.
fn open(tokens: &[Token], end: usize) -> usize {
    (0..end).rev().find(|at| tokens[*at] == Token::Mark('(') && close(tokens, *at) == end).unwrap_or(0)
}

/// The names among tokens.
fn names(tokens: &[Token]) -> Vec<&str> {
    tokens
        .iter()
        .filter_map(|token| if let Token::Name(name) = token { Some(name.as_str()) } else { None })
        .collect()
}

/// What an expression asks for, and what of that there is not.
pub(crate) fn asked(expression: &str) -> Asked {
    Reading { tokens: tokens(expression), series: Vec::new(), asked: Asked::default() }.read()
}

struct Reading {
    tokens: Vec<Token>,
    /// Where a series is named, and the labels that it may have.
    series: Vec<(usize, BTreeSet<&'static str>)>,
    asked: Asked,
}

impl Reading {
    fn read(mut self) -> Asked {
        let opens = |token: Option<&Token>| token == Some(&Token::Mark('('));
        let mut groupings = Vec::new();
        let (mut grouped, mut aggregates) = (false, false);
        let mut at = 0;
        while at < self.tokens.len() {
            let next = self.tokens.get(at + 1).cloned();
            match self.tokens[at].clone() {
                Token::Mark('{') => at = close(&self.tokens, at),
                Token::Name(word) if GROUPING.contains(&word.as_str()) && opens(next.as_ref()) => {
                    let end = close(&self.tokens, at + 1);
                    groupings.push((word.clone(), at, end));
                    grouped |= word == "by";
                    at = end;
                }
                Token::Name(word) if opens(next.as_ref()) => self.function(&word, at, &mut aggregates),
                Token::Name(word) if AGGREGATIONS.contains(&word.as_str()) => aggregates = true,
                Token::Name(word) if !WORDS.contains(&word.to_lowercase().as_str()) => self.name(&word, at),
                _ => {}
            }
            at += 1;
        }
        for (word, at, end) in &groupings {
            self.grouping(word, *at, *end);
        }
        if !grouped && !aggregates {
            let all =
                self.series.iter().flat_map(|(_, labels)| labels.iter().map(|label| (*label).to_owned()));
            self.asked.labels.extend(all);
        }
        self.asked
    }

    fn function(&mut self, word: &str, at: usize, aggregates: &mut bool) {
        // `absent` has the labels of its matchers at most, and nothing else beside it keeps fewer.
        *aggregates |= AGGREGATIONS.contains(&word);
        if let ("label_replace" | "label_join", end) = (word, close(&self.tokens, at + 1)) {
            // The label that is made is the first text at the function's own depth.
            let mut depth = 0;
            for token in &self.tokens[at + 1..end] {
                match token {
                    Token::Mark('(' | '{' | '[') => depth += 1,
                    Token::Mark(')' | '}' | ']') => depth -= 1,
                    Token::Text(label) if depth == 1 => {
                        self.asked.labels.insert(label.clone());
                        break;
                    }
                    _ => {}
                }
            }
        }
    }

    /// A series, its matchers, and what is done with it.
    fn name(&mut self, name: &str, at: usize) {
        let labels = match labels_of(name) {
            Ok(labels) => labels,
            Err(mistake) => return self.asked.mistakes.push(mistake),
        };
        if name.starts_with("cascade_") {
            self.asked.metrics.insert(name.to_owned());
        }
        if self.tokens.get(at + 1) == Some(&Token::Mark('{')) {
            let matchers = self.tokens[at + 1..close(&self.tokens, at + 1)].to_vec();
            for label in names(&matchers).iter().filter(|label| !labels.contains(**label)) {
                self.asked.mistakes.push(format!("{name} has no label {label}"));
            }
        }
        let around = at.checked_sub(2).map(|before| &self.tokens[before..at]);
        if let Some([Token::Name(function), Token::Mark('(')]) = around
            && ["rate", "irate", "increase"].contains(&function.as_str())
            && !only_grows(name)
        {
            self.asked.mistakes.push(format!("{function} of {name}, which is no counter"));
        }
        self.series.push((at, labels));
    }

    /// Labels by which something is grouped or joined exist on a series within.
    fn grouping(&mut self, word: &str, at: usize, end: usize) {
        let labels: Vec<String> =
            names(&self.tokens[at + 2..end]).iter().map(|label| (*label).to_owned()).collect();
        let aggregates = matches!(word, "by" | "without");
        let (from, to) = if !aggregates {
            (0, self.tokens.len())
        } else if self.tokens.get(end + 1) == Some(&Token::Mark('(')) {
            (end + 1, close(&self.tokens, end + 1))
        } else {
            (open(&self.tokens, at - 1), at)
        };
        let inside = || self.series.iter().filter(|(place, _)| (from..to).contains(place));
        for label in &labels {
            let known =
                inside().any(|(_, has)| has.contains(label.as_str())) || self.asked.labels.contains(label);
            if !known && inside().next().is_some() {
                self.asked.mistakes.push(format!("{word} ({label}): no series in there has it"));
            }
        }
        if word == "by" {
            self.asked.labels.extend(labels);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_is_fine() {
        for expression in [
            "max by (venue) (cascade_feed_up{venue=~\"$venue\"}) == 0",
            "sum(rate(cascade_frames_total{job=\"liquidation-ingest\"}[$__rate_interval])) by (venue)",
            "histogram_quantile(0.99, sum by (le, engine) (rate(cascade_pipeline_seconds_bucket[5m])))",
            "cascade_stage_seconds{quantile=\"0.5\"} offset 5m",
            "rate(cascade_stage_seconds_sum[5m]) / on (stage, instance) rate(cascade_stage_seconds_count[5m])",
            "label_replace(absent(cascade_tick_age_seconds >= 0), \"engine\", \"oi\", \"\", \"\") or vector(1e3)",
            "count(ALERTS{alertstate=\"firing\"}) or 0 * up{job=\"x\"} # cascade_nothing",
            "topk(3, cascade_queue_events) and on (job, instance) (cascade_uptime_seconds < 300)",
        ] {
            assert_eq!(asked(expression).mistakes, Vec::<String>::new(), "{expression}");
        }
    }

    #[test]
    fn what_there_is_not_is_found() {
        for (expression, mistake) in [
            ("max(cascade_feed_upp)", "no metric is called cascade_feed_upp"),
            ("max(feed_up)", "no metric is called feed_up"),
            ("cascade_frames", "no metric is called cascade_frames"),
            ("cascade_feed_up_bucket", "no metric is called cascade_feed_up_bucket"),
            ("rate(cascade_pipeline_seconds[5m])", "cascade_pipeline_seconds is a histogram"),
            ("cascade_feed_up{exchange=\"okx\"}", "cascade_feed_up has no label exchange"),
            ("cascade_feed_up{quantile=\"1\"}", "cascade_feed_up has no label quantile"),
            ("sum by (exchange) (cascade_feed_up)", "by (exchange)"),
            ("sum(cascade_feed_up) by (engine) / max(cascade_shard_lag_seconds)", "by (engine)"),
            ("cascade_feed_up * on (engine) cascade_poll_up", "on (engine)"),
            ("rate(cascade_feed_up[5m])", "rate of cascade_feed_up, which is no counter"),
        ] {
            let found = asked(expression).mistakes;
            assert!(found.len() == 1 && found[0].contains(mistake), "{expression}: {found:?}");
        }
    }

    #[test]
    fn a_result_has_the_labels_that_are_left() {
        for (expression, labels) in [
            ("max by (venue) (cascade_feed_up)", "venue"),
            ("max(cascade_feed_up)", ""),
            ("label_replace(max(cascade_tick_age_seconds), \"engine\", \"oi\", \"\", \"\")", "engine"),
            ("up{job=\"a\"} == 0 or absent(up{job=\"a\"})", "container instance job namespace pod"),
            ("cascade_tick_age_seconds", "container instance job namespace pod"),
        ] {
            assert_eq!(
                asked(expression).labels.into_iter().collect::<Vec<_>>().join(" "),
                labels,
                "{expression}"
            );
        }
    }
}
