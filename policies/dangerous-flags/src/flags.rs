//! The switches of the program itself, release by release (read in the programs 2026.2.21, 2026.2.22, 2026.2.23, 2026.4.15,
//! 2026.4.22, 2026.5.12, 2026.5.18, 2026.7.35, 2026.8.1 and 2026.9.6).

use chitin_policy_sdk::openclaw::agents;
use chitin_policy_sdk::{Context, Node, NotAssessed};

use crate::Flag;

/// A year, a month and a number in it.
type From = (u16, u8, u16);

const FIRST: From = (2026, 2, 21);
const FALLBACK: From = (2026, 2, 23);
const MORE: From = (2026, 4, 22);
const SUPPRESSIONS: From = (2026, 5, 18);
const GENERATION: From = (2026, 8, 1);

const CONTENT: &str =
    "what outsiders send reaches the agent without the marks that tell it from the owner's words";
const BOUNDS: &str = "agents may write anywhere on the disk, and not in their workspace alone";

/// A switch of a name of its own.
struct Known {
    path: &'static str,
    /// The value that is dangerous.
    value: bool,
    first: From,
    /// The first release that has it no more.
    end: Option<From>,
    effect: &'static str,
}

const fn on(path: &'static str, first: From, effect: &'static str) -> Known {
    Known { path, value: true, first, end: None, effect }
}

const fn off(path: &'static str, first: From, effect: &'static str) -> Known {
    Known { path, value: false, first, end: None, effect }
}

const UI: [Known; 4] = [
    Known {
        end: Some(GENERATION),
        ..on(
            "gateway.controlUi.allowInsecureAuth",
            FIRST,
            "browsers may log in to the control UI over plain HTTP, where others can read along",
        )
    },
    on(
        "gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback",
        FALLBACK,
        "a page counts as the gateway's own by a host name that the other side chooses",
    ),
    Known {
        end: Some(GENERATION),
        ..on("gateway.controlUi.dangerouslyDisableDeviceAuth", FIRST, "a stolen token works on every device")
    },
    on("hooks.gmail.allowUnsafeExternalContent", FIRST, CONTENT),
];
const PATCH: Known = off("tools.exec.applyPatch.workspaceOnly", FIRST, BOUNDS);
const LATER: [Known; 3] = [
    on(
        "hooks.allowRequestSessionKey",
        MORE,
        "whoever may call a webhook chooses the session that it speaks into",
    ),
    on(
        "browser.ssrfPolicy.dangerouslyAllowPrivateNetwork",
        MORE,
        "pages that an agent is led to can reach the machines of the private network",
    ),
    off("tools.fs.workspaceOnly", MORE, BOUNDS),
];

/// Switches of the sandbox, of the defaults and of each agent.
const DOCKER: [(&str, &str); 3] = [
    (
        "dangerouslyAllowReservedContainerTargets",
        "folders of this machine may be put over those that the sandbox itself lives by",
    ),
    ("dangerouslyAllowExternalBindSources", "every folder of this machine may be put into the sandbox"),
    (
        "dangerouslyAllowContainerNamespaceJoin",
        "the sandbox may share the network of another container, and all that listens there",
    ),
];

/// A switch that is on, or why it cannot be told.
pub type Found<'a> = Result<Flag<'a>, NotAssessed>;

fn since(cx: &Context<'_>, (year, month, patch): From) -> bool {
    cx.release().since(year, month, patch)
}

/// Those that are on, in the order of the program.
pub fn of<'a>(cx: &'a Context<'_>) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    found.extend(UI.iter().filter_map(|known| plain(cx, known)));
    mappings(cx, &mut found);
    found.extend(plain(cx, &PATCH));
    found.extend(suppressions(cx).transpose());
    found.extend(LATER.iter().filter_map(|known| plain(cx, known)));
    sandboxes(cx, &mut found);
    found
}

fn plain<'a>(cx: &'a Context<'_>, known: &Known) -> Option<Found<'a>> {
    if !since(cx, known.first) || known.end.is_some_and(|end| since(cx, end)) {
        return None;
    }
    let node = cx.config().at(known.path);
    switch(node, known.path, known.value, known.effect)
}

/// The switch, where it has the value.
fn switch<'a>(node: Node<'a>, path: &str, value: bool, effect: &'static str) -> Option<Found<'a>> {
    let is = if value { node.is_true() } else { node.is_false() };
    match is {
        Ok(true) => Some(Ok(Flag { label: format!("{path}={value}"), node, effect })),
        Ok(false) => None,
        Err(reason) => Some(Err(reason)),
    }
}

fn mappings<'a>(cx: &'a Context<'_>, found: &mut Vec<Found<'a>>) {
    match cx.config().at("hooks.mappings").items() {
        Ok(mappings) => found.extend(mappings.enumerate().filter_map(|(number, mapping)| {
            let path = format!("hooks.mappings[{number}].allowUnsafeExternalContent");
            switch(mapping.get("allowUnsafeExternalContent"), &path, true, CONTENT)
        })),
        Err(reason) => found.push(Err(reason)),
    }
}

fn suppressions<'a>(cx: &'a Context<'_>) -> Result<Option<Flag<'a>>, NotAssessed> {
    let list = cx.config().at("security.audit.suppressions");
    if !since(cx, SUPPRESSIONS) {
        return Ok(None);
    }
    let count = list.items()?.count();
    let label = format!("security.audit.suppressions configured ({count})");
    let effect = "the config itself asks audits to leave findings out";
    Ok((count > 0).then_some(Flag { label, node: list, effect }))
}

fn sandboxes<'a>(cx: &'a Context<'_>, found: &mut Vec<Found<'a>>) {
    if !since(cx, MORE) {
        return;
    }
    let config = cx.config();
    docker(&config.at("agents.defaults"), "agents.defaults", found);
    match agents::each(&config) {
        Ok(agents) => {
            for (id, agent) in agents {
                let path = id.map_or_else(|_| agent.dotted(), |id| agents::section(cx.release(), id));
                docker(&agent, &path, found);
            }
        }
        Err(reason) => found.push(Err(reason)),
    }
}

fn docker<'a>(agent: &Node<'a>, path: &str, found: &mut Vec<Found<'a>>) {
    let docker = agent.at("sandbox.docker");
    if let Some(reason) = docker.is_present().err() {
        found.push(Err(reason));
        return;
    }
    for (key, effect) in DOCKER {
        let path = format!("{path}.sandbox.docker.{key}");
        found.extend(switch(docker.get(key), &path, true, effect));
    }
}
