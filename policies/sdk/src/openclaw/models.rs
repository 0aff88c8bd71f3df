//! Which models the config gives to agents (reference: config-checks 1.8).

use crate::{Node, NotAssessed};

/// A model that an agent uses, or falls back to.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    /// Its id, trimmed: `provider/name`.
    pub id: &'a str,
    /// Where it is named.
    pub node: Node<'a>,
    /// The same place in words, with the agent's id instead of its number.
    pub source: String,
    /// The id of the agent's entry as it is written ("" where it has none); none for what holds for all agents.
    pub agent: Option<&'a str>,
    /// It looks at images only.
    pub is_image: bool,
}

/// The models that the config gives, as far as they are shown.
#[derive(Clone, Debug, Default)]
pub struct Models<'a> {
    /// Those that are shown, those for all agents first.
    pub shown: Vec<Model<'a>>,
    /// Why others are not, and whether they look at images only.
    pub open: Vec<(bool, NotAssessed)>,
}

/// All models.
#[must_use]
pub fn collect<'a>(config: &Node<'a>) -> Models<'a> {
    let mut models = Models::default();
    for (key, is_image) in [("model", false), ("imageModel", true)] {
        let node = config.at("agents.defaults").get(key);
        let all = Model { id: "", node, source: format!("agents.defaults.{key}"), agent: None, is_image };
        models.add(&all);
    }
    match config.at("agents.list").items() {
        Ok(entries) => entries.for_each(|entry| models.add_agent(&entry)),
        Err(reason) => models.open.push((false, reason)),
    }
    models
}

impl<'a> Models<'a> {
    fn add_agent(&mut self, entry: &Node<'a>) {
        let node = entry.get("model");
        let agent = node.is_nullish().and_then(|is_nullish| {
            // Without a model its id does not matter.
            if is_nullish { Ok(None) } else { Ok(Some(entry.get("id").text()?.unwrap_or_default())) }
        });
        match agent {
            Ok(None) => {}
            Ok(Some(id)) => {
                let source = format!("agents.list.{id}.model");
                self.add(&Model { id: "", node, source, agent: Some(id), is_image: false });
            }
            Err(reason) => self.open.push((false, reason)),
        }
    }

    /// Adds the models of one setting: a name, or a primary model and its fallbacks.
    fn add(&mut self, setting: &Model<'a>) {
        self.push(setting, setting.node.clone(), "");
        self.push(setting, setting.node.get("primary"), ".primary");
        match setting.node.get("fallbacks").items() {
            Ok(items) => items.for_each(|node| self.push(setting, node, ".fallbacks")),
            Err(reason) => self.leave_open(setting, reason),
        }
    }

    fn push(&mut self, setting: &Model<'a>, node: Node<'a>, key: &str) {
        match node.trimmed() {
            Ok(Some(id)) => {
                let source = format!("{}{key}", setting.source);
                self.shown.push(Model { id, node, source, ..setting.clone() });
            }
            Ok(None) => {}
            Err(reason) => self.leave_open(setting, reason),
        }
    }

    fn leave_open(&mut self, setting: &Model<'a>, reason: NotAssessed) {
        let open = (setting.is_image, reason);
        // What is withheld as a whole is asked for three times.
        if !self.open.contains(&open) {
            self.open.push(open);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::MemoryHost;

    #[test]
    fn models_are_collected_in_order_with_their_places() {
        let config = json!({"agents": {
            "defaults": {
                "model": {"primary": " a ", "fallbacks": ["b", "  ", 5, null, "c"]},
                "imageModel": {"primary": "d"},
                "models": {"no/model": {}},
            },
            "list": [{"id": "x", "model": "e"}, {"model": {"primary": "f", "fallbacks": ["g"]}}, null, "h"],
        }});
        let models = collect(&Node::root(&config)).shown;
        let seen: Vec<(&str, &str, &str, Option<&str>)> = models
            .iter()
            .map(|model| (model.id, model.source.as_str(), model.node.pointer(), model.agent))
            .collect();
        assert_eq!(
            seen,
            [
                ("a", "agents.defaults.model.primary", "/agents/defaults/model/primary", None),
                ("b", "agents.defaults.model.fallbacks", "/agents/defaults/model/fallbacks/0", None),
                ("c", "agents.defaults.model.fallbacks", "/agents/defaults/model/fallbacks/4", None),
                ("d", "agents.defaults.imageModel.primary", "/agents/defaults/imageModel/primary", None),
                ("e", "agents.list.x.model", "/agents/list/0/model", Some("x")),
                ("f", "agents.list..model.primary", "/agents/list/1/model/primary", Some("")),
                ("g", "agents.list..model.fallbacks", "/agents/list/1/model/fallbacks/0", Some("")),
            ]
        );
        assert!(models.iter().all(|model| model.is_image == (model.id == "d")));
    }

    #[test]
    fn wrong_types_name_no_model() {
        for agents in [
            json!(5),
            json!({"defaults": {"model": {"primary": 5, "fallbacks": "7b"}}, "list": {"a": {"model": "x"}}}),
            json!({"defaults": [{"model": "x"}], "list": [["x"], {"model": ["x"]}]}),
        ] {
            let config = json!({"agents": agents});
            assert!(collect(&Node::root(&config)).shown.is_empty(), "{config}");
        }
    }

    #[test]
    fn a_model_that_a_variable_names_is_not_passed_over() {
        let config = json!({"agents": {"defaults": {"model": {"primary": {"$hidden": "variable"}}}}});
        let models = collect(&Node::root(&config));
        assert_eq!((models.shown.len(), models.open.len()), (0, 1));
    }

    #[test]
    fn what_is_not_shown_counts_where_it_says_of_what_model() {
        let (hidden, withheld) = (r#"{"$hidden": "variable"}"#, r#"{"$hidden": "withheld"}"#);
        for (agents, is_shown) in [
            ("{list: [{id: HIDDEN}]}", true),
            (r#"{list: [{id: HIDDEN, model: "x"}]}"#, false),
            (r#"{list: [{id: "a", model: HIDDEN}]}"#, false),
            (r#"{list: [{id: "a", model: {primary: "x", fallbacks: ["y", HIDDEN]}}]}"#, false),
            ("{list: [HIDDEN]}", true),
            ("{list: WITHHELD}", false),
            ("{list: [WITHHELD]}", false),
            ("WITHHELD", false),
            ("{defaults: WITHHELD}", false),
            ("{defaults: {imageModel: WITHHELD}}", false),
            (r#"{defaults: {model: {primary: "x", fallbacks: WITHHELD}}}"#, false),
        ] {
            let text = agents.replace("HIDDEN", hidden).replace("WITHHELD", withheld);
            let host = MemoryHost::new(&format!("{{agents: {text}}}"));
            assert_eq!(host.with(|cx| collect(&cx.config()).open.is_empty()), is_shown, "{agents}");
        }
    }
}
