//! Reads the effective config the way the reference program does: absent and null are alike for `??`,
//! only an exact type counts, and every value knows its place.

use serde_json::{Map, Value};

use crate::{Failure, Location, js};

/// What stands in place of each secret, and of each free text that a variable gives (`wit/secrets.wit`).
const HIDDEN: &str = "[secret]";

/// A value of the config, or the place where one could stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Node<'a> {
    value: Option<&'a Value>,
    pointer: String,
}

impl<'a> Node<'a> {
    /// The whole config.
    #[must_use]
    pub fn root(value: &'a Value) -> Self {
        Self { value: Some(value), pointer: String::new() }
    }

    /// The member of an object; absent where this is no object.
    #[must_use]
    pub fn get(&self, key: &str) -> Self {
        let value = self.value.and_then(Value::as_object).and_then(|map| map.get(key));
        self.child(key, value)
    }

    /// Follows keys that are joined by dots, none of which contains one: `at("auth.token")`.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        path.split('.').fold(self.clone(), |node, key| node.get(key))
    }

    fn child(&self, key: &str, value: Option<&'a Value>) -> Self {
        let key = key.replace('~', "~0").replace('/', "~1");
        Self { value, pointer: format!("{}/{key}", self.pointer) }
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

    /// The value; none where it is absent.
    #[must_use]
    pub fn value(&self) -> Option<&'a Value> {
        self.value
    }

    /// Absent or null.
    #[must_use]
    pub fn is_nullish(&self) -> bool {
        matches!(self.value, None | Some(Value::Null))
    }

    /// Exactly `true`.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.value == Some(&Value::Bool(true))
    }

    /// Exactly `false`.
    #[must_use]
    pub fn is_false(&self) -> bool {
        self.value == Some(&Value::Bool(false))
    }

    /// JavaScript's truth: not absent, null, false, 0 or "".
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        match self.value {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => !text.is_empty(),
            Some(_) => true,
        }
    }

    /// The text of a string, as it stands.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        self.value.and_then(Value::as_str)
    }

    /// The trimmed text of a string; none where nothing is left of it.
    #[must_use]
    pub fn trimmed(&self) -> Option<&'a str> {
        self.text().map(js::trim).filter(|text| !text.is_empty())
    }

    /// This node, where its text has to be seen for a verdict.
    ///
    /// # Errors
    /// `inconclusive` where the runner hides it.
    pub fn shown(self) -> Result<Self, Failure> {
        if self.text() == Some(HIDDEN) {
            let place = &self.pointer;
            return Err(Failure::Inconclusive(format!(
                "{place} cannot be judged: its value comes from a variable or is kept secret"
            )));
        }
        Ok(self)
    }

    /// The text of an id, which may be written as a number; trimmed, none where nothing is left of it.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        match self.value {
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => self.trimmed().map(str::to_owned),
        }
    }

    /// The members of an object in config order.
    #[must_use]
    pub fn object(&self) -> Option<&'a Map<String, Value>> {
        self.value.and_then(Value::as_object)
    }

    /// The members of an object as nodes; nothing where this is no object.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, Node<'a>)> + '_ {
        self.object().into_iter().flatten().map(|(key, value)| (key.as_str(), self.child(key, Some(value))))
    }

    /// The items of a list; nothing where this is no list.
    pub fn items(&self) -> impl Iterator<Item = Node<'a>> + '_ {
        let items = self.value.and_then(Value::as_array).into_iter().flatten();
        items.enumerate().map(|(index, value)| self.child(&index.to_string(), Some(value)))
    }

    /// The item of a list; absent where this is no list, or a shorter one.
    #[must_use]
    pub fn get_item(&self, index: usize) -> Self {
        let value = self.value.and_then(Value::as_array).and_then(|items| items.get(index));
        self.child(&index.to_string(), value)
    }

    /// It is a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.value.is_some_and(Value::is_array)
    }

    /// The trimmed, non-empty string items of a list.
    pub fn texts(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.items().filter_map(|item| item.trimmed())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_that_is_absent_has_a_pointer() {
        let config = json!({"a": {"x/y": {"~": [5]}}, "n": null});
        let root = Node::root(&config);
        assert_eq!(root.at("a.b.c").pointer(), "/a/b/c");
        assert!(root.at("a.b.c").is_nullish());
        assert!(root.get("n").is_nullish());
        let item = root.get("a").get("x/y").get("~").items().next().expect("there is an item");
        assert_eq!((item.pointer(), item.dotted().as_str()), ("/a/x~1y/~0/0", "a.x/y.~.0"));
        assert_eq!(root.dotted(), "");
    }

    #[test]
    fn an_id_is_a_text_or_a_number() {
        let config = json!([" a ", 5, -100_123, "", " ", null, true, {}, ["b"]]);
        let ids: Vec<String> = Node::root(&config).items().filter_map(|node| node.id()).collect();
        assert_eq!(ids, ["a", "5", "-100123"]);
    }

    #[test]
    fn truth_is_javascripts() {
        let config = json!([null, false, 0, "", " ", {}, [], 1, true]);
        let truth: Vec<bool> = Node::root(&config).items().map(|node| node.is_truthy()).collect();
        assert_eq!(truth, [false, false, false, false, true, true, true, true, true]);
    }

    #[test]
    fn a_hidden_text_is_not_taken_for_the_value() {
        let config = json!(["gpt-4", "[secret]", 5, null]);
        let shown: Vec<bool> = Node::root(&config).items().map(|node| node.shown().is_ok()).collect();
        assert_eq!(shown, [true, false, true, true]);
    }

    #[test]
    fn texts_drops_what_is_blank_or_no_string() {
        let config = json!(["a", " b ", "", "  ", 5, null, {}]);
        assert_eq!(Node::root(&config).texts().collect::<Vec<_>>(), ["a", "b"]);
    }
}
