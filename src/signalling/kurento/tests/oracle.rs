//! What KMS does with a text, written again without the gateway's reader: of two members with one
//! name the last one counts, numbers and booleans are texts where a text is wanted, text after the
//! first document is ignored, and in a transaction `newref:N` is replaced by what operation N
//! returned, wherever it stands.
//!
//! [`check`] says whether a text that goes on to KMS does only what the preset `kurento-app` is
//! for. The client has one session and one pipeline, may use URIs below [`PREFIX`], and has stored
//! the worst texts as name and tag of its pipeline.

use serde_json::{Value, json};

/// The session of the client.
pub(crate) const SESSION: &str = "55555555-5555-4555-8555-555555555555";
/// Its pipeline.
pub(crate) const PIPELINE: &str = "11111111-1111-4111-8111-111111111111_kurento.MediaPipeline";
/// The session of another client.
pub(crate) const FOREIGN_SESSION: &str = "66666666-6666-4666-8666-666666666666";
/// The pipeline of another client.
pub(crate) const FOREIGN_PIPELINE: &str =
    "33333333-3333-4333-8333-333333333333_kurento.MediaPipeline";
/// What URIs of the client begin with.
pub(crate) const PREFIX: &str = "https://media.example.com/pub/";

const CREATED: &str = "77777777-7777-4777-8777-777777777777_kurento.MediaPipeline";

const NOT_OF_APPS: [&str; 8] = [
    "command",
    "networkInterfaces",
    "externalAddress",
    "externalIPv4",
    "externalIPv6",
    "stunServerAddress",
    "stunServerPort",
    "turnUrl",
];

/// Whether a forwarded text does only what an app may do.
pub(crate) fn check(forwarded: &str) -> Result<(), String> {
    // KMS reads the first document, and drops the connection if there is none.
    let mut documents = serde_json::Deserializer::from_str(forwarded).into_iter::<Value>();
    let document = documents.next().ok_or("empty")?;
    let mut document = document.map_err(|error| format!("not JSON: {error}"))?;
    if documents.next().is_some_and(|next| next.is_ok()) {
        return Err("two documents".into());
    }
    if !document.is_object() || document.get("params").is_some_and(|it| !it.is_object()) {
        return Err("KMS drops the connection".into());
    }
    if document.get("id").is_none_or(Value::is_null) && is_remembered(&document["method"]) {
        return Err("the answer cannot be matched".into());
    }
    execute(&mut document, 0).map(|_| ())
}

/// Whether the gateway has to see the answer. Of what is below another object it has not.
fn is_remembered(method: &Value) -> bool {
    method == "create" || method == "transaction"
}

/// Executes a request and returns its result, or `None` if KMS refuses it.
fn execute(request: &mut Value, depth: usize) -> Result<Option<Value>, String> {
    if depth > 8 || request["jsonrpc"] != "2.0" {
        return Ok(None);
    }
    let Some(method) = request["method"].as_str().map(str::to_owned) else {
        return Ok(None);
    };
    let params = &mut request["params"];
    if let Some(session) = params.get("sessionId")
        && text(session) != SESSION
    {
        return Err(format!("session {session}"));
    }
    if method != "transaction" {
        check_objects(params)?;
    }
    // The server's own operations take no parameters.
    let is_of_server = params["object"] == "manager_ServerManager";
    if method == "create" || (method == "invoke" && !is_of_server) {
        check_parameters(params)?;
    }
    let result = match &*method {
        "ping" | "connect" | "keepAlive" | "closeSession" => json!({}),
        "create" => create(params)?,
        "invoke" => invoke(params)?,
        "release" | "describe" | "ref" | "unref" | "subscribe" | "unsubscribe" => {
            let object = text(&params["object"]);
            if method != "describe" && object == "manager_ServerManager" {
                return Err(format!("{method} of the server"));
            }
            own(&object)?;
            json!({"value": "88888888-8888-4888-8888-888888888888"})
        }
        "transaction" => transaction(params, depth)?,
        other => return Err(format!("method {other}")),
    };
    Ok(Some(result))
}

fn create(params: &Value) -> Result<Value, String> {
    let kind = text(&params["type"]);
    let name = kind.strip_prefix("kurento.").unwrap_or(&kind);
    let allowed = [
        "MediaPipeline",
        "HubPort",
        "PassThrough",
        "WebRtcEndpoint",
        "PlayerEndpoint",
        "RecorderEndpoint",
        "HttpPostEndpoint",
        "Composite",
        "AlphaBlending",
        "Dispatcher",
        "DispatcherOneToMany",
        "Mixer",
        "FaceOverlayFilter",
        "ImageOverlayFilter",
        "ZBarFilter",
    ];
    if allowed.contains(&name) {
        Ok(json!({"value": CREATED}))
    } else {
        Err(format!("type {kind}"))
    }
}

