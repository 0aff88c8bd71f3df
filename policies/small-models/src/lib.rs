//! Small models that can reach the web, or, up to 2026.5.7, run without a sandbox.

mod search;
mod size;

use chitin_policy_sdk::openclaw::browser;
use chitin_policy_sdk::openclaw::facts::{self, Number};
use chitin_policy_sdk::openclaw::model_ids::ModelIds;
use chitin_policy_sdk::openclaw::models::{self, Model};
use chitin_policy_sdk::openclaw::tools::{Catalogue, Scope};
use chitin_policy_sdk::{
    Answer, Context, Finding, Node, NotAssessed, Release, Severity, Verdict, all, finding, listing,
};

const CHECK: &str = "models.small_params";

/// Billions of parameters up to which a model counts as small.
const SMALL: f64 = 300.0;

/// A fence has a sandbox in it, whatever tools there are (reference: config-checks 12 and changes, 2026.5.12; run: 2026.5.7
/// and 2026.5.12).
const NEEDS_SANDBOX: [(Number, bool); 1] = [((2026, 5, 12), false)];

/// What `byProvider` says for a model counts (run: not in 2026.5.7; in 2026.5.12).
const BY_PROVIDER: [(Number, bool); 1] = [((2026, 5, 12), true)];

/// The plugin that the browser is has to be let load (reference: changes, 2026.7.1; run: not in 2026.6.11; in 2026.7.35).
const BROWSER_IS_LOADED: [(Number, bool); 1] = [((2026, 7, 1), true)];

/// Two sizes in a name may stand one character apart (run: not in 2026.6.11; in 2026.7.35).
const SIZES_SHARE: [(Number, bool); 1] = [((2026, 7, 1), true)];

/// A tool, and whether it is there for an agent, or for all.
type Tool = (&'static str, Result<bool, NotAssessed>);

/// What stands between a model and the world.
struct Fence<'a> {
    needs_sandbox: bool,
    /// The name of the sandbox mode.
    mode: Result<&'a str, NotAssessed>,
    /// The web tools, and whether the model can call them.
    tools: Vec<Tool>,
}

impl<'a> Fence<'a> {
    /// The fence around a model of an agent. `model` is its full id.
    fn of(
        release: Release,
        config: &Node<'a>,
        agent: &Result<Option<&'a str>, NotAssessed>,
        model: &Result<String, NotAssessed>,
        web_tools: &[Tool],
    ) -> Self {
        let catalogue = Catalogue::of(release);
        let scope = scope(config, agent);
        let model = facts::at(release, false, &BY_PROVIDER).then_some(model);
        let stack = scope.as_ref().map(|scope| catalogue.stack(config, scope, model));
        let global = catalogue.pick(&config.get("tools"));
        let reaches = |tool: &str, is_on: &Result<bool, NotAssessed>| match &stack {
            Ok(stack) => all([is_on.clone(), stack.allows(tool)]),
            // The global lists hold for every agent.
            Err(reason) => {
                let global = global.as_ref().map(|policy| policy.allows(tool)).map_err(NotAssessed::clone);
                all([is_on.clone(), global, Err((*reason).clone())])
            }
        };
        let tools = web_tools.iter().map(|(tool, is_on)| (*tool, reaches(tool, is_on))).collect();
        let mode = scope.as_ref().map_err(NotAssessed::clone).and_then(|scope| scope.sandbox_mode(config));
        Self { needs_sandbox: facts::at(release, true, &NEEDS_SANDBOX), mode, tools }
    }

    /// No web tool is in reach, and, where that is asked for, everything runs in a sandbox.
    fn is_closed(&self) -> Result<bool, NotAssessed> {
        let is_sandboxed =
            if self.needs_sandbox { self.mode.clone().map(|mode| mode == "all") } else { Ok(true) };
        let out_of_reach = self.tools.iter().map(|(_, reached)| reached.clone().map(|reached| !reached));
        all([is_sandboxed].into_iter().chain(out_of_reach))
    }

