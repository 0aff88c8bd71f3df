//! Differences that are meant. Each says by itself where it holds; whatever none of them explains is a disagreement.

use std::path::Path;

use chitin_parity::installation::Kind;
use serde_json::Value;

use crate::difference::Seen;
use crate::reference::Verdict;

/// A decision to differ.
pub struct Known {
    /// What the output calls it.
    pub name: &'static str,
    /// Why it was taken.
    pub reason: &'static str,
    /// It explains this difference.
    pub holds: fn(&Seen, &str) -> bool,
}

/// All of them. The READMEs of the policies tell of each under "Differences from the reference".
pub const KNOWN: &[Known] = &[
    Known {
        name: "dangling-link",
        reason: "a link that leads nowhere has no permissions; the reference takes the link's own mode, 777",
        holds: |seen, text| {
            let Some((object, _)) = text.strip_prefix("-fs.").and_then(|rest| rest.split_once(".perms"))
            else {
                return false;
            };
            let end = match object {
                "auth_profiles" => "auth-profiles.json",
                "sessions_store" => "sessions.json",
                "config" => "openclaw.json",
                _ => "",
            };
            links(seen).any(|(path, dangling)| dangling && path.ends_with(end))
        },
    },
    Known {
        name: "linked-config",
        reason: "a linked config is judged by what it leads to, for reading too",
        holds: |seen, text| {
            (text.starts_with("+fs.config.perms_world_readable")
                || text.starts_with("+fs.config.perms_group_readable"))
                && links(seen).any(|(path, dangling)| !dangling && path.ends_with("openclaw.json"))
        },
    },
    Known {
        name: "one-file-one-finding",
        reason: "an agent that is listed twice, or in two spellings, has one file, and one finding about it",
        holds: |seen, text| {
            (text.starts_with("-fs.auth_profiles.") || text.starts_with("-fs.sessions_store."))
                && seen.ours.findings.iter().any(|verdict| Some(verdict.as_str()) == text.strip_prefix('-'))
        },
    },
    Known {
        name: "include-behind-link",
        reason: "an include behind a link is not read: whoever can change the link would decide about the gateway",
        holds: |seen, _| {
            let is_refused = |verdict: &String| verdict.starts_with("config.include_escape");
            (seen.ours.own.iter().chain(&seen.ours.findings).any(is_refused))
                && links(seen)
                    .any(|(path, _)| Path::new(path).extension().is_some_and(|ending| ending == "json5"))
        },
    },
    Known {
        name: "no-redirect",
        reason: "neither a .env in the current directory nor the config can move the audit elsewhere",
        holds: |seen, _| seen.ours.own.iter().any(|verdict| verdict.starts_with("config.redirect_ignored")),
    },
    Known {
        name: "says-more",
        reason: "what the reference passes over: ambiguous text, credentials of the current directory, a newer version, a .env that is \
                 no file, two rules for one path, a login shell, a secret provider that nothing defines",
        holds: |_, text| {
            [
                "+config.ambiguous:",
                "+config.cwd_credentials:",
                "+config.newer_version:",
                "+config.not_a_file:",
                "+config.paths_disagree:",
                "+config.shell_env_skipped:",
                "+config.undefined_provider:",
            ]
            .iter()
            .any(|start| text.starts_with(start))
        },
    },
    Known {
        name: "no-config-is-not-lost-config",
        reason: "a config that is there and cannot be opened is no empty config; the reference takes it for missing",
        holds: |seen, _| seen.ours.own.iter().any(|verdict| verdict.starts_with("config.unreadable")),
    },
    Known {
        name: "plugin-schemas",
        reason: "the settings of installed plugins are not held against the plugins' own schemas",
        holds: |_, text| {
            text.starts_with("-config.* (: read failed: Error: schema is invalid")
                || text.starts_with("-config.* (plugins.entries.") && text.contains(".config")
        },
    },
    Known {
        name: "agents-on-disk",
        reason: "an agent that exists on disk alone has logins and conversations to protect, too",
        holds: |seen, text| {
            let listed: Vec<String> = texts_at(seen, "id").iter().filter_map(|id| agent_id(id)).collect();
            let unlisted = |id: &str| !listed.iter().any(|known| known == id);
            let on_disk =
                seen.installation.tree.iter().filter_map(|object| object.path.split_once("/agents/"));
            (text.starts_with("+fs.auth_profiles.") || text.starts_with("+fs.sessions_store."))
                && on_disk.filter_map(|(_, rest)| rest.split('/').next()).any(unlisted)
        },
    },
    Known {
        name: "true-loopback",
        reason: "a host is this machine by its address, not by how it is spelt; names beyond ASCII are not converted",
        holds: |seen, text| {
            let odd = |url: &str| url.contains("127.evil") || url.contains("::ffff:") || !url.is_ascii();
            let texts = odd_texts(seen).filter(|text| text.contains("cdpUrl")).map(str::to_owned);
            text[1..].starts_with("browser.") && texts.chain(texts_at(seen, "cdpUrl")).any(|url| odd(&url))
        },
    },
    Known {
        name: "browser-looked-at",
        reason: "from 2026.4.5 on the reference's command never loads the checks of the browser; what they look for is as open",
        holds: |seen, text| seen.release.since(4, 5) && text.starts_with("+browser."),
    },
    Known {
        name: "telegram-looked-at",
        reason: "from 2026.8.1 on the reference's command loads a view of Telegram without its checks; what they look for is as open",
        holds: |seen, text| seen.release.since(8, 1) && text.starts_with("+channels.telegram."),
    },
    Known {
        name: "seeded-origins",
        reason: "2026.4.15 puts this machine's origins into the config as it reads it; the file that is audited has none",
        holds: |seen, text| {
            seen.release.since(4, 5)
                && !seen.release.since(5, 28)
                && text.starts_with("+gateway.control_ui.allowed_origins_required:")
        },
    },
    Known {
        name: "older-claude",
        reason: "claude-3-5-sonnet is older than 4.5; the reference takes its 5 for a major version",
        holds: |seen, text| {
            text == "+models.weak_tier:warn" && documents(seen).any(|text| text.contains("claude-3-5-sonnet"))
        },
    },
    Known {
        name: "agents-by-name",
        reason: "an agent is judged by its own sandbox and model, whatever its id looks like",
        holds: |seen, text| {
            let odd = |id: &String| id.contains('.') || id.contains("imageModel");
            text[1..].starts_with("models.small_params:")
                && (texts_at(seen, "id").iter().any(odd)
                    || odd_texts(seen).any(|text| text.contains("\"id\":\"imageModel\"")))
        },
    },
    Known {
        name: "native-skills",
        reason: "the gateway switches native skills on for Discord and Telegram, whichever account has the login; the reference's \
                 command loads no channel, or looks at the default account",
        holds: |seen, text| {
            let looks = seen.installation.registry && !seen.release.since(2, 21);
            !looks
                && ["+plugins.extensions_no_allowlist:critical", "-plugins.extensions_no_allowlist:warn"]
                    .contains(&text)
        },
    },
    Known {
        name: "escaped-text",
        reason: "a text that is escaped with a second dollar is a secret like any other, and no reference",
        holds: |seen, text| {
            ["gateway.", "config.secrets.", "hooks.token"].iter().any(|start| text[1..].starts_with(start))
                && (documents(seen).any(|text| text.contains("\"$${"))
                    || odd_texts(seen).any(|text| text.contains("\"$${"))
                    || seen.installation.env.values().any(|value| value.contains("${")))
        },
    },
    Known {
        name: "unset-variable",
        reason: "a variable without a value is told; the reference only prints a warning, from 2026.3.7 on",
        holds: |seen, text| seen.release.since(3, 7) && text.starts_with("+config.unset_variable:"),
    },
    Known {
        name: "every-account",
        reason: "every account of a channel is looked at; the reference looks at the default one",
        holds: |seen, text| {
            sections(seen, text).iter().any(|section| {
                section
                    .get("accounts")
                    .and_then(Value::as_object)
                    .is_some_and(|accounts| !accounts.is_empty())
            })
        },
    },
    Known {
        name: "login-elsewhere",
        reason: "a channel without a visible login is looked at, for it may find one elsewhere",
        holds: |seen, text| {
            let Verdict::Findings { configured, .. } = &seen.reference else { return false };
            text.starts_with('+')
                && channel(text).is_some_and(|id| !configured.iter().any(|known| known == id))
        },
    },
    Known {
        name: "newer-names",
        reason: "dm.policy and dm.allowFrom count, and dmPolicy and allowFrom go before them, as in the gateway",
        holds: |seen, text| {
            ["discord", "slack", "googlechat"].iter().any(|id| channel(text) == Some(id))
                && sections(seen, text).iter().any(|section| {
                    ["dmPolicy", "allowFrom", "dm"].iter().any(|key| section.get(key).is_some())
                })
        },
    },
    Known {
        name: "teams-and-feishu",
        reason: "direct messages of Microsoft Teams and Feishu are looked at, too, and that Teams goes by names",
        holds: |_, text| {
            let more = ["msteams.dm.", "msteams.allowFrom.dangerous_name_matching", "feishu.dm."];
            more.iter().any(|more| text.starts_with(&format!("+channels.{more}")))
        },
    },
    Known {
        name: "irc-in-clear",
        reason: "IRC without TLS is a warn; in the reference an info, because of a word in its text",
        holds: |_, text| text == "+channels.irc.warning:warn" || text == "-channels.irc.warning:info",
    },
    Known {
        name: "all-groups",
        reason: "the lists of all Telegram groups are checked, and one without a valid id names nobody",
        holds: |seen, text| {
            (text.starts_with("+channels.telegram.allowFrom.")
                || text.starts_with("+channels.telegram.groups."))
                && (sections(seen, text).iter().any(|section| section.get("groups").is_some())
                    || seen.ours.findings.iter().any(|verdict| verdict.contains("allowFrom.invalid_entries")))
        },
    },
    Known {
        name: "whole-stores",
        reason: "a \"*\" in a pairing store counts, and what is no text or number does not",
        holds: |seen, text| {
            let store = channel(text).map(|id| format!("/{id}-allowFrom.json"));
            let stores = seen
                .installation
                .tree
                .iter()
                .filter(|object| store.as_ref().is_some_and(|store| object.path.ends_with(store)));
            stores
                .filter_map(|object| match &object.kind {
                    Kind::Json(value) => Some(value.to_string()),
                    _ => None,
                })
                .any(|text| text.contains("\"*\"") || text.contains("null"))
        },
    },
    Known {
        name: "links-are-named",
        reason: "a link out of a plugin or a skill is not followed but reported, and the rest is scanned",
        holds: |seen, text| {
            let places = [("plugins.code_safety", "/extensions/"), ("skills.code_safety", "skills/")];
            places.iter().any(|(check, place)| {
                text[1..].starts_with(check) && links(seen).any(|(path, _)| path.contains(place))
            })
        },
    },
    Known {
        name: "unscanned-is-told",
        reason: "code that was not looked at is told, such as an entry point that by its name is no script",
        holds: |_, text| text.contains(".code_safety.scan_failed:") && text.starts_with('+'),
    },
    Known {
        name: "all-plugins",
        reason: "linked plugins, single scripts, what all plugins can load and plugins of load paths are looked at, too",
        holds: |seen, text| {
            let has = |part: &str| seen.installation.tree.iter().any(|object| object.path.contains(part));
            let linked = |path: &str| path.contains("/extensions/") && path.matches('/').count() == 2;
            let is_linked = || links(seen).any(|(path, _)| linked(path));
            let is_code = text.starts_with("+plugins.code_safety")
                && (has("/extensions/single.js")
                    || has("/extensions/node_modules/")
                    || has("/extensions/.")
                    || documents(seen).any(|text| text.contains("\"paths\"")));
            let are = ["+plugins.extensions_no_allowlist:", "+plugins.tools_reachable_permissive_policy:"];
            let is_there = are.iter().any(|start| text.starts_with(start));
            is_code || (is_there || text.starts_with("+plugins.code_safety")) && is_linked()
        },
    },
    Known {
        name: "bundled-plugins",
        reason: "a plugin that comes with the program is there, and a blank name lets nobody in; 2026.4.15 counts the channels that \
                 it has loaded",
        holds: |seen, text| {
            text.starts_with("-plugins.allow_phantom_entries:")
                && (!seen.release.since(4, 29) || allowlists(seen).any(|list| list.iter().any(is_blank)))
        },
    },
    Known {
        name: "blank-allowlist",
        reason: "the gateway passes over blank entries, so that a list of nothing else lets every plugin load",
        holds: |seen, text| {
            ["+plugins.extensions_no_allowlist:", "+browser."].iter().any(|start| text.starts_with(start))
                && allowlists(seen).any(|list| !list.is_empty() && list.iter().all(is_blank))
        },
    },
    Known {
        name: "all-interpreters",
        reason: "an interpreter is one in every release, with a version behind its name, too; those before 2026.7.1 know fewer",
        holds: |seen, text| {
            text.starts_with("+tools.exec.allowlist_interpreter_without_strict_inline_eval:")
                && !seen.release.since(7, 1)
        },
    },
    Known {
        name: "references-count",
        reason: "a reference gives a secret once the gateway runs; the reference's command leaves those of passwords open",
        holds: |seen, text| {
            ["gateway.", "browser.control_no_auth:"].iter().any(|start| text[1..].starts_with(start))
                && documents(seen).any(|text| text.contains("\"source\":\""))
        },
    },
    Known {
        name: "env-block",
        reason: "the gateway puts values into its env block before it sets variables; the reference's command, from 2026.5.28 on, \
                 sets none of those",
        holds: |seen, text| {
            let block =
                |document: &Value| document.get("env").is_some_and(|env| env.to_string().contains("${"));
            seen.release.since(5, 28)
                && text[1..].starts_with("gateway.")
                && seen.installation.json_documents().any(block)
        },
    },
    Known {
        name: "synology-words",
        reason: "what keeps Synology Chat from working is no danger; how grave the reference finds it hangs on a word of its text",
        holds: |_, text| text[1..].starts_with("channels.synology-chat.warning:"),
    },
    Known {
        name: "all-skills",
        reason: "nothing that a skill says of itself keeps it from being scanned, nor another one of its name",
        holds: |seen, text| {
            let silent = |text: &str| !text.contains("description") || text.contains("name: one");
            let skills = seen.installation.tree.iter().filter(|object| object.path.ends_with("/SKILL.md"));
            text.starts_with("+skills.code_safety")
                && skills.into_iter().any(|skill| matches!(&skill.kind, Kind::Text(text) if silent(text)))
        },
    },
    Known {
        name: "reference-breaks-off",
        reason: "an exception inside a check of the reference; ours judges what can be judged",
        holds: |_, text| text == "-crash" || text.starts_with("-config.* (") && text.contains("TypeError:"),
    },
];

