//! The live table: feeds with their state, markets by what was liquidated in 30 s, the latest findings.

use std::time::Duration;

use cascade_domain::{FeedStatus, Level, Usd};
use cascade_service::{BoxError, Shutdown};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::crossterm::terminal::disable_raw_mode;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};
use ratatui::{DefaultTerminal, Frame};

use super::view::{ALERTS, Held, Known, View};
use crate::{colour, words};

/// Between two drawings, wall time.
const FRAME: Duration = Duration::from_millis(150);
/// How long the last frame may take, wall time.
const LAST_FRAME: Duration = Duration::from_secs(1);

/// Draws until asked to stop; `q` and Ctrl-C ask.
pub(crate) async fn draw(
    view: View,
    title: String,
    listen: String,
    shutdown: Shutdown,
    stop: Shutdown,
) -> Result<(), BoxError> {
    let footer = format!(" q quits    {listen}");
    let asked = stop.clone();
    let drawing = move || {
        let mut terminal = ratatui::try_init()?;
        let drawn = draw_frames(&mut terminal, &view, (&title, &footer), (&shutdown, &asked));
        ratatui::try_restore()?;
        drawn
    };
    if !beside(drawing, &stop).await? {
        // It does not read, so it can't be told to show the lines from before; but keys can be echoed again.
        disable_raw_mode()?;
    }
    Ok(())
}

/// Draws on a thread of its own, until asked to stop: a terminal that does not read (a stalled connection, a paused
/// multiplexer) makes that thread wait and nobody else. Whether it ended; it is left behind where it does not.
async fn beside(
    drawing: impl FnOnce() -> std::io::Result<()> + Send + 'static,
    stop: &Shutdown,
) -> Result<bool, BoxError> {
    let mut thread = tokio::task::spawn_blocking(drawing);
    let ended = tokio::select! {
        ended = &mut thread => Some(ended),
        () = stop.requested() => tokio::time::timeout(LAST_FRAME, thread).await.ok(),
    };
    match ended {
        Some(ended) => Ok(ended?.map(|()| true)?),
        None => Ok(false),
    }
}

fn draw_frames(
    terminal: &mut DefaultTerminal,
    view: &View,
    (title, footer): (&str, &str),
    (shutdown, stop): (&Shutdown, &Shutdown),
) -> std::io::Result<()> {
    while !stop.is_requested() {
        let known = view.with(|known| known.clone());
        terminal.draw(|frame| screen(frame, &known, title, footer))?;
        if asked_to_quit()? {
            shutdown.request();
        }
    }
    Ok(())
}

/// Waits for the time of the next frame, or a key. The terminal is raw: Ctrl-C comes as one.
fn asked_to_quit() -> std::io::Result<bool> {
    if !event::poll(FRAME)? {
        return Ok(false);
    }
    let Event::Key(key) = event::read()? else { return Ok(false) };
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    Ok(interrupt || key.code == KeyCode::Char('q'))
}

fn screen(frame: &mut Frame<'_>, known: &Known, title: &str, footer: &str) {
    let feeds = u16::try_from(known.feeds.len()).unwrap_or(u16::MAX).saturating_add(3);
    let markets = u16::try_from(known.markets().len()).unwrap_or(u16::MAX).saturating_add(3);
    let alerts = u16::try_from(known.alerts.len().clamp(1, ALERTS)).unwrap_or(1).saturating_add(2);
    let [top, middle, told, bottom, foot] = Layout::vertical([
        Constraint::Length(feeds),
        Constraint::Length(markets),
        Constraint::Length(alerts),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(feed_table(known, title), top);
    frame.render_widget(market_table(known), middle);
    let lines: Vec<_> = known.alerts.iter().map(|line| Line::from(line.as_str())).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" alerts told here ")), told);
    let lines: Vec<_> =
        known.latest.iter().map(|f| Line::styled(words::line(f), colour::finding(f))).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" latest findings ")), bottom);
    frame.render_widget(Paragraph::new(footer).style(Style::new().add_modifier(Modifier::DIM)), foot);
}

