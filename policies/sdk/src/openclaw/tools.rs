//! Which tools an agent may call in a release (reference: config-checks 1.7 for 2026.2.19, 2026.9-delta 2.6 for 2026.9.6).
//! What lies between was seen by running the releases that a row names and their neighbours; where only the names that
//! audits show were seen, the other names of a row are taken from the release before.

use std::borrow::Cow;

use crate::openclaw::agents::{self, Described, Roster};
use crate::openclaw::facts::{self, Number};
use crate::openclaw::sandbox::{self, Mode};
use crate::{Node, NotAssessed, Release, all, any, js};

/// A name, and the tools that it stands for.
type Named = (&'static str, &'static [&'static str]);

/// The first release whose agents are entries, with tools of new names.
const ENTRIES: Number = (2026, 8, 1);

/// Other names of a tool, up to 2026.7.
const ALIASES: [(&str, &str); 2] = [("bash", "exec"), ("apply-patch", "apply_patch")];

/// The same from 2026.8.1 on, where `cron` was renamed.
const ALIASES_OF_ENTRIES: [(&str, &str); 3] =
    [("bash", "exec"), ("apply-patch", "apply_patch"), ("cron", "automations")];

/// Names for several tools, up to 2026.7 (config-checks 1.7; run up to 2026.7.35 for the tools that audits show).
const GROUPS: [Named; 10] = [
    ("group:memory", &["memory_search", "memory_get"]),
    ("group:web", &["web_search", "web_fetch"]),
    ("group:fs", &["read", "write", "edit", "apply_patch"]),
    ("group:runtime", &["exec", "process"]),
    (
        "group:sessions",
        &[
            "sessions_list",
            "sessions_history",
            "sessions_send",
            "sessions_spawn",
            "subagents",
            "session_status",
        ],
    ),
    ("group:ui", &["browser", "canvas"]),
    ("group:automation", &["cron", "gateway"]),
    ("group:messaging", &["message"]),
    ("group:nodes", &["nodes"]),
    (
        "group:openclaw",
        &[
            "browser",
            "canvas",
            "nodes",
            "cron",
            "message",
            "gateway",
            "agents_list",
            "sessions_list",
            "sessions_history",
            "sessions_send",
            "sessions_spawn",
            "subagents",
            "session_status",
            "memory_search",
            "memory_get",
            "web_search",
            "web_fetch",
            "image",
        ],
    ),
];

/// Sessions, and what agents do with them, from 2026.8.1 on.
const SESSIONS: [&str; 17] = [
    "sessions",
    "sessions_list",
    "sessions_history",
    "sessions_search",
    "conversations_list",
    "conversations_send",
    "conversations_turn",
    "sessions_send",
    "sessions_spawn",
    "github_identity_status",
    "github_publish",
    "agents_wait",
    "sessions_yield",
    "subagents",
    "session_status",
    "suggest_task",
    "dismiss_task",
];

/// Names for several tools, from 2026.8.1 on (2026.9-delta 2.6; run from 2026.8.1 to 2026.9.6 for the tools that audits
/// show).
const GROUPS_OF_ENTRIES: [Named; 12] = [
    ("group:fs", &["ls", "read", "write", "edit", "apply_patch"]),
    ("group:runtime", &["exec", "process", "code_execution", "secrets"]),
    ("group:web", &["web_search", "web_fetch", "x_search"]),
    ("group:memory", &["memory_search", "memory_get"]),
    ("group:sessions", &SESSIONS),
    ("group:ui", &["browser", "screen", "theme", "dashboard", "terminal", "portal", "canvas", "show_widget"]),
    ("group:messaging", &["message"]),
    ("group:automation", &["heartbeat_respond", "automations", "gateway", "plugins", "openclaw"]),
    ("group:nodes", &["nodes", "computer", "mobile_ui"]),
    (
        "group:agents",
        &[
            "agents_list",
            "get_goal",
            "create_goal",
            "update_goal",
            "progress_card",
            "ask_user",
            "skill_workshop",
        ],
    ),
    ("group:media", &["view_image", "image_generate", "music_generate", "video_generate", "tts", "pdf"]),
    (
        "group:openclaw",
        &[
            "code_execution",
            "secrets",
            "group:web",
            "group:memory",
            "group:sessions",
            "browser",
            "screen",
            "theme",
            "dashboard",
            "terminal",
            "portal",
            "show_widget",
            "group:messaging",
            "group:automation",
            "group:nodes",
            "group:agents",
            "group:media",
        ],
    ),
];

/// What the profile `minimal` leaves (config-checks 1.7).
const MINIMAL: &[&str] = &["session_status"];

/// What the profile `messaging` leaves (config-checks 1.7).
const MESSAGING: &[&str] =
    &["group:messaging", "sessions_list", "sessions_history", "sessions_send", "session_status"];
/// The same later (2026.9-delta 2.6).
const MESSAGING_LATER: [(Number, &[&str]); 1] = [(ENTRIES, MESSAGING_OF_ENTRIES)];
const MESSAGING_OF_ENTRIES: &[&str] = &[
    "secrets",
    "sessions",
    "sessions_list",
    "sessions_history",
    "sessions_search",
    "conversations_list",
    "conversations_send",
    "conversations_turn",
    "sessions_send",
    "sessions_spawn",
    "sessions_yield",
    "subagents",
    "session_status",
    "theme",
    "message",
    "ask_user",
    "bundle-mcp",
];

/// What the profile `coding` leaves (config-checks 1.7).
const CODING: &[&str] = &["group:fs", "group:runtime", "group:sessions", "group:memory", "image"];
/// The same later (run: web tools are not in it in 2026.3.8 and are in 2026.3.11; 2026.9-delta 2.6).
const CODING_LATER: [(Number, &[&str]); 2] = [
    ((2026, 3, 11), &["group:fs", "group:runtime", "group:web", "group:sessions", "group:memory", "image"]),
    (ENTRIES, CODING_OF_ENTRIES),
];
const CODING_OF_ENTRIES: &[&str] = &[
    "group:fs",
    "group:runtime",
    "group:web",
    "group:memory",
    "group:sessions",
    "screen",
    "theme",
    "dashboard",
    "terminal",
    "portal",
    "automations",
    "get_goal",
    "create_goal",
    "update_goal",
    "progress_card",
    "ask_user",
    "skill_workshop",
    "view_image",
    "image_generate",
    "music_generate",
    "video_generate",
    "bundle-mcp",
];

/// What profiles leave besides (2026.9-delta 2.6; run: none of it in 2026.9.3).
const CONTROL: [(Number, &[Named]); 1] = [(
    (2026, 9, 6),
    &[("minimal", &["gateway"]), ("messaging", &["gateway"]), ("coding", &["gateway", "plugins"])],
)];

/// What a sandbox allows where the config does not say (config-checks 1.7).
const SANDBOX_ALLOW: &[&str] = &[
    "exec",
    "process",
    "read",
    "write",
    "edit",
    "apply_patch",
    "image",
    "sessions_list",
    "sessions_history",
    "sessions_send",
    "sessions_spawn",
    "subagents",
    "session_status",
];
/// The same later (2026.9-delta 2.6).
const SANDBOX_ALLOW_LATER: [(Number, &[&str]); 1] = [(
    ENTRIES,
    &[
        "exec",
        "process",
        "read",
        "ls",
        "write",
        "edit",
        "apply_patch",
        "view_image",
        "sessions_list",
        "sessions_history",
        "sessions_search",
        "sessions_send",
        "sessions_spawn",
        "sessions_yield",
        "subagents",
        "session_status",
    ],
)];

/// What a sandbox denies where the config does not say: what reaches out of it, and chat channels (config-checks 1.7).
const SANDBOX_DENY: &[&str] = &[
    "browser",
    "canvas",
    "nodes",
    "cron",
    "gateway",
    "telegram",
    "whatsapp",
    "discord",
    "irc",
    "googlechat",
    "slack",
    "signal",
    "imessage",
];
/// The same later (2026.9-delta 2.6).
const SANDBOX_DENY_LATER: [(Number, &[&str]); 1] = [(
    ENTRIES,
    &[
        "browser",
        "canvas",
        "computer",
        "mobile_ui",
        "nodes",
        "automations",
        "gateway",
        "feishu",
        "googlechat",
        "nostr",
        "buzz",
        "msteams",
        "mattermost",
        "nextcloud-talk",
        "matrix",
        "raft",
        "a2a",
        "line",
        "zalo",
        "clickclack",
        "zalouser",
        "sms",
        "synology-chat",
        "tlon",
        "discord",
        "imessage",
        "irc",
        "reef",
        "signal",
        "slack",
        "telegram",
        "twitch",
        "whatsapp",
    ],
)];

/// A sandbox's own `alsoAllow` counts, and what the config allows is taken out of the built-in deny list (run: neither in
/// 2026.3.13, both in 2026.3.24).
const SANDBOX_ADDS: [(Number, bool); 1] = [((2026, 3, 22), true)];

/// The tool that is in every sandbox unless it is denied (2026.9-delta 2.6).
const IMAGE: [(Number, &str); 1] = [(ENTRIES, "view_image")];

/// The tool that brings `apply_patch` with it where a list allows it (run: `exec` from 2026.2.26 to 2026.3.24,
/// `write` from 2026.4.2 on).
const PATCHES_WITH: [(Number, &str); 1] = [((2026, 3, 31), "write")];

/// The tool that takes `apply_patch` with it where a list denies it (run: `write` from 2026.4.2 to
/// 2026.4.29, none before and in 2026.5.7).
const PATCH_IS_DENIED: [(Number, Option<&str>); 2] = [((2026, 3, 31), Some("write")), ((2026, 5, 2), None)];

/// `alsoAllow` adds to a profile (run: not in 2026.7.35; in 2026.8.1).
const PROFILE_ADDS: [(Number, bool); 1] = [(ENTRIES, true)];

/// Patterns of tools' names in the form that is compared; those of the tables above are not copied.
type Patterns = Vec<Cow<'static, str>>;

/// The words for tools in one release.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue {
    release: Release,
}

/// Which tools one section of the config lets through. Without patterns, all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Allowed tools; an empty list allows all.
    allow: Patterns,
    /// Denied tools, which go before allowed ones.
    deny: Patterns,
    /// What else decides about `apply_patch`.
    patch: Patch,
}

