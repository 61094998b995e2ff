//! A WebSocket server on loopback that a test scripts line by line, and sessions that talk to it in Bybit's wire.

use std::sync::Arc;
use std::time::Duration;

use cascade_domain::{GapStream, Venue};
use cascade_feed::{Ended, Session, session};
use cascade_pace::Clock;
use cascade_venues::{Ack, Instruments, Route, Subscription, Watch, protocol};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::ear::{DEADLINE, Ear};

/// A server that is scripted by its test.
pub(crate) struct Exchange {
    listener: TcpListener,
}

impl Exchange {
    pub(crate) async fn open() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/v5/public/linear", self.listener.local_addr().unwrap())
    }

    /// The next connection, before any handshake.
    pub(crate) async fn accept_raw(&self) -> TcpStream {
        timeout(DEADLINE, self.listener.accept()).await.expect("nobody connected").unwrap().0
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> Peer {
        Peer { socket: Box::pin(accept_async(self.accept_raw().await)).await.unwrap() }
    }

    /// The next connection, with one subscription frame acknowledged.
    pub(crate) async fn accept_subscriber(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.acknowledge().await;
        peer
    }
}

/// One client of the exchange.
pub(crate) struct Peer {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Peer {
    /// The next frame but pongs.
    pub(crate) async fn hear(&mut self) -> Message {
        let heard = timeout(DEADLINE, self.socket.next()).await.expect("the client said nothing");
        heard.expect("the client is gone").expect("the client speaks no WebSocket")
    }

    /// The next frame, which is a text.
    pub(crate) async fn hear_text(&mut self) -> String {
        self.hear().await.into_text().unwrap().to_string()
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Acknowledges the next frame, which is a subscription; gives its request id.
    pub(crate) async fn acknowledge(&mut self) -> String {
        let id = request_id(&self.hear_text().await);
        self.say(&ack(&id, true, "")).await;
        id
    }
}

/// The id of a subscription request.
pub(crate) fn request_id(frame: &str) -> String {
    let frame: serde_json::Value = serde_json::from_str(frame).unwrap();
    assert_eq!(frame["op"], "subscribe");
    frame["req_id"].as_str().unwrap().to_owned()
}

/// Bybit's answer to a subscription.
pub(crate) fn ack(id: &str, success: bool, message: &str) -> String {
    format!(r#"{{"success":{success},"ret_msg":"{message}","conn_id":"c","req_id":"{id}","op":"subscribe"}}"#)
}

/// A ticker: market data that carries a mark.
pub(crate) fn ticker(symbol: &str, mark: u32) -> String {
    format!(
        r#"{{"topic":"tickers.{symbol}","type":"snapshot","cs":1,"ts":1791565601482,"data":{{"symbol":"{symbol}","markPrice":"{mark}.5"}}}}"#
    )
}

/// A liquidation frame with one good event between a bad one and a worse one.
pub(crate) const LIQUIDATIONS: &str = r#"{"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":1791565601482,"data":[{"T":1791565600992,"s":"BTCUSDT","S":"Sideways","v":"0.006","p":"82396.90"},{"T":1791565600992,"s":"BTCUSDT","S":"Buy","v":"0.006","p":"82396.90"},{"T":1791565600992,"s":"BTCUSDT","S":"Buy","v":"-1","p":"82396.90"}]}"#;

/// A subscription of Bybit's to one topic.
pub(crate) fn subscription(id: &str, topic: &str) -> Subscription {
    Subscription {
        frame: format!(r#"{{"req_id":"{id}","op":"subscribe","args":["{topic}"]}}"#),
        acks: vec![Ack::Request(id.to_owned())],
        topics: vec![topic.to_owned()],
    }
}

/// A route to the exchange with one subscription, and more patience than any test.
pub(crate) fn route(exchange: &Exchange) -> Route {
    Route {
        venue: Venue::Bybit,
        name: "linear-0".to_owned(),
        url: exchange.url(),
        subscriptions: vec![subscription("1", "tickers.BTCUSDT")],
        frames_per_second: 100,
        keepalive: None,
        watch: Watch { silent_after: Duration::from_hours(1), ack_within: Duration::from_hours(1) },
        renew_after: None,
        market_wide: Vec::new(),
        carries: vec![GapStream::Liquidations, GapStream::Mark],
        symbols: Vec::new(),
    }
}

/// A session on this route.
pub(crate) fn plan(route: Route, clock: &Arc<impl Clock + 'static>) -> Session {
    let instruments = Arc::new(Instruments::default());
    Session::new(protocol(route.venue), route, instruments, Arc::clone(clock) as Arc<dyn Clock>)
}

/// Runs one session beside the exchange's script, and asks it to stop where the script ends.
pub(crate) async fn run(plan: &Session, ear: &Ear, script: impl Future<Output = ()>) -> Ended {
    let (stop, stopped) = oneshot::channel::<()>();
    let mut sink = ear.clone();
    let scripted = async {
        script.await;
        drop(stop);
    };
    let (ended, ()) =
        tokio::join!(Box::pin(session(plan, &mut sink, async { drop(stopped.await) })), scripted);
    ended
}