fn header<const COLUMNS: usize>(names: [&'static str; COLUMNS]) -> Row<'static> {
    Row::new(names).style(Style::new().add_modifier(Modifier::BOLD))
}

fn feed_table<'a>(known: &'a Known, title: &str) -> Table<'a> {
    let rows = known.feeds.iter().map(|(venue, reading)| {
        let name = Cell::from(venue.as_str());
        match reading {
            None => Row::new([name, Cell::from("starting")]),
            Some(reading) => Row::new([
                name,
                Cell::from(reading.status.as_str()).style(feed_style(reading.status)),
                Cell::from(reading.liquidations.to_string()),
                Cell::from(reading.reconnects.to_string()),
                Cell::from(reading.reason.as_str()),
            ]),
        }
    });
    let widths = [
        Constraint::Length(12),
        Constraint::Length(9),
        Constraint::Length(13),
        Constraint::Length(11),
        Constraint::Fill(1),
    ];
    Table::new(rows, widths)
        .header(header(["exchange", "feed", "liquidations", "reconnects", "why"]))
        .block(Block::bordered().title(format!(" cascade: {title} ")))
}

fn market_table(known: &Known) -> Table<'_> {
    let rows = known.markets().into_iter().map(|(symbol, flow)| {
        let level = known.seen.get(symbol).map_or(Level::None, |seen| seen.level);
        let usd = |usd: Usd| Cell::from(format!("{usd:>9}"));
        Row::new([
            Cell::from(symbol.as_str()),
            Cell::from(level.as_str()).style(colour::level(level)),
            usd(flow.usd_30s_long),
            usd(flow.usd_30s_short),
            Cell::from(format!("{:>6}  {:>5.1}", flow.count_30s, flow.risk_score)),
            Cell::from(known.held.get(symbol).map_or_else(String::new, open_interest)),
        ])
    });
    let widths = [
        Constraint::Length(14),
        Constraint::Length(9),
        Constraint::Length(12),
        Constraint::Length(12),
        Constraint::Length(14),
        Constraint::Fill(1),
    ];
    let names = ["market", "level", "longs 30 s", "shorts 30 s", "orders   risk", "open interest, 15 min"];
    Table::new(rows, widths).header(header(names)).block(Block::bordered().title(" markets "))
}

/// What a market holds, and how that changed: `$2.5B  +18.0 %`.
fn open_interest(held: &Held) -> String {
    let usd = held.usd.map_or_else(String::new, |usd| usd.to_string());
    let change = held.change_pct.map_or_else(String::new, words::moved);
    format!("{usd:>7}  {change:>8}")
}

fn feed_style(status: FeedStatus) -> Style {
    match status {
        FeedStatus::Live | FeedStatus::Sampled => Style::new().fg(Color::Green),
        FeedStatus::Partial => Style::new().fg(Color::Cyan),
        FeedStatus::Suspect | FeedStatus::Stale => Style::new().fg(Color::Yellow),
        FeedStatus::Dead | FeedStatus::Refused => Style::new().fg(Color::Red),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use cascade_domain::EventTime;

    use super::*;

    #[test]
    fn what_is_not_known_of_open_interest_leaves_its_place_free() {
        let event_time_ms = EventTime::from_ms(1_791_565_601_000);
        let held = |usd: Option<i64>, change_pct| {
            open_interest(&Held { event_time_ms, usd: usd.map(Usd::from_dollars), change_pct })
        };
        assert_eq!(held(Some(2_478_000_000), Some(18.0)), "  $2.5B   +18.0 %");
        assert_eq!(held(Some(900_000_000), Some(-3.04)), "$900.0M    -3.0 %");
        assert_eq!(
            (held(Some(900_000_000), None), held(None, None)),
            ("$900.0M          ".into(), " ".repeat(17))
        );
    }

    #[tokio::test]
    async fn a_terminal_that_does_not_read_is_left_behind() {
        let (reader, terminal) = mpsc::channel::<()>();
        let stop = Shutdown::new();
        stop.request();
        let ended = beside(move || terminal.recv().map_err(std::io::Error::other), &stop).await;
        assert!(!ended.unwrap(), "somebody waited for the terminal");
        drop(reader); // the test's runtime waits for its threads
    }

    #[tokio::test]
    async fn a_terminal_that_fails_is_told_and_one_that_reads_is_waited_for() {
        let stop = Shutdown::new();
        let failed = beside(|| Err(std::io::Error::other("no terminal")), &stop).await;
        assert_eq!(failed.unwrap_err().to_string(), "no terminal");
        stop.request();
        assert!(beside(|| Ok(()), &stop).await.unwrap());
    }
}