/// The tools that decide about `apply_patch` besides its own name, where they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Patch {
    /// Who allows this one allows it.
    allowed_with: Option<&'static str>,
    /// Who denies this one denies it.
    denied_with: Option<&'static str>,
}

impl Catalogue {
    /// Those of a release.
    #[must_use]
    pub fn of(release: Release) -> Self {
        Self { release }
    }

    fn has_entries(self) -> bool {
        facts::at(self.release, false, &[(ENTRIES, true)])
    }

    /// The form of a tool's name that is compared.
    #[must_use]
    pub fn normalise(self, name: &str) -> String {
        let aliases: &[_] = if self.has_entries() { &ALIASES_OF_ENTRIES } else { &ALIASES };
        let name = js::trim(name).to_lowercase();
        let alias = aliases.iter().find(|(alias, _)| *alias == name);
        alias.map_or(name.clone(), |(_, tool)| (*tool).to_owned())
    }

    /// The policy of the profile that holds: the agent's own, else the global one; none where it leaves all tools.
    ///
    /// # Errors
    /// Where it is not shown.
    pub fn profile(
        self,
        global: &Node<'_>,
        section: Option<&Node<'_>>,
    ) -> Result<Option<Policy>, NotAssessed> {
        let mut name = global.get("profile");
        if let Some(own) = section.map(|section| section.get("profile"))
            && !own.is_nullish()?
        {
            name = own;
        }
        let Some(name) = name.text()? else { return Ok(None) };
        let Some(allow) = self.profile_tools(name) else { return Ok(None) };
        let mut policy = self.policy(self.known(allow), Vec::new());
        let control: &[Named] = facts::at(self.release, &[][..], &CONTROL);
        let control = control.iter().find(|(profile, _)| *profile == name);
        policy.allow.extend(control.map(|(_, tools)| self.known(tools)).unwrap_or_default());
        if facts::at(self.release, false, &PROFILE_ADDS) {
            for section in section.into_iter().chain([global]) {
                let also = section.get("alsoAllow");
                if also.is_list()? {
                    policy.allow.extend(self.expand(&names(&also)?));
                    break;
                }
            }
        }
        Ok(Some(policy))
    }

