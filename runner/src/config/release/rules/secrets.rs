//! Where secrets are kept, and which hosts they may go to.

use crate::config::rules::Judge;
use crate::config::rules::forms::{is_absolute, is_host, is_safe_program};
use crate::config::rules::spot::Spot;

/// The keys that a provider of each source may have, besides `source`.
const KEYS: [(&str, &[&str]); 4] = [
    ("env", &["allowlist"]),
    ("file", &["path", "mode", "timeoutMs", "maxBytes"]),
    (
        "exec",
        &[
            "command",
            "args",
            "timeoutMs",
            "noOutputTimeoutMs",
            "maxOutputBytes",
            "jsonOnly",
            "env",
            "passEnv",
            "trustedDirs",
            "allowInsecurePath",
            "allowSymlinkCommand",
        ],
    ),
    ("store", &[]),
];

/// A program that a plugin brings has nothing else to say.
const OF_PLUGIN: [&str; 1] = ["pluginIntegration"];

/// What a provider has fits its source.
pub(super) fn providers(judge: &mut Judge<'_>) {
    let providers: Vec<_> =
        judge.at("secrets").into_iter().flat_map(|secrets| secrets.members_of("providers")).collect();
    for (_, provider) in providers {
        let Some(source) = provider.text_of("source") else { continue };
        let Some((_, keys)) = KEYS.iter().find(|(known, _)| *known == source) else { continue };
        let of_plugin = source == "exec" && provider.has("pluginIntegration");
        let keys = if of_plugin { &OF_PLUGIN[..] } else { keys };
        for (key, member) in provider.members().filter(|(key, _)| *key != "source" && !keys.contains(key)) {
            // A key that no provider has is the table's affair.
            if KEYS.iter().any(|(_, keys)| keys.contains(&key)) || OF_PLUGIN.contains(&key) {
                let message = format!("A provider of source \"{source}\" cannot have {key} here.");
                judge.refuse(member.pointer, message);
            }
        }
        let needed = match source {
            "file" => Some("path"),
            "exec" if !of_plugin => Some("command"),
            _ => None,
        };
        if let Some(key) = needed.filter(|key| !provider.has(key)) {
            judge.refuse(provider.below(key), format!("A provider of source \"{source}\" needs {key}."));
        }
        program(&provider, judge);
    }
}

fn program(provider: &Spot<'_>, judge: &mut Judge<'_>) {
    if !provider.is("source", "exec") {
        return;
    }
    if provider.text_of("command").is_some_and(|command| !is_safe_program(command) || !is_absolute(command)) {
        judge.refuse(
            provider.below("command"),
            "A command must be an absolute path without shell characters.",
        );
    }
    for dir in provider.items_of("trustedDirs") {
        if dir.text().is_some_and(|dir| !is_absolute(dir)) {
            judge.refuse(dir.pointer, "A trusted directory must be an absolute path.");
        }
    }
}

/// Hosts are named one by one.
pub(super) fn hosts(judge: &mut Judge<'_>) {
    let Some(proxy) = judge.at("secrets/egressProxy") else { return };
    for host in ["allowedHosts", "bypassHosts"].into_iter().flat_map(|key| proxy.items_of(key)) {
        if host.text().is_some_and(|host| !is_host(host)) {
            judge.refuse(
                host.pointer,
                "A host must be one exact name or address, without scheme, port, path or *.",
            );
        }
    }
}

/// The keys of each kind of access group, and those that it needs.
const GROUPS: [(&str, &[&str], &[&str]); 2] = [
    ("discord.channelAudience", &["guildId", "channelId", "membership"], &["guildId", "channelId"]),
    ("message.senders", &["members"], &["members"]),
];

/// What an access group has fits its type.
pub(super) fn access_groups(judge: &mut Judge<'_>) {
    for (_, group) in judge.root().members_of("accessGroups") {
        let Some(kind) = group.text_of("type") else { continue };
        let Some((_, keys, needed)) = GROUPS.iter().find(|(known, ..)| *known == kind) else { continue };
        for (key, member) in group.members() {
            let is_foreign =
                GROUPS.iter().any(|(_, others, _)| others.contains(&key)) && !keys.contains(&key);
            if is_foreign {
                judge
                    .refuse(member.pointer, format!("An access group of type \"{kind}\" cannot have {key}."));
            }
        }
        for key in needed.iter().filter(|key| !group.has(key)) {
            judge.refuse(group.below(key), format!("An access group of type \"{kind}\" needs {key}."));
        }
    }
}
