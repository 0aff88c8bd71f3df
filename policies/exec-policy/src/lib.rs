//! Who may have commands run, and with what left in the way.

mod claude;

use chitin_policy_sdk::openclaw::agents;
use chitin_policy_sdk::openclaw::exec::{self, Ask, Exec, Security};
use chitin_policy_sdk::openclaw::exposure::{self, Found};
use chitin_policy_sdk::openclaw::tools::{Catalogue, Scope};
use chitin_policy_sdk::{
    Answer, Context, Node, NotAssessed, Severity, Verdict, all, any, finding, listing, warn,
};

const FULL: &str = "tools.exec.security_full_configured";
const OPEN: &str = "security.exposure.open_channels_with_exec";
const FILES: &str = "tools.exec.fs_tools_disabled_but_exec_enabled";

/// The tools that write files.
const WRITERS: [&str; 3] = ["write", "edit", "apply_patch"];
/// The tools that run commands.
const RUNTIME: [&str; 2] = ["exec", "process"];

/// Judges what the config says of commands.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let mut answer = Answer::new();
    let open = exposure::open_anywhere(&config);
    match configured(cx, &config) {
        Ok(scopes) => {
            full(&mut answer, &scopes, &open);
            open_channels(&mut answer, &scopes, &open);
        }
        Err(reason) => {
            answer.checks(&[FULL, OPEN], Err::<Vec<_>, _>(reason));
        }
    }
    without_files(cx, &config, &mut answer);
    claude::overridden(cx, &config, &mut answer);
    Ok(answer)
}

/// What the config says of commands in one place.
struct Configured<'a> {
    /// The id of the agent that it holds for.
    name: String,
    security: Result<Security, NotAssessed>,
    host: Result<&'a str, NotAssessed>,
    /// The values that say so.
    nodes: Vec<Node<'a>>,
}

impl Configured<'_> {
    fn is(&self, wanted: impl Fn(Security) -> bool) -> Result<bool, NotAssessed> {
        self.security.clone().map(wanted)
    }
}

/// The global settings, under the name of the agent that has no others, then those of each agent. An agent of that name
/// takes their place (reference: 2026.9-delta 3.4; run: up to 2026.7 the name is always "main").
fn configured<'a>(cx: &Context<'_>, config: &Node<'a>) -> Result<Vec<Configured<'a>>, NotAssessed> {
    let release = cx.release();
    let unset = Exec::new(Security::Deny, Ask::Off);
    let all = Scope::agents(config)?;
    let common = if !release.since(2026, 8, 1) {
        agents::MAIN.to_owned()
    } else if let [only] = all.as_slice() {
        only.agent()?.unwrap_or(agents::MAIN).to_owned()
    } else {
        "global".to_owned()
    };
    let mut scopes: Vec<Configured<'a>> = Vec::new();
    let mut add = |name: String, scope: &Scope<'a>| {
        let sections =
            [Some(config.at("tools.exec")), scope.entry.as_ref().map(|entry| entry.at("tools.exec"))];
        let nodes = sections.into_iter().flatten().flat_map(|section| {
            ["mode", "security"]
                .map(|key| section.get(key))
                .into_iter()
                .filter(|node| node.is_present() == Ok(true))
        });
        let known = Configured {
            security: unset.of(config, scope, release).security,
            host: exec::host(config, scope, release),
            nodes: nodes.collect(),
            name,
        };
        match scopes.iter_mut().find(|scope| scope.name == known.name) {
            Some(place) => *place = known,
            None => scopes.push(known),
        }
    };
    add(common, &Scope::common());
    for scope in all {
        // An agent whose id is not shown has a place in the config.
        let name = scope.agent().ok().flatten().map_or_else(|| scope.label(release), str::to_owned);
        add(name, &scope);
    }
    Ok(scopes)
}