    /// The tools that a profile leaves; `full`, and every name that is unknown, leaves all.
    fn profile_tools(self, name: &str) -> Option<&'static [&'static str]> {
        Some(match name {
            "minimal" => MINIMAL,
            "messaging" => facts::at(self.release, MESSAGING, &MESSAGING_LATER),
            "coding" => facts::at(self.release, CODING, &CODING_LATER),
            _ => return None,
        })
    }

    /// `allow`, `alsoAllow` and `deny` of a `tools` section. `alsoAllow` alone adds to "everything".
    ///
    /// # Errors
    /// Where an entry is not shown.
    pub fn pick(self, section: &Node<'_>) -> Result<Policy, NotAssessed> {
        let (allow, also) = (section.get("allow"), section.get("alsoAllow"));
        let mut names = names(&allow)?;
        names.extend(self::names(&also)?);
        if has_items(&also)? && !has_items(&allow)? {
            names.push("*");
        }
        Ok(self.policy(self.expand(&names), self.expand(&self::names(&section.get("deny"))?)))
    }

    /// What an agent's sandbox lets through. Each list is taken whole from the agent, else from `tools`, else it is the
    /// built-in one.
    ///
    /// # Errors
    /// As [`Catalogue::pick`].
    fn sandbox(self, config: &Node<'_>, own: Option<&Node<'_>>) -> Result<Policy, NotAssessed> {
        let list = |key: &str| {
            for node in own.into_iter().chain([config]) {
                let list = node.at("tools.sandbox.tools").get(key);
                if list.is_list()? {
                    return Ok(Some(self.expand(&names(&list)?)));
                }
            }
            Ok(None)
        };
        let adds = facts::at(self.release, false, &SANDBOX_ADDS);
        let also = if adds { list("alsoAllow")?.unwrap_or_default() } else { Vec::new() };
        let allow = list("allow")?;
        let asked_for: Patterns = allow.iter().flatten().chain(&also).cloned().collect();
        let deny = list("deny")?.unwrap_or_else(|| {
            let mut deny = self.known(facts::at(self.release, SANDBOX_DENY, &SANDBOX_DENY_LATER));
            if adds {
                deny.retain(|tool| !is_in(&asked_for, tool));
            }
            deny
        });
        let built_in = || self.known(facts::at(self.release, SANDBOX_ALLOW, &SANDBOX_ALLOW_LATER));
        let mut allow = allow.unwrap_or_else(built_in);
        // An empty list restricts nothing, and nothing has to be added to it.
        if !allow.is_empty() {
            allow.extend(also);
            let image = facts::at(self.release, "image", &IMAGE);
            let is_named = |name: &Cow<'_, str>| *name == image || *name == "image";
            if !allow.iter().chain(&deny).any(is_named) {
                allow.push(image.into());
            }
        }
        Ok(self.policy(allow, deny))
    }

    /// What a section says for one model in `byProvider`: for the model itself, else for its provider.
    ///
    /// # Errors
    /// As [`Catalogue::pick`], and where its keys are not shown.
    pub fn for_model(self, section: &Node<'_>, model: &str) -> Result<Option<Policy>, NotAssessed> {
        let model = js::trim(model).to_lowercase();
        let provider = model.split_once('/').map(|(provider, _)| provider.to_owned());
        let mut found = [None, None];
        for (key, value) in section.get("byProvider").entries()? {
            let key = js::trim(key).to_lowercase();
            let places = [key == model, Some(&key) == provider.as_ref()];
            for (found, is_it) in found.iter_mut().zip(places) {
                if is_it && value.is_object()? {
                    *found = Some(value.clone());
                }
            }
        }
        found.into_iter().flatten().next().map(|value| self.pick(&value)).transpose()
    }

    /// All policies that hold in a scope, each of them known or not by itself, and with what `byProvider` says for a model.
    #[must_use]
    pub fn stack<'a>(
        self,
        config: &Node<'a>,
        scope: &Scope<'a>,
        model: Option<&Result<String, NotAssessed>>,
    ) -> Stack {
        let global = config.get("tools");
        let own = scope.entry.as_ref().map(|entry| entry.get("tools"));
        // Where nothing is said, every tool passes.
        let mut layers = vec![self.profile(&global, own.as_ref()).map(Option::unwrap_or_default)];
        for section in [Some(&global), own.as_ref()].into_iter().flatten() {
            layers.push(self.pick(section));
            if let Some(model) = model {
                let policy = model.as_ref().map_err(Clone::clone);
                let policy = policy.and_then(|model| self.for_model(section, model));
                layers.push(policy.map(Option::unwrap_or_default));
            }
        }
        let entry = scope.answering(config);
        let sandbox = entry.clone().and_then(|entry| self.sandbox(config, entry.as_ref()));
        let is_sandboxed = entry.and_then(|entry| Mode::in_entry(config, entry)?.is_all());
        Stack { layers, sandbox, is_sandboxed }
    }

    fn policy(self, allow: Patterns, deny: Patterns) -> Policy {
        let patch = Patch {
            allowed_with: Some(facts::at(self.release, "exec", &PATCHES_WITH)),
            denied_with: facts::at(self.release, None, &PATCH_IS_DENIED),
        };
        Policy { allow, deny, patch }
    }

    /// The patterns of a list: normalised, without blank ones, groups replaced by their members.
    fn expand(self, names: &[&str]) -> Patterns {
        let mut patterns = Vec::new();
        for name in names.iter().map(|name| self.normalise(name)).filter(|name| !name.is_empty()) {
            match self.members(&name) {
                Some(members) => patterns.extend(self.known(members)),
                None => patterns.push(name.into()),
            }
        }
        patterns
    }

    /// The same of a table, whose names have the form that is compared.
    fn known(self, names: &'static [&'static str]) -> Patterns {
        let mut patterns = Vec::with_capacity(names.len());
        for name in names {
            match self.members(name) {
                Some(members) => patterns.extend(self.known(members)),
                None => patterns.push((*name).into()),
            }
        }
        patterns
    }

    /// What a name for several tools stands for; none of another name.
    fn members(self, name: &str) -> Option<&'static [&'static str]> {
        if !name.starts_with("group:") {
            return None;
        }
        let groups: &[Named] = if self.has_entries() { &GROUPS_OF_ENTRIES } else { &GROUPS };
        groups.iter().find(|(group, _)| *group == name).map(|(_, members)| *members)
    }
}

