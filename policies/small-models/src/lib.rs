//! Small models that can reach the web or run without a sandbox.

mod size;

use chitin_policy_sdk::openclaw::models::{self, Model};
use chitin_policy_sdk::openclaw::sandbox::Mode;
use chitin_policy_sdk::openclaw::tools;
use chitin_policy_sdk::{
    Answer, Context, Facts, Finding, Node, NotAssessed, Severity, Verdict, any, finding, listing,
};

const CHECK: &str = "models.small_params";

/// Billions of parameters up to which a model counts as small.
const SMALL: f64 = 300.0;

/// Secrets of the config, each of which switches web search on.
const SEARCH_KEYS: [&str; 2] = ["apiKey", "perplexity.apiKey"];

/// Environment variables, each of which switches web search on.
const SEARCH_VARIABLES: [&str; 3] = ["BRAVE_API_KEY", "PERPLEXITY_API_KEY", "OPENROUTER_API_KEY"];

/// A small model, and what stands between it and the world.
struct Small<'a> {
    node: Node<'a>,
    is_fenced: bool,
    line: String,
}

/// Looks at the sandbox and the web tools of every agent with a small model.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let models = models::collect(&config);
    let (mut small, mut open) = (Vec::new(), Vec::new());
    for model in models.shown.iter().filter(|model| !model.is_image) {
        let Some(billions) = size::billions(model.id).filter(|size| *size <= SMALL) else { continue };
        match look(cx, &config, model, billions) {
            Ok(seen) => small.push(seen),
            Err(reason) => open.push(reason),
        }
    }
    open.extend(models.open.into_iter().filter(|(is_image, _)| !is_image).map(|(_, reason)| reason));
    let mut answer = Answer::new();
    // What is not shown could make it worse than an info.
    if open.is_empty() || small.iter().any(|small| !small.is_fenced) {
        answer.findings.extend(judged(&small));
    }
    for reason in open {
        answer.leave_open(CHECK, reason);
    }
    Ok(answer)
}

fn judged(small: &[Small<'_>]) -> Option<Finding> {
    if small.is_empty() {
        return None;
    }
    let lines: Vec<&str> = small.iter().map(|small| small.line.as_str()).collect();
    let (severity, title, verdict, remediation) = if small.iter().all(|small| small.is_fenced) {
        (
            Severity::Info,
            "Small models are in use, sandboxed and without web tools",
            "these run in a sandbox and reach no web tool",
            "Keep sandbox.mode at \"all\" and web tools out of reach for as long as these models are in use",
        )
    } else {
        (
            Severity::Critical,
            "Small models can reach the web or run without a sandbox",
            "what one of these reads on the web or is told in a chat can become what this machine does",
            "Set agents.defaults.sandbox.mode to \"all\" and tools.deny to [\"group:web\", \"browser\"], or give agents with \
             tools a larger model",
        )
    };
    let finding = finding(CHECK, severity, title)
        .detail(format!(
            "Models of up to {SMALL} billion parameters are the easiest to steer by injected instructions; {verdict}:"
        ))
        .list(&lines, 0)
        .remediation(remediation)
        .at_all(small.iter().map(|small| &small.node));
    Some(finding)
}

fn look<'a>(
    cx: &Context<'_>,
    config: &Node<'a>,
    model: &Model<'a>,
    billions: f64,
) -> Result<Small<'a>, NotAssessed> {
    let agent = model.agent.filter(|id| !id.is_empty());
    let section = agent.map(|id| section(config, id)).transpose()?.flatten();
    let policies = tools::policies(config, agent, section.as_ref())?;
    let passes = |tool: &str| policies.iter().all(|policy| policy.allows(tool));
    let mut exposed = Vec::new();
    // A tool that does not pass need not be known to be on.
    for (tool, is_on) in WEB_TOOLS {
        if passes(tool) && is_on(cx, config)? {
            exposed.push(tool);
        }
    }
    let mode = Mode::of(config, agent)?;
    let reach = if exposed.is_empty() { "no web tool".to_owned() } else { listing::words(&exposed) };
    let Model { id, source, .. } = model;
    let line = format!("{id} ({billions}B, {source}): sandbox mode {}, reaches {reach}", mode.name()?);
    Ok(Small { node: model.node.clone(), is_fenced: mode.is_all()? && exposed.is_empty(), line })
}

/// The tools of the first agent with exactly this id.
fn section<'a>(config: &Node<'a>, id: &str) -> Result<Option<Node<'a>>, NotAssessed> {
    for entry in config.at("agents.list").items()? {
        if entry.get("id").text()? == Some(id) {
            return Ok(Some(entry.get("tools")));
        }
    }
    Ok(None)
}

/// A web tool is switched on.
type IsOn = fn(&Context<'_>, &Node<'_>) -> Result<bool, NotAssessed>;

