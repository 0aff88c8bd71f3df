//! MCP servers, of the gateway and of nodes.

use crate::config::release::Release;
use crate::config::rules::Judge;
use crate::config::rules::forms::{is_http, url};
use crate::config::rules::spot::Spot;
use crate::target::js_trim;

/// First release whose servers can be reached by a pipe that is named so.
const CHECKED_SINCE: Release = Release::new(2026, 6, 1);

/// Keys that look like settings and are none.
const WRONG: [&str; 9] = [
    "connectTimeout",
    "connect_timeout",
    "timeout",
    "workingDirectory",
    "supports_parallel_tool_calls",
    "ssl_verify",
    "client_cert",
    "client_key",
    "disabled",
];

fn servers<'a>(judge: &Judge<'a>) -> impl Iterator<Item = Spot<'a>> + use<'a> {
    let sections = ["mcp", "nodeHost/mcp"].into_iter().filter_map(|path| judge.at(path));
    let servers: Vec<_> = sections.flat_map(|section| section.members_of("servers")).collect();
    servers.into_iter().map(|(_, server)| server)
}

/// The name of a node's server is not blank, and has no blanks around it.
pub(super) fn names(judge: &mut Judge<'_>) {
    let of_nodes: Vec<_> =
        judge.at("nodeHost/mcp").into_iter().flat_map(|mcp| mcp.members_of("servers")).collect();
    for (name, server) in of_nodes {
        if name.is_empty() || js_trim(name) != name {
            judge.refuse(
                server.pointer,
                "The name of an MCP server must not be blank or have blanks around it.",
            );
        }
    }
}

/// Settings under names that no release has.
pub(super) fn wrong_keys(judge: &mut Judge<'_>) {
    for server in servers(judge) {
        for (key, member) in server.members().filter(|(key, _)| WRONG.contains(key)) {
            let message = format!("{key} is no setting of an MCP server.");
            judge.refuse(member.pointer, message);
        }
        if let Some(mode) = server.at("codex/default_tools_approval_mode") {
            judge.refuse(mode.pointer, "The setting is called defaultToolsApprovalMode.");
        }
    }
}

/// A server with a pipe is a program; the others have a web address.
pub(super) fn transport(judge: &mut Judge<'_>) {
    for server in servers(judge) {
        if server.is("transport", "stdio") && !server.fills("command") {
            judge.refuse(server.below("transport"), "The transport stdio needs a command.");
        }
    }
}

/// Addresses are of the web.
pub(super) fn addresses(judge: &mut Judge<'_>) {
    for server in servers(judge) {
        let redirect = server.at("oauth/redirectUrl").filter(|_| judge.release >= CHECKED_SINCE);
        for spot in server.get("url").into_iter().chain(redirect) {
            if spot.text().is_some_and(|text| !is_http(text)) {
                judge.refuse(spot.pointer, "The address of an MCP server must be an http or https URL.");
            }
        }
    }
}

/// A login for each requester is one of its own kind.
pub(super) fn per_requester(judge: &mut Judge<'_>) {
    for server in servers(judge) {
        let Some(oauth) = server.get("oauth").filter(|oauth| oauth.is("identity", "per-requester")) else {
            continue;
        };
        let is_oauth = server.is("auth", "oauth") || server.is_unknown_at("auth");
        if !is_oauth || !server.fills("url") || server.has("command") || server.is("transport", "stdio") {
            judge.refuse(
                oauth.below("identity"),
                "A login for each requester needs auth \"oauth\" and a url, and no command.",
            );
        }
        if oauth.fills("authProfileId") {
            judge.refuse(
                oauth.below("authProfileId"),
                "A login for each requester excludes one profile for all.",
            );
        }
    }
}

/// The address of a client's metadata is an https URL with a path.
pub(super) fn client_metadata(judge: &mut Judge<'_>) {
    for server in servers(judge) {
        let Some(spot) = server.at("oauth/clientMetadataUrl") else { continue };
        let fits = |text: &str| url(text).is_some_and(|url| url.scheme() == "https" && url.path() != "/");
        if spot.text().is_some_and(|text| !fits(text)) {
            judge.refuse(spot.pointer, "clientMetadataUrl must be an https URL with a path.");
        }
    }
}
