//! The full id of a model that the config names: `provider/name`. Up to 2026.4 a name stands for itself.

use crate::openclaw::facts;
use crate::{Node, NotAssessed, Release, js};

/// The provider of a model that is named without one (reference: 2026.9-delta 2.9).
const PROVIDER: &str = "openai";

/// From this release on an alias stands for its model, and a provider is filled in (reference: changes, 2026.4.29).
const RESOLVES: [(facts::Number, bool); 1] = [((2026, 4, 29), true)];

/// The names of models in one config.
#[derive(Clone, Debug)]
pub struct ModelIds {
    resolves: bool,
    /// Aliases in lower case, and the models that they stand for.
    aliases: Vec<(String, String)>,
    /// Why there may be other aliases; none where these are all.
    open: Option<NotAssessed>,
}

impl ModelIds {
    /// Those of this config. Needs the config values `/agents/defaults/models/*/alias`.
    #[must_use]
    pub fn of(config: &Node<'_>, release: Release) -> Self {
        let mut ids =
            Self { resolves: facts::at(release, false, &RESOLVES), aliases: Vec::new(), open: None };
        if ids.resolves {
            match config.at("agents.defaults.models").entries() {
                Ok(models) => models.for_each(|(model, settings)| ids.add(model, &settings.get("alias"))),
                Err(reason) => ids.open = Some(reason),
            }
        }
        ids
    }

    fn add(&mut self, model: &str, alias: &Node<'_>) {
        match alias.trimmed() {
            Ok(Some(alias)) => self.aliases.push((alias.to_lowercase(), model.to_owned())),
            Ok(None) => {}
            Err(reason) => self.open = self.open.take().or(Some(reason)),
        }
    }

    /// The full id of a model.
    ///
    /// # Errors
    /// Where it may be an alias that is not shown.
    pub fn full(&self, name: &str) -> Result<String, NotAssessed> {
        if !self.resolves {
            return Ok(name.to_owned());
        }
        let lower = js::trim(name).to_lowercase();
        match self.aliases.iter().find(|(alias, _)| *alias == lower) {
            Some((_, model)) => Ok(full(model)),
            None => self.open.clone().map_or_else(|| Ok(full(name)), Err),
        }
    }
}

/// A provider is written in lower case, and once; what has no name, or an empty provider, stays as it is.
fn full(name: &str) -> String {
    let name = js::trim(name);
    let (provider, model) = name.split_once('/').unwrap_or((PROVIDER, name));
    let (provider, model) = (js::trim(provider).to_lowercase(), js::trim(model));
    if provider.is_empty() || model.is_empty() {
        return name.to_owned();
    }
    let prefix = format!("{provider}/");
    if model.to_lowercase().starts_with(&prefix) { model.to_owned() } else { prefix + model }
}

#[cfg(test)]
mod tests {
    use crate::Hidden;
    use crate::testing::MemoryHost;

    use super::*;

    const CONFIG: &str = r#"{agents: {defaults: {models: {
        "z/tiny-1b": {alias: " Tiny "}, "bare-2b": {alias: "bare"}, "x/y": {}, "x/z": {alias: 5}
    }}}}"#;

    fn full_in(host: &MemoryHost, name: &str) -> Result<String, NotAssessed> {
        host.with(|cx| ModelIds::of(&cx.config(), cx.release()).full(name))
    }

    #[test]
    fn from_2026_4_29_on_a_model_is_named_in_full() {
        let host = MemoryHost::new(CONFIG);
        let (old, new) = (host.clone().release(2026, 4, 28), host.release(2026, 4, 29));
        for (name, expected) in [
            ("tiny", "z/tiny-1b"),
            ("TINY", "z/tiny-1b"),
            ("bare", "openai/bare-2b"),
            ("phi-3b", "openai/phi-3b"),
            ("OpenAI/Foo-3B", "openai/Foo-3B"),
            (" x / y-3b ", "x/y-3b"),
            ("a/b/c-3b", "a/b/c-3b"),
            ("openrouter/openrouter/x-5b", "openrouter/x-5b"),
            ("/y-3b", "/y-3b"),
            ("y-3b/", "y-3b/"),
        ] {
            assert_eq!(full_in(&new, name).as_deref(), Ok(expected), "{name}");
            assert_eq!(full_in(&old, name).as_deref(), Ok(name), "{name}");
        }
    }

    #[test]
    fn a_name_may_be_an_alias_that_is_not_shown() {
        let hidden = MemoryHost::new(CONFIG)
            .release(2026, 9, 6)
            .hide("/agents/defaults/models/bare-2b/alias", Hidden::Variable);
        assert!(full_in(&hidden, "x/y").is_err());
        assert_eq!(full_in(&hidden, "tiny").as_deref(), Ok("z/tiny-1b"));
        let withheld = MemoryHost::new(CONFIG).release(2026, 9, 6).withhold("/agents/defaults/models");
        assert!(full_in(&withheld, "tiny").is_err());
        assert!(full_in(&withheld.release(2026, 2, 19), "tiny").is_ok());
        for config in ["{agents: {defaults: {models: []}}}", "{}"] {
            let host = MemoryHost::new(config).release(2026, 9, 6);
            assert_eq!(full_in(&host, "x/y").as_deref(), Ok("x/y"), "{config}");
        }
    }
}
