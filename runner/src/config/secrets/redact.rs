//! Takes the secrets out of a config: what policies get to see, the list of what was taken out, and where in a value it
//! stands. The places in a file's text come from the same decision (`mask`).

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde_json::{Map, Value, json};

use crate::config::credentials::{self, Manner, in_text, is_value_of, marked, passes_variable};
use crate::config::pointer::join;
use crate::config::release::Release;
use crate::config::schema::{self, Id, Schema};
use crate::config::schema_type::Kind;
use crate::config::secret_refs::is_secret_ref;
use crate::config::sensitive::{
    self, Sensitivity, is_address_key, is_command_key, is_pattern_key, is_public, is_secret_list,
    is_secret_map, is_url_key, looks_like_token, names_paths, of_key, wide_key,
};
use crate::config::shown::{is_plain_path, is_shown};
use crate::config::substitute::References;
use crate::config::{HIDDEN, REDACTED, Secret, SecretSource, SecretString, SecretSubject};
use crate::target::js_trim;

/// Members of a pair that say what the other member is: `{name: "API_KEY", value: "..."}`.
const PAIR_NAMES: [&str; 6] = ["name", "key", "header", "variable", "id", "flag"];
/// Members of a pair that hold its value.
const PAIR_VALUES: [&str; 4] = ["value", "val", "content", "text"];

/// Where the value stands that is taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Mount {
    /// It is the whole config.
    Root,
    /// It is an include, and it is not known what it is a part of.
    Unknown,
}

/// What of a value is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum Hidden {
    /// All of it.
    Whole,
    /// These ranges of bytes of the text.
    Parts(Vec<Range<usize>>),
}

/// A config without its secrets.
pub(in crate::config) struct Redacted {
    /// The copy for policies.
    pub copy: Value,
    /// What was taken out.
    pub secrets: Vec<Secret>,
    /// Where a text was taken out because a variable gives it, and not because of its place.
    pub hidden_variables: HashSet<String>,
}

/// Takes the secrets out of a config, and what variables give or would give.
pub(in crate::config) fn redact(release: Release, config: &Value, references: &References) -> Redacted {
    let pass = |secret_variables| {
        let mut work = Work { secret_variables, ..Work::new(release, Mount::Root, references) };
        let copy = work.value(config, "", Context::root(Mount::Root));
        (Redacted { copy, secrets: work.secrets, hidden_variables: work.hidden_variables }, work.met)
    };
    let (redacted, secret_variables) = pass(HashSet::new());
    // What is a secret in one place is one in all, also in those that were met before it.
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for given in references.substituted.values().flatten() {
        *counts.entry(&given.name).or_default() += 1;
    }
    if secret_variables.iter().any(|name| counts.get(name.as_str()).is_some_and(|count| *count > 1)) {
        return pass(secret_variables).0;
    }
    redacted
}

/// What stands in the copy in place of a value.
fn mark(kind: &str) -> Value {
    json!({HIDDEN: kind})
}

/// A key of the config must not pass for the mark: it gets one "$" more where it looks like it.
fn unlike_mark(key: &str) -> String {
    let is_like = key.ends_with(HIDDEN) && key.trim_start_matches('$') == HIDDEN.trim_start_matches('$');
    if is_like { format!("${key}") } else { key.to_owned() }
}

/// What of a file's values is not shown, by pointer, and the secrets in them.
pub(in crate::config) fn hidden(
    release: Release,
    value: &Value,
    mount: Mount,
) -> (HashMap<String, Hidden>, Vec<Secret>) {
    let nothing = References::default();
    let mut work = Work { hidden: Some(HashMap::new()), ..Work::new(release, mount, &nothing) };
    work.value(value, "", Context::root(mount));
    (work.hidden.unwrap_or_default(), work.secrets)
}

struct Work<'a> {
    /// The schema of the release says which names users choose, which values are words of its own, and which are secret.
    schema: &'static Schema,
    /// Its agents have their names as keys.
    has_entries: bool,
    mount: Mount,
    references: &'a References,
    secrets: Vec<Secret>,
    hidden_variables: HashSet<String>,
    /// Names of variables that are known to give secrets.
    secret_variables: HashSet<String>,
    /// Those that were met in the place of a secret.
    met: HashSet<String>,
    hidden: Option<HashMap<String, Hidden>>,
}

