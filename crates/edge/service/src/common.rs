//! Settings that several programs read, checked in one place.

use cascade_bus::RedisUrl;

use crate::config::{Document, Mistakes};

/// `redis.url`; one that names no Redis is a mistake.
pub fn redis_url(document: &Document, mistakes: &mut Mistakes) -> RedisUrl {
    let read = |key: &str| RedisUrl::parse(document.text(key).unwrap_or_default());
    match read("redis.url") {
        Ok(url) => url,
        Err(error) => {
            mistakes.push("redis.url", document.origin("redis.url"), error.to_string());
            RedisUrl::default()
        }
    }
}

/// The address at `key` to serve on; anything but HOST:PORT is a mistake.
pub fn address(document: &Document, mistakes: &mut Mistakes, key: &str) -> String {
    let text = document.text(key).unwrap_or_default();
    if !matches!(text.rsplit_once(':').map(|(_, port)| port.parse::<u16>()), Some(Ok(_))) {
        let reason = format!("expected HOST:PORT, e.g. 127.0.0.1:9101, found `{text}`");
        mistakes.push(key, document.origin(key), reason);
    }
    text.to_owned()
}
