//! Rules of the gateway's validation beside the key table: what has to fit together, and forms that a type cannot say.
//!
//! Each rule has the range of releases in which it holds, found by running those releases; a rule about keys that only
//! some releases have begins with them. They are grouped by what they are about, in the files below.

mod agents;
mod channels;
mod forms;
mod gateway;
mod hooks;
mod mcp;
mod models;
mod overlays;
mod plugins;
mod roster;
mod sandbox;
mod secrets;
mod services;
mod session;
mod spot;
mod tools;

use std::cell::OnceCell;
use std::collections::HashSet;

use serde_json::Value;

use crate::config::extensions;
use crate::config::release::Release;
use crate::config::release::roster::{Form, Roster};
use crate::config::{Problem, ProblemKind, Problems};
use crate::target::Located;

use spot::Spot;

/// The agent that is there where the config has none.
const MAIN: &str = "main";

/// A rule, and the releases in which it holds, both ends among them.
struct Rule {
    /// Its name, for whoever reads the table.
    #[allow(dead_code, reason = "names the rule for whoever reads the table, and for tests")]
    name: &'static str,
    since: Release,
    last: Release,
    check: fn(&mut Judge<'_>),
}

/// A rule of all releases.
const fn always(name: &'static str, check: fn(&mut Judge<'_>)) -> Rule {
    Rule { name, since: Release::OLDEST, last: Release::ENDLESS, check }
}

impl Rule {
    /// From this release on.
    const fn since(mut self, year: u16, month: u8, patch: u16) -> Self {
        self.since = Release::new(year, month, patch);
        self
    }

    /// Up to this release.
    const fn until(mut self, year: u16, month: u8, patch: u16) -> Self {
        self.last = Release::new(year, month, patch);
        self
    }
}

/// All rules.
const RULES: &[Rule] = &[
    // Agents, and what refers to them.
    always("roster-nonempty", roster::not_empty).since(2026, 8, 1),
    always("roster-multi", roster::owner).since(2026, 8, 1),
    always("roster-same-id", roster::same_ids).since(2026, 8, 1),
    always("roster-key", roster::keys).since(2026, 8, 1),
    always("roster-dirs", agents::directories),
    always("target-agent", agents::targets).since(2026, 8, 1),
    always("binding-agent", agents::bound).since(2026, 4, 29),
    always("binding-type", agents::binding_types).since(2026, 3, 7),
    always("broadcast-agent", agents::broadcast),
    always("broadcast-key", agents::threads).since(2026, 9, 6),
    always("avatar", agents::avatars),
    always("runtime-acp", agents::runtime).since(2026, 3, 7),
    always("proto", agents::blocked_keys).since(2026, 8, 1),
    always("heartbeat-every", agents::heartbeat_interval),
    always("heartbeat-hours", agents::heartbeat_hours),
    // Tools.
    always("allow-alsoAllow", tools::lists),
    always("allow-alsoAllow-channel", tools::lists_of_channels).until(2026, 3, 24),
    always("exec-mode", tools::exec_mode).since(2026, 5, 28),
    always("loop-detection", tools::loop_detection).until(2026, 7, 35),
    always("web-search-legacy", tools::moved_web_search).since(2026, 8, 1),
    always("web-search-provider", tools::web_search_provider).since(2026, 5, 28),
    // The sandbox.
    always("docker-network", sandbox::host_network),
    always("docker-network-container", sandbox::container_network).since(2026, 2, 24),
    always("browser-network", sandbox::host_network_of_browser).since(2026, 2, 21),
    always("docker-unconfined", sandbox::unconfined),
    always("docker-binds", sandbox::binds),
    always("docker-env", sandbox::environment).since(2026, 8, 1),
    // Models.
    always("provider-custom", models::providers).since(2026, 5, 2),
    always("request-form", models::requests).since(2026, 4, 5),
    always("catalog-url", models::catalog).since(2026, 8, 1),
    always("model-policy", models::policies).since(2026, 8, 1),
    always("decision-model", models::decision).since(2026, 9, 6),
    always("model-map", models::entries).since(2026, 8, 1),
    // The gateway.
    always("message-width", gateway::message_width).since(2026, 5, 2).until(2026, 7, 35),
    always("public-origin", gateway::public_origin).since(2026, 8, 1),
    always("portals", gateway::portals).since(2026, 9, 6),
    always("roles", gateway::roles).since(2026, 8, 1),
    always("tailscale-bind", gateway::tailscale_bind).since(2026, 3, 2),
    always("tailscale-auth", gateway::tailscale_auth).since(2026, 5, 2),
    always("tls-path", gateway::tls_files).since(2026, 6, 1),
    always("edge-auth", gateway::edge_auth).since(2026, 8, 1),
    // MCP servers.
    always("mcp-key", mcp::names).since(2026, 8, 1),
    always("mcp-snake", mcp::wrong_keys).since(2026, 8, 1),
    always("mcp-stdio", mcp::transport).since(2026, 6, 1),
    always("mcp-url", mcp::addresses).since(2026, 3, 22),
    always("mcp-oauth", mcp::per_requester).since(2026, 8, 1),
    always("mcp-meta", mcp::client_metadata).since(2026, 6, 1),
    always("mcp-origin", gateway::sandbox_origin).since(2026, 8, 1),
    // Webhooks.
    always("hook-module", hooks::modules),
    always("hook-persistent", hooks::persistent_sessions).since(2026, 8, 1),
    // Secrets, and who may come in.
    always("secret-provider", secrets::providers).since(2026, 2, 26),
    always("egress-hosts", secrets::hosts).since(2026, 8, 1),
    always("access-group", secrets::access_groups).since(2026, 5, 2),
    // Sessions.
    always("session-durations", session::durations),
    always("session-sizes", session::sizes),
    always("cron-retention", session::cron_retention).since(2026, 2, 21),
    // Run: refused by 2026.2.19, 2026.2.26, 2026.3.13, 2026.5.28, 2026.6.11 and 2026.7.35, and taken by 2026.4.15.
    always("audio-command", services::transcriber).until(2026, 3, 13),
    always("audio-command-again", services::transcriber).since(2026, 5, 28).until(2026, 7, 35),
    always("cron-run-log", session::cron_log).since(2026, 2, 23),
    always("byte-size", session::compaction).since(2026, 3, 2),
    // Talk, browsers, workers, paths, addresses.
    always("talk-provider", services::talk).since(2026, 3, 2),
    always("browser-profile", services::browser_profiles),
    always("cron-webhook", services::cron_webhook).until(2026, 7, 35),
    always("proxy-url", services::proxy).since(2026, 4, 29),
    always("paths", services::paths).since(2026, 8, 1),
    always("cloud", services::cloud_workers).since(2026, 8, 1),
    // Channels.
    always("channel-open", channels::open_needs_star).until(2026, 3, 24),
    always("channel-list", channels::list_needs_sender).since(2026, 2, 26).until(2026, 3, 24),
    always("channel-webhook", channels::telegram_webhook).until(2026, 3, 24),
    always("channel-command", channels::telegram_commands).until(2026, 3, 24),
    always("channel-http", channels::slack_http).until(2026, 3, 24),
    always("channel-activity", channels::discord_activity).until(2026, 3, 24),
    always("channel-ids", channels::discord_ids).until(2026, 3, 24),
    always("channel-register", channels::irc_register).until(2026, 3, 24),
    always("channel-phone", channels::phones).until(2026, 3, 24),
    always("channel-twitch-none", channels::no_twitch).since(2026, 3, 31).until(2026, 4, 29),
    always("channel-twitch", channels::twitch_accounts).since(2026, 5, 2),
    always("channel-acp", channels::own_bindings).since(2026, 3, 31),
    // Settings of plugins.
    always("wiki", plugins::wiki).since(2026, 8, 1),
    always("onepassword", plugins::onepassword).since(2026, 8, 1),
];

