//! The description of the API, held against the routes and their answers.

use std::collections::BTreeSet;

use cascade_domain::Level;
use serde_json::{Value, json};

use crate::support::{Served, TOKEN, answer, cascade, put_out};

/// The schema that this one refers to, or itself.
fn resolved<'a>(api: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(to) => api.pointer(to.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{to} is nowhere")),
        None => schema,
    }
}

/// Whether a value has the type and every required field of a schema, and so have its parts.
fn fits(api: &Value, schema: &Value, value: &Value, path: &str) {
    let schema = resolved(api, schema);
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(
        types.contains(&kind) || (kind == "integer" && types.contains(&"number")),
        "{path}: {kind} is none of {types:?}"
    );
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(required.as_str().unwrap()).is_some(), "{path}: {required} is missing in {value}");
    }
    for (name, part) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            fits(api, part, value, &format!("{path}.{name}"));
        }
    }
    if let Some(item) = schema.get("items") {
        value.as_array().unwrap().iter().for_each(|value| fits(api, item, value, &format!("{path}[]")));
    }
    if let (Some(part), Some(map)) =
        (schema.get("additionalProperties").filter(|p| p.is_object()), value.as_object())
    {
        map.iter().for_each(|(name, value)| fits(api, part, value, &format!("{path}.{name}")));
    }
}

/// The routes, as the source mounts them: method and path.
fn mounted() -> BTreeSet<(String, String)> {
    let source = include_str!("../../src/http.rs");
    let routes = source.split(".route(\"").skip(1).map(|rest| {
        let (path, rest) = rest.split_once("\", ").unwrap();
        (rest.split_once('(').unwrap().0.to_owned(), path.to_owned())
    });
    routes.collect()
}

#[tokio::test]
async fn every_route_is_described_and_nothing_else_is() {
    let served = Served::start().await;
    let api = served.get("/api/v1/openapi.json").await.json();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"), "{}", api["openapi"]);
    let described: BTreeSet<(String, String)> = api["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone()))
        })
        .collect();
    let mounted = mounted();
    assert!(mounted.len() >= 11, "{mounted:?}");
    assert_eq!(described, mounted);
}

#[tokio::test]
async fn every_answer_parameter_and_field_is_explained() {
    let served = Served::start().await;
    let api = served.get("/api/v1/openapi.json").await.json();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{path}");
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses {
                assert!(
                    response["description"].as_str().is_some_and(|text| !text.is_empty()),
                    "{path} {status}"
                );
                let is_problem = response["content"].get("application/problem+json").is_some();
                let has_report = path == "/health" && status == "503";
                assert_eq!(is_problem, status.as_str() >= "400" && !has_report, "{path} {status}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(
                    parameter["description"].as_str().is_some_and(|text| !text.is_empty()),
                    "{path} {parameter}"
                );
            }
        }
    }
    let schemas = api["components"]["schemas"].as_object().unwrap();
    assert!(schemas.len() >= 10, "{schemas:?}");
    for (name, schema) in schemas {
        for (field, described) in schema["properties"].as_object().into_iter().flatten() {
            let is_told = described.get("description").is_some()
                || resolved(&api, described).get("description").is_some();
            assert!(is_told, "{name}.{field} is not explained");
        }
    }
    assert_eq!(api["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    assert_eq!(api["paths"]["/api/v1/orders"]["post"]["security"], json!([{"token": []}]));
}

#[tokio::test]
async fn answers_are_as_they_are_described() {
    let served = Served::start().await;
    put_out(&served.bus, &[cascade("BTCUSDT", 0, Level::Critical)]).await;
    let api = served.get("/api/v1/openapi.json").await.json();
    let check = |path: &str, method: &str, answer: &crate::support::Answer| {
        let response = &api["paths"][path][method]["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{path} answers {} and does not say so", answer.status);
        let (kind, content) = response["content"].as_object().unwrap().iter().next().unwrap();
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with(kind), "{path}: {answer:?}");
        if kind.contains("json") {
            fits(&api, &content["schema"], &answer.json(), path);
        }
    };
    served.until("/status", 200).await;
    for path in [
        "/",
        "/style.css",
        "/health",
        "/status",
        "/api/v1/status",
        "/api/v1/feeds",
        "/api/v1/findings",
        "/api/v1/alerts",
    ] {
        check(path, "get", &served.get(path).await);
    }
    for path in ["/api/v1/findings?limit=0", "/api/v1/alerts?limit=0"] {
        check(path.split('?').next().unwrap(), "get", &served.get(path).await);
    }
    check("/ws", "get", &served.get("/ws").await);
    let order = |token: &str, body: &Value| {
        let client = reqwest::Client::new().post(served.url("/api/v1/orders"));
        client.header("authorization", format!("Bearer {token}")).json(body)
    };
    for request in
        [order("wrong", &json!({})), order(TOKEN, &json!({})), order(TOKEN, &json!({"order": "test"}))]
    {
        check("/api/v1/orders", "post", &answer(request).await);
    }
}
