//! What a Kurento has: sessions, objects, and the answers that it gives again.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::MANAGER;

/// Sessions and objects. A connection is known by its number.
#[derive(Debug, Default)]
pub(super) struct Media {
    /// What the next `describe` returns.
    pub(super) described: Option<String>,
    sessions: HashMap<String, Session>,
    /// The session of each connection.
    current: HashMap<usize, String>,
    subscribed: HashSet<(String, String, String)>,
    /// Answers by session and id, whatever the method. They are kept as long as a story is.
    cached: HashMap<(String, String), String>,
    last: u64,
}

#[derive(Debug, Default)]
struct Session {
    connection: usize,
    objects: HashSet<String>,
}

/// A code and the name of its type.
type Refused = (i64, &'static str);

const NO_SESSION: Refused = (40_007, "INVALID_SESSION");
const NO_OBJECT: Refused = (40_101, "MEDIA_OBJECT_NOT_FOUND");

impl Media {
    pub(super) fn has_object(&self, object: &str) -> bool {
        object == MANAGER || self.all_objects().any(|known| known == object)
    }

    /// The connections of the sessions that have subscribed to an event of an object.
    pub(super) fn subscribers(&self, object: &str, kind: &str) -> Vec<usize> {
        let subscribed = self.subscribed.iter();
        let these = subscribed.filter(|(_, its, name)| its == object && name == kind);
        these
            .filter_map(|(session, ..)| Some(self.sessions.get(session)?.connection))
            .collect()
    }

    /// The answer to a message; `None` if the connection is dropped.
    pub(super) fn answer(&mut self, connection: usize, request: &Value) -> Option<String> {
        let has_session = self.current.contains_key(&connection);
        let params = &request["params"];
        let is_request = request.is_object() && (params.is_null() || params.is_object());
        if !is_request {
            let error = json!({"id": null, "jsonrpc": "2.0", "error": {"code": -32600,
                "message": "Invalid JSON-RPC request."}});
            return (!has_session).then(|| error.to_string());
        }
        let Some(id) = request.get("id") else {
            let result = self.execute(connection, request);
            let error = json!({"code": -32000, "data": result.unwrap_or_default(),
                "message": "Unexpected error"});
            let answer = json!({"id": null, "jsonrpc": "2.0", "error": error});
            return Some(answer.to_string());
        };
        let named = params["sessionId"].as_str().map(str::to_owned);
        let session = named.or_else(|| self.current.get(&connection).cloned());
        let key = session.map(|session| (session, id.to_string()));
        if let Some(answer) = key.as_ref().and_then(|key| self.cached.get(key)) {
            return Some(answer.clone());
        }
        let answer = match self.execute(connection, request) {
            Ok(_) if self.described.is_some() && request["method"] == "describe" => {
                let result = self.described.take().unwrap();
                format!("\n{{\"id\":{id} ,\"jsonrpc\":\"2.0\",\"result\":{result}}}\n")
            }
            Ok(result) => json!({"id": id, "jsonrpc": "2.0", "result": result}).to_string(),
            Err(refused) => {
                json!({"id": id, "jsonrpc": "2.0", "error": error(refused)}).to_string()
            }
        };
        if let Some(key) = key {
            self.cached.insert(key, answer.clone());
        }
        Some(answer)
    }

    fn execute(&mut self, connection: usize, request: &Value) -> Result<Value, Refused> {
        let (method, params) = (request["method"].as_str().unwrap_or(""), &request["params"]);
        match method {
            "ping" => return Ok(json!({"value": "pong"})),
            "connect" if !params["sessionId"].is_null() => {
                let session = self.sessions.get(&text(&params["sessionId"]));
                session
                    .filter(|session| !session.objects.is_empty())
                    .ok_or(NO_SESSION)?;
            }
            _ => {}
        }
        let object = text(&params["object"]);
        if !params["object"].is_null() && !self.has_object(&object) {
            return Err(NO_OBJECT);
        }
        let session = self.session(connection, params);
        let value = match method {
            "create" => self.create(&session, params)?.into(),
            "invoke" if params["operation"] == "getPipelines" => {
                self.all_objects().collect::<Vec<_>>().into()
            }
            "invoke" => params["operation"].clone(),
            "subscribe" => {
                let kind = text(&params["type"]);
                self.subscribed.insert((session.clone(), object, kind));
                self.id().into()
            }
            "describe" => json!(object),
            "release" => {
                self.release(&object);
                Value::Null
            }
            "transaction" => self.transaction(connection, params)?,
            "closeSession" => {
                self.sessions.remove(&session).ok_or(NO_SESSION)?;
                self.current.retain(|_, current| *current != session);
                Value::Null
            }
            "connect" | "unsubscribe" | "ref" | "unref" | "keepAlive" => Value::Null,
            _ => return Err((-32601, "METHOD_NOT_FOUND")),
        };
        Ok(match value {
            Value::Null => json!({"sessionId": session}),
            value => json!({"sessionId": session, "value": value}),
        })
    }

    /// The session of a request, which from now on is that of the connection, and its events go
    /// there: it may have been another's.
    fn session(&mut self, connection: usize, params: &Value) -> String {
        let session = match &params["sessionId"] {
            Value::Null => match self.current.get(&connection) {
                Some(current) => current.clone(),
                None => self.id(),
            },
            named => text(named),
        };
        self.current.insert(connection, session.clone());
        self.sessions.entry(session.clone()).or_default().connection = connection;
        session
    }

    fn create(&mut self, session: &str, params: &Value) -> Result<String, Refused> {
        let parameters = &params["constructorParams"];
        let mut parents = ["mediaPipeline", "hub", "mediaElement"]
            .iter()
            .map(|name| &parameters[*name])
            .filter(|parent| !parent.is_null());
        let own = format!("{}_kurento.{}", self.id(), text(&params["type"]));
        let object = match parents.next().map(text) {
            Some(parent) if !self.has_object(&parent) => return Err(NO_OBJECT),
            Some(parent) => format!("{parent}/{own}"),
            None => own,
        };
        let session = self.sessions.get_mut(session).ok_or(NO_SESSION)?;
        session.objects.insert(object.clone());
        Ok(object)
    }

    /// Removes an object, and what is below it.
    fn release(&mut self, object: &str) {
        let below = format!("{object}/");
        for session in self.sessions.values_mut() {
            let objects = &mut session.objects;
            objects.retain(|known| *known != object && !known.starts_with(&below));
        }
    }

    fn transaction(&mut self, connection: usize, params: &Value) -> Result<Value, Refused> {
        let operations = params["operations"].as_array().cloned();
        let mut answers: Vec<Value> = Vec::new();
        for mut operation in operations.ok_or((-32000, "MISSING"))? {
            put_values_in(&mut operation, &answers);
            let result = self.execute(connection, &operation)?;
            answers.push(json!({"id": operation["id"], "jsonrpc": "2.0", "result": result}));
        }
        Ok(answers.into())
    }

    fn all_objects(&self) -> impl Iterator<Item = &str> {
        let sessions = self.sessions.values();
        sessions.flat_map(|session| session.objects.iter().map(String::as_str))
    }

    fn id(&mut self) -> String {
        self.last += 1;
        format!("{:08x}-0000-4000-8000-00000000abcd", self.last)
    }
}

fn error((code, kind): Refused) -> Value {
    json!({"code": code, "data": {"type": kind}, "message": kind})
}

/// Kurento makes a text of everything.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Puts the values of earlier operations where `newref:` refers to them.
fn put_values_in(value: &mut Value, answers: &[Value]) {
    match value {
        Value::String(text) => {
            let number = text.strip_prefix("newref:").and_then(|n| n.parse().ok());
            if let Some(number) = number {
                let number: usize = number;
                *value = answers[number]["result"]["value"].clone();
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| put_values_in(item, answers)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|member| put_values_in(member, answers)),
        _ => {}
    }
}