impl Policy {
    /// A tool, by its normalised name, passes.
    #[must_use]
    pub fn allows(&self, tool: &str) -> bool {
        let with = |other: Option<&str>, patterns: &Patterns| {
            tool == "apply_patch" && other.is_some_and(|other| is_in(patterns, other))
        };
        let is_denied = is_in(&self.deny, tool) || with(self.patch.denied_with, &self.deny);
        let is_allowed = is_in(&self.allow, tool) || with(self.patch.allowed_with, &self.allow);
        !is_denied && (self.allow.is_empty() || is_allowed)
    }
}

/// What tools are judged for: all agents that have no settings of their own, or one agent.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// The agent's id as it is written; none for what holds for all.
    pub id: Option<Result<&'a str, NotAssessed>>,
    /// The agent's description.
    pub entry: Option<Node<'a>>,
    /// The description that answers to the agent's id, which may be another one; none where nobody has looked for it.
    answering: Option<Result<Option<Node<'a>>, NotAssessed>>,
}

impl<'a> Scope<'a> {
    /// What holds for all.
    #[must_use]
    pub fn common() -> Self {
        Self::of(None, None)
    }

    /// What holds for an agent with this id and this description.
    #[must_use]
    pub fn of(id: Option<Result<&'a str, NotAssessed>>, entry: Option<Node<'a>>) -> Self {
        Self { id, entry, answering: None }
    }

