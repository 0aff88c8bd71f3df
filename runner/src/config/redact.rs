//! Takes the secrets out of a config: what policies get to see, and the list of what was taken out.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::generation::is_secret_ref;
use super::pointer::join;
use super::schema::{Id, Schema};
use super::schema_type::Kind;
use super::sensitive::{Sensitivity, is_url_key, looks_like_token, names_paths, of_key, redact_url};
use super::{REDACTED, Secret, SecretSource, SecretString, SecretSubject};
use crate::target::Origin;

/// Names of objects whose members are all secret: environments and HTTP headers.
const SECRET_MAPS: [&str; 4] = ["env", "headers", "vars", "environment"];

/// The copy for policies and the secrets. `from_env` are the pointers of strings that hold a variable's value.
pub(super) fn redact(
    config: &Value,
    schema: Option<&'static Schema>,
    from_env: &HashMap<String, Vec<Origin>>,
) -> (Value, Vec<Secret>) {
    let mut work = Work { schema, from_env, secrets: Vec::new() };
    let root = Context { key: "", sensitivity: Sensitivity::None, inside: false, id: Some(Schema::ROOT) };
    let copy = work.value(config, "", root);
    (copy, work.secrets)
}

struct Work<'a> {
    schema: Option<&'static Schema>,
    from_env: &'a HashMap<String, Vec<Origin>>,
    secrets: Vec<Secret>,
}

#[derive(Clone, Copy)]
struct Context<'a> {
    /// Nearest key, also for list items.
    key: &'a str,
    sensitivity: Sensitivity,
    /// Below a key whose whole content is secret.
    inside: bool,
    id: Option<Id>,
}

impl Work<'_> {
    fn value(&mut self, value: &Value, pointer: &str, context: Context<'_>) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(number) => {
                let secret = context.sensitivity == Sensitivity::All && !self.is_closed(context);
                if !secret {
                    return value.clone();
                }
                let text = number.to_string();
                let zero = number.as_f64() == Some(0.0);
                self.add(pointer, text, self.source(pointer));
                json!(i32::from(!zero))
            }
            Value::String(text) => self.text(text, pointer, context),
            Value::Array(items) => {
                let item = self.node(context.id).and_then(|node| node.item);
                let copy = items.iter().enumerate().map(|(index, value)| {
                    self.value(value, &join(pointer, &index.to_string()), Context { id: item, ..context })
                });
                Value::Array(copy.collect())
            }
            Value::Object(map) => {
                if is_secret_ref(value) {
                    self.add(pointer, String::new(), SecretSource::Reference);
                    return value.clone();
                }
                let copy = map.iter().map(|(key, value)| {
                    let below = join(pointer, key);
                    (key.clone(), self.value(value, &below, self.below(context, key, value, pointer)))
                });
                Value::Object(copy.collect())
            }
        }
    }

    fn below<'k>(&self, context: Context<'_>, key: &'k str, value: &Value, pointer: &str) -> Context<'k> {
        let parent = self.node(context.id);
        let id = parent.and_then(|node| node.member(key));
        // A name that the user chose for a section, such as a browser profile's, says nothing of what is in it.
        let chosen = parent.is_some_and(|node| node.any_key.is_some() && node.any_key == id)
            && self.node(id).is_some_and(|node| node.shape().kinds == [Kind::Object])
            && value.is_object();
        let key = if chosen { "" } else { key };
        let map = SECRET_MAPS.contains(&context.key) || context.key.ends_with("Headers");
        // Settings of the login shell, no variables. Deeper `env` objects have no such member.
        let setting = pointer == "/env" && key == "shellEnv";
        let inside = !setting && (context.inside || context.sensitivity != Sensitivity::None || map);
        let sensitivity = match of_key(key) {
            Sensitivity::None if inside => Sensitivity::All,
            Sensitivity::None if map && !setting => Sensitivity::All,
            own => own,
        };
        Context { key, sensitivity, inside, id }
    }

    fn text(&mut self, text: &str, pointer: &str, context: Context<'_>) -> Value {
        let from_env = self.from_env.contains_key(pointer);
        let closed = self.is_closed(context) && self.fits(text, context);
        let path = names_paths(context.key) && !context.inside;
        if closed || path {
            return json!(text);
        }
        let named = context.sensitivity != Sensitivity::None;
        if named || looks_like_token(text) {
            self.add(pointer, text.to_owned(), self.source(pointer));
            return json!(REDACTED);
        }
        if let Some((shown, found)) = redact_url(text, REDACTED) {
            for part in found {
                self.add(pointer, part, self.source(pointer));
            }
            // A path from a variable may be a secret, too (webhooks); host and scheme never are.
            return json!(if from_env { origin_only(&shown) } else { shown });
        }
        if !from_env || text == "*" {
            return json!(text);
        }
        self.add(pointer, text.to_owned(), SecretSource::Environment);
        let url = is_url_key(context.key) && text.contains("://");
        json!(if url { origin_only(text) } else { REDACTED.to_owned() })
    }

    fn node(&self, id: Option<Id>) -> Option<&'static super::schema::Node> {
        self.schema?.node(id?)
    }

    fn is_closed(&self, context: Context<'_>) -> bool {
        self.node(context.id).is_some_and(super::schema::Node::is_closed)
    }

    fn fits(&self, text: &str, context: Context<'_>) -> bool {
        let value = json!(text);
        self.node(context.id).is_some_and(|node| super::schema_type::accepted(&node.shape().kinds, &value))
    }

    fn source(&self, pointer: &str) -> SecretSource {
        if self.from_env.contains_key(pointer) { SecretSource::Environment } else { SecretSource::Literal }
    }

    fn add(&mut self, pointer: &str, value: String, source: SecretSource) {
        let subject = SecretSubject::Pointer(pointer.to_owned());
        self.secrets.push(Secret { subject, value: SecretString::new(value), source });
    }
}

/// `https://host:1/path?x` -> `https://host:1/[secret]`.
fn origin_only(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return REDACTED.to_owned() };
    match rest.split_once(['/', '?', '#']) {
        Some((host, tail)) if !tail.is_empty() => format!("{scheme}://{host}/{REDACTED}"),
        _ => url.to_owned(),
    }
}
