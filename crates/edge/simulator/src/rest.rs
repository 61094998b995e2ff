//! The venues' HTTP answers: instruments, the record of liquidations, open interest, and refusals; and whether the exchanges
//! are open, for whoever runs them. Knows no WebSocket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use cascade_domain::Venue;
use serde_json::{Value, json};

use crate::broken::{HttpAnswer, PollFault};
use crate::exchange::Exchange;
use crate::limit::{Beyond, Endpoint};
use crate::server::Floor;
use crate::{binance, bybit, hyperliquid, okx};

/// In which Binance tells the weight of the minute so far.
const USED_WEIGHT: HeaderName = HeaderName::from_static("x-mbx-used-weight-1m");

/// So far the markets may be behind the clock, wall time.
const MOST_BEHIND: Duration = Duration::from_secs(5);

type Asked = Query<BTreeMap<String, String>>;

/// Every REST path of every exchange.
pub(crate) fn routes() -> Router<Arc<Floor>> {
    Router::new()
        .route("/binance/fapi/v1/exchangeInfo", get(usdm_exchange_info))
        .route("/binance/fapi/v1/fundingInfo", get(funding_info))
        .route("/binance/fapi/v1/openInterest", get(usdm_open_interest))
        .route("/binance-coinm/dapi/v1/exchangeInfo", get(coinm_exchange_info))
        .route("/binance-coinm/dapi/v1/openInterest", get(coinm_open_interest))
        .route("/bybit/v5/market/instruments-info", get(bybit_instruments))
        .route("/okx/api/v5/public/instruments", get(okx_instruments))
        .route("/okx/api/v5/public/liquidation-orders", get(okx_liquidations))
        .route("/okx/api/v5/public/open-interest", get(okx_open_interest))
        .route("/hyperliquid/info", post(hyperliquid_info))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
}

async fn live() -> Response {
    Json(json!({"status": "live"})).into_response()
}

