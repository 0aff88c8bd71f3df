//! The frames of the gateway's protocol, version 3: what is asked, and what of the answers is looked at. Payloads are passed
//! over without being kept.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

use super::credentials::Credentials;
use super::device::{CLIENT_ID, CLIENT_MODE, ROLE};

/// The version of the protocol.
const PROTOCOL: u32 = 3;

/// The id of the first request.
pub(super) const CONNECT: &str = "connect";

/// The questions. They change nothing.
pub(super) const QUESTIONS: [&str; 4] = ["health", "status", "system-presence", "config.get"];

/// The request that opens a session.
pub(super) fn connect(credentials: &Credentials, now: u64, nonce: Option<&str>, instance: &str) -> String {
    let Credentials { token, password, device, .. } = credentials;
    let platform = match std::env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    };
    let client = json!({
        "id": CLIENT_ID, "version": "dev", "platform": platform, "mode": CLIENT_MODE, "instanceId": instance,
    });
    // Without a device a gateway grants no scopes, so none are asked for.
    let scopes = device.as_ref().map_or(&[][..], |device| &device.scopes);
    let mut params = json!({
        "minProtocol": PROTOCOL, "maxProtocol": PROTOCOL, "client": client, "caps": [], "role": ROLE, "scopes": scopes,
    });
    let mut set = |key: &str, value: Value| {
        if let Value::Object(params) = &mut params {
            params.insert(key.to_owned(), value);
        }
    };
    let mut auth = serde_json::Map::new();
    let token = token.as_ref().or(device.as_ref().map(|device| &device.token));
    for (key, secret) in [("token", token), ("password", password.as_ref())] {
        auth.extend(secret.map(|secret| (key.to_owned(), secret.expose().into())));
    }
    if !auth.is_empty() {
        set("auth", auth.into());
    }
    if let Some(device) = device {
        let proof = device.proof(now, nonce);
        let mut value = json!({
            "id": proof.id, "publicKey": proof.public_key, "signature": proof.signature, "signedAt": now,
        });
        if let (Value::Object(value), Some(nonce)) = (&mut value, nonce) {
            value.insert("nonce".to_owned(), nonce.into());
        }
        set("device", value);
    }
    request(CONNECT, CONNECT, params)
}

/// One of the questions; its id is its method.
pub(super) fn question(method: &str) -> String {
    let params = if method == "config.get" { json!({}) } else { Value::Null };
    request(method, method, params)
}

fn request(id: &str, method: &str, params: Value) -> String {
    let mut frame = json!({"type": "req", "id": id, "method": method});
    if let (Value::Object(frame), false) = (&mut frame, params.is_null()) {
        frame.insert("params".to_owned(), params);
    }
    frame.to_string()
}

/// A frame of the gateway's.
#[derive(Debug)]
pub(super) enum Frame {
    /// It begins a session with a text to sign.
    Challenge(String),
    /// An answer.
    Answer { id: String, result: Result<Payload, String> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "these members may be there, and say nothing")]
struct Raw {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    ok: Option<bool>,
    event: Option<String>,
    #[serde(default)]
    payload: Payload,
    error: Option<RawError>,
    seq: Option<IgnoredAny>,
    #[serde(rename = "stateVersion")]
    state_version: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct RawError {
    message: Option<String>,
}

impl Frame {
    /// Reads a frame; none where it is none of these, as the reference's client passes it over.
    pub fn read(text: &str) -> Option<Self> {
        let raw: Raw = serde_json::from_str(text).ok()?;
        match raw.kind.as_str() {
            "event" if raw.event.as_deref() == Some("connect.challenge") => {
                raw.payload.nonce.map(Self::Challenge)
            }
            "res" => {
                let message = || raw.error.and_then(|error| error.message);
                let unknown = || "unknown error".to_owned();
                let result = if raw.ok? { Ok(raw.payload) } else { Err(message().unwrap_or_else(unknown)) };
                Some(Self::Answer { id: raw.id?, result })
            }
            _ => None,
        }
    }
}

/// What matters of a payload: that it is an object, the text of a nonce in it, and the version of the server that it names.
#[derive(Debug, Default)]
pub(super) struct Payload {
    pub object: bool,
    /// `server.version`, where the payload has it.
    pub server: Option<String>,
    version: Option<String>,
    nonce: Option<String>,
    text: Option<String>,
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PayloadVisitor)
    }
}

struct PayloadVisitor;

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
        let mut payload = Payload { object: true, ..Payload::default() };
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "nonce" => payload.nonce = map.next_value::<Payload>()?.text,
                "server" => payload.server = map.next_value::<Payload>()?.version,
                "version" => payload.version = map.next_value::<Payload>()?.text,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(payload)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Payload, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Payload::default())
    }

    fn visit_unit<E>(self) -> Result<Payload, E> {
        Ok(Payload::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Payload, E> {
        Ok(Payload::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Payload, E> {
        Ok(Payload::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Payload, E> {
        Ok(Payload::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Payload, E> {
        Ok(Payload::default())
    }

    fn visit_str<E>(self, text: &str) -> Result<Payload, E> {
        Ok(Payload { text: Some(text.to_owned()), ..Payload::default() })
    }
}
