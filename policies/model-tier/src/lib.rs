//! Models that give in to injected instructions more easily than they need to.

mod tier;

use std::collections::BTreeSet;

use chitin_policy_sdk::openclaw::models::{self, Model};
use chitin_policy_sdk::{Answer, Context, Finding, Node, Verdict, warn};

/// Judges every configured model by its name.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let models = models::collect(&config);
    let mut answer = Answer::new();
    answer.findings.extend([legacy(&models.shown), weak_tier(&models.shown)].into_iter().flatten());
    for (_, reason) in models.open {
        answer.leave_open("models.legacy", reason.clone());
        answer.leave_open("models.weak_tier", reason);
    }
    Ok(answer)
}

fn legacy(models: &[Model<'_>]) -> Option<Finding> {
    let start = warn("models.legacy", "A model of a retired generation is in use").remediation(
        "Set agents.defaults.model.primary, and each model that is named here, to a current model",
    );
    let detail = "Models of retired generations were trained before injected instructions were a concern, and obey them \
                  readily:";
    judged(start.detail(detail), models, |id| tier::legacy(id).into_iter().collect())
}

fn weak_tier(models: &[Model<'_>]) -> Option<Finding> {
    let start =
        warn("models.weak_tier", "A model below the current flagship tier is in use").remediation(
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
    models: &[Model<'_>],
    reasons: impl Fn(&str) -> Vec<&'static str>,
) -> Option<Finding> {
    let (mut nodes, mut lines, mut seen): (Vec<&Node<'_>>, Vec<String>, BTreeSet<_>) = Default::default();
    for model in models {
        let reasons = reasons(model.id);
        if reasons.is_empty() {
            continue;
        }
        nodes.push(&model.node);
        if seen.insert((model.id, &model.source)) {
            lines.push(format!("{} ({}): {}", model.id, model.source, reasons.join("; ")));
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

    const LEGACY: &str = "models.legacy:warn";
    const WEAK: &str = "models.weak_tier:warn";
    const NOTHING: [&str; 0] = [];

    fn agents(agents: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{agents: {agents}}}"))
    }

    #[test]
    fn a_model_may_be_both() {
        let ids = |id: &str| agents(&format!(r#"{{defaults: {{model: {{primary: "{id}"}}}}}}"#)).ids(audit);
        assert_eq!(ids("openai/gpt-3.5-turbo"), [LEGACY, WEAK]);
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
    fn a_model_that_is_hidden_is_not_called_strong() {
        let host = agents(
            r#"{defaults: {model: {primary: {"$hidden": "variable"}, fallbacks: ["gpt-3.5-turbo"]}}}"#,
        );
        // The one that is shown is judged all the same.
        assert_eq!(
            host.ids(audit),
            [LEGACY, WEAK, "models.legacy:not assessed", "models.weak_tier:not assessed"]
        );
        let withheld = agents(r#"{"$hidden": "withheld"}"#).ids(audit);
        assert!(withheld.iter().all(|id| id.ends_with("not assessed")) && withheld.len() > 1, "{withheld:?}");
    }
}
