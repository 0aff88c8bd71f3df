//! Reads the effective config the way the reference program does: absent and null are alike for `??`,
//! only an exact type counts, and every value knows its place. A value that is not shown is neither absent nor a text:
//! whatever has to see it ends with [`NotAssessed`].

use serde_json::{Map, Value};

use crate::{Hidden, Location, NotAssessed, Reason, js};

/// The key of an object that stands for what is not shown (`wit/input.wit`).
const MARK: &str = "$hidden";

/// A value of the config, or the place where one could stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Node<'a> {
    seen: Seen<'a>,
    pointer: String,
}

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen<'a> {
    Absent,
    Shown(&'a Value),
    /// A text, or what becomes one; never empty.
    Hidden(Hidden),
    /// Anything, or nothing.
    Withheld,
}

impl<'a> Seen<'a> {
    fn of(value: &'a Value) -> Self {
        let Some(mark) = value.as_object().filter(|map| map.len() == 1).and_then(|map| map.get(MARK)) else {
            return Self::Shown(value);
        };
        match mark.as_str() {
            Some("secret") => Self::Hidden(Hidden::Secret),
            Some("variable") => Self::Hidden(Hidden::Variable),
            Some("reference") => Self::Hidden(Hidden::Reference),
            // What a later contract may add is not shown either.
            _ => Self::Withheld,
        }
    }

    fn member(self, key: &str) -> Self {
        match self {
            Self::Shown(Value::Object(map)) => match map.get(marked(key).as_ref()) {
                Some(value) => Self::of(value),
                None if map.contains_key(MARK) => Self::Withheld,
                None => Self::Absent,
            },
            Self::Withheld => self,
            _ => Self::Absent,
        }
    }

    fn item(self, index: usize) -> Self {
        match self {
            Self::Shown(Value::Array(items)) => items.get(index).map_or(Self::Absent, Self::of),
            Self::Withheld => self,
            _ => Self::Absent,
        }
    }
}

/// A key of the config that looks like the mark has one "$" more in the JSON text.
fn marked(key: &str) -> std::borrow::Cow<'_, str> {
    if is_like_mark(key) { format!("${key}").into() } else { key.into() }
}

/// The key as the config has it.
fn unmarked(key: &str) -> &str {
    if key != MARK && is_like_mark(key) { key.strip_prefix('$').unwrap_or(key) } else { key }
}

fn is_like_mark(key: &str) -> bool {
    key.ends_with(MARK) && key.trim_start_matches('$') == "hidden"
}

/// The value itself, or something within it, is not shown.
fn hides(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.contains_key(MARK) || map.values().any(hides),
        Value::Array(items) => items.iter().any(hides),
        _ => false,
    }
}

impl<'a> Node<'a> {
    /// The whole config.
    #[must_use]
    pub fn root(value: &'a Value) -> Self {
        Self { seen: Seen::of(value), pointer: String::new() }
    }

    /// The member of an object; absent where this is no object.
    #[must_use]
    pub fn get(&self, key: &str) -> Self {
        self.child(key, self.seen.member(key))
    }

