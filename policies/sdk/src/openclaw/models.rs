//! Which models the config gives to agents (reference: config-checks 1.8).

use crate::openclaw::agents;
use crate::{Node, NotAssessed, Release};

/// A model that an agent uses, or falls back to.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    /// Its id, trimmed: `provider/name`; or why it is not shown, or not known to be there.
    pub id: Result<&'a str, NotAssessed>,
    /// Where it is named.
    pub node: Node<'a>,
    /// The same place in the words of the release, with the agent's id instead of its number, where that is shown.
    pub source: String,
    /// The id of the agent's entry as it is written ("" where it has none); none for what holds for all agents.
    pub agent: Result<Option<&'a str>, NotAssessed>,
    /// It looks at images only.
    pub is_image: bool,
}

/// All models, those for all agents first. Where it is not shown whether there are any, one without an id stands for
/// them, so that it costs no other model its verdict.
#[must_use]
pub fn collect<'a>(config: &Node<'a>, release: Release) -> Vec<Model<'a>> {
    let mut models = Vec::new();
    for (key, is_image) in [("model", false), ("imageModel", true)] {
        let node = config.at("agents.defaults").get(key);
        let source = node.dotted();
        add(&mut models, &Model { id: Ok(""), node, source, agent: Ok(None), is_image });
    }
    let unknown = |place: Node<'a>, reason: NotAssessed| {
        let (source, agent) = (place.dotted(), Err(reason.clone()));
        Model { id: Err(reason), node: place, source, agent, is_image: false }
    };
    let list = config.at("agents.list");
    match list.items() {
        Ok(entries) => entries.for_each(|entry| add_listed(&mut models, &entry, release)),
        Err(reason) => models.push(unknown(list, reason)),
    }
    models
}

/// Adds the models of an entry of `agents.list`.
fn add_listed<'a>(models: &mut Vec<Model<'a>>, entry: &Node<'a>, release: Release) {
    let node = entry.get("model");
    let id = entry.get("id").text().map(Option::unwrap_or_default);
    let named = id.as_ref().ok().filter(|id| !id.is_empty());
    let source = named.map_or_else(|| node.dotted(), |id| format!("{}.model", agents::section(release, id)));
    add(models, &Model { id: Ok(""), node, source, agent: id.map(Some), is_image: false });
}

