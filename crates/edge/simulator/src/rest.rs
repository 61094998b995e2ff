//! The venues' HTTP answers: instruments, the record of liquidations, and refusals. Knows no WebSocket.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use cascade_domain::Venue;
use serde_json::{Value, json};

use crate::broken::HttpAnswer;
use crate::exchange::Exchange;
use crate::server::Floor;
use crate::{binance, bybit, hyperliquid, okx};

type Asked = Query<BTreeMap<String, String>>;

/// Every REST path of every exchange.
pub(crate) fn routes() -> Router<Arc<Floor>> {
    Router::new()
        .route("/binance/fapi/v1/exchangeInfo", get(usdm_exchange_info))
        .route("/binance/fapi/v1/fundingInfo", get(funding_info))
        .route("/binance-coinm/dapi/v1/exchangeInfo", get(coinm_exchange_info))
        .route("/bybit/v5/market/instruments-info", get(bybit_instruments))
        .route("/okx/api/v5/public/instruments", get(okx_instruments))
        .route("/okx/api/v5/public/liquidation-orders", get(okx_liquidations))
        .route("/hyperliquid/info", post(hyperliquid_info))
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
    answered(&floor, (Venue::Okx, true), |exchange, _| Json(exchange.recall(&query)))
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

fn answer<R: IntoResponse>(floor: &Floor, venue: Venue, body: impl FnOnce(&Exchange, i64) -> R) -> Response {
    answered(floor, (venue, false), body)
}

/// What a request is answered with: a fault's status, a refusal beyond the limits, or what was asked for. The body is
/// told what the venue takes for now, milliseconds.
fn answered<R: IntoResponse>(
    floor: &Floor,
    (venue, liquidations): (Venue, bool),
    body: impl FnOnce(&Exchange, i64) -> R,
) -> Response {
    let now = floor.clock.now();
    let mut exchange = floor.exchange(venue);
    if let Some(status) = exchange.broken.answers_rest {
        return refusal(status);
    }
    if exchange.admits_rest(liquidations, now) {
        return body(&exchange, exchange.stamp_ms(now)).into_response();
    }
    match venue {
        Venue::Bybit => refusal((403, None)),
        Venue::Okx => {
            let told = json!({"code": "50011", "msg": "Too Many Requests", "data": []});
            (StatusCode::TOO_MANY_REQUESTS, Json(told)).into_response()
        }
        Venue::Binance | Venue::Hyperliquid => refusal((429, None)),
    }
}
