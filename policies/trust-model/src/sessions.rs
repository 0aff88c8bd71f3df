//! Agents that can read and write each other's sessions, because nothing says otherwise.

use std::collections::BTreeSet;

use chitin_policy_sdk::openclaw::agents;
use chitin_policy_sdk::openclaw::exposure::Found;
use chitin_policy_sdk::openclaw::model_ids::ModelIds;
use chitin_policy_sdk::openclaw::tools::{Catalogue, Scope};
use chitin_policy_sdk::{Answer, Context, Node, NotAssessed, Severity, all, any, finding, listing};

const CHECK: &str = "security.trust_model.cross_agent_session_access_default";

/// The tools that reach other sessions.
const TOOLS: [&str; 5] =
    ["sessions_list", "sessions_history", "sessions_search", "sessions_send", "session_status"];

/// Words for less than all sessions. Every other word stands for all, and so does none.
const NARROW: [&str; 3] = ["self", "tree", "agent"];

/// Adds the finding, where an agent can reach the sessions of another.
pub fn crossed(cx: &Context<'_>, config: &Node<'_>, signals: &Found<'_>, answer: &mut Answer) {
    let is_open = open_to_all(config);
    if is_open == Ok(false) {
        return;
    }
    let scopes = match is_open.and_then(|_| Scope::agents(config)) {
        Ok(scopes) => scopes,
        Err(reason) => return answer.leave_open(CHECK, reason),
    };
    let mut names = BTreeSet::new();
    for scope in &scopes {
        // An agent whose id is not shown may be one that is known.
        match scope.agent() {
            Ok(id) => drop(names.insert(agents::normalise(id.unwrap_or_default()))),
            Err(reason) => return answer.leave_open(CHECK, reason),
        }
    }
    if names.len() < 2 {
        return;
    }
    let (mut lines, mut apart, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
    for scope in &scopes {
        match reach(cx, config, scope) {
            Ok(Some(line)) => {
                lines.push(line);
                nodes.extend(scope.entry.clone());
            }
            Ok(None) => {}
            Err(reason) => answer.leave_open(CHECK, reason),
        }
        apart.push(is_apart(config, scope));
    }
    if lines.is_empty() {
        return;
    }
    let several = signals.any();
    let is_apart = any(apart.into_iter().chain([several]));
    if let Err(reason) = &is_apart {
        answer.leave_open(CHECK, reason.clone());
    }
    let (severity, meaning) = if is_apart == Ok(true) {
        (
            Severity::Warn,
            "Other settings say that these agents or the people behind them are to be kept apart",
        )
    } else {
        (Severity::Info, "Between agents of one person that is as intended")
    };
    answer.findings.push(
        finding(CHECK, severity, "Agents can read and write each other's sessions")
            .detail(format!(
                "tools.sessions.visibility is \"all\" and tools.agentToAgent is on without a list, as they are where nothing is \
                 said: an agent reads what people told another one. {meaning}."
            ))
            .list(&lines, 0)
            .remediation(
                "Set tools.sessions.visibility to \"agent\", or list the agents that may in tools.agentToAgent.allow, or set \
                 tools.agentToAgent.enabled to false",
            )
            .at_all([config.at("tools.sessions.visibility"), config.at("tools.agentToAgent.enabled")].iter())
            .at_all(&nodes),
    );
}

/// Nothing narrows which sessions an agent reaches.
fn open_to_all(config: &Node<'_>) -> Result<bool, NotAssessed> {
    let tools = config.get("tools");
    let visibility = tools.at("sessions.visibility").text();
    let is_narrow =
        visibility.map(|word| word.is_some_and(|word| NARROW.contains(&word.to_lowercase().as_str())));
    let is_off = tools.at("agentToAgent.enabled").is_false();
    let has_list = tools.at("agentToAgent.allow").items().map(|mut items| items.next().is_some());
    all([is_narrow, is_off, has_list].map(|narrows| narrows.map(|narrows| !narrows)))
}

/// What an agent reaches, in words; none where its sandbox keeps it from other sessions, or it has no tool for them.
fn reach(cx: &Context<'_>, config: &Node<'_>, scope: &Scope<'_>) -> Result<Option<String>, NotAssessed> {
    let model = model(cx, config, scope);
    let stack = Catalogue::of(cx.release()).stack(config, scope, model.as_ref());
    let mode = scope.sandbox_mode(config);
    let clamp = config.at("agents.defaults.sandbox.sessionToolsVisibility").text();
    let is_loose = any([mode.clone().map(|mode| mode != "all"), clamp.map(|clamp| clamp == Some("all"))]);
    let has_tools = any(TOOLS.iter().map(|tool| stack.allows(tool)));
    if !all([is_loose, has_tools])? {
        return Ok(None);
    }
    let tools: Vec<&str> = TOOLS.into_iter().filter(|tool| stack.allows(tool) == Ok(true)).collect();
    let mode = mode.unwrap_or("not known");
    Ok(Some(format!("{}: sandbox.mode {mode}, by {}", scope.label(cx.release()), listing::words(&tools))))
}

/// The full id of the model that an agent uses; none where none is named.
fn model(cx: &Context<'_>, config: &Node<'_>, scope: &Scope<'_>) -> Option<Result<String, NotAssessed>> {
    let named = |node: Node<'_>| -> Result<Option<String>, NotAssessed> {
        let text = if node.is_object()? { node.get("primary").trimmed()? } else { node.trimmed()? };
        Ok(text.map(str::to_owned))
    };
    let own = scope.entry.as_ref().map_or(Ok(None), |entry| named(entry.get("model")));
    let name = own.and_then(|own| match own {
        Some(own) => Ok(Some(own)),
        None => named(config.at("agents.defaults.model")),
    });
    let ids = ModelIds::of(config, cx.release());
    name.and_then(|name| name.map(|name| ids.full(&name)).transpose()).transpose()
}

/// An agent has limits of its own.
fn is_apart(config: &Node<'_>, scope: &Scope<'_>) -> Result<bool, NotAssessed> {
    let own = |key: &str| match &scope.entry {
        Some(entry) => entry.get("tools").get(key).is_nullish().map(|is_unset| !is_unset),
        None => Ok(false),
    };
    any([scope.sandbox_mode(config).map(|mode| mode != "off"), own("profile"), own("allow"), own("deny")])
}
