//! Models that give in to injected instructions more easily than they need to.

mod tier;

use std::collections::BTreeSet;

use chitin_policy_sdk::openclaw::model_ids::ModelIds;
use chitin_policy_sdk::openclaw::models::{self, Model};
use chitin_policy_sdk::{Answer, Context, Finding, Node, Verdict, warn};

const LEGACY: &str = "models.legacy";
const WEAK_TIER: &str = "models.weak_tier";

/// Judges every configured model by its name.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    let mut named = Vec::new();
    let ids = ModelIds::of(&cx.config(), cx.release());
    for model in models::collect(&cx.config(), cx.release()) {
        match model.id.clone().and_then(|id| ids.full(id)) {
            Ok(id) => named.push((id, model)),
            Err(reason) => {
                answer.leave_open(LEGACY, reason.clone());
                answer.leave_open(WEAK_TIER, reason);
            }
        }
    }
    answer.findings.extend(legacy(&named));
    answer.findings.extend(weak_tier(&named));
    Ok(answer)
}

/// A model with its full id.
type Named<'a> = (String, Model<'a>);

fn legacy(models: &[Named<'_>]) -> Option<Finding> {
    let start = warn(LEGACY, "A model of a retired generation is in use").remediation(
        "Set agents.defaults.model.primary, and each model that is named here, to a current model",
    );
    let detail = "Models of retired generations were trained before injected instructions were a concern, and obey them \
                  readily:";
    judged(start.detail(detail), models, |id| tier::legacy(id).into_iter().collect())
}

fn weak_tier(models: &[Named<'_>]) -> Option<Finding> {
    let start =
        warn(WEAK_TIER, "A model below the current flagship tier is in use").remediation(
            "Set the models of agents that have tools or read what strangers write to the GPT-5 generation, or to Claude 4.5 \
             or later in a tier above Haiku",
        );
    let detail = "Whoever gets text in front of these models has a better chance to steer their tools than with a flagship \
                  model:";
    judged(start.detail(detail), models, tier::weak)
}

/// The finding with a line for each model and setting that has reasons; none where no model has.
fn judged(
    finding: Finding,
    models: &[Named<'_>],
    reasons: impl Fn(&str) -> Vec<&'static str>,
) -> Option<Finding> {
    let (mut nodes, mut lines, mut seen): (Vec<&Node<'_>>, Vec<String>, BTreeSet<_>) = Default::default();
    for (id, model) in models {
        let reasons = reasons(id);
        if reasons.is_empty() {
            continue;
        }
        nodes.push(&model.node);
        if seen.insert((id, &model.source)) {
            lines.push(format!("{id} ({}): {}", model.source, reasons.join("; ")));
        }
    }
    (!lines.is_empty()).then(|| finding.list(&lines, 0).at_all(nodes))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const OLD: &str = "models.legacy:warn";
    const WEAK: &str = "models.weak_tier:warn";
    const NOTHING: [&str; 0] = [];

    fn agents(agents: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{agents: {agents}}}"))
    }

    #[test]
    fn a_model_may_be_both() {
        let ids = |id: &str| agents(&format!(r#"{{defaults: {{model: {{primary: "{id}"}}}}}}"#)).ids(audit);
        assert_eq!(ids("openai/gpt-3.5-turbo"), [OLD, WEAK]);
        assert_eq!(ids("openai/gpt-4o"), [WEAK]);
        assert_eq!(ids("openai/gpt-5.2"), NOTHING);
    }

    #[test]
    fn image_models_and_the_models_of_agents_count() {
        assert_eq!(agents(r#"{defaults: {imageModel: {fallbacks: ["x/gpt-4o"]}}}"#).ids(audit), [WEAK]);
        assert_eq!(agents(r#"{list: [{id: "a", model: "x/gpt-4o"}]}"#).ids(audit), [WEAK]);
        assert_eq!(agents(r#"{list: [{model: {primary: "x/gpt-4o"}}]}"#).ids(audit), [WEAK]);
        assert_eq!(agents(r#"{list: [{subagents: {model: "x/gpt-4o"}}]}"#).ids(audit), NOTHING);
    }

    #[test]
    fn each_setting_is_a_line_and_each_value_a_place() {
        let host = agents(r#"{defaults: {model: {primary: "gpt-4", fallbacks: ["gpt-4", "gpt-4"]}}}"#);
        let finding = host.findings(audit).remove(0);
        assert_eq!(finding.detail.lines().count(), 3, "the two fallbacks are one line");
        let place = |end: &str| Location::Config(format!("/agents/defaults/model/{end}"));
        assert_eq!(finding.locations, [place("primary"), place("fallbacks/0"), place("fallbacks/1")]);
    }

    #[test]
    fn many_models_are_not_all_named() {
        let list: Vec<String> = (0..150).map(|n| format!(r#"{{id: "a{n}", model: "gpt-4"}}"#)).collect();
        let host = agents(&format!("{{list: [{}]}}", list.join(", ")));
        let finding = host.findings(audit).remove(0);
        assert!(finding.detail.ends_with("- and 138 more"));
        assert_eq!(finding.locations.len(), 100);
    }

    #[test]
    fn an_alias_is_judged_as_the_model_that_it_stands_for() {
        let host = agents(
            r#"{defaults: {model: "fast", models: {"openai/gpt-4o": {alias: "Fast"}, "x/y": {alias: "gpt-4"}}},
                list: [{id: "a", model: "gpt-4"}]}"#,
        );
        let detail = |host: &MemoryHost| host.findings(audit).remove(0).detail;
        let later = host.clone().release(2026, 4, 29);
        assert!(
            detail(&later).ends_with("- openai/gpt-4o (agents.defaults.model): below GPT-5"),
            "{}",
            detail(&later)
        );
        let before = detail(&host.release(2026, 4, 22));
        assert!(before.contains("- gpt-4 (agents.list.a.model)") && !before.contains("fast"), "{before}");
        let hidden = later.hide("/agents/defaults/models/x~1y/alias", chitin_policy_sdk::Hidden::Variable);
        assert_eq!(hidden.ids(audit), [WEAK, OPEN[0], OPEN[1]], "the other one may be an alias");
    }

    const OPEN: [&str; 2] = ["models.legacy:not assessed", "models.weak_tier:not assessed"];

    #[test]
    fn a_model_that_is_not_shown_costs_no_other_its_verdict() {
        let hidden = r#"{"$hidden": "variable"}"#;
        for (model, found) in [
            ("HIDDEN", [].as_slice()),
            ("{primary: HIDDEN}", &[]),
            (r#"{primary: "x/gpt-5.2", fallbacks: [HIDDEN]}"#, &[]),
            (r#"{primary: HIDDEN, fallbacks: ["x/gpt-4o"]}"#, &[WEAK]),
            (r#"{primary: "x/gpt-3.5-turbo", fallbacks: [HIDDEN]}"#, &[OLD, WEAK]),
        ] {
            let model = model.replace("HIDDEN", hidden);
            let expected = [found, OPEN.as_slice()].concat();
            assert_eq!(agents(&format!("{{defaults: {{model: {model}}}}}")).ids(audit), expected, "{model}");
            let of_agent = agents(&format!(r#"{{list: [{{id: "a", model: {model}}}]}}"#));
            assert_eq!(of_agent.ids(audit), expected, "{model}");
        }
    }

    #[test]
    fn what_is_not_granted_is_not_called_strong() {
        let config = r#"{defaults: {model: "x/gpt-4o", imageModel: null}, list: []}"#;
        for (pointer, found) in [
            ("/agents/defaults/model", [].as_slice()),
            ("/agents/defaults/imageModel", &[WEAK]),
            ("/agents/list", &[WEAK]),
        ] {
            let expected = [found, OPEN.as_slice()].concat();
            assert_eq!(agents(config).withhold(pointer).ids(audit), expected, "{pointer}");
        }
        let none = agents(config).withhold("/agents").ids(audit);
        assert!(!none.is_empty() && none.iter().all(|id| OPEN.contains(&id.as_str())), "{none:?}");
    }

    #[test]
    fn an_agent_whose_id_is_not_shown_has_a_model_all_the_same() {
        let host = agents(r#"{list: [{id: {"$hidden": "variable"}, model: "x/gpt-4o"}]}"#);
        assert!(host.findings(audit)[0].detail.contains("x/gpt-4o (agents.list.0.model): below GPT-5"));
    }
}