    fn words(&self) -> String {
        let named = |wanted: fn(&Result<bool, NotAssessed>) -> bool| -> Vec<&str> {
            self.tools.iter().filter(|(_, reached)| wanted(reached)).map(|(tool, _)| *tool).collect()
        };
        let reached = named(|reached| matches!(reached, Ok(true)));
        let open = named(Result::is_err);
        let reach = match (reached.as_slice(), open.as_slice()) {
            ([], []) => "reaches no web tool".to_owned(),
            (reached, []) => format!("reaches {}", listing::words(reached)),
            ([], open) => format!("may reach {}", listing::words(open)),
            (reached, open) => {
                format!("reaches {}, may reach {}", listing::words(reached), listing::words(open))
            }
        };
        format!("sandbox.mode {}, {reach}", self.mode.as_ref().unwrap_or(&"not known"))
    }
}

/// An agent, with the first entry of exactly its id. An agent without an id has the defaults.
fn scope<'a>(
    config: &Node<'a>,
    agent: &Result<Option<&'a str>, NotAssessed>,
) -> Result<Scope<'a>, NotAssessed> {
    let Some(id) = agent.clone()?.filter(|id| !id.is_empty()) else { return Ok(Scope::common()) };
    for entry in config.at("agents.list").items()? {
        if entry.get("id").text()? == Some(id) {
            return Ok(Scope::of(Some(Ok(id)), Some(entry)));
        }
    }
    Ok(Scope::of(Some(Ok(id)), None))
}

/// Looks at the sandbox and the web tools of every agent with a small model.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let release = cx.release();
    let web_tools = web_tools(cx, &config);
    let ids = ModelIds::of(&config, release);
    let share = facts::at(release, false, &SIZES_SHARE);
    let mut answer = Answer::new();
    let (mut lines, mut nodes, mut closed) = (Vec::new(), Vec::new(), Vec::new());
    for Model { id, node, source, agent, is_image } in models::collect(&config, release) {
        if is_image {
            continue;
        }
        let model = id.and_then(|id| ids.full(id));
        let size = match &model {
            Ok(id) => match size::billions(id, share).filter(|size| *size <= SMALL) {
                Some(size) => Ok((id.clone(), size)),
                None => continue,
            },
            Err(reason) => Err(reason.clone()),
        };
        let fence = Fence::of(release, &config, &agent, &model, &web_tools);
        let mut is_closed = fence.is_closed();
        match size {
            Ok((id, billions)) => {
                lines.push(format!("{id} ({billions}B, {source}): {}", fence.words()));
                nodes.push(node);
                if let Err(reason) = &is_closed {
                    answer.leave_open(CHECK, reason.clone());
                }
            }
            // It may be small. Behind a closed fence that does not change the verdict.
            Err(reason) => {
                answer.leave_open(CHECK, reason.clone());
                is_closed = is_closed.and_then(|is_closed| if is_closed { Ok(true) } else { Err(reason) });
            }
        }
        closed.push(is_closed);
    }
    // Where this is open, the reason was noted with its model above.
    if let (false, Ok(all_closed)) = (lines.is_empty(), all(closed)) {
        let needs_sandbox = facts::at(release, true, &NEEDS_SANDBOX);
        answer.findings.push(report(all_closed, needs_sandbox, &lines, &nodes));
    }
    Ok(answer)
}