/// An agent's id as its folder has it; a blank one is passed over.
fn agent_id(id: &str) -> Option<String> {
    let id = id.trim().to_lowercase();
    let id = id.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'), "-");
    let id = if id.starts_with('-') { id.trim_matches('-') } else { &id };
    (!id.is_empty()).then(|| id.to_owned())
}

/// The channel that a difference is about.
fn channel(text: &str) -> Option<&str> {
    text.get(1..)?.strip_prefix("channels.")?.split('.').next()
}

/// Its sections in the config, which may be in an include.
fn sections<'a>(seen: &'a Seen, text: &str) -> Vec<&'a Value> {
    let Some(id) = channel(text) else { return Vec::new() };
    let of = |document: &'a Value| document.get("channels").unwrap_or(document).get(id).or(Some(document));
    seen.installation.json_documents().filter_map(of).collect()
}

/// The texts under this key, anywhere.
fn texts_at(seen: &Seen, key: &str) -> Vec<String> {
    fn collect(value: &Value, key: &str, texts: &mut Vec<String>) {
        for (name, member) in value.as_object().into_iter().flatten() {
            if let (true, Some(text)) = (name == key, member.as_str()) {
                texts.push(text.to_owned());
            }
            collect(member, key, texts);
        }
        value.as_array().into_iter().flatten().for_each(|element| collect(element, key, texts));
    }
    let mut texts = Vec::new();
    seen.installation.json_documents().for_each(|document| collect(document, key, &mut texts));
    texts
}

