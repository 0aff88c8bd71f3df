//! A place in a config, for rules: its value, its pointer, and whether its text is known.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::config::pointer::join;
use crate::target::js_trim;

/// A value in a config.
#[derive(Clone)]
pub(super) struct Spot<'a> {
    pub value: &'a Value,
    pub pointer: String,
    /// Pointers of texts that hold a reference without a value.
    skip: &'a HashSet<String>,
}

impl<'a> Spot<'a> {
    /// The whole config.
    pub(super) fn root(value: &'a Value, skip: &'a HashSet<String>) -> Self {
        Self { value, pointer: String::new(), skip }
    }

    /// The pointer of a member, whether it is there or not.
    pub(super) fn below(&self, key: &str) -> String {
        join(&self.pointer, key)
    }

    /// A member that is there.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.as_object()?.get(key)?;
        Some(Self { value, pointer: self.below(key), skip: self.skip })
    }

    /// What lies at `path`, keys with slashes between, below this one.
    pub(super) fn at(&self, path: &str) -> Option<Self> {
        path.split('/').try_fold(self.clone(), |spot, key| spot.get(key))
    }

    /// There is a member of this name.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value.get(key).is_some()
    }

    /// The text, where it is one that is known.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.value.as_str().filter(|_| !self.is_unknown())
    }

    /// The text of a member, where it is one that is known.
    pub(super) fn text_of(&self, key: &str) -> Option<&'a str> {
        self.get(key)?.text()
    }

    /// The member is exactly this text.
    pub(super) fn is(&self, key: &str, text: &str) -> bool {
        self.text_of(key) == Some(text)
    }

    /// The member is `true`.
    pub(super) fn is_true(&self, key: &str) -> bool {
        self.value.get(key) == Some(&Value::Bool(true))
    }

    /// The text holds a reference without a value, so that nothing can be said of it.
    pub(super) fn is_unknown(&self) -> bool {
        self.skip.contains(&self.pointer)
    }

    /// There is a member of this name, of which nothing can be said.
    pub(super) fn is_unknown_at(&self, key: &str) -> bool {
        self.get(key).is_some_and(|spot| spot.is_unknown())
    }

    /// A text that is not blank, or anything that is no text: a reference to a secret is a value too.
    pub(super) fn is_filled(&self) -> bool {
        match self.value {
            Value::Null => false,
            Value::String(text) => self.is_unknown() || !js_trim(text).is_empty(),
            _ => true,
        }
    }

    /// A member is filled.
    pub(super) fn fills(&self, key: &str) -> bool {
        self.get(key).is_some_and(|spot| spot.is_filled())
    }

    /// The items of a list.
    pub(super) fn items(&self) -> impl Iterator<Item = Spot<'a>> + use<'a> {
        let (pointer, skip) = (self.pointer.clone(), self.skip);
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(move |(index, value)| Spot { value, pointer: join(&pointer, &index.to_string()), skip })
    }

    /// The members of an object.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'a str, Spot<'a>)> + use<'a> {
        let (pointer, skip) = (self.pointer.clone(), self.skip);
        let members = self.value.as_object().into_iter().flat_map(Map::iter);
        members.map(move |(key, value)| (key.as_str(), Spot { value, pointer: join(&pointer, key), skip }))
    }

    /// The items of a list below a key.
    pub(super) fn items_of(&self, key: &str) -> impl Iterator<Item = Spot<'a>> + use<'a> {
        let items: Vec<_> = self.get(key).map(|list| list.items().collect()).unwrap_or_default();
        items.into_iter()
    }

    /// The members of an object below a key.
    pub(super) fn members_of(&self, key: &str) -> impl Iterator<Item = (&'a str, Spot<'a>)> + use<'a> {
        let members: Vec<_> = self.get(key).map(|map| map.members().collect()).unwrap_or_default();
        members.into_iter()
    }
}
