//! Differences that are meant. Each says by itself where it holds; whatever none of them explains is a disagreement.

use chitin_parity::installation::Kind;

use crate::difference::Seen;

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
        name: "no-redirect",
        reason: "neither a .env in the current directory nor the config can move the audit elsewhere",
        holds: |seen, _| seen.ours.own.iter().any(|verdict| verdict.starts_with("config.redirect_ignored")),
    },
    Known {
        name: "says-more",
        reason: "what the reference passes over: ambiguous text, credentials of the current directory, a newer version, a .env that is \
                 no file, two rules for one path, a login shell",
        holds: |_, text| {
            [
                "+config.ambiguous:",
                "+config.cwd_credentials:",
                "+config.newer_version:",
                "+config.not_a_file:",
                "+config.paths_disagree:",
                "+config.shell_env_skipped:",
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
        name: "checks-of-our-own",
        reason: "private files, and the write bits of session stores and logs: the reference does not look at them",
        holds: |_, text| {
            ["+fs.private_files.", "+fs.sessions_store.perms_writable", "+fs.log_file.perms_writable"]
                .iter()
                .any(|start| text.starts_with(start))
        },
    },
    Known {
        name: "agents-on-disk",
        reason: "an agent that exists only on disk has logins and conversations too",
        holds: |seen, text| {
            (text.starts_with("+fs.auth_profiles.") || text.starts_with("+fs.sessions_store."))
                && seen.installation.tree.iter().any(|object| object.path.starts_with(".openclaw/agents/"))
        },
    },
    Known {
        name: "native-skills",
        reason: "automatic native skills are on for Discord and Telegram, as in the running gateway",
        holds: |seen, text| {
            const CHECK: &str = "plugins.extensions_no_allowlist";
            let ours = seen.ours.findings.iter().any(|verdict| *verdict == format!("{CHECK}:critical"));
            ours && (text == format!("+{CHECK}:critical") || text == format!("-{CHECK}:warn"))
        },
    },
    Known {
        name: "mapped-loopback",
        reason: "::ffff:127.0.0.1 is loopback",
        holds: |seen, text| {
            let mapped = |kind: &Kind| match kind {
                Kind::Json(value) => value.to_string().contains("::ffff:127."),
                Kind::Text(text) => text.contains("::ffff:127."),
                Kind::Directory | Kind::Link(_) => false,
            };
            text.starts_with("-browser.remote_cdp_http:")
                && seen.installation.tree.iter().any(|object| mapped(&object.kind))
        },
    },
    Known {
        name: "irc-in-clear",
        reason: "IRC without encryption is a warning; the reference says info, because of a word in its text",
        holds: |_, text| text == "-channels.irc.warning:info" || text == "+channels.irc.warning:warn",
    },
    Known {
        name: "more-of-channels",
        reason: "every account, with or without a visible token, by the names that the gateway reads: docs/decisions.md",
        holds: |_, text| text.starts_with("+channels."),
    },
    Known {
        name: "reference-breaks-off",
        reason: "an exception inside a check of the reference; ours judges what can be judged",
        holds: |_, text| text == "-crash" || text.starts_with("-config.* (") && text.contains("TypeError:"),
    },
];

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