    /// The description that answers to the agent's id, whose sandbox is the agent's.
    ///
    /// # Errors
    /// Where it is not shown which one that is.
    fn answering(&self, config: &Node<'a>) -> Result<Option<Node<'a>>, NotAssessed> {
        if let Some(known) = &self.answering {
            return known.clone();
        }
        self.agent()?.filter(|id| !id.is_empty()).map_or(Ok(None), |id| agents::entry(config, id))
    }

    /// What holds for all, then each agent.
    ///
    /// # Errors
    /// Where it cannot be told which agents there are.
    pub fn all(config: &Node<'a>) -> Result<Vec<Self>, NotAssessed> {
        Ok([Self::common()].into_iter().chain(Self::agents(config)?).collect())
    }

    /// Each agent.
    ///
    /// # Errors
    /// Where it cannot be told which agents there are.
    pub fn agents(config: &Node<'a>) -> Result<Vec<Self>, NotAssessed> {
        let roster = Roster::of(config)?;
        let one = |(id, entry): Described<'a>| {
            let answering = id.clone().and_then(|id| if id.is_empty() { Ok(None) } else { roster.entry(id) });
            Self { id: Some(id), entry: Some(entry), answering: Some(answering) }
        };
        Ok(agents::each(config)?.into_iter().map(one).collect())
    }

    /// The agent's id; none for what holds for all.
    ///
    /// # Errors
    /// Where it is not shown.
    pub fn agent(&self) -> Result<Option<&'a str>, NotAssessed> {
        self.id.clone().transpose()
    }

    /// The agent's own value of a setting, else the global one, whether it is there or not.
    ///
    /// # Errors
    /// Where the agent's own is not granted.
    pub fn setting(&self, config: &Node<'a>, path: &str) -> Result<Node<'a>, NotAssessed> {
        if let Some(own) = self.entry.as_ref().map(|entry| entry.at(path))
            && !own.is_nullish()?
        {
            return Ok(own);
        }
        Ok(config.at(path))
    }

    /// The name of the sandbox mode.
    ///
    /// # Errors
    /// Where it is not shown.
    pub fn sandbox_mode(&self, config: &Node<'a>) -> Result<&'a str, NotAssessed> {
        Mode::in_entry(config, self.answering(config)?)?.name()
    }

    /// What its sandbox may do with the workspace.
    ///
    /// # Errors
    /// Where it is not shown.
    pub fn workspace_access(&self, config: &Node<'a>) -> Result<&'a str, NotAssessed> {
        sandbox::workspace_access(config, self.answering(config)?)
    }

    /// Where its settings stand, in words.
    #[must_use]
    pub fn label(&self, release: Release) -> String {
        match (&self.id, &self.entry) {
            (Some(Ok(id)), _) => agents::section(release, id),
            (_, Some(entry)) => entry.dotted(),
            _ => "agents.defaults".to_owned(),
        }
    }
}

/// All policies that hold in a scope; a tool has to pass each.
#[derive(Clone, Debug)]
pub struct Stack {
    layers: Vec<Result<Policy, NotAssessed>>,
    sandbox: Result<Policy, NotAssessed>,
    is_sandboxed: Result<bool, NotAssessed>,
}

impl Stack {
    /// A tool, by its normalised name, passes.
    ///
    /// # Errors
    /// Where what decides it is not shown.
    pub fn allows(&self, tool: &str) -> Result<bool, NotAssessed> {
        let passes = |policy: &Result<Policy, NotAssessed>| {
            policy.as_ref().map(|policy| policy.allows(tool)).map_err(Clone::clone)
        };
        // The lists of the sandbox count only for an agent that is always in it.
        let sandbox =
            any([self.is_sandboxed.clone().map(|is_sandboxed| !is_sandboxed), passes(&self.sandbox)]);
        all(self.layers.iter().map(passes).chain([sandbox]))
    }

    /// Those of the tools that pass.
    ///
    /// # Errors
    /// As [`Stack::allows`].
    pub fn allowed<'t>(&self, tools: &[&'t str]) -> Result<Vec<&'t str>, NotAssessed> {
        let mut allowed = Vec::new();
        for tool in tools {
            if self.allows(tool)? {
                allowed.push(*tool);
            }
        }
        Ok(allowed)
    }
}

fn has_items(list: &Node<'_>) -> Result<bool, NotAssessed> {
    Ok(list.items()?.next().is_some())
}

fn names<'a>(list: &Node<'a>) -> Result<Vec<&'a str>, NotAssessed> {
    let names = list.items()?.map(|item| item.text());
    Ok(names.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn is_in(patterns: &Patterns, tool: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, tool))
}