/// Adds the models of one setting: a name, or a primary model and its fallbacks.
fn add<'a>(models: &mut Vec<Model<'a>>, setting: &Model<'a>) {
    let mut push = |node: Node<'a>, key: &str| {
        if let Some(id) = node.trimmed().transpose() {
            models.push(Model { id, node, source: format!("{}{key}", setting.source), ..setting.clone() });
        }
    };
    push(setting.node.clone(), "");
    // A setting that is hidden as a whole is reported once, not for each of its parts.
    if setting.node.hidden().is_some() {
        return;
    }
    push(setting.node.get("primary"), ".primary");
    let fallbacks = setting.node.get("fallbacks");
    match fallbacks.items() {
        Ok(items) => items.for_each(|node| push(node, ".fallbacks")),
        Err(_) => push(fallbacks, ".fallbacks"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::MemoryHost;

    const OLD: Release = Release { year: 2026, month: 7, patch: 35 };

    #[test]
    fn models_are_collected_in_order_with_their_places() {
        let config = json!({"agents": {
            "defaults": {
                "model": {"primary": " a ", "fallbacks": ["b", "  ", 5, null, "c"]},
                "imageModel": {"primary": "d"},
                "models": {"no/model": {}},
            },
            "list": [
                {"id": "x", "model": "e"}, {"model": {"primary": "f", "fallbacks": ["g"]}}, null, "h",
                {"id": "y", "model": "i"},
            ],
        }});
        let models = collect(&Node::root(&config), OLD);
        let seen: Vec<(&str, &str, &str, Option<&str>)> = models
            .iter()
            .map(|model| {
                let id = model.id.clone().expect("shown");
                let agent = model.agent.clone().expect("shown");
                (id, model.source.as_str(), model.node.pointer(), agent)
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("a", "agents.defaults.model.primary", "/agents/defaults/model/primary", None),
                ("b", "agents.defaults.model.fallbacks", "/agents/defaults/model/fallbacks/0", None),
                ("c", "agents.defaults.model.fallbacks", "/agents/defaults/model/fallbacks/4", None),
                ("d", "agents.defaults.imageModel.primary", "/agents/defaults/imageModel/primary", None),
                ("e", "agents.list.x.model", "/agents/list/0/model", Some("x")),
                ("f", "agents.list.1.model.primary", "/agents/list/1/model/primary", Some("")),
                ("g", "agents.list.1.model.fallbacks", "/agents/list/1/model/fallbacks/0", Some("")),
                ("i", "agents.list.y.model", "/agents/list/4/model", Some("y")),
            ]
        );
        assert!(models.iter().all(|model| model.is_image == (model.id == Ok("d"))));
        let newer = collect(&Node::root(&config), Release { year: 2026, month: 8, patch: 1 });
        assert_eq!(newer[4].source, "agents.entries.x.model");
    }

    #[test]
    fn wrong_types_name_no_model() {
        for agents in [
            json!(5),
            json!({"defaults": {"model": {"primary": 5, "fallbacks": "7b"}}, "list": {"a": {"model": "x"}}}),
            json!({"defaults": [{"model": "x"}], "list": [["x"], {"model": ["x"]}]}),
        ] {
            let config = json!({"agents": agents});
            assert!(collect(&Node::root(&config), OLD).is_empty(), "{config}");
        }
    }

    #[test]
    fn what_is_not_shown_costs_no_other_model_its_id() {
        let (hidden, withheld) = (r#"{"$hidden": "variable"}"#, r#"{"$hidden": "withheld"}"#);
        for (agents, expected) in [
            ("{list: [{id: HIDDEN}]}", [].as_slice()),
            ("{list: [HIDDEN]}", &[]),
            (r#"{list: [{id: HIDDEN, model: "x"}]}"#, &["x at agents.list.0.model of ?"]),
            (r#"{list: [{id: "a", model: HIDDEN}]}"#, &["? at agents.list.a.model of a"]),
            (
                r#"{list: [{id: "a", model: {primary: HIDDEN, fallbacks: [HIDDEN, "y"]}}]}"#,
                &[
                    "? at agents.list.a.model.primary of a",
                    "? at agents.list.a.model.fallbacks of a",
                    "y at agents.list.a.model.fallbacks of a",
                ],
            ),
            ("{list: WITHHELD}", &["? at agents.list of ?"]),
            (
                r#"{list: [WITHHELD, {id: "b", model: "y"}]}"#,
                &["? at agents.list.0.model of ?", "y at agents.list.b.model of b"],
            ),
            (r#"{list: [{id: "b", model: WITHHELD}]}"#, &["? at agents.list.b.model of b"]),
            (
                "WITHHELD",
                &[
                    "? at agents.defaults.model of all",
                    "? at agents.defaults.imageModel of all",
                    "? at agents.list of ?",
                ],
            ),
            (
                r#"{defaults: {model: {primary: "x", fallbacks: WITHHELD}}}"#,
                &["x at agents.defaults.model.primary of all", "? at agents.defaults.model.fallbacks of all"],
            ),
        ] {
            let text = agents.replace("HIDDEN", hidden).replace("WITHHELD", withheld);
            let host = MemoryHost::new(&format!("{{agents: {text}}}"));
            let seen: Vec<String> = host.with(|cx| {
                let show = |model: &Model<'_>| {
                    let id = model.id.clone().unwrap_or("?");
                    let agent = model.agent.clone().map_or("?", |agent| agent.unwrap_or("all"));
                    format!("{id} at {} of {agent}", model.source)
                };
                collect(&cx.config(), cx.release()).iter().map(show).collect()
            });
            assert_eq!(seen, expected, "{agents}");
        }
    }
}