/// Every command may run somewhere.
fn full(answer: &mut Answer, scopes: &[Configured<'_>], open: &Found<'_>) {
    for reason in scopes.iter().filter_map(|scope| scope.security.as_ref().err()) {
        answer.leave_open(FULL, reason.clone());
    }
    let full: Vec<&Configured<'_>> =
        scopes.iter().filter(|scope| scope.is(|word| word == Security::Full) == Ok(true)).collect();
    if full.is_empty() {
        return;
    }
    // The hidden value decides the severity.
    let is_open = match open.any() {
        Ok(is_open) => is_open,
        Err(reason) => return answer.leave_open(FULL, reason),
    };
    let names: Vec<String> = full.iter().map(|scope| format!("\"{}\"", scope.name)).collect();
    let (severity, audience) = if is_open {
        let verb = if open.nodes.len() == 1 { "lets" } else { "let" };
        (Severity::Critical, format!("{} {verb} strangers speak to an agent", listing::words(&open.names())))
    } else {
        (
            Severity::Warn,
            "whoever gets words before such an agent can have it run what it can type".to_owned(),
        )
    };
    answer.findings.push(
        finding(FULL, severity, "Agents may run every command without approval by a list")
            .detail(format!("tools.exec allows all commands (\"full\") for {}; {audience}.", listing::words(&names)))
            .remediation(
                "Set tools.exec.security to \"allowlist\" and tools.exec.ask to \"on-miss\", and keep \"full\" for agents \
                 that only you can reach",
            )
            .at_all(full.iter().flat_map(|scope| &scope.nodes))
            .at_all(&open.nodes),
    );
}

/// Strangers can speak to agents, and commands run.
fn open_channels(answer: &mut Answer, scopes: &[Configured<'_>], open: &Found<'_>) {
    let runs = any(scopes.iter().map(|scope| scope.is(|word| word != Security::Deny)));
    match all([open.any(), runs]) {
        Ok(true) => {}
        Ok(false) => return,
        Err(reason) => return answer.leave_open(OPEN, reason),
    }
    // A hidden value may raise the severity or add a scope.
    let unseen = scopes.iter().filter_map(|scope| scope.security.as_ref().err()).chain(&open.unseen);
    unseen.for_each(|reason| answer.leave_open(OPEN, reason.clone()));
    let running: Vec<&Configured<'_>> =
        scopes.iter().filter(|scope| scope.is(|word| word != Security::Deny) == Ok(true)).collect();
    let is_full = running.iter().any(|scope| scope.security == Ok(Security::Full));
    let lines: Vec<String> = running
        .iter()
        .map(|scope| {
            let security = scope.security.as_ref().map_or("not known", |word| word.word());
            let host = scope.host.as_ref().map_or("not known", |host| host);
            format!("{}: security {security}, host {host}", scope.name)
        })
        .collect();
    let severity = if is_full { Severity::Critical } else { Severity::Warn };
    answer.findings.push(
        finding(OPEN, severity, "Strangers can speak to agents that run commands")
            .detail(format!(
                "{} {} \"open\", and these agents run commands: what a stranger writes can become a command.",
                listing::words(&open.names()),
                if open.nodes.len() == 1 { "is" } else { "are" }
            ))
            .list(&lines, 0)
            .remediation(
                "Set each policy that is named here to \"allowlist\" or \"pairing\", or set tools.exec.security to \"deny\" \
                 for the agents that such channels lead to",
            )
            .at_all(&open.nodes)
            .at_all(running.iter().flat_map(|scope| &scope.nodes)),
    );
}

/// Agents that cannot write files by tools, and can by commands.
fn without_files(cx: &Context<'_>, config: &Node<'_>, answer: &mut Answer) {
    let scopes = match Scope::all(config) {
        Ok(scopes) => scopes,
        Err(reason) => return answer.leave_open(FILES, reason),
    };
    let (mut lines, mut nodes) = (Vec::new(), Vec::new());
    for scope in scopes {
        match unconfined(cx, config, &scope) {
            Ok(Some(line)) => {
                lines.push(line);
                nodes.push(
                    scope.entry.as_ref().map_or_else(|| config.get("tools"), |entry| entry.get("tools")),
                );
            }
            Ok(None) => {}
            Err(reason) => answer.leave_open(FILES, reason),
        }
    }
    if lines.is_empty() {
        return;
    }
    answer.findings.push(
        warn(FILES, "Agents that may not write files can do it by commands")
            .detail(
                "The tools that write files are taken away, and exec is not: a shell writes files all the same, and no \
                 sandbox holds it here:",
            )
            .list(&lines, 0)
            .remediation(
                "Add \"group:runtime\" to tools.deny of these agents, or set their sandbox.mode to \"all\" with \
                 sandbox.workspaceAccess \"ro\" or \"none\"",
            )
            .at_all(&nodes),
    );
}

/// What a scope can do by commands, in words; none where it can write by tools, runs no commands, or a sandbox holds it.
fn unconfined(cx: &Context<'_>, config: &Node<'_>, scope: &Scope<'_>) -> Result<Option<String>, NotAssessed> {
    let release = cx.release();
    let stack = Catalogue::of(release).stack(config, scope, None);
    let (mode, access) = (scope.sandbox_mode(config), scope.workspace_access(config));
    let host = exec::host(config, scope, release);
    let leaves = any([
        mode.clone().map(|mode| mode != "all"),
        host.clone().map(|host| ["gateway", "node"].contains(&host)),
        access.clone().map(|access| access == "rw"),
    ]);
    let cannot_write = WRITERS.iter().map(|tool| stack.allows(tool).map(|allowed| !allowed));
    if !all(cannot_write.chain([stack.allows("exec"), leaves]))? {
        return Ok(None);
    }
    let runtime: Vec<&str> = RUNTIME.into_iter().filter(|tool| stack.allows(tool) == Ok(true)).collect();
    let place =
        if scope.entry.is_some() { format!("{}.tools", scope.label(release)) } else { "tools".to_owned() };
    Ok(Some(format!(
        "{place}: {} without write, edit and apply_patch; host {}, sandbox.mode {}, workspaceAccess {}",
        listing::words(&runtime),
        host.unwrap_or("not known"),
        mode.unwrap_or("not known"),
        access.unwrap_or("not known"),
    )))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests;