fn invoke(params: &Value) -> Result<Value, String> {
    let (object, operation) = (text(&params["object"]), text(&params["operation"]));
    own(&object)?;
    if object == "manager_ServerManager" && operation != "getInfo" {
        return Err(format!("{operation} of the server"));
    }
    let forbidden = [
        "setElementProperty",
        "setTurnUrl",
        "setStunServerAddress",
        "getPipelines",
    ];
    if forbidden.contains(&&*operation) {
        return Err(format!("operation {operation}"));
    }
    Ok(json!({"value": match &*operation {
        "getName" => FOREIGN_PIPELINE,
        "getTag" => "file:///etc/x",
        "getId" => "release",
        _ => "",
    }}))
}

fn own(object: &str) -> Result<(), String> {
    let root = object.split('/').next().unwrap_or_default();
    if root == PIPELINE || root == CREATED || object == "manager_ServerManager" {
        Ok(())
    } else if object.contains("_kurento.") {
        Err(format!("object {object}"))
    } else {
        // KMS does not have it.
        Ok(())
    }
}

fn transaction(params: &mut Value, depth: usize) -> Result<Value, String> {
    let mut results: Vec<Option<Value>> = Vec::new();
    let Some(operations) = params["operations"].as_array_mut() else {
        return Ok(json!({}));
    };
    for operation in operations {
        if !operation.is_object() || operation.get("params").is_some_and(|it| !it.is_object()) {
            return Err("KMS drops the connection".into());
        }
        operation["params"]["sessionId"] = SESSION.into();
        if !inject(&mut operation["params"], &results) {
            break;
        }
        let result = execute(operation, depth + 1)?;
        let is_refused = result.is_none();
        results.push(result);
        if is_refused {
            break;
        }
    }
    Ok(json!({}))
}

/// Replaces references. `false` if one has no value, so that KMS gives up.
fn inject(value: &mut Value, results: &[Option<Value>]) -> bool {
    match value {
        Value::Object(members) => members.values_mut().all(|value| inject(value, results)),
        Value::Array(items) => items.iter_mut().all(|value| inject(value, results)),
        Value::String(text) => {
            let Some(number) = text.strip_prefix("newref:").filter(|rest| !rest.is_empty()) else {
                return true;
            };
            let Some(result) = stoi(number).and_then(|at| results.get(at)?.as_ref()) else {
                return false;
            };
            *value = result["value"].clone();
            true
        }
        _ => true,
    }
}

/// White space, a sign and digits, and nothing of what follows.
fn stoi(text: &str) -> Option<usize> {
    let text = text.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit());
    text[..end.unwrap_or(text.len())].parse().ok()
}

fn check_parameters(value: &Value) -> Result<(), String> {
    match value {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            let lower = name.to_ascii_lowercase();
            if NOT_OF_APPS.contains(&&**name) {
                return Err(format!("member {name}"));
            }
            if lower.contains("uri") || lower.contains("url") {
                let uris = value
                    .as_array()
                    .map_or(std::slice::from_ref(value), |list| &list[..]);
                uris.iter().try_for_each(check_uri)?;
            }
            check_parameters(value)
        }),
        Value::Array(items) => items.iter().try_for_each(check_parameters),
        _ => Ok(()),
    }
}

fn check_objects(value: &Value) -> Result<(), String> {
    match value {
        Value::Object(members) => members.values().try_for_each(check_objects),
        Value::Array(items) => items.iter().try_for_each(check_objects),
        // KMS looks for the whole text, so that an id with something in it is of no object.
        Value::String(text) if text.split('/').next() == Some(FOREIGN_PIPELINE) => {
            Err(format!("object {text}"))
        }
        _ => Ok(()),
    }
}

fn check_uri(value: &Value) -> Result<(), String> {
    let uri = value.as_str().ok_or_else(|| format!("URI {value}"))?;
    let (begin, rest) = uri.split_at_checked(8).ok_or("short")?;
    let (host, path) = rest.split_once('/').ok_or("without a path")?;
    let path = path.split('?').next().unwrap_or_default();
    let is_host = host
        .trim_end_matches(":443")
        .eq_ignore_ascii_case("media.example.com");
    let has_dots = path.split('/').any(|part| part == ".." || part == ".");
    let lower = path.to_ascii_lowercase();
    let hides = ["%2e", "%2f", "%5c", "\\", "//"]
        .iter()
        .any(|text| lower.contains(text));
    if begin.eq_ignore_ascii_case("https://")
        && is_host
        && undo_escapes(path).starts_with(b"pub/")
        && !has_dots
        && !hides
    {
        Ok(())
    } else {
        Err(format!("URI {uri}"))
    }
}

fn undo_escapes(path: &str) -> Vec<u8> {
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        bytes.extend(u8::from_str_radix(digits, 16).ok());
        bytes.extend(rest.as_bytes());
    }
    bytes
}

/// A text as jsoncpp converts one.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