/// The web tools, and what switches each on.
const WEB_TOOLS: [(&str, IsOn); 3] =
    [("web_search", has_search), ("web_fetch", has_fetch), ("browser", has_browser)];

fn has_fetch(_: &Context<'_>, config: &Node<'_>) -> Result<bool, NotAssessed> {
    Ok(!config.at("tools.web.fetch.enabled").is_false()?)
}

fn has_browser(_: &Context<'_>, config: &Node<'_>) -> Result<bool, NotAssessed> {
    let browser = config.at("browser.enabled");
    Ok(browser.is_nullish()? || browser.is_truthy()?)
}

/// Web search is on by the config's word, or by a key for it where the config does not say.
fn has_search(cx: &Context<'_>, config: &Node<'_>) -> Result<bool, NotAssessed> {
    let search = config.at("tools.web.search");
    let enabled = search.get("enabled");
    if enabled.is_true()? || enabled.is_false()? {
        return enabled.is_true();
    }
    let in_config = SEARCH_KEYS.map(|key| {
        let key = search.at(key);
        match cx.config_secret(&key)? {
            Some(facts) => Ok(facts.is_truthy()),
            None => key.is_truthy(),
        }
    });
    let in_variables =
        SEARCH_VARIABLES.map(|name| Ok(cx.env_secret(name)?.as_ref().is_some_and(Facts::is_truthy)));
    any(in_config.into_iter().chain(in_variables))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const CRITICAL: [&str; 1] = ["models.small_params:critical"];
    const INFO: [&str; 1] = ["models.small_params:info"];
    const NOTHING: [&str; 0] = [];

    /// A small model in a full sandbox that lets everything through; the rest of the config as given.
    fn sandboxed(tools: &str) -> MemoryHost {
        MemoryHost::new(&format!(
            r#"{{
                agents: {{defaults: {{model: {{primary: "x/foo-8b"}}, sandbox: {{mode: "all"}}}}}},
                tools: {{sandbox: {{tools: {{allow: [], deny: []}}}}, {tools}}}
            }}"#
        ))
    }

    fn exposed(host: &MemoryHost) -> String {
        let finding = host.findings(audit).remove(0);
        finding.detail.rsplit_once("reaches ").map_or_else(String::new, |(_, tools)| tools.to_owned())
    }

    fn agents(agents: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{agents: {agents}}}"))
    }

    #[test]
    fn small_is_up_to_300_billion() {
        let ids = |id: &str| agents(&format!(r#"{{defaults: {{model: {{primary: "{id}"}}}}}}"#)).ids(audit);
        assert_eq!(ids("x/foo-300b"), CRITICAL);
        assert_eq!(ids("x/foo-301b"), NOTHING);
        assert_eq!(ids("x/foo"), NOTHING);
    }

    #[test]
    fn image_models_do_not_count_and_an_agent_of_that_name_does() {
        assert_eq!(agents(r#"{defaults: {imageModel: {primary: "x/foo-8b"}}}"#).ids(audit), NOTHING);
        assert_eq!(agents(r#"{list: [{id: "imageModel-x", model: "x/foo-8b"}]}"#).ids(audit), CRITICAL);
    }

    #[test]
    fn a_model_is_fenced_by_the_full_sandbox_without_web_tools() {
        let small = |mode: &str| {
            let config =
                format!(r#"{{defaults: {{model: {{primary: "x/a-8b"}}, sandbox: {{mode: {mode}}}}}}}"#);
            agents(&config).ids(audit)
        };
        assert_eq!(small(r#""all""#), INFO);
        for mode in [r#""off""#, r#""non-main""#, r#""ALL""#, "5", "null"] {
            assert_eq!(small(mode), CRITICAL, "{mode}");
        }
        let bare = r#"{
            browser: {enabled: false}, tools: {web: {fetch: {enabled: false}}},
            agents: {defaults: {model: {primary: "x/a-8b"}}}
        }"#;
        assert_eq!(MemoryHost::new(bare).ids(audit), CRITICAL, "no web tool, and no sandbox");
    }

    #[test]
    fn every_switch_of_a_web_tool_is_seen() {
        for (tools, reach) in [
            ("deny: []", "web_fetch and browser"),
            ("web: {search: {enabled: true}}", "web_search, web_fetch and browser"),
            (r#"web: {search: {enabled: "true"}}"#, "web_fetch and browser"),
            (r#"web: {search: {apiKey: "k"}}"#, "web_search, web_fetch and browser"),
            (r#"web: {search: {apiKey: " "}}"#, "web_search, web_fetch and browser"),
            (r#"web: {search: {apiKey: ""}}"#, "web_fetch and browser"),
            ("web: {search: {apiKey: 5}}", "web_search, web_fetch and browser"),
            (r#"web: {search: {perplexity: {apiKey: "k"}}}"#, "web_search, web_fetch and browser"),
            (r#"web: {search: {grok: {apiKey: "k"}}}"#, "web_fetch and browser"),
            (r#"web: {search: {enabled: false, apiKey: "k"}}"#, "web_fetch and browser"),
            ("web: {fetch: {enabled: false}}", "browser"),
            ("web: {fetch: {enabled: null}}", "web_fetch and browser"),
            (r#"deny: ["group:web"]"#, "browser"),
            (r#"deny: ["group:openclaw"]"#, "no web tool"),
            (r#"profile: "minimal""#, "no web tool"),
            (r#"profile: "minimal", alsoAllow: ["web_fetch"]"#, "no web tool"),
            (r#"allow: ["*_fetch"]"#, "web_fetch"),
        ] {
            assert_eq!(exposed(&sandboxed(tools)), reach, "{tools}");
        }
    }

    #[test]
    fn a_search_key_in_the_environment_counts() {
        for name in SEARCH_VARIABLES {
            assert!(exposed(&sandboxed("deny: []").variable(name, "k")).starts_with("web_search"), "{name}");
            assert!(!exposed(&sandboxed("deny: []").variable(name, "")).starts_with("web_search"), "{name}");
        }
        assert!(!exposed(&sandboxed("deny: []").variable("XAI_API_KEY", "k")).starts_with("web_search"));
    }

    #[test]
    fn the_browser_is_on_unless_it_is_switched_off() {
        for (enabled, on) in [("null", true), (r#""no""#, true), ("false", false), ("0", false)] {
            let config = format!(
                r#"{{agents: {{defaults: {{model: {{primary: "a-8b"}}}}}}, browser: {{enabled: {enabled}}}}}"#
            );
            assert_eq!(exposed(&MemoryHost::new(&config)).contains("browser"), on, "{enabled}");
        }
    }

    #[test]
    fn each_agent_is_judged_by_its_own_fence() {
        let fenced = r#"{id: "a.b", model: "x/foo-8b", sandbox: {mode: "all"}}"#;
        assert_eq!(agents(&format!("{{list: [{fenced}]}}")).ids(audit), INFO);
        let open = r#"{id: "z", model: "x/b-9b", sandbox: {mode: "off"}}"#;
        let both = agents(&format!("{{list: [{fenced}, {open}]}}"));
        assert_eq!(both.ids(audit), CRITICAL);
        let finding = both.findings(audit).remove(0);
        assert_eq!(finding.locations.len(), 2);
        assert!(
            finding
                .detail
                .contains("- x/foo-8b (8B, agents.list.a.b.model): sandbox mode all, reaches no web tool")
        );
    }

    #[test]
    fn the_first_of_two_spellings_gives_the_sandbox_and_the_exact_one_the_tools() {
        let config = r#"{list: [
            {id: "Bob", sandbox: {mode: "all"}, tools: {deny: ["group:web", "browser"]}},
            {id: "bob", model: "x/foo-8b", tools: {sandbox: {tools: {allow: []}}}}
        ]}"#;
        assert_eq!(agents(config).ids(audit), INFO);
        let config = r#"{
            agents: {list: [
                {id: "Bob", sandbox: {mode: "all"}, tools: {sandbox: {tools: {allow: []}}}},
                {id: "bob", model: "x/foo-8b", tools: {deny: ["web_fetch"]}}
            ]}
        }"#;
        assert_eq!(exposed(&MemoryHost::new(config)), "no web tool");
    }

    #[test]
    fn an_agent_without_an_id_has_the_defaults() {
        let config =
            r#"{list: [{model: "x/foo-8b", sandbox: {mode: "all"}, tools: {deny: ["*"]}}, null, 5]}"#;
        assert_eq!(agents(config).ids(audit), CRITICAL);
    }

    #[test]
    fn what_is_hidden_is_not_called_fenced() {
        let open = ["models.small_params:not assessed"];
        assert_eq!(sandboxed(r#"allow: [{"$hidden": "variable"}]"#).ids(audit), open);
        // A list that is hidden lets no tool through that another one stops, and no sandbox matters more than its mode.
        let hidden = |model: &str, rest: &str| {
            MemoryHost::new(&format!(r#"{{agents: {{defaults: {{model: {{primary: {model}}}}}}}, {rest}}}"#))
                .ids(audit)
        };
        let variable = r#"{"$hidden": "variable"}"#;
        assert_eq!(hidden(variable, "tools: {}"), open);
        assert_eq!(hidden(r#""x/foo-8b""#, r#"browser: {"$hidden": "withheld"}"#), open);
        assert_eq!(
            hidden(r#""x/foo-8b""#, r#"browser: {"$hidden": "withheld"}, tools: {deny: ["browser"]}"#),
            CRITICAL
        );
        let both =
            r#"{agents: {defaults: {model: {primary: "x/foo-8b", fallbacks: [{"$hidden": "variable"}]}}}}"#;
        assert_eq!(MemoryHost::new(both).ids(audit), [CRITICAL[0], open[0]]);
    }
}