    /// Follows keys that are joined by dots, none of which contains one: `at("auth.token")`.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        path.split('.').fold(self.with_room(path.len() + 1), |node, key| {
            let seen = node.seen.member(key);
            node.below(key, seen)
        })
    }

    /// The item of a list; absent where this is no list, or a shorter one.
    #[must_use]
    pub fn get_item(&self, index: usize) -> Self {
        self.child(&index.to_string(), self.seen.item(index))
    }

    fn child(&self, key: &str, seen: Seen<'a>) -> Self {
        self.with_room(key.len() + 1).below(key, seen)
    }

    /// The same place. So many bytes can be added to its pointer, which policies do for each value that they look at.
    fn with_room(&self, bytes: usize) -> Self {
        let mut pointer = String::with_capacity(self.pointer.len() + bytes);
        pointer.push_str(&self.pointer);
        Self { seen: self.seen, pointer }
    }

    /// The place one key deeper.
    fn below(mut self, key: &str, seen: Seen<'a>) -> Self {
        self.pointer.push('/');
        if key.bytes().any(|byte| matches!(byte, b'~' | b'/')) {
            self.pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        } else {
            self.pointer.push_str(key);
        }
        Self { seen, ..self }
    }

    /// RFC 6901 pointer of this place.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// This place as people write it: `channels.telegram.dmPolicy`.
    #[must_use]
    pub fn dotted(&self) -> String {
        let keys = self.pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~"));
        keys.collect::<Vec<_>>().join(".")
    }

    /// This place, for a finding.
    #[must_use]
    pub fn location(&self) -> Location {
        Location::Config(self.pointer.clone())
    }

    /// Why the value is not shown; none where it is, or where it is absent.
    #[must_use]
    pub fn hidden(&self) -> Option<NotAssessed> {
        let reason = match self.seen {
            Seen::Hidden(hidden) => Reason::Hidden(hidden),
            Seen::Withheld => Reason::Withheld(format!("config:{}", self.pointer)),
            Seen::Absent | Seen::Shown(_) => return None,
        };
        // The place of what is withheld is not accepted: it would tell that something is there.
        let location = matches!(self.seen, Seen::Hidden(_)).then(|| self.location());
        Some(NotAssessed { reason, location })
    }

    /// The value, for what has to see it; none where it is absent.
    fn shown(&self) -> Result<Option<&'a Value>, NotAssessed> {
        match (self.seen, self.hidden()) {
            (_, Some(reason)) => Err(reason),
            (Seen::Shown(value), None) => Ok(Some(value)),
            (_, None) => Ok(None),
        }
    }

    /// The value, for what has to know its type alone; none where it is absent, or a text that is hidden.
    fn typed(&self) -> Result<Option<&'a Value>, NotAssessed> {
        if matches!(self.seen, Seen::Hidden(_)) { Ok(None) } else { self.shown() }
    }

    /// The value as JSON text; none where it is absent.
    ///
    /// # Errors
    /// Where it, or something within it, is not shown.
    pub fn json(&self) -> Result<Option<String>, NotAssessed> {
        match self.shown()? {
            Some(value) if hides(value) => Err(NotAssessed::hidden(Hidden::Secret, self.location())),
            value => Ok(value.map(Value::to_string)),
        }
    }

    /// It stands in the config, also as null.
    ///
    /// # Errors
    /// Where it is withheld.
    pub fn is_present(&self) -> Result<bool, NotAssessed> {
        Ok(self.typed()?.is_some() || matches!(self.seen, Seen::Hidden(_)))
    }

    /// Absent or null.
    ///
    /// # Errors
    /// Where it is withheld.
    pub fn is_nullish(&self) -> Result<bool, NotAssessed> {
        Ok(!matches!(self.seen, Seen::Hidden(_)) && matches!(self.typed()?, None | Some(Value::Null)))
    }

    /// Exactly `true`.
    ///
    /// # Errors
    /// Where it is withheld.
    pub fn is_true(&self) -> Result<bool, NotAssessed> {
        Ok(self.typed()? == Some(&Value::Bool(true)))
    }

    /// Exactly `false`.
    ///
    /// # Errors
    /// Where it is withheld.
    pub fn is_false(&self) -> Result<bool, NotAssessed> {
        Ok(self.typed()? == Some(&Value::Bool(false)))
    }

    /// JavaScript's truth: not absent, null, false, 0 or "".
    ///
    /// # Errors
    /// Where it is withheld.
    pub fn is_truthy(&self) -> Result<bool, NotAssessed> {
        Ok(matches!(self.seen, Seen::Hidden(_))
            || match self.typed()? {
                None | Some(Value::Null | Value::Bool(false)) => false,
                Some(Value::Number(number)) => number.as_f64() != Some(0.0),
                Some(Value::String(text)) => !text.is_empty(),
                Some(_) => true,
            })
    }

    /// It is a text, shown or not.
    ///
    /// # Errors
    /// Where it is withheld.
    pub fn is_text(&self) -> Result<bool, NotAssessed> {
        Ok(matches!(self.seen, Seen::Hidden(_)) || self.typed()?.is_some_and(Value::is_string))
    }

    /// It is an object.
    ///
    /// # Errors
    /// Where it is withheld.
    pub fn is_object(&self) -> Result<bool, NotAssessed> {
        Ok(self.typed()?.is_some_and(Value::is_object))
    }

    /// It is a list.
    ///
    /// # Errors
    /// Where it is withheld.
    pub fn is_list(&self) -> Result<bool, NotAssessed> {
        Ok(self.typed()?.is_some_and(Value::is_array))
    }

    /// The text of a string, as it stands; none where this is no string.
    ///
    /// # Errors
    /// Where it is not shown.
    pub fn text(&self) -> Result<Option<&'a str>, NotAssessed> {
        Ok(self.shown()?.and_then(Value::as_str))
    }

    /// The trimmed text of a string; none where nothing is left of it.
    ///
    /// # Errors
    /// Where it is not shown.
    pub fn trimmed(&self) -> Result<Option<&'a str>, NotAssessed> {
        Ok(self.text()?.map(js::trim).filter(|text| !text.is_empty()))
    }

    /// A whole number that is not below 0. What a variable gives is a text, and none.
    ///
    /// # Errors
    /// Where it is not shown, and may be one.
    pub fn number(&self) -> Result<Option<u64>, NotAssessed> {
        if self.seen == Seen::Hidden(Hidden::Variable) {
            return Ok(None);
        }
        Ok(self.shown()?.and_then(Value::as_u64))
    }

    /// What JavaScript's `String()` makes of it; none where it is absent.
    ///
    /// # Errors
    /// Where it, or something within it, is not shown.
    pub fn string(&self) -> Result<Option<String>, NotAssessed> {
        match self.shown()? {
            Some(value @ Value::Array(_)) if hides(value) => {
                Err(NotAssessed::hidden(Hidden::Variable, self.location()))
            }
            value => Ok(value.map(js::string)),
        }
    }

    /// The text of an id, which may be written as a number; trimmed, none where nothing is left of it.
    ///
    /// # Errors
    /// Where it is not shown.
    pub fn id(&self) -> Result<Option<String>, NotAssessed> {
        match self.shown()? {
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            _ => Ok(self.trimmed()?.map(str::to_owned)),
        }
    }

    /// The members of an object in config order; nothing where this is no object.
    ///
    /// # Errors
    /// Where not all of its members are granted.
    pub fn entries(&self) -> Result<impl Iterator<Item = (&'a str, Node<'a>)> + use<'a>, NotAssessed> {
        let map = self.typed()?.and_then(Value::as_object);
        if map.is_some_and(|map| map.contains_key(MARK)) {
            return Err(NotAssessed::withheld(format!("config:{}/*", self.pointer)));
        }
        let place = self.clone();
        Ok(map.into_iter().flat_map(Map::iter).map(move |(key, value)| {
            let key = unmarked(key);
            (key, place.child(key, Seen::of(value)))
        }))
    }

    /// The items of a list; nothing where this is no list.
    ///
    /// # Errors
    /// Where it is withheld.
    pub fn items(&self) -> Result<impl Iterator<Item = Node<'a>> + use<'a>, NotAssessed> {
        let items = self.typed()?.and_then(Value::as_array).into_iter().flatten();
        let place = self.clone();
        Ok(items.enumerate().map(move |(index, value)| place.child(&index.to_string(), Seen::of(value))))
    }

    /// The trimmed, non-empty string items of a list.
    ///
    /// # Errors
    /// Where one of them is not shown.
    pub fn texts(&self) -> Result<Vec<&'a str>, NotAssessed> {
        let texts = self.items()?.map(|item| item.trimmed());
        Ok(texts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn items(config: &Value) -> Vec<Node<'_>> {
        Node::root(config).items().expect("it is shown").collect()
    }

    #[test]
    fn a_place_that_is_absent_has_a_pointer() {
        let config = json!({"a": {"x/y": {"~": [5]}}, "n": null});
        let root = Node::root(&config);
        assert_eq!(root.at("a.b.c").pointer(), "/a/b/c");
        assert_eq!((root.at("a.b.c").is_nullish(), root.get("n").is_nullish()), (Ok(true), Ok(true)));
        assert_eq!((root.at("a.b").is_present(), root.get("n").is_present()), (Ok(false), Ok(true)));
        let item = root.get("a").get("x/y").get("~").get_item(0);
        assert_eq!((item.pointer(), item.dotted().as_str()), ("/a/x~1y/~0/0", "a.x/y.~.0"));
        assert_eq!(root.dotted(), "");
    }

    #[test]
    fn an_id_is_a_text_or_a_number() {
        let config = json!([" a ", 5, -100_123, "", " ", null, true, {}, ["b"]]);
        let ids: Vec<String> = items(&config).iter().filter_map(|node| node.id().expect("shown")).collect();
        assert_eq!(ids, ["a", "5", "-100123"]);
    }

    #[test]
    fn truth_is_javascripts() {
        let config = json!([null, false, 0, "", " ", {}, [], 1, true]);
        let truth: Vec<bool> = items(&config).iter().map(|node| node.is_truthy().expect("shown")).collect();
        assert_eq!(truth, [false, false, false, false, true, true, true, true, true]);
    }

    #[test]
    fn texts_drops_what_is_blank_or_no_string() {
        let config = json!(["a", " b ", "", "  ", 5, null, {}]);
        assert_eq!(Node::root(&config).texts(), Ok(vec!["a", "b"]));
    }

    #[test]
    fn a_hidden_text_is_known_to_be_one_and_nothing_more() {
        let config = json!(["a", {"$hidden": "variable"}, {"$hidden": "secret"}, {"$hidden": "reference"}]);
        let hidden = [Hidden::Variable, Hidden::Secret, Hidden::Reference];
        for (node, hidden) in items(&config).iter().skip(1).zip(hidden) {
            let reason = NotAssessed::hidden(hidden, node.location());
            assert_eq!(node.text(), Err(reason.clone()));
            assert_eq!((node.id(), node.json()), (Err(reason.clone()), Err(reason)));
            assert_eq!(
                (node.is_nullish(), node.is_truthy(), node.is_text()),
                (Ok(false), Ok(true), Ok(true))
            );
            assert_eq!((node.is_object(), node.is_list(), node.is_true()), (Ok(false), Ok(false), Ok(false)));
            assert_eq!(node.get("x").is_nullish(), Ok(true), "a text has no members");
            assert_eq!(node.entries().expect("a text has none").count(), 0);
        }
        assert!(Node::root(&config).texts().is_err() && Node::root(&config).string().is_err());
        assert!(Node::root(&config).json().is_err());
    }

    #[test]
    fn what_is_withheld_may_be_anything_or_nothing() {
        let config = json!({"a": {"$hidden": "withheld"}, "b": {"c": 1, "$hidden": "withheld"}});
        let root = Node::root(&config);
        for node in [root.get("a"), root.at("a.x"), root.at("b.x"), root.get("a").get_item(0)] {
            let reason = NotAssessed::withheld(format!("config:{}", node.pointer()));
            assert_eq!(node.is_nullish(), Err(reason.clone()), "{}", node.pointer());
            assert_eq!((node.is_true(), node.is_list()), (Err(reason.clone()), Err(reason.clone())));
            assert_eq!((node.text(), node.is_present()), (Err(reason.clone()), Err(reason)));
            assert!(node.entries().is_err() && node.items().is_err());
        }
        assert_eq!(root.at("b.c").number(), Ok(Some(1)));
        assert_eq!(root.get("b").is_object(), Ok(true));
        assert!(root.get("b").entries().is_err(), "there may be more of them");
    }

    #[test]
    fn a_key_of_the_config_cannot_pass_for_the_mark() {
        let config = json!({"$$hidden": "secret", "a": {"$$hidden": 1, "$$$hidden": 2}});
        let root = Node::root(&config);
        assert_eq!((root.hidden(), root.get("$hidden").text()), (None, Ok(Some("secret"))));
        assert_eq!(root.get("$hidden").pointer(), "/$hidden");
        let keys: Vec<&str> = root.get("a").entries().expect("shown").map(|(key, _)| key).collect();
        assert_eq!(keys, ["$hidden", "$$hidden"]);
        assert_eq!(root.get("a").get("$$hidden").number(), Ok(Some(2)));
    }
}
