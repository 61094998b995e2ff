//! What is told, told by the real texts: no provider refuses any of it, whatever names and figures are.

use cascade_domain::{
    Alert, Delivery, Digest, DigestLine, EventTime, Heading, Id, Level, MarketCascade, MarketPart, Phase,
    Priority, Side, Subject, Symbol, Usd,
};
use cascade_testkit::{
    DiscordRules, FakeDiscord, FakeSlack, FakeTelegram, FakeWebhook, Rate, SlackRules, TelegramRules,
    WebhookRules,
};

use crate::{PATIENT, first, now, receipt, sender};

const FREE: Rate = Rate::new(1000, 1000);

fn delivery(n: u64, subject: Subject) -> Delivery {
    let heading =
        Heading { kind: "cascade", rule: "market_cascade", scope: "<market>&", episode: Id::from_bits(n) };
    let at = EventTime::from_ms(1_700_000_000_000);
    let alert = Alert { priority: Priority::High, ..Alert::new(&heading, n, at, subject) };
    Delivery { row: Delivery::row_of(alert.revision, "desk", false), alert, ..first(n) }
}

fn market(symbol: &str) -> Subject {
    let usd = Usd::from_dollars(9_000_000_000);
    let part = MarketPart {
        symbol: Symbol::parse(symbol).unwrap(),
        notional_usd: usd,
        level: Level::Extreme,
        direction: Side::Long,
    };
    Subject::Market(MarketCascade {
        symbols: 60,
        ongoing: 59,
        notional_usd: usd,
        long_share: 0.97,
        largest: vec![part.clone(), part.clone(), part],
        regime: None,
        began_ms: EventTime::from_ms(1_700_000_000_000),
        ended_ms: None,
    })
}

fn digest(lines: usize, scope: &str) -> Subject {
    let line = DigestLine {
        alert: Id::from_bits(1),
        rule: "large_liquidation".to_owned(),
        scope: scope.to_owned(),
        priority: Priority::Low,
        usd: Usd::from_dollars(1_000_000),
        known_at_ms: EventTime::from_ms(1_700_000_000_000),
        figure: "<b>&\"long\" @everyone".to_owned(),
    };
    Subject::Digest(Digest { of: "large_liquidation".to_owned(), lines: vec![line; lines], more: 400 })
}

/// One message each, of one alert or of ten.
fn messages() -> Vec<Vec<Delivery>> {
    let odd = "<b>&USDT";
    let ten = |from: u64, subject: Subject| {
        (from..from + 10).map(|n| delivery(n, subject.clone())).collect::<Vec<_>>()
    };
    let mut over = delivery(7, market("币安人生USDT"));
    over.alert.phase = Phase::Resolved;
    vec![
        vec![delivery(1, market("BTCUSDT"))],
        vec![delivery(2, market(odd))],
        vec![over],
        vec![delivery(3, digest(1, odd))],
        vec![delivery(4, digest(300, &"<&>".repeat(50)))],
        ten(100, market(odd)),
        ten(200, digest(100, "BTCUSDT")),
        vec![delivery(5, Subject::Test { by: "</b>&lt;<@everyone>".repeat(100) })],
        vec![delivery(6, Subject::Watchdog)],
    ]
}

#[tokio::test]
async fn no_provider_refuses_a_text_of_ours() {
    let telegram =
        FakeTelegram::with_rules(TelegramRules { token: FREE, chat: FREE, group: FREE }).await.unwrap();
    let discord = FakeDiscord::with_rules(DiscordRules { hook: FREE }).await.unwrap();
    let slack = FakeSlack::with_rules(SlackRules { hook: FREE }).await.unwrap();
    let webhook =
        FakeWebhook::with_rules(WebhookRules { rate: FREE, secret: None, ..WebhookRules::default() })
            .await
            .unwrap();
    let hook = |kind: &str, url: &str| {
        format!(
            "name = '{kind}'\nkind = '{kind}'\nurl = '{url}'\nzone = 'Asia/Tokyo'\nallow_private_targets = true"
        )
    };
    let base = telegram.url();
    let senders = [
        format!(
            "name = 'a'\nkind = 'telegram'\ntoken_env = 'T'\nchat_id = 1\nbuttons = true\nbase_url = '{base}'"
        ),
        hook("discord", &discord.url()),
        hook("slack", &slack.url()),
        hook("webhook", &webhook.url()),
    ]
    .map(|toml| sender(&toml, &[("T", FakeTelegram::TOKEN)], PATIENT));
    let messages = messages();
    for sender in &senders {
        for deliveries in &messages {
            receipt(sender.send(deliveries, None, now()).await);
        }
    }
    let count = u64::try_from(messages.len()).unwrap();
    // One request a message: none had to be sent again in plain form.
    assert_eq!((telegram.requests(), discord.requests(), slack.requests()), (count, count, count));
    assert_eq!(telegram.messages().len(), messages.len());
    telegram.assert_obeyed();
    discord.assert_obeyed();
    slack.assert_obeyed();
    webhook.assert_obeyed();
}