fn report(all_closed: bool, needs_sandbox: bool, lines: &[String], nodes: &[Node<'_>]) -> Finding {
    let (severity, title, verdict, remediation) = match (all_closed, needs_sandbox) {
        (true, true) => (
            Severity::Info,
            "Small models are in use, sandboxed and without web tools",
            "these run in a sandbox and reach no web tool",
            "Keep sandbox.mode at \"all\" and web tools out of reach for as long as these models are in use",
        ),
        (true, false) => (
            Severity::Info,
            "Small models are in use, without web tools",
            "these reach no web tool",
            "Keep web tools out of reach for as long as these models are in use",
        ),
        (false, true) => (
            Severity::Critical,
            "Small models can reach the web or run without a sandbox",
            "what one of these reads on the web or is told in a chat can become what this machine does",
            "Set agents.defaults.sandbox.mode to \"all\" and tools.deny to [\"group:web\", \"browser\"], or give agents with \
             tools a larger model",
        ),
        (false, false) => (
            Severity::Critical,
            "Small models can reach the web",
            "what one of these reads on the web can become what this machine does",
            "Set tools.deny to [\"group:web\", \"browser\"], or that of a provider in tools.byProvider, or give agents with web \
             tools a larger model; set agents.defaults.sandbox.mode to \"all\" besides",
        ),
    };
    finding(CHECK, severity, title)
        .detail(format!(
            "Models of up to {SMALL} billion parameters are the easiest to steer by injected instructions; {verdict}:"
        ))
        .list(lines, 0)
        .remediation(remediation)
        .at_all(nodes)
}

/// The web tools, and whether they are switched on.
fn web_tools(cx: &Context<'_>, config: &Node<'_>) -> [Tool; 3] {
    let mut browser = browser::is_enabled(config);
    if facts::at(cx.release(), false, &BROWSER_IS_LOADED) {
        browser = all([browser, browser::is_loaded(config)]);
    }
    [
        ("web_search", search::is_on(cx, config)),
        ("web_fetch", config.at("tools.web.fetch.enabled").is_false().map(|is_off| !is_off)),
        ("browser", browser),
    ]
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
        for name in ["BRAVE_API_KEY", "PERPLEXITY_API_KEY", "OPENROUTER_API_KEY"] {
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
                .contains("- x/foo-8b (8B, agents.list.a.b.model): sandbox.mode all, reaches no web tool")
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

    const OPEN: [&str; 1] = ["models.small_params:not assessed"];
    const CRITICAL_AND_OPEN: [&str; 2] = ["models.small_params:critical", "models.small_params:not assessed"];
    const INFO_AND_OPEN: [&str; 2] = ["models.small_params:info", "models.small_params:not assessed"];
    const HIDDEN: &str = r#"{"$hidden": "variable"}"#;

    #[test]
    fn a_model_that_is_not_shown_leaves_its_own_verdict_open() {
        let open = r#"{id: "a", model: "x/foo-8b"}"#;
        let fenced = r#"{id: "b", model: "x/foo-8b", sandbox: {mode: "all"}}"#;
        for (list, expected) in [
            ("{id: \"h\", model: HIDDEN}".to_owned(), OPEN.as_slice()),
            (format!("{open}, {{id: \"h\", model: HIDDEN}}"), &CRITICAL_AND_OPEN),
            (format!("{fenced}, {{id: \"h\", model: HIDDEN}}"), &OPEN),
            (format!("{fenced}, {{id: \"h\", model: HIDDEN, sandbox: {{mode: \"all\"}}}}"), &INFO_AND_OPEN),
            (format!("{fenced}, {{id: \"h\", model: HIDDEN, sandbox: {{mode: HIDDEN}}}}"), &OPEN),
            (r#"{id: "h", model: {primary: "x/large", fallbacks: [HIDDEN]}}"#.to_owned(), &OPEN),
            (r#"{id: "h", model: "x/large", sandbox: {mode: HIDDEN}}"#.to_owned(), &NOTHING),
        ] {
            let list = list.replace("HIDDEN", HIDDEN);
            assert_eq!(agents(&format!("{{list: [{list}]}}")).ids(audit), expected, "{list}");
        }
        let image = format!("{{defaults: {{imageModel: {HIDDEN}}}}}");
        assert_eq!(agents(&image).ids(audit), NOTHING, "image models do not count");
    }

    #[test]
    fn a_sandbox_mode_that_is_not_shown_counts_where_the_tools_do_not_decide() {
        let with = |tools: &str| {
            let config = format!(
                r#"{{
                    agents: {{defaults: {{model: "x/foo-8b", sandbox: {{mode: {HIDDEN}}}}}}},
                    tools: {tools}
                }}"#
            );
            MemoryHost::new(&config)
        };
        assert_eq!(with("{}").ids(audit), OPEN);
        assert_eq!(with(r#"{deny: ["*"]}"#).ids(audit), OPEN);
        let reached = with("{sandbox: {tools: {allow: [], deny: []}}}");
        assert_eq!(reached.ids(audit), CRITICAL);
        assert!(
            reached.findings(audit)[0]
                .detail
                .contains("sandbox.mode not known, reaches web_fetch and browser")
        );
    }

    #[test]
    fn a_list_that_is_not_shown_counts_where_it_decides() {
        let fetch = "web: {fetch: {enabled: false}}";
        for (tools, expected) in [
            ("allow: [HIDDEN]".to_owned(), OPEN.as_slice()),
            (format!("{fetch}, deny: [HIDDEN]"), &OPEN),
            ("profile: HIDDEN".to_owned(), &OPEN),
            (r#"allow: [HIDDEN], profile: "minimal""#.to_owned(), &INFO),
            (r#"profile: HIDDEN, deny: ["group:web", "browser"]"#.to_owned(), &INFO),
        ] {
            assert_eq!(sandboxed(&tools.replace("HIDDEN", HIDDEN)).ids(audit), expected, "{tools}");
        }
        // The sandbox's own lists leave no web tool.
        let built_in = format!(
            r#"{{agents: {{defaults: {{model: "x/foo-8b", sandbox: {{mode: "all"}}}}}}, tools: {{allow: [{HIDDEN}]}}}}"#
        );
        assert_eq!(MemoryHost::new(&built_in).ids(audit), INFO);
        // Without a sandbox there is no fence, whatever the lists say.
        let bare = format!(r#"{{agents: {{defaults: {{model: "x/foo-8b"}}}}, tools: {{deny: [{HIDDEN}]}}}}"#);
        let finding = MemoryHost::new(&bare).findings(audit).remove(0);
        assert!(
            finding.detail.ends_with("sandbox.mode off, may reach web_fetch and browser"),
            "{}",
            finding.detail
        );
    }

    #[test]
    fn an_agent_whose_id_is_not_shown_has_a_fence_that_is_not_known() {
        let own = format!(r#"{{list: [{{id: {HIDDEN}, model: "x/foo-8b", sandbox: {{mode: "off"}}}}]}}"#);
        assert_eq!(agents(&own).ids(audit), OPEN);
        let large = format!(r#"{{list: [{{id: {HIDDEN}, model: "x/foo"}}]}}"#);
        assert_eq!(agents(&large).ids(audit), NOTHING);
        let earlier = format!(r#"{{list: [{{id: {HIDDEN}}}, {{id: "a", model: "x/foo-8b"}}]}}"#);
        assert_eq!(agents(&earlier).ids(audit), OPEN, "both may be the same");
        let other =
            format!(r#"{{list: [{{id: "a", model: "x/foo-8b"}}, {{id: {HIDDEN}, model: "x/foo-9b"}}]}}"#);
        assert_eq!(agents(&other).ids(audit), CRITICAL_AND_OPEN);
    }

    #[test]
    fn a_switch_that_is_not_granted_counts_where_it_decides() {
        let off = r#"{
            agents: {defaults: {model: "x/foo-8b", sandbox: {mode: "all"}}}, browser: {enabled: false},
            tools: {web: {search: {enabled: false}, fetch: {enabled: false}},
                sandbox: {tools: {allow: [], deny: []}}}
        }"#;
        let host = || MemoryHost::new(off);
        assert_eq!(host().ids(audit), INFO);
        for pointer in [
            "/agents",
            "/agents/defaults/model",
            "/agents/defaults/sandbox/mode",
            "/tools",
            "/tools/web/search/enabled",
            "/tools/web/fetch/enabled",
            "/browser/enabled",
        ] {
            let ids = host().withhold(pointer).ids(audit);
            assert!(!ids.is_empty() && ids.iter().all(|id| id == OPEN[0]), "{pointer} {ids:?}");
        }
        for pointer in
            ["/tools/profile", "/tools/deny", "/tools/web/search/apiKey", "/agents/defaults/imageModel"]
        {
            assert_eq!(host().withhold(pointer).ids(audit), INFO, "{pointer}");
        }
        let list = host().withhold("/agents/list").ids(audit);
        assert!(list.iter().all(|id| id == OPEN[0]), "{list:?}");
        for pointer in
            ["/tools/profile", "/tools/allow", "/tools/alsoAllow", "/tools/deny", "/tools/sandbox/tools/deny"]
        {
            assert_eq!(sandboxed("deny: []").withhold(pointer).ids(audit), OPEN, "{pointer}");
        }
    }

    #[test]
    fn a_search_key_that_is_not_granted_counts_where_no_other_is_set() {
        let host = |search: &str| {
            MemoryHost::new(&format!(
                r#"{{
                    agents: {{defaults: {{model: "x/foo-8b", sandbox: {{mode: "all"}}}}}}, browser: {{enabled: false}},
                    tools: {{web: {{search: {search}, fetch: {{enabled: false}}}},
                        sandbox: {{tools: {{allow: [], deny: []}}}}}}
                }}"#
            ))
        };
        let capability = "secret:env:BRAVE_API_KEY";
        assert_eq!(host("{}").ids(audit), INFO);
        assert_eq!(host("{}").ungranted(capability).ids(audit), OPEN);
        assert_eq!(host("{}").withhold("/tools/web/search/apiKey").ids(audit), OPEN);
        assert_eq!(host(r#"{apiKey: "k"}"#).ungranted(capability).ids(audit), CRITICAL);
        assert_eq!(host(r#"{apiKey: {"$hidden": "reference"}}"#).ids(audit), CRITICAL);
        assert_eq!(host(r#"{enabled: false, apiKey: "k"}"#).ungranted(capability).ids(audit), INFO);
    }

    /// A small model outside of a sandbox, in a release.
    fn bare(release: (u16, u8, u16), tools: &str, rest: &str) -> MemoryHost {
        let (year, month, patch) = release;
        let config = format!(r#"{{agents: {{defaults: {{model: "x/foo-8b"}}}}, tools: {tools}{rest}}}"#);
        MemoryHost::new(&config).release(year, month, patch)
    }

    const OFF: &str = r#"{deny: ["group:web", "browser"]}"#;
    const NEW: (u16, u8, u16) = (2026, 9, 6);

    #[test]
    fn a_sandbox_is_asked_for_up_to_2026_5_7() {
        assert_eq!(bare((2026, 5, 7), OFF, "").ids(audit), CRITICAL);
        assert_eq!(bare((2026, 5, 12), OFF, "").ids(audit), INFO);
        assert_eq!(bare((2026, 5, 12), "{}", "").ids(audit), CRITICAL);
    }

    #[test]
    fn lists_by_model_count_from_2026_5_12_on() {
        let tools = r#"{byProvider: {x: {deny: ["group:web", "browser"]}}}"#;
        assert_eq!(bare((2026, 5, 12), tools, "").ids(audit), INFO);
        assert!(exposed(&bare((2026, 5, 7), tools, "")).contains("browser"));
        let own = r#"{list: [{id: "a", model: "Tiny", tools: {byProvider: {x: {deny: ["*"]}}}}],
            defaults: {models: {"x/tiny-1b": {alias: "tiny"}}}}"#;
        let finding = agents(own).release(2026, 9, 6).findings(audit).remove(0);
        assert!(
            finding
                .detail
                .ends_with("- x/tiny-1b (1B, agents.entries.a.model): sandbox.mode off, reaches no web tool")
        );
    }

    #[test]
    fn a_name_is_read_in_full_from_2026_4_29_on() {
        let named = r#"{defaults: {model: "quick", models: {"x/foo-8b": {alias: "Quick"}}}}"#;
        assert_eq!(agents(named).release(2026, 4, 28).ids(audit), NOTHING);
        assert_eq!(agents(named).release(2026, 4, 29).ids(audit), CRITICAL);
        let hidden =
            agents(r#"{defaults: {model: "x/y", models: {"x/z": {alias: "q"}}}}"#).release(2026, 9, 6);
        let hidden = hidden.hide("/agents/defaults/models/x~1z/alias", chitin_policy_sdk::Hidden::Variable);
        assert_eq!(hidden.ids(audit), OPEN);
    }

    #[test]
    fn two_sizes_may_be_neighbours_from_2026_7_1_on() {
        let config = r#"{defaults: {model: "x/foo-8b-400b"}}"#;
        assert_eq!(agents(config).release(2026, 6, 11).ids(audit), CRITICAL);
        assert_eq!(agents(config).release(2026, 7, 1).ids(audit), NOTHING);
    }

    #[test]
    fn the_browser_is_a_plugin_from_2026_7_1_on() {
        for plugins in [r#"{allow: ["telegram"]}"#, r#"{deny: ["browser"]}"#, "{enabled: false}"] {
            let host = |release| bare(release, r#"{deny: ["group:web"]}"#, &format!(", plugins: {plugins}"));
            assert_eq!(host((2026, 6, 11)).ids(audit), CRITICAL, "{plugins}");
            assert_eq!(host((2026, 7, 1)).ids(audit), INFO, "{plugins}");
        }
    }

    #[test]
    fn what_switches_search_on_differs_by_release() {
        let on = |release, search: &str, plugins: &str, variable: &str| {
            let tools = format!(r#"{{deny: ["web_fetch", "browser"], web: {{search: {search}}}}}"#);
            let mut host = bare(release, &tools, &format!(", plugins: {{entries: {plugins}}}"));
            if !variable.is_empty() {
                host = host.variable(variable, "k");
            }
            exposed(&host) == "web_search"
        };
        let old = (2026, 3, 2);
        assert!(on(old, r#"{apiKey: "k"}"#, "{}", "") && on(NEW, r#"{apiKey: "k"}"#, "{}", ""));
        assert!(!on((2026, 3, 24), r#"{apiKey: "k"}"#, "{}", ""));
        for search in ["{maxResults: 3}", r#"{provider: "gemini"}"#, "{x: {}}"] {
            assert!(on(NEW, search, "{}", "") && !on(old, search, "{}", ""), "{search}");
        }
        for search in ["{}", "{enabled: null}", r#"{apiKey: " "}"#, r#"{enabled: "true"}"#, "{apiKey: null}"]
        {
            assert!(!on(NEW, search, "{}", ""), "{search}");
        }
        for (plugins, expected) in [
            (r#"{p: {enabled: false, config: {webSearch: {apiKey: "k"}}}}"#, true),
            (r#"{p: {config: {webSearch: {model: "m"}}}}"#, true),
            ("{p: {config: {webSearch: {}}}}", false),
            ("{p: {config: {webSearch: {enabled: true}}}}", false),
            ("{p: {config: {webFetch: {x: 1}}}}", false),
        ] {
            assert_eq!(on(NEW, "{}", plugins, ""), expected, "{plugins}");
            assert!(!on(old, "{}", plugins, ""), "{plugins}");
        }
        for (name, old_release, middle, new) in [
            ("BRAVE_API_KEY", true, false, false),
            ("OPENROUTER_API_KEY", true, true, false),
            ("GEMINI_API_KEY", false, true, true),
            ("TAVILY_API_KEY", false, true, false),
        ] {
            let seen = [old, (2026, 5, 28), NEW].map(|release| on(release, "{}", "{}", name));
            assert_eq!(seen, [old_release, middle, new], "{name}");
        }
        assert!(!on((2026, 3, 7), "{}", "{}", "OPENROUTER_API_KEY"));
    }

    #[test]
    fn a_blank_key_is_a_key_in_older_releases() {
        let blank = |release, name| {
            exposed(&bare(release, r#"{deny: ["web_fetch", "browser"]}"#, "").variable(name, " "))
                == "web_search"
        };
        assert!(blank((2026, 3, 13), "BRAVE_API_KEY") && !blank(NEW, "GEMINI_API_KEY"));
    }

    #[test]
    fn what_is_withheld_of_search_counts_where_nothing_else_switches_it_on() {
        let host = || {
            let rest = r", plugins: {entries: {p: {config: {}}}}";
            bare(NEW, r#"{deny: ["web_fetch", "browser"], web: {search: {}}}"#, rest)
        };
        assert_eq!(host().ids(audit), INFO);
        for pointer in ["/tools/web/search", "/plugins/entries", "/plugins/entries/p/config"] {
            assert_eq!(host().withhold(pointer).ids(audit), OPEN, "{pointer}");
        }
        assert_eq!(host().ungranted("secret:env:XAI_API_KEY").ids(audit), OPEN);
        assert_eq!(host().ungranted("secret:env:BRAVE_API_KEY").ids(audit), INFO, "it does not count");
    }
}
