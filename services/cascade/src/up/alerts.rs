//! Alerts in `up`: who is told, and what the terminal is told, shown where it disturbs nothing.
//!
//! Decides on no alert: alert-dispatcher runs as it always does, but that its `stdout` ends here.

use std::io::{self, Write};

use alert_dispatcher::{Config, Target};
use cascade_notify::{Kind, Output};

use super::view::{Screen, View};
use crate::args::UpArgs;

/// What the destination of the terminal writes to: a message a write.
#[derive(Debug)]
struct Terminal {
    view: View,
    screen: Screen,
    demo: bool,
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let lines = lines(&String::from_utf8_lossy(bytes), self.demo);
        if self.screen == Screen::Lines {
            writeln!(io::stdout(), "{}", lines.join("\n"))?;
        }
        self.view.told(lines.into_iter().next().unwrap_or_default());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A message as lines of a terminal on which others stand too; of a demo, each says so.
fn lines(message: &str, demo: bool) -> Vec<String> {
    let mark = if demo { "DEMO " } else { "" };
    let lines = message.lines().filter(|line| !line.trim().is_empty()).enumerate();
    lines
        .map(|(place, line)| match place {
            0 => format!("{mark}ALERT {}", line.strip_prefix("DEMO ").unwrap_or(line)),
            _ => format!("{mark}  {line}"),
        })
        .collect()
}

/// Has the dispatcher tell whom it should, and where; gives the words for the greeting.
///
/// # Errors
/// A destination stands in the way.
pub(super) fn prepare(
    config: &mut Config,
    args: &UpArgs,
    view: &View,
    screen: Screen,
) -> Result<String, String> {
    if args.demo.is_some() {
        config.become_a_demos(args.demo_notify)?;
    }
    // With simulated exchanges elsewhere, the configuration has seen to it.
    let demo = config.policy.demo;
    let configured = named(config);
    if config.destinations.is_empty() {
        config.add_stdout()?;
    }
    terminal_last(&mut config.destinations);
    config.output = Some(Output::new(Terminal { view: view.clone(), screen, demo }));
    Ok(match (configured.is_empty(), demo, args.demo_notify) {
        (false, true, _) => format!("alerts, marked DEMO: to this terminal and {}", configured.join(", ")),
        (false, false, _) => format!("alerts: to {}", configured.join(", ")),
        (true, true, true) => {
            "alerts: to this terminal (--demo-notify: no destination is configured)".to_owned()
        }
        (true, true, false) if args.demo.is_none() => {
            "alerts: to this terminal (to real destinations too: --set simulator.notify=true)".to_owned()
        }
        (true, true, false) => {
            "alerts: to this terminal (to real destinations too: --demo-notify)".to_owned()
        }
        (true, false, _) => {
            "alerts: to this terminal, for no destination is configured (`cascade destinations --help`)"
                .to_owned()
        }
    })
}

/// The verdict of a demo knows the terminal by its place, wherever the configuration names it.
fn terminal_last(destinations: &mut [Target]) {
    destinations.sort_by_key(|target| target.destination.kind == Kind::Stdout);
}

/// Who is told that is not this terminal.
fn named(config: &Config) -> Vec<String> {
    let others = config.destinations.iter().map(|target| &target.destination);
    others
        .filter(|destination| destination.kind != Kind::Stdout)
        .map(|destination| destination.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use cascade_notify::Destination;

    use super::*;

    #[test]
    fn every_line_of_a_demos_alert_says_so() {
        let message = "DEMO CRITICAL BTCUSDT\n\nOrders: 24\n";
        assert_eq!(lines(message, true), ["DEMO ALERT CRITICAL BTCUSDT", "DEMO   Orders: 24"]);
        assert_eq!(lines("CRITICAL BTCUSDT\nOrders: 24", false), ["ALERT CRITICAL BTCUSDT", "  Orders: 24"]);
    }

    #[test]
    fn the_terminal_is_the_last_destination_wherever_it_is_named() {
        let target = |name: &str, kind: &str| {
            let pairs = [("name", name), ("kind", kind), ("path", "alerts.jsonl")];
            let pairs = pairs.into_iter().filter(|(key, _)| *key != "path" || kind == "file");
            let table = pairs.map(|(key, text)| (key.to_owned(), text.into())).collect();
            Target::new(Destination::read(&table, &|_| None).unwrap(), &[])
        };
        let mut targets = [target("a", "file"), target("screen", "stdout"), target("b", "file")];
        terminal_last(&mut targets);
        assert_eq!(targets.map(|target| target.destination.name), ["a", "b", "screen"]);
    }

    #[test]
    fn a_message_is_one_write_and_is_shown_by_its_first_line() {
        let view = View::new(&[]);
        let mut terminal = Terminal { view: view.clone(), screen: Screen::Table, demo: false };
        terminal.write_all(b"one\nmore of it\n").unwrap();
        terminal.write_all(b"two\n").unwrap();
        let (alerts, messages) = view.with(|known| (known.alerts.clone(), known.messages));
        assert_eq!(
            (alerts.into_iter().collect::<Vec<_>>(), messages),
            (vec!["ALERT two".to_owned(), "ALERT one".to_owned()], 2)
        );
    }
}
