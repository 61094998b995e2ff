//! `/api/v1/openapi.json`: the API describes itself, from the same lines that make it.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{alerts, findings, listen, orders, page, status};

/// The whole description.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Cascade coordinator",
        description = "Says whether the whole system does its work, and shows what it does. Times are RFC 3339 or, where the \
            name ends in _ms, milliseconds since 1970. What is not known is absent. Every error is a problem (RFC 9457). \
            The process kit also serves /health/live, /health/ready and /metrics here.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        page::page, page::style, status::health, status::status, status::status_v1, status::feeds, findings::findings,
        alerts::alerts, orders::order, listen::listen, description,
    ),
    modifiers(&Token),
)]
struct Api;

/// The bearer token of the orders.
struct Token;

impl Modify for Token {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The token that coordinator.token_env or coordinator.token_file names"));
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}

/// This description
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "description",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object)),
)]
pub(super) async fn description() -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}