#[derive(Clone, Copy)]
struct Context<'a> {
    /// Nearest key, also for list items.
    key: &'a str,
    sensitivity: Sensitivity,
    /// Below a key whose whole content is secret.
    inside: bool,
    /// An item of a list.
    listed: bool,
    behind: Behind,
    id: Option<Id>,
}

/// What stands before an item of a list of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    /// The flag whose secret value it is.
    Flag,
    /// The flag of a variable for another program: what follows its name is secret.
    VariableFlag,
}

impl Context<'_> {
    fn root(mount: Mount) -> Self {
        let id = (mount == Mount::Root).then_some(Schema::ROOT);
        let (sensitivity, behind) = (Sensitivity::None, Behind::Nothing);
        Self { key: "", sensitivity, inside: false, listed: false, behind, id }
    }
}

impl<'a> Work<'a> {
    fn new(release: Release, mount: Mount, references: &'a References) -> Self {
        let (secrets, hidden_variables) = (Vec::new(), HashSet::new());
        Self {
            schema: schema::get(release),
            has_entries: release.is_newer_structure(),
            mount,
            references,
            secrets,
            hidden_variables,
            secret_variables: HashSet::new(),
            met: HashSet::new(),
            hidden: None,
        }
    }

    fn value(&mut self, value: &Value, pointer: &str, context: Context<'_>) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(number) => {
                if !context.sensitivity.takes_numbers() || self.is_closed(context) {
                    return value.clone();
                }
                let text = number.to_string();
                self.add(pointer, text, self.source(pointer));
                self.hide(pointer, || Hidden::Whole);
                if number.as_f64() == Some(0.0) { value.clone() } else { mark("secret") }
            }
            Value::String(text) => self.text(text, pointer, context),
            Value::Array(items) => self.list(items, pointer, context),
            Value::Object(map) => {
                if is_secret_ref(value) {
                    self.add(pointer, String::new(), SecretSource::Reference);
                    self.add_given_parts(map, pointer);
                    return mark("reference");
                }
                let pair = is_secret_pair(map);
                let copy = map.iter().map(|(key, value)| {
                    let below = join(pointer, key);
                    let mut context = self.below(context, key, value, pointer);
                    if pair && PAIR_VALUES.contains(&key.as_str()) {
                        context.sensitivity = Sensitivity::All;
                    }
                    (unlike_mark(key), self.value(value, &below, context))
                });
                Value::Object(copy.collect())
            }
        }
    }

    /// A list; in one of arguments, what follows a flag may be its value.
    fn list(&mut self, items: &[Value], pointer: &str, context: Context<'_>) -> Value {
        let item = self.node(context.id).and_then(|node| match pointer {
            "/agents/list" if self.has_entries => node.any_key,
            _ => node.item,
        });
        let is_command = is_command_key(context.key);
        let mut before = "";
        let mut copy = Vec::with_capacity(items.len());
        for (index, value) in items.iter().enumerate() {
            let text = value.as_str().unwrap_or_default();
            let behind = match before {
                flag if is_command && is_value_of(flag, text) => Behind::Flag,
                flag if is_command && passes_variable(flag) => Behind::VariableFlag,
                _ => Behind::Nothing,
            };
            let context = Context { id: item, listed: true, behind, ..context };
            copy.push(self.value(value, &join(pointer, &index.to_string()), context));
            before = text;
        }
        Value::Array(copy)
    }

    fn below<'k>(&self, context: Context<'_>, key: &'k str, value: &Value, pointer: &str) -> Context<'k> {
        let parent = self.node(context.id);
        // Policies see a list of agents, whatever the schema has.
        let key_of_schema =
            if pointer == "/agents" && key == "list" && self.has_entries { "entries" } else { key };
        let id = parent.and_then(|node| node.member(key_of_schema));
        // A name that the user chose for a section, such as a browser profile's, says nothing of what is in it.
        let is_any = parent.is_some_and(|node| node.any_key.is_some() && node.any_key == id);
        let kinds = || self.node(id).map_or(&[][..], |node| node.shape().kinds.as_slice());
        let key = if is_any && kinds() == [Kind::Object] && value.is_object() { "" } else { key };
        let has_parts = value.is_object() || value.is_array();
        let is_chosen = has_parts
            && (sensitive::has_chosen_names(context.key)
                || is_any && matches!(kinds(), [Kind::Array { .. }]));
        // Settings of the login shell, no variables. Deeper `env` objects have no such member.
        let setting = pointer == "/env" && key == "shellEnv";
        let map = is_secret_map(context.key);
        let inside = !setting && (context.inside || context.sensitivity.reaches_down() || map);
        let section = (self.mount == Mount::Root).then_some(pointer);
        let sensitivity = match of_key(key) {
            Sensitivity::None if inside => Sensitivity::All,
            Sensitivity::None if setting || is_chosen || is_public(section, key) => Sensitivity::None,
            Sensitivity::None if self.node(id).is_some_and(|node| node.secret) => Sensitivity::Own,
            Sensitivity::None => wide_key(key),
            own => own,
        };
        Context { key, sensitivity, inside, listed: false, behind: Behind::Nothing, id }
    }

    fn text(&mut self, text: &str, pointer: &str, context: Context<'_>) -> Value {
        let given = self.references.substituted.get(pointer);
        let variables = || given.into_iter().flatten().map(|given| given.name.as_str());
        // What a variable for a secret gives is hidden wherever it is put.
        let is_secret_name = variables()
            .any(|name| wide_key(name) != Sensitivity::None || self.secret_variables.contains(name));
        if self.is_closed(context) && self.fits(text, context) && !is_secret_name {
            return json!(text);
        }
        let from_env = given.is_some();
        // What stands there now is not what the gateway will read.
        let is_unset = self.references.unset.contains(pointer);
        let path = names_paths(context.key) && !context.inside;
        let named = context.sensitivity != Sensitivity::None && !path;
        let listed = (context.listed || text.contains(['=', ':'])) && is_secret_list(context.key);
        let flagged = context.behind == Behind::Flag;
        if named || listed || flagged || looks_like_token(text) {
            self.met.extend(given.into_iter().flatten().map(|given| given.name.clone()));
            self.add_parts(pointer, text, listed || flagged);
            self.add(pointer, text.to_owned(), self.source(pointer));
            self.hide(pointer, || Hidden::Whole);
            // A variable gives it, or would, where it were set.
            let kind = if from_env || is_placeholder(text) { "variable" } else { "secret" };
            return if text.is_empty() { json!(text) } else { mark(kind) };
        }
        let pieces = match context.behind {
            Behind::VariableFlag => variable(text),
            _ if credentials::may_be_in(text) => in_text(text, manner(context.key)),
            _ => Vec::new(),
        };
        if !pieces.is_empty() {
            for value in pieces.iter().flat_map(|piece| &piece.values) {
                let value = text.get(value.clone()).unwrap_or_default().to_owned();
                self.add(pointer, value, self.source(pointer));
            }
            self.hide(pointer, || Hidden::Parts(pieces.iter().map(|piece| piece.range.clone()).collect()));
            let shown = marked(text, &pieces, REDACTED);
            if is_secret_name || is_unset {
                return mark("variable");
            }
            // A path from a variable may be a secret, too (webhooks); host and scheme never are.
            if !from_env || path {
                return json!(shown);
            }
            return origin_only(&shown).map_or_else(|| mark("variable"), Value::String);
        }
        if is_unset {
            return mark("variable");
        }
        let is_shape = || if path { is_plain_path(text) } else { is_shown(context.key, text) };
        if !from_env || (!is_secret_name && is_shape()) {
            return json!(text);
        }
        self.add(pointer, text.to_owned(), SecretSource::Environment);
        if let Some(origin) = origin_only(text).filter(|_| is_url_key(context.key) && !is_secret_name) {
            return json!(origin);
        }
        self.hidden_variables.insert(pointer.to_owned());
        mark("variable")
    }

    /// What variables put into a reference: it is no part of what it refers to, and may be a secret itself.
    fn add_given_parts(&mut self, reference: &Map<String, Value>, pointer: &str) {
        for (key, value) in reference {
            let place = join(pointer, key);
            if let (Value::String(text), true) = (value, self.references.substituted.contains_key(&place)) {
                self.add(&place, text.clone(), SecretSource::Environment);
            }
        }
    }

    fn node(&self, id: Option<Id>) -> Option<&'static schema::Node> {
        self.schema.node(id?)
    }

    fn is_closed(&self, context: Context<'_>) -> bool {
        self.node(context.id).is_some_and(schema::Node::is_closed)
    }

    fn fits(&self, text: &str, context: Context<'_>) -> bool {
        let value = json!(text);
        self.node(context.id)
            .is_some_and(|node| crate::config::schema_type::accepted(&node.shape().kinds, &value))
    }

    fn source(&self, pointer: &str) -> SecretSource {
        if self.references.substituted.contains_key(pointer) {
            SecretSource::Environment
        } else {
            SecretSource::Literal
        }
    }

    fn add(&mut self, pointer: &str, value: String, source: SecretSource) {
        let subject = SecretSubject::Pointer(pointer.to_owned());
        self.secrets.push(Secret { subject, value: SecretString::new(value), source });
    }

    /// The secrets inside a text that is hidden as a whole: they may stand elsewhere without what is around them. `named`:
    /// it is `NAME=value`, `Name: value` or `user:password`.
    fn add_parts(&mut self, pointer: &str, text: &str, named: bool) {
        let everything = Manner { address: true, command: true, pattern: false };
        let pieces = in_text(text, everything);
        let values =
            pieces.iter().flat_map(|piece| &piece.values).filter_map(|value| text.get(value.clone()));
        let behind = text.split_once(['=', ':']).filter(|_| named).map(|(_, value)| value.trim());
        for part in values.chain(behind).filter(|part| !part.is_empty() && *part != text) {
            self.add(pointer, part.to_owned(), self.source(pointer));
        }
    }

    fn hide(&mut self, pointer: &str, what: impl FnOnce() -> Hidden) {
        if let Some(hidden) = &mut self.hidden {
            hidden.insert(pointer.to_owned(), what());
        }
    }
}