/// `*` stands for any run of characters, everything else for itself.
fn matches(pattern: &str, tool: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == tool };
    let Some(mut text) = tool.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::MemoryHost;

    const OLDEST: Catalogue = Catalogue { release: Release { year: 2026, month: 1, patch: 30 } };

    #[test]
    fn a_pattern_names_the_whole_tool() {
        for (pattern, tool, expected) in [
            ("*", "read", true),
            ("**", "read", true),
            ("web_fetch", "web_fetch", true),
            ("web_fetch", "web_fetch2", false),
            ("web*", "web_fetch", true),
            ("*_fetch", "web_fetch", true),
            ("*eb*et*", "web_fetch", true),
            ("w*_*h", "web_fetch", true),
            ("web.*", "web_fetch", false),
            ("web?fetch", "web_fetch", false),
            ("*fetch*fetch", "web_fetch", false),
            ("we*eb", "web", false),
            ("", "web", false),
        ] {
            assert_eq!(matches(pattern, tool), expected, "{pattern} {tool}");
        }
    }

    #[test]
    fn names_are_compared_without_case_and_by_alias() {
        for (name, form) in [(" Bash ", "exec"), ("apply-patch", "apply_patch"), ("WEB_fetch", "web_fetch")] {
            assert_eq!(OLDEST.normalise(name), form);
            assert_eq!(at(2026, 9, 6).normalise(name), form);
        }
        assert_eq!(at(2026, 7, 35).normalise("cron"), "cron");
        assert_eq!(at(2026, 8, 1).normalise("cron"), "automations");
    }

    #[test]
    fn the_tables_have_the_form_that_is_compared() {
        for catalogue in [OLDEST, at(2026, 3, 11), at(2026, 7, 35), at(2026, 8, 1), at(2026, 9, 6)] {
            let release = catalogue.release;
            let profiles = ["minimal", "messaging", "coding"].into_iter();
            let mut tables: Vec<&[&str]> =
                profiles.filter_map(|name| catalogue.profile_tools(name)).collect();
            tables.push(facts::at(release, SANDBOX_ALLOW, &SANDBOX_ALLOW_LATER));
            tables.push(facts::at(release, SANDBOX_DENY, &SANDBOX_DENY_LATER));
            let control: &[Named] = facts::at(release, &[][..], &CONTROL);
            let groups: &[Named] = if catalogue.has_entries() { &GROUPS_OF_ENTRIES } else { &GROUPS };
            tables.extend(control.iter().chain(groups).map(|(_, tools)| *tools));
            for name in tables.into_iter().flatten() {
                assert_eq!(catalogue.normalise(name), *name, "{release:?}");
            }
        }
    }

    fn at(year: u16, month: u8, patch: u16) -> Catalogue {
        Catalogue::of(Release { year, month, patch })
    }

    fn pick(section: &Value) -> Policy {
        OLDEST.pick(&Node::root(section)).expect("nothing is hidden")
    }

    #[test]
    fn pick_joins_allow_and_also_allow() {
        for (section, fetch, read) in [
            (json!({}), true, true),
            (json!(null), true, true),
            (json!({"allow": []}), true, true),
            (json!({"allow": [" "]}), true, true),
            (json!({"allow": ["read"]}), false, true),
            (json!({"allow": "read"}), true, true),
            (json!({"allow": [5, null, "read"]}), false, true),
            (json!({"allow": [" GROUP:WEB "]}), true, false),
            (json!({"allow": ["group:unknown"]}), false, false),
            (json!({"allow": ["read"], "alsoAllow": ["web_fetch"]}), true, true),
            (json!({"allow": [" "], "alsoAllow": ["read"]}), false, true),
            (json!({"alsoAllow": ["x"]}), true, true),
            (json!({"allow": [], "alsoAllow": ["x"]}), true, true),
            (json!({"alsoAllow": []}), true, true),
            (json!({"deny": ["web*"]}), false, true),
            (json!({"deny": ["*"], "allow": ["*"]}), false, false),
            (json!({"deny": ["group:*"]}), true, true),
            (json!({"deny": ["group:openclaw"]}), false, true),
        ] {
            let policy = pick(&section);
            assert_eq!((policy.allows("web_fetch"), policy.allows("read")), (fetch, read), "{section}");
        }
    }

    #[test]
    fn an_entry_that_a_variable_gives_is_not_guessed() {
        for key in ["allow", "alsoAllow", "deny"] {
            assert!(
                OLDEST.pick(&Node::root(&json!({key: ["*", {"$hidden": "variable"}]}))).is_err(),
                "{key}"
            );
        }
    }

    #[test]
    fn a_profile_is_named_exactly() {
        let policy = |name: Value| {
            OLDEST.profile(&Node::root(&json!({"profile": name})), None).expect("nothing is hidden")
        };
        assert!(policy(json!("minimal")).is_some_and(|policy| !policy.allows("read")));
        assert!(policy(json!("coding")).is_some_and(|policy| policy.allows("exec")));
        assert!(policy(json!("messaging")).is_some_and(|policy| policy.allows("message")));
        for name in [json!("full"), json!("Minimal"), json!(""), json!(null), json!(5)] {
            assert_eq!(policy(name), None);
        }
    }

    #[test]
    fn a_sandbox_has_lists_of_its_own() {
        let sandbox = |config: Value| {
            let config = Node::root(&config);
            let own = agents::entry(&config, "a").expect("nothing is hidden");
            OLDEST.sandbox(&config, own.as_ref()).expect("nothing is hidden")
        };
        let global = |tools: Value| sandbox(json!({"tools": {"sandbox": {"tools": tools}}}));
        let default = sandbox(json!({}));
        assert!(default.allows("exec") && !default.allows("web_fetch") && !default.allows("browser"));
        assert!(global(json!({"allow": []})).allows("web_fetch"));
        assert!(!global(json!({"allow": []})).allows("browser"), "it is still denied");
        assert!(global(json!({"allow": [" "], "deny": []})).allows("browser"));
        assert!(global(json!({"allow": ["read"]})).allows("image"), "it is added");
        assert!(!global(json!({"allow": ["read"], "deny": ["image"]})).allows("image"));
        assert!(!global(json!({"allow": "*"})).allows("web_fetch"), "it is no list");
        assert!(!global(json!({"alsoAllow": ["web_fetch"]})).allows("web_fetch"));
        let own = sandbox(json!({
            "tools": {"sandbox": {"tools": {"allow": ["*"], "deny": []}}},
            "agents": {"list": [{"id": "A", "tools": {"sandbox": {"tools": {"allow": ["read"]}}}}]},
        }));
        assert!(!own.allows("exec") && own.allows("read"), "no list is merged with another");
    }

    #[test]
    fn every_policy_has_to_let_a_tool_through() {
        let config = json!({
            "tools": {"profile": "minimal", "deny": ["exec"]},
            "agents": {"defaults": {"sandbox": {"mode": "all"}}, "list": [{"id": "a", "tools": {"profile": "full"}}]},
        });
        let config = Node::root(&config);
        let agent = Scope::agents(&config).expect("shown").remove(0);
        let passes = |scope: &Scope<'_>, tool| {
            OLDEST.stack(&config, scope, None).allows(tool).expect("nothing is hidden")
        };
        assert!(passes(&agent, "read"), "the agent's own profile goes before");
        assert!(!passes(&Scope { entry: None, ..agent.clone() }, "read"));
        assert!(!passes(&agent, "exec"));
        assert!(!passes(&agent, "web_fetch"), "not in the sandbox");
    }

    #[test]
    fn lists_that_are_withheld_allow_and_deny_nothing_by_themselves() {
        for section in [json!({"$hidden": "withheld"}), json!({"deny": ["x"], "$hidden": "withheld"})] {
            assert!(OLDEST.pick(&Node::root(&section)).is_err(), "{section}");
        }
        for key in ["allow", "alsoAllow", "deny"] {
            assert!(OLDEST.pick(&Node::root(&json!({key: {"$hidden": "withheld"}}))).is_err(), "{key}");
        }
        let text = json!({"allow": {"$hidden": "variable"}});
        assert!(pick(&text).allows("read"), "a text is no list");
    }

    #[test]
    fn a_value_that_is_not_shown_is_asked_for_only_where_it_counts() {
        let hidden = r#"{"$hidden": "variable"}"#;
        let all = r#"{mode: "all"}"#;
        for (tools, sandbox, own, is_shown) in [
            ("{profile: HIDDEN}", "{}", "{}", false),
            ("{profile: HIDDEN}", "{}", r#"{profile: "full"}"#, true),
            (r#"{profile: "minimal"}"#, "{}", "{profile: HIDDEN}", false),
            ("{}", "{mode: HIDDEN}", "{}", false),
            ("{}", "{}", "{deny: [HIDDEN]}", false),
            ("{sandbox: {tools: {deny: [HIDDEN]}}}", "{}", "{}", true),
            ("{sandbox: {tools: {deny: [HIDDEN]}}}", all, "{}", false),
            ("{sandbox: {tools: {deny: [HIDDEN]}}}", all, "{sandbox: {tools: {deny: []}}}", true),
            ("{sandbox: {tools: {allow: [HIDDEN]}}}", all, "{sandbox: {tools: {deny: []}}}", false),
        ] {
            let agents =
                format!(r#"{{defaults: {{sandbox: {sandbox}}}, list: [{{id: "a", tools: {own}}}]}}"#);
            let config = format!("{{tools: {tools}, agents: {agents}}}").replace("HIDDEN", hidden);
            MemoryHost::new(&config).with(|cx| {
                let config = cx.config();
                let agent = Scope::agents(&config).expect("shown").remove(0);
                // A tool that no sandbox has by itself.
                let allowed = OLDEST.stack(&config, &agent, None).allows("web_fetch");
                assert_eq!(allowed.is_ok(), is_shown, "{tools} {sandbox} {own}");
            });
        }
    }

    /// A stack of one agent's own section, in a release.
    fn stack(release: Catalogue, config: &Value) -> Stack {
        let config = Node::root(config);
        let scope = Scope::agents(&config).expect("shown").pop().expect("one agent");
        release.stack(&config, &scope, None)
    }

    #[test]
    fn what_names_stand_for_differs_by_release() {
        let of = |tools: Value| json!({"agents": {"list": [{"id": "a", "tools": tools}]}});
        let since = |tools: Value, tool: &str, releases: &[(Number, bool)]| {
            for ((year, month, patch), expected) in releases {
                let stack = stack(at(*year, *month, *patch), &of(tools.clone()));
                assert_eq!(stack.allows(tool), Ok(*expected), "{tools} {tool} {year}.{month}.{patch}");
            }
        };
        let coding = json!({"profile": "coding"});
        since(
            coding.clone(),
            "web_fetch",
            &[((2026, 3, 8), false), ((2026, 3, 11), true), ((2026, 9, 6), true)],
        );
        since(coding.clone(), "automations", &[((2026, 7, 35), false), ((2026, 8, 1), true)]);
        since(coding, "gateway", &[((2026, 9, 3), false), ((2026, 9, 6), true)]);
        for profile in ["minimal", "messaging"] {
            since(json!({"profile": profile}), "gateway", &[((2026, 9, 3), false), ((2026, 9, 6), true)]);
        }
        let also = json!({"profile": "minimal", "alsoAllow": ["exec"]});
        since(also, "exec", &[((2026, 7, 35), false), ((2026, 8, 1), true)]);
        let (runtime, write) = (json!({"allow": ["group:runtime"]}), json!({"allow": ["write"]}));
        since(runtime, "apply_patch", &[((2026, 3, 24), true), ((2026, 4, 2), false), ((2026, 9, 6), false)]);
        since(write, "apply_patch", &[((2026, 3, 24), false), ((2026, 4, 2), true), ((2026, 9, 6), true)]);
        let denied = json!({"deny": ["write"]});
        since(denied, "apply_patch", &[((2026, 3, 24), true), ((2026, 4, 15), false), ((2026, 5, 7), true)]);
        let all = json!({"allow": ["group:openclaw"]});
        since(all, "tts", &[((2026, 7, 35), false), ((2026, 8, 1), true)]);
    }

    #[test]
    fn what_a_sandbox_adds_to_its_lists_differs_by_release() {
        let of = |lists: Value| {
            json!({"agents": {"list": [
                {"id": "a", "sandbox": {"mode": "all"}, "tools": {"sandbox": {"tools": lists}}},
            ]}})
        };
        for (lists, tool, before, after) in [
            (json!({"alsoAllow": ["web_fetch"]}), "web_fetch", false, true),
            (json!({"alsoAllow": ["browser"]}), "browser", false, true),
            (json!({"alsoAllow": ["browser"]}), "exec", true, true),
            (json!({"allow": ["*"]}), "browser", false, true),
            (json!({"allow": ["browser"]}), "browser", false, true),
            (json!({"allow": ["browser"], "deny": ["browser"]}), "browser", false, false),
            (json!({"allow": []}), "browser", false, false),
            (json!({"allow": [], "alsoAllow": ["web_fetch"]}), "web_search", true, true),
            (json!({"deny": []}), "web_fetch", false, false),
        ] {
            let old = stack(at(2026, 3, 13), &of(lists.clone())).allows(tool);
            let new = stack(at(2026, 3, 24), &of(lists.clone())).allows(tool);
            assert_eq!((old, new), (Ok(before), Ok(after)), "{lists} {tool}");
        }
        assert_eq!(stack(at(2026, 9, 6), &of(json!({}))).allows("view_image"), Ok(true));
    }

    #[test]
    fn a_model_may_have_lists_of_its_own() {
        let model = Ok("ollama/foo-8b".to_owned());
        for (tools, denied) in [
            (json!({"ollama": {"deny": ["a"]}}), "a"),
            (json!({" OLLAMA ": {"deny": ["a"]}}), "a"),
            (json!({"ollama/foo-8b": {"deny": ["a"]}, "ollama": {"deny": ["b"]}}), "a"),
            (json!({"ollama": {"deny": ["b"]}, "Ollama/Foo-8b": {"deny": ["a"]}}), "a"),
            (json!({"ollama/foo-8b": "x", "ollama": {"deny": ["a"]}}), "a"),
            (json!({"ollama": {"profile": "minimal"}}), ""),
            (json!({"foo-8b": {"deny": ["a"]}}), ""),
            (json!(["a"]), ""),
        ] {
            let config = json!({"tools": {"byProvider": tools}});
            let config = Node::root(&config);
            let stack = at(2026, 9, 6).stack(&config, &Scope::common(), Some(&model));
            for tool in ["a", "b"] {
                assert_eq!(stack.allows(tool), Ok(tool != denied), "{tools} {tool}");
            }
            let without = at(2026, 9, 6).stack(&config, &Scope::common(), None);
            assert_eq!(without.allowed(&["a", "b"]), Ok(vec!["a", "b"]));
        }
        let config = json!({"tools": {"byProvider": {"ollama": {"deny": [{"$hidden": "variable"}]}}}});
        let config = Node::root(&config);
        assert!(at(2026, 9, 6).stack(&config, &Scope::common(), Some(&model)).allowed(&["a"]).is_err());
    }

    #[test]
    fn a_policy_that_is_not_shown_costs_nothing_where_another_denies() {
        let config = json!({
            "tools": {"deny": ["exec"], "allow": [], "profile": {"$hidden": "variable"}},
            "agents": {"list": [{"id": "a", "sandbox": {"mode": {"$hidden": "variable"}}}]},
        });
        let stack = stack(at(2026, 9, 6), &config);
        assert_eq!(stack.allows("exec"), Ok(false));
        assert!(stack.allows("read").is_err());
    }

    #[test]
    fn a_scope_is_named_by_the_words_of_its_release() {
        let config = json!({"agents": {"list": [{"id": "a"}, {"id": {"$hidden": "variable"}}]}});
        let config = Node::root(&config);
        let labels = |release| -> Vec<String> {
            Scope::all(&config).expect("shown").iter().map(|scope| scope.label(release)).collect()
        };
        let (old, new) = (at(2026, 7, 35).release, at(2026, 8, 1).release);
        assert_eq!(labels(old), ["agents.defaults", "agents.list.a", "agents.list.1"]);
        assert_eq!(labels(new), ["agents.defaults", "agents.entries.a", "agents.list.1"]);
    }
}