/// The lists `plugins.allow`, which may be in an include.
fn allowlists(seen: &Seen) -> impl Iterator<Item = &Vec<Value>> {
    let lists = |document| {
        let list = Value::pointer(document, "/plugins/allow").or_else(|| Value::get(document, "allow"))?;
        list.as_array()
    };
    seen.installation.json_documents().filter_map(lists)
}

/// A text of white space alone, or of nothing.
fn is_blank(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// All JSON documents as texts.
fn documents(seen: &Seen) -> impl Iterator<Item = String> {
    seen.installation.json_documents().map(Value::to_string)
}

/// The texts of an installation: a config that is no JSON document is one.
fn odd_texts(seen: &Seen) -> impl Iterator<Item = &str> {
    seen.installation.tree.iter().filter_map(|object| match &object.kind {
        Kind::Text(text) => Some(text.as_str()),
        _ => None,
    })
}

/// The links of an installation, and whether they lead nowhere.
fn links(seen: &Seen) -> impl Iterator<Item = (&str, bool)> {
    let is_link = |kind: &Kind| matches!(kind, Kind::Link(_));
    let tree = seen.installation.tree.iter().filter(move |object| is_link(&object.kind));
    tree.map(|object| (object.path.as_str(), seen.home.join(&object.path).metadata().is_err()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_reasons_given() {
        for (number, known) in KNOWN.iter().enumerate() {
            assert!(KNOWN.iter().skip(number + 1).all(|other| other.name != known.name));
            assert!(!known.reason.is_empty());
        }
    }
}
