//! The bus behind a sentinel: it finds the master, and the next one when that dies.

use std::process::Stdio;

use crate::subscriber::{is_heard, listen};
use crate::support::{eventually, redis, settings};
use cascade_bus::{Bus, PrivateRedis, Write};
use tokio::process::{Child, Command};

/// A sentinel that watches this master; killed when dropped.
fn sentinel(master: &PrivateRedis, directory: &tempfile::TempDir) -> (Child, u16) {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let file = directory.path().join("sentinel.conf");
    let text = format!(
        "port {port}\nbind 127.0.0.1\nsentinel monitor cascade 127.0.0.1 {} 1\n\
         sentinel down-after-milliseconds cascade 1000\nsentinel failover-timeout cascade 3000\n",
        master.port()
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("redis-server");
    command.arg(&file).arg("--sentinel").stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    (command.spawn().unwrap(), port)
}

async fn ask<T: redis::FromRedisValue>(port: u16, words: &[&str]) -> redis::RedisResult<T> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await
}

#[tokio::test]
async fn a_dead_master_is_left_for_the_one_that_the_sentinel_names() {
    let ((mut master, _), (replica, _)) = (redis().await, redis().await);
    let port = master.port().to_string();
    let _: String = ask(replica.port(), &["REPLICAOF", "127.0.0.1", &port]).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (_sentinel, sentinel) = sentinel(&master, &directory);
    let known = eventually(async || {
        let info: String = ask(sentinel, &["INFO", "sentinel"]).await.map_err(|e| e.to_string())?;
        if info.contains("status=ok") && info.contains("slaves=1") { Ok(()) } else { Err(info) }
    });
    known.await;

    let bus = Bus::open(&format!("redis+sentinel://127.0.0.1:{sentinel}/cascade"), settings()).unwrap();
    bus.ready().await.unwrap();
    let mut subscriber = listen(&bus).await;
    is_heard(&bus, &mut subscriber, "before").await;
    let holder = bus.holders().await.unwrap().remove(0);
    assert_eq!(holder.shards.len(), 64);
    assert!(holder.followed.is_some(), "its replica is seen");

    master.kill9().await.unwrap();
    let write = [Write::Json { key: "a".to_owned(), json: "{}".to_owned(), ttl_s: 60 }];
    eventually(async || bus.write_readings(&write).await).await;
    assert_eq!(bus.get("a").await.unwrap().as_deref(), Some("{}"));
    assert_ne!(bus.holders().await.unwrap()[0].id, holder.id);
    is_heard(&bus, &mut subscriber, "after").await;
    let on_the_replica: Option<String> = ask(replica.port(), &["GET", "a"]).await.unwrap();
    assert_eq!(on_the_replica.as_deref(), Some("{}"));
}