/// A config that is judged by the rules of a release.
struct Judge<'a> {
    config: &'a Value,
    release: Release,
    located: &'a Located,
    /// How the file has its agents.
    form: Form,
    /// Its list became entries.
    is_converted: bool,
    /// Pointers of texts that hold a reference without a value: nothing is said of them.
    unset: &'a HashSet<String>,
    problems: &'a mut Problems,
    extensions: OnceCell<bool>,
}

impl<'a> Judge<'a> {
    fn root(&self) -> Spot<'a> {
        Spot::root(self.config, self.unset)
    }

    /// What lies at `path`, keys with slashes between.
    fn at(&self, path: &str) -> Option<Spot<'a>> {
        self.root().at(path)
    }

    /// The agents, each an object.
    fn agents(&self) -> impl Iterator<Item = Spot<'a>> + use<'a> {
        let list = self.at("agents").into_iter().flat_map(|agents| agents.items_of("list"));
        list.filter(|agent| agent.value.is_object())
    }

    /// What holds for all agents, and the agents.
    fn agents_and_defaults(&self) -> impl Iterator<Item = Spot<'a>> + use<'a> {
        self.at("agents/defaults").into_iter().chain(self.agents())
    }

    /// Durations may have several parts.
    fn takes_composed_durations(&self) -> bool {
        self.release >= session::COMPOSED_SINCE
    }

    /// There are plugins in the folder of extensions.
    fn has_extensions(&self) -> bool {
        *self.extensions.get_or_init(|| {
            let found = extensions::discover(
                &self.located.state_dir.join("extensions"),
                self.located.territory,
                self.release,
            );
            found.cut || !found.ids.is_empty()
        })
    }

    /// The gateway refuses the config for this.
    fn refuse(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        invalid(self.problems, pointer, message);
    }
}

/// Judges a config, as policies see it, by the rules of a release. Texts at the pointers `unset` are not judged.
pub(in crate::config) fn check(
    release: Release,
    config: &Value,
    located: &Located,
    roster: &Roster,
    unset: &HashSet<String>,
    problems: &mut Problems,
) {
    let mut judge = Judge {
        config,
        release,
        located,
        form: roster.form,
        is_converted: roster.is_converted(),
        unset,
        problems,
        extensions: OnceCell::new(),
    };
    for rule in RULES.iter().filter(|rule| (rule.since..=rule.last).contains(&release)) {
        (rule.check)(&mut judge);
    }
}

/// A value that the gateway would refuse for a reason the table cannot say.
pub(in crate::config) fn invalid(
    problems: &mut Problems,
    pointer: impl Into<String>,
    message: impl Into<String>,
) {
    problems.push(Problem::new(ProblemKind::InvalidValue, message).at(pointer));
}
