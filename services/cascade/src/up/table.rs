//! The live table: feeds with their state, markets by what was liquidated in 30 s, the latest findings.

use std::time::Duration;

use cascade_domain::{FeedStatus, Finding, Level, Symbol, Usd};
use cascade_service::{BoxError, Shutdown};
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};

use super::view::{Flow, Known, View};
use crate::words;

/// Between two drawings, wall time.
const FRAME: Duration = Duration::from_millis(150);

/// Draws until asked to stop; `q` and Ctrl-C ask.
pub(crate) async fn draw(
    view: View,
    title: String,
    hint: String,
    shutdown: Shutdown,
    stop: Shutdown,
) -> Result<(), BoxError> {
    let mut terminal = ratatui::try_init()?;
    let footer = format!(" q quits    {hint} SUBSCRIBE cascade:critical:json");
    let drawn = loop {
        let frame = view.with(|known| terminal.draw(|frame| screen(frame, known, &title, &footer)).map(drop));
        if let Err(error) = frame {
            break Err(error.into());
        }
        match asked_to_quit() {
            Ok(false) => {}
            Ok(true) => shutdown.request(),
            Err(error) => break Err(error.into()),
        }
        tokio::select! {
            () = stop.requested() => break Ok(()),
            () = tokio::time::sleep(FRAME) => {}
        }
    };
    ratatui::try_restore()?;
    drawn
}

/// The terminal is raw: Ctrl-C comes as a key.
fn asked_to_quit() -> std::io::Result<bool> {
    let mut quit = false;
    while event::poll(Duration::ZERO)? {
        if let Event::Key(key) = event::read()? {
            let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            quit |= interrupt || key.code == KeyCode::Char('q');
        }
    }
    Ok(quit)
}

fn screen(frame: &mut Frame<'_>, known: &Known, title: &str, footer: &str) {
    let feeds = u16::try_from(known.feeds.len()).unwrap_or(u16::MAX).saturating_add(3);
    let markets = u16::try_from(markets(known).len().min(12)).unwrap_or(12).saturating_add(3);
    let [top, middle, bottom, foot] = Layout::vertical([
        Constraint::Length(feeds),
        Constraint::Length(markets),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(feed_table(known, title), top);
    frame.render_widget(market_table(known), middle);
    let lines: Vec<_> = known.latest.iter().map(finding_line).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" latest findings ")), bottom);
    frame.render_widget(Paragraph::new(footer).style(Style::new().add_modifier(Modifier::DIM)), foot);
}

fn header(names: [&'static str; 5]) -> Row<'static> {
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

/// Markets, most liquidated first.
fn markets(known: &Known) -> Vec<(&Symbol, &Flow)> {
    let mut markets: Vec<_> = known.flows.iter().collect();
    markets
        .sort_by_key(|(symbol, flow)| (std::cmp::Reverse(flow.usd_30s_long + flow.usd_30s_short), **symbol));
    markets
}

fn market_table(known: &Known) -> Table<'_> {
    let rows = markets(known).into_iter().map(|(symbol, flow)| {
        let level = known.seen.get(symbol).map_or(Level::None, |seen| seen.level);
        let usd = |usd: Usd| Cell::from(format!("{usd:>9}"));
        Row::new([
            Cell::from(symbol.as_str()),
            Cell::from(level.as_str()).style(level_style(level)),
            usd(flow.usd_30s_long),
            usd(flow.usd_30s_short),
            Cell::from(format!("{:>6}  {:>5.1}", flow.count_30s, flow.risk_score)),
        ])
    });
    let widths = [
        Constraint::Length(14),
        Constraint::Length(9),
        Constraint::Length(12),
        Constraint::Length(12),
        Constraint::Fill(1),
    ];
    Table::new(rows, widths)
        .header(header(["market", "level", "longs 30 s", "shorts 30 s", "orders   risk"]))
        .block(Block::bordered().title(" markets "))
}

fn finding_line(finding: &Finding) -> Line<'static> {
    let level = match finding {
        Finding::Cascade(signal) => signal.level,
        Finding::LargeLiquidation(_) => Level::None,
    };
    Line::styled(words::line(finding), level_style(level))
}

fn level_style(level: Level) -> Style {
    match level {
        Level::None => Style::new(),
        Level::Watch => Style::new().fg(Color::Cyan),
        Level::Alert => Style::new().fg(Color::Yellow),
        Level::Critical => Style::new().fg(Color::Red),
        Level::Extreme => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}

fn feed_style(status: FeedStatus) -> Style {
    match status {
        FeedStatus::Live | FeedStatus::Sampled => Style::new().fg(Color::Green),
        FeedStatus::Partial => Style::new().fg(Color::Cyan),
        FeedStatus::Suspect | FeedStatus::Stale => Style::new().fg(Color::Yellow),
        FeedStatus::Dead | FeedStatus::Refused => Style::new().fg(Color::Red),
    }
}