/// Ready while the world goes with the clock.
async fn ready(State(floor): State<Arc<Floor>>) -> Response {
    let behind = floor.behind();
    if behind <= MOST_BEHIND {
        return Json(json!({"status": "ready", "reasons": {}, "holding": ["exchanges"]})).into_response();
    }
    let reason = format!("the markets stand still since {} s", behind.as_secs());
    let body = json!({"status": "unready", "reasons": {"exchanges": reason}, "holding": []});
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

/// A bare answer with this status; one that is no HTTP status is 503.
pub(crate) fn refusal((status, retry_after_s): HttpAnswer) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut answer = status.into_response();
    if let Some(seconds) = retry_after_s {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

async fn usdm_exchange_info(State(floor): State<Arc<Floor>>) -> Response {
    answer(&floor, Venue::Binance, |exchange, now| {
        Json(binance::exchange_info(exchange.listings(), false, now))
    })
}

async fn coinm_exchange_info(State(floor): State<Arc<Floor>>) -> Response {
    answer(&floor, Venue::Binance, |exchange, now| {
        Json(binance::exchange_info(exchange.listings(), true, now))
    })
}

async fn funding_info(State(floor): State<Arc<Floor>>) -> Response {
    answer(&floor, Venue::Binance, |exchange, _| Json(binance::funding_info(exchange.listings())))
}

async fn bybit_instruments(State(floor): State<Arc<Floor>>, Query(query): Asked) -> Response {
    answer(&floor, Venue::Bybit, |exchange, now| {
        Json(bybit::instruments_info(&query, exchange.listings(), now))
    })
}

async fn okx_instruments(State(floor): State<Arc<Floor>>, Query(query): Asked) -> Response {
    let kind = query.get("instType").map(String::as_str);
    answer(&floor, Venue::Okx, |exchange, _| Json(okx::instruments(kind, exchange.listings())))
}

async fn okx_liquidations(State(floor): State<Arc<Floor>>, Query(query): Asked) -> Response {
    answered(&floor, (Venue::Okx, Endpoint::Liquidations), |exchange, _| Json(exchange.recall(&query)))
}

async fn usdm_open_interest(State(floor): State<Arc<Floor>>, Query(query): Asked) -> Response {
    open_interest(&floor, (Venue::Binance, false), &query)
}

async fn coinm_open_interest(State(floor): State<Arc<Floor>>, Query(query): Asked) -> Response {
    open_interest(&floor, (Venue::Binance, true), &query)
}

async fn okx_open_interest(State(floor): State<Arc<Floor>>, Query(query): Asked) -> Response {
    open_interest(&floor, (Venue::Okx, false), &query)
}

fn open_interest(
    floor: &Floor,
    (venue, coin_margined): (Venue, bool),
    query: &BTreeMap<String, String>,
) -> Response {
    let broken = floor.exchange(venue).broken.polls;
    if let Some(PollFault::Status(status, retry_after_s)) = broken {
        return refusal((status, retry_after_s));
    }
    answered(floor, (venue, Endpoint::Interest), |exchange, _| {
        match exchange.open_interest(coin_margined, query) {
            Some((status, body)) => told(status, body),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    })
}

/// An answer of JSON with this status.
fn told(status: u16, body: String) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json;charset=utf-8")];
    (StatusCode::from_u16(status).unwrap_or(StatusCode::OK), json, body).into_response()
}

async fn hyperliquid_info(State(floor): State<Arc<Floor>>, body: String) -> Response {
    answer(&floor, Venue::Hyperliquid, |exchange, _| {
        let request = serde_json::from_str(&body).ok();
        match request.and_then(|request: Value| hyperliquid::info(&request, exchange.listings())) {
            Some(answer) => Json(answer).into_response(),
            None => {
                (StatusCode::UNPROCESSABLE_ENTITY, "Failed to deserialize the JSON body into the target type")
                    .into_response()
            }
        }
    })
}

fn answer<R: IntoResponse>(
    floor: &Floor,
    venue: Venue,
    body: impl FnOnce(&mut Exchange, i64) -> R,
) -> Response {
    answered(floor, (venue, Endpoint::General), body)
}

/// What a request is answered with: a fault's status, a refusal beyond the limits, or what was asked for. The body is
/// told what the venue takes for now, milliseconds.
fn answered<R: IntoResponse>(
    floor: &Floor,
    (venue, endpoint): (Venue, Endpoint),
    body: impl FnOnce(&mut Exchange, i64) -> R,
) -> Response {
    let now = floor.clock.now();
    let mut exchange = floor.exchange(venue);
    if let Some(status) = exchange.broken.answers_rest {
        return refusal(status);
    }
    let stamp_ms = exchange.stamp_ms(now);
    let mut answer = match exchange.admits_rest(endpoint, now) {
        Ok(()) => body(&mut exchange, stamp_ms).into_response(),
        Err(beyond) => beyond_limits(venue, beyond, stamp_ms),
    };
    if let Some(used) = exchange.used_weight() {
        answer.headers_mut().insert(USED_WEIGHT, HeaderValue::from(used));
    }
    answer
}

/// How a venue refuses what is beyond its limits.
fn beyond_limits(venue: Venue, beyond: Beyond, now_ms: i64) -> Response {
    let (status, left_ms, msg) = match beyond {
        Beyond::Banned(left_ms) => {
            (418, left_ms, format!("Way too many requests; IP banned until {}.", now_ms + left_ms))
        }
        Beyond::Limited(left_ms) => {
            (429, left_ms, "Too many requests; current limit of IP is 2400 requests per minute.".to_owned())
        }
    };
    match venue {
        Venue::Bybit => refusal((403, None)),
        Venue::Okx => told(429, json!({"code": "50011", "msg": "Too Many Requests", "data": []}).to_string()),
        Venue::Hyperliquid => refusal((429, None)),
        Venue::Binance => {
            let mut answer = told(status, json!({"code": -1003, "msg": msg}).to_string());
            let seconds = u32::try_from(left_ms.div_euclid(1000) + 1).unwrap_or(u32::MAX);
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            answer
        }
    }
}
