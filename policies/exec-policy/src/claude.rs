//! Claude's own permission mode, where every command may run (2026.5.26 to 2026.7). Seen by running 2026.5.28 and
//! 2026.7.35: the mode of the arguments that come last counts; the words that hold are those of the config where they are not
//! laxer than the approvals; a sandbox counts only where commands are sent to it by name.

use chitin_policy_sdk::openclaw::agents;
use chitin_policy_sdk::openclaw::exec::{self, Approvals, Ask, Security};
use chitin_policy_sdk::openclaw::tools::Scope;
use chitin_policy_sdk::{Answer, Context, Node, NotAssessed, all, listing, warn};

const CHECK: &str = "agents.claude_cli.permission_mode_overridden_by_yolo";

/// The backend's name.
const BACKEND: &str = "claude-cli";
/// The argument that says how Claude asks.
const ARGUMENT: &str = "--permission-mode";
/// The mode that asks for nothing.
const BYPASS: &str = "bypassPermissions";

/// Adds the finding, where a mode is set that does not hold.
pub fn overridden(cx: &Context<'_>, config: &Node<'_>, answer: &mut Answer) {
    let modes = match modes(config) {
        Ok(modes) => modes,
        Err(reason) => return answer.leave_open(CHECK, reason),
    };
    if modes.is_empty() {
        return;
    }
    let scopes = Scope::all(config).and_then(|scopes| Ok((scopes, Approvals::read(cx)?)));
    let (scopes, approvals) = match scopes {
        Ok(known) => known,
        Err(reason) => return answer.leave_open(CHECK, reason),
    };
    let mut names: Vec<String> = Vec::new();
    for scope in scopes {
        match is_unasked(cx, config, &scope, &approvals) {
            Ok(Some(name)) if !names.contains(&name) => names.push(name),
            Ok(_) => {}
            Err(reason) => answer.leave_open(CHECK, reason),
        }
    }
    if names.is_empty() {
        return;
    }
    let words: Vec<String> =
        modes.iter().map(|(node, mode)| format!("{} (\"{mode}\")", node.dotted())).collect();
    let nodes: Vec<Node<'_>> = modes.into_iter().map(|(node, _)| node).collect();
    answer.findings.push(
        warn(CHECK, "Claude's permission mode does not hold where every command may run")
            .detail(format!(
                "{} set how Claude asks before it acts. For {} all commands run without a question, and the gateway starts \
                 Claude there with \"{BYPASS}\".",
                listing::words(&words),
                listing::words(&names)
            ))
            .remediation(
                "Set tools.exec.security to \"allowlist\" and tools.exec.ask to \"on-miss\" for these agents, or remove the \
                 argument if Claude is meant to act unasked",
            )
            .at_all(&nodes),
    );
}

/// The arguments that set a mode other than the one that asks for nothing, and that mode.
fn modes<'a>(config: &Node<'a>) -> Result<Vec<(Node<'a>, &'a str)>, NotAssessed> {
    let mut modes = Vec::new();
    for (name, backend) in config.at("agents.defaults.cliBackends").entries()? {
        if name.trim().to_lowercase() != BACKEND {
            continue;
        }
        for key in ["args", "resumeArgs"] {
            let arguments = backend.get(key);
            if let Some(mode) = mode(&arguments)?.filter(|mode| *mode != BYPASS) {
                modes.push((arguments, mode));
            }
        }
    }
    Ok(modes)
}

fn mode<'a>(arguments: &Node<'a>) -> Result<Option<&'a str>, NotAssessed> {
    let mut mode = None;
    let mut is_next = false;
    for argument in arguments.items()? {
        let text = argument.text()?.unwrap_or_default().trim();
        let value = match text.strip_prefix(ARGUMENT) {
            Some("") => {
                is_next = true;
                continue;
            }
            Some(rest) => rest.strip_prefix('='),
            None => std::mem::take(&mut is_next).then_some(text),
        };
        is_next = false;
        mode = value.filter(|value| !value.is_empty() && !value.starts_with('-')).or(mode);
    }
    Ok(mode)
}

/// Who runs every command without a question; none where somebody is asked.
fn is_unasked(
    cx: &Context<'_>,
    config: &Node<'_>,
    scope: &Scope<'_>,
    approvals: &Approvals,
) -> Result<Option<String>, NotAssessed> {
    let release = cx.release();
    let id = scope.agent()?.map_or_else(|| agents::MAIN.to_owned(), agents::normalise);
    let exec = exec::effective(config, scope, release, approvals, Some(&id));
    let host = exec::host(config, scope, release)?;
    // Commands that go to a sandbox are denied where nothing else is said.
    let is_said = |node: Node<'_>| node.is_nullish().map(|is_unset| !is_unset);
    let reaches =
        if host == "sandbox" { is_said(scope.setting(config, "tools.exec.security")?) } else { Ok(true) };
    let is_full = exec.security.map(|word| word == Security::Full);
    let is_off = exec.ask.map(|word| word == Ask::Off);
    Ok(all([is_full, is_off, reaches])?.then_some(id))
}