/// Nothing but `${NAME}`, which no variable filled in.
pub(in crate::config) fn is_placeholder(text: &str) -> bool {
    let name = js_trim(text).strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// How a text is looked at, by the key that it stands at.
fn manner(key: &str) -> Manner {
    Manner {
        address: is_address_key(key),
        command: is_command_key(key) || is_secret_map(key),
        pattern: is_pattern_key(key),
    }
}

/// The value of `NAME=value`.
fn variable(text: &str) -> Vec<credentials::Piece> {
    let start = text.find('=').map_or(text.len(), |equals| equals + 1);
    let range = start..text.len();
    let piece = credentials::Piece { values: vec![range.clone()], range };
    if piece.range.is_empty() { Vec::new() } else { vec![piece] }
}

/// `{name: "API_KEY", value: "..."}`: the name is that of a secret.
fn is_secret_pair(map: &Map<String, Value>) -> bool {
    PAIR_NAMES.iter().any(|name| {
        let name = map.get(*name).and_then(Value::as_str).unwrap_or_default();
        !name.contains(char::is_whitespace) && wide_key(name.trim_start_matches('-')) != Sensitivity::None
    })
}

/// `https://host:1/path?x` -> `https://host:1/[secret]`; none of what is no address.
fn origin_only(url: &str) -> Option<String> {
    // Addresses of the web may be written with backslashes; clients read them as slashes.
    let is_web = ["http:", "https:", "ws:", "wss:"].iter().any(|scheme| url.trim_start().starts_with(scheme));
    let url = if is_web { url.replace('\\', "/") } else { url.to_owned() };
    let (_, rest) = url.split_once("://").filter(|(scheme, _)| !scheme.contains(char::is_whitespace))?;
    let start = url.len() - rest.len();
    Some(match rest.find(['/', '?', '#']) {
        Some(end) if end + 1 < rest.len() => format!("{}/{REDACTED}", url.get(..start + end)?),
        _ => url,
    })
}
