//! The fakes themselves: a client that breaks a rule is found out. Asked by plain HTTP, as no sender of ours would.

use std::time::Duration;

use cascade_testkit::{
    Behaviour, DiscordRules, FakeDiscord, FakeSlack, FakeTelegram, FakeWebhook, Rate, SlackRules, eventually,
};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(20);

async fn ask(method: Method, url: &str, body: &Value) -> (u16, Value) {
    let answer: Response = Client::new().request(method, url).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn post(url: &str, body: &Value) -> u16 {
    ask(Method::POST, url, body).await.0
}

fn method(fake: &FakeTelegram, method: &str) -> String {
    format!("{}/bot{}/{method}", fake.url(), FakeTelegram::TOKEN)
}

#[tokio::test]
async fn telegram_finds_out_who_sends_too_much_or_comes_back_too_early() {
    let fake = FakeTelegram::start().await.unwrap();
    let url = method(&fake, "sendMessage");
    let body = json!({ "chat_id": 7, "text": "x" });
    for _ in 0..3 {
        assert_eq!(post(&url, &body).await, 200);
    }
    assert!(fake.violations().is_empty());
    let (status, answer) = ask(Method::POST, &url, &body).await;
    assert_eq!((status, &answer["error_code"]), (429, &json!(429)));
    let wait = answer["parameters"]["retry_after"].as_u64().unwrap();
    assert_eq!(answer["description"], format!("Too Many Requests: retry after {wait}"));
    assert_eq!(fake.violations().len(), 1, "over the rate");
    // What was under way when it was said is forgiven; who still comes later is not.
    assert!(eventually(LONG, async || post(&url, &body).await == 429 && fake.violations().len() > 1).await);
    assert!(fake.violations()[1].contains("before the end of a 429's wait"));
}

#[tokio::test]
async fn telegram_refuses_what_the_real_one_refuses() {
    let fake = FakeTelegram::start().await.unwrap();
    let url = method(&fake, "sendMessage");
    let long = "x".repeat(4097);
    let bold = format!("<b>{}</b>", "x".repeat(4096));
    for (body, status, word) in [
        (json!({ "chat_id": 1, "text": "<b>x", "parse_mode": "HTML" }), 400, "can't parse entities"),
        (json!({ "chat_id": 1, "text": "a & b", "parse_mode": "HTML" }), 400, "can't parse entities"),
        (json!({ "chat_id": 1, "text": long }), 400, "message is too long"),
        (json!({ "chat_id": 1, "text": bold, "parse_mode": "HTML" }), 200, ""),
        (json!({ "chat_id": 1, "text": " " }), 400, "message text is empty"),
        (json!({ "text": "x" }), 400, "chat_id is empty"),
        (
            json!({ "chat_id": 1, "text": "x", "reply_markup": { "inline_keyboard": [[
                { "text": "x", "callback_data": "x".repeat(65) }]] } }),
            400,
            "BUTTON_DATA_INVALID",
        ),
    ] {
        let (found, answer) = ask(Method::POST, &url, &body).await;
        let description = answer["description"].as_str().unwrap_or_default();
        assert!(found == status && description.contains(word), "{body}: {answer}");
    }
    let edit = json!({ "chat_id": 1, "message_id": 5, "text": "x" });
    let (status, answer) = ask(Method::POST, &method(&fake, "editMessageText"), &edit).await;
    assert_eq!((status, &answer["description"]), (400, &json!("Bad Request: message to edit not found")));
    let wrong = format!("{}/bot1:x/sendMessage", fake.url());
    assert_eq!(post(&wrong, &edit).await, 401);
}

#[tokio::test]
async fn discord_refuses_what_the_real_one_refuses() {
    let rules = DiscordRules { hook: Rate::new(1000, 1000) };
    let fake = FakeDiscord::with_rules(rules).await.unwrap();
    let url = format!("{}?wait=true", fake.url());
    let quiet = json!({ "parse": [] });
    let embed = |embed: Value| json!({ "embeds": [embed], "allowed_mentions": quiet });
    let field = |name: usize, value: usize| json!({ "name": "x".repeat(name), "value": "x".repeat(value) });
    let many = |count: usize| (0..count).map(|_| field(1, 1)).collect::<Vec<_>>();
    for (body, status) in [
        (json!({ "content": "x".repeat(2000), "allowed_mentions": quiet }), 200),
        (json!({ "content": "x".repeat(2001), "allowed_mentions": quiet }), 400),
        (json!({ "content": "", "allowed_mentions": quiet }), 400),
        (embed(json!({ "title": "x".repeat(256) })), 200),
        (embed(json!({ "title": "x".repeat(257) })), 400),
        (embed(json!({ "description": "x".repeat(4097) })), 400),
        (embed(json!({ "fields": many(25) })), 200),
        (embed(json!({ "fields": many(26) })), 400),
        (embed(json!({ "fields": [field(257, 1)] })), 400),
        (embed(json!({ "fields": [field(1, 1025)] })), 400),
        (embed(json!({ "fields": [field(1, 0)] })), 400),
        (embed(json!({ "description": "x".repeat(4000), "footer": { "text": "x".repeat(2001) } })), 400),
        (json!({ "embeds": vec![json!({ "title": "x" }); 11], "allowed_mentions": quiet }), 400),
    ] {
        assert_eq!(post(&url, &body).await, status, "{body}");
    }
    fake.assert_obeyed();
    post(&url, &json!({ "content": "@everyone" })).await;
    post(&fake.url(), &json!({ "content": "x", "allowed_mentions": quiet })).await;
    let violations = fake.violations();
    assert!(
        violations[0].contains("allowed_mentions") && violations[1].contains("wait=true"),
        "{violations:?}"
    );
}

#[tokio::test]
async fn discord_finds_out_who_sends_too_much_or_goes_on_to_a_dead_hook() {
    let fake = FakeDiscord::start().await.unwrap();
    let url = format!("{}?wait=true", fake.url());
    let body = json!({ "content": "x", "allowed_mentions": { "parse": [] } });
    for _ in 0..5 {
        assert_eq!(post(&url, &body).await, 200);
    }
    let (status, answer) = ask(Method::POST, &url, &body).await;
    assert!(status == 429 && answer["retry_after"].as_f64().is_some_and(|wait| wait <= 2.0), "{answer}");
    assert_eq!(fake.violations().len(), 1);
    let fake = FakeDiscord::start().await.unwrap();
    let url = format!("{}?wait=true", fake.url());
    fake.die(404);
    assert_eq!(ask(Method::POST, &url, &body).await.1["code"], 10015);
    assert!(eventually(LONG, async || post(&url, &body).await == 404 && !fake.violations().is_empty()).await);
}

#[tokio::test]
async fn slack_refuses_what_the_real_one_refuses() {
    let fake = FakeSlack::with_rules(SlackRules { hook: Rate::new(1000, 1000) }).await.unwrap();
    let url = fake.url();
    let section = |length: usize| json!({ "type": "section", "text": { "type": "mrkdwn", "text": "x".repeat(length) } });
    let header = |length: usize| json!({ "type": "header", "text": { "type": "plain_text", "text": "x".repeat(length) } });
    for (blocks, status) in [
        (vec![section(3000)], 200),
        (vec![section(3001)], 400),
        (vec![header(150)], 200),
        (vec![header(151)], 400),
        (vec![json!({ "type": "divider" }); 50], 200),
        (vec![json!({ "type": "divider" }); 51], 400),
        (vec![section(3000); 5], 400),
        (vec![json!({ "type": "sectoin" })], 400),
    ] {
        let body = json!({ "text": "x", "blocks": blocks });
        assert_eq!(post(&url, &body).await, status);
    }
    fake.assert_obeyed();
    assert_eq!(post(&url, &json!({ "blocks": [section(1)] })).await, 400);
    assert_eq!(post(&url, &json!({ "text": "a < b & c" })).await, 200);
    let violations = fake.violations();
    assert!(
        violations[0].contains("notifications") && violations[1].contains("not escaped"),
        "{violations:?}"
    );
}

#[tokio::test]
async fn a_receiver_finds_out_who_changes_ids_or_signs_badly() {
    let rules = cascade_testkit::WebhookRules { secret: None, ..cascade_testkit::WebhookRules::default() };
    let fake = FakeWebhook::with_rules(rules).await.unwrap();
    let client = Client::new();
    let send = async |id: &str, body: &Value| {
        let timestamp = (crate::now().ms() / 1000).to_string();
        let request = client.post(fake.url()).header("webhook-id", id).header("webhook-timestamp", timestamp);
        request.json(body).send().await.unwrap().status().as_u16()
    };
    fake.behave(Behaviour::ServerError, 1);
    assert_eq!(send("a", &json!({ "n": 1 })).await, 500);
    assert_eq!(send("b", &json!({ "n": 1 })).await, 204);
    assert_eq!(send("b", &json!({ "n": 2 })).await, 204);
    let violations = fake.violations();
    assert!(
        violations[0].contains("tried again") && violations[1].contains("two messages"),
        "{violations:?}"
    );
    let strict = FakeWebhook::start().await.unwrap();
    let old = client.post(strict.url()).header("webhook-id", "a").header("webhook-timestamp", "1000");
    assert_eq!(old.body("{}").send().await.unwrap().status().as_u16(), 400);
    assert!(strict.violations()[0].contains("off"));
}

#[tokio::test]
async fn the_same_seed_misbehaves_the_same_way() {
    let outcomes = async |seed: u64| {
        let fake = FakeSlack::with_rules(SlackRules { hook: Rate::new(1000, 1000) }).await.unwrap();
        fake.misbehave(seed, 2, &[Behaviour::ServerError, Behaviour::BadGateway]);
        let mut statuses = Vec::new();
        for _ in 0..24 {
            statuses.push(post(&fake.url(), &json!({ "text": "x" })).await);
        }
        fake.behave_well();
        assert_eq!(post(&fake.url(), &json!({ "text": "x" })).await, 200);
        statuses
    };
    let (one, same, other) = (outcomes(7).await, outcomes(7).await, outcomes(8).await);
    assert_eq!(one, same);
    assert_ne!(one, other);
    assert!([200, 500, 502].iter().all(|status| one.contains(status)), "{one:?}");
}
