//! What needs no network: standard output and files; and the dead-man URL, which has no message.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cascade_domain::Phase;
use cascade_notify::{Destination, Network, Output, Secret, Sender};
use cascade_testkit::{Behaviour, FakeWebhook};

use crate::{BRISK, PATIENT, assert_failed, delivery, first, now, receipt, sender};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A pipe whose reader is gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A pipe that nobody reads, until it is let go.
struct Full(std::sync::mpsc::Receiver<()>);

impl Write for Full {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.recv().ok();
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn screen(output: Output, network: Network) -> Sender {
    sender("name = 'screen'\nkind = 'stdout'", &[], network).with_output(output)
}

#[tokio::test]
async fn standard_output_gets_a_text_a_message() {
    let paper = Paper::default();
    let screen = screen(Output::new(paper.clone()), PATIENT);
    receipt(screen.send(&[first(1)], None, now()).await);
    receipt(screen.send(&[first(2), first(3)], None, now()).await);
    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    assert!(text.ends_with('\n') && text.lines().count() >= 3, "{text}");
    assert!(screen.budgets().is_empty() && !screen.can_edit());
}

#[tokio::test]
async fn standard_output_that_is_closed_is_a_failure_and_one_that_is_stuck_holds_nothing_up() {
    assert_failed(&screen(Output::new(Closed), PATIENT).send(&[first(1)], None, now()).await);
    let (release, full) = std::sync::mpsc::channel();
    let stuck = screen(Output::new(Full(full)), BRISK);
    assert_failed(&stuck.send(&[first(1)], None, now()).await);
    // The first still hangs in its write; another does not hang behind it.
    assert_failed(&stuck.send(&[first(1)], None, now()).await);
    drop(release);
}

#[tokio::test]
async fn a_file_gets_a_line_a_revision() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts.jsonl");
    let toml = format!("name = 'log'\nkind = 'file'\npath = '{}'", path.display());
    let log = sender(&toml, &[], PATIENT);
    assert!(log.check().await.good);
    let told = receipt(log.send(&[first(1)], None, now()).await);
    assert!(told.editable && log.can_edit());
    receipt(log.send(&[delivery(1, 2, Phase::Updated)], Some(&told), now()).await);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["data"]["alert_id"], lines[1]["data"]["alert_id"]);
    // Moved away, it is made anew; with its directory gone, it waits.
    std::fs::remove_file(&path).unwrap();
    receipt(log.send(&[first(2)], None, now()).await);
    drop(folder);
    assert_failed(&log.send(&[first(3)], None, now()).await);
    assert!(!log.check().await.good);
}

#[tokio::test]
async fn the_dead_man_url_is_asked_and_never_switched_off() {
    let fake = FakeWebhook::start().await.unwrap();
    // It takes POST only: its 405 to our GET is an answer that is no success.
    let url = Secret::new(fake.url());
    let watchdog = Sender::new(Destination::dead_man(url).unwrap(), PATIENT).unwrap();
    let outcome = watchdog.send(&[first(1)], None, now()).await;
    assert!(!crate::refused(&outcome).closes());
    assert!(Destination::dead_man(Secret::new("ftp://example.org".to_owned())).is_err());
    drop(fake);
    assert_failed(&watchdog.send(&[first(1)], None, now()).await);
}

#[tokio::test]
async fn nothing_to_tell_is_never_sent() {
    let fake = FakeWebhook::start().await.unwrap();
    fake.behave(Behaviour::TooMany(Duration::from_secs(1)), 1);
    let paper = Paper::default();
    assert_failed(&screen(Output::new(paper.clone()), PATIENT).send(&[], None, now()).await);
    assert!(paper.0.lock().unwrap().is_empty());
}
