//! Rules of the gateway's validation about channels. Each applies to a channel and to each of its accounts.

use serde_json::{Map, Value};

use crate::config::Problems;
use crate::config::pointer::join;
use crate::config::rules::invalid;
use crate::target::js_trim;

type Section = Map<String, Value>;

/// Checks every built-in channel that is configured.
pub(in crate::config) fn check(config: &Value, problems: &mut Problems) {
    let channels = config.get("channels").and_then(Value::as_object);
    for (name, section) in channels.into_iter().flatten() {
        let Some(base) = section.as_object() else { continue };
        let pointer = join("/channels", name);
        one(name, base, base, &pointer, problems);
        let accounts = base.get("accounts").and_then(Value::as_object);
        for (id, account) in accounts.into_iter().flatten() {
            if let Some(account) = account.as_object() {
                one(name, account, base, &join(&join(&pointer, "accounts"), id), problems);
            }
        }
    }
}

fn one(channel: &str, section: &Section, base: &Section, pointer: &str, problems: &mut Problems) {
    open_needs_star(channel, section, pointer, problems);
    match channel {
        "telegram" => telegram(section, base, pointer, problems),
        "slack" => slack(section, base, pointer, problems),
        "discord" => discord(section, pointer, problems),
        "irc" => irc(section, pointer, problems),
        "signal" | "imessage" => phone(section, pointer, problems),
        _ => {}
    }
}

fn text<'s>(section: &'s Section, key: &str) -> Option<&'s str> {
    section.get(key).and_then(Value::as_str)
}

fn filled(section: &Section, key: &str) -> bool {
    text(section, key).is_some_and(|text| !js_trim(text).is_empty())
}

/// An account that is off needs nothing. A channel that is off does.
fn is_off_account(section: &Section, base: &Section) -> bool {
    !std::ptr::eq(section, base) && section.get("enabled") == Some(&Value::Bool(false))
}

fn open_needs_star(channel: &str, section: &Section, pointer: &str, problems: &mut Problems) {
    let dm = section.get("dm").and_then(Value::as_object);
    let in_dm = |key: &str| dm.and_then(|dm| dm.get(key));
    let own = (section.get("dmPolicy"), section.get("allowFrom"));
    let (policy, list, key) = match channel {
        "telegram" | "whatsapp" | "signal" | "irc" | "imessage" | "bluebubbles" | "msteams" => {
            (own.0, own.1, "allowFrom")
        }
        "googlechat" => (in_dm("policy"), in_dm("allowFrom"), "dm"),
        "discord" | "slack" => (own.0.or(in_dm("policy")), own.1.or(in_dm("allowFrom")), "allowFrom"),
        _ => return,
    };
    let star = |item: &Value| item.as_str().is_some_and(|text| js_trim(text) == "*");
    let has_star = list.and_then(Value::as_array).is_some_and(|list| list.iter().any(star));
    if policy.and_then(Value::as_str) == Some("open") && !has_star {
        invalid(
            problems,
            join(pointer, key),
            "The gateway accepts open direct messages only with \"*\" in allowFrom.",
        );
    }
}

fn telegram(section: &Section, base: &Section, pointer: &str, problems: &mut Problems) {
    if filled(section, "webhookUrl")
        && !filled(section, "webhookSecret")
        && !filled(base, "webhookSecret")
        && !is_off_account(section, base)
    {
        invalid(problems, join(pointer, "webhookSecret"), "A Telegram webhook needs a webhookSecret.");
    }
    let commands = section.get("customCommands").and_then(Value::as_array).into_iter().flatten();
    for (index, command) in commands.enumerate() {
        let below = join(&join(pointer, "customCommands"), &index.to_string());
        let field = |key: &str| command.get(key).and_then(Value::as_str);
        if field("command").is_some_and(|name| !is_command(name)) {
            invalid(
                problems,
                join(&below, "command"),
                "A command has 1 to 32 lower-case letters, digits and underscores.",
            );
        }
        if field("description").is_some_and(|text| js_trim(text).is_empty()) {
            invalid(problems, join(&below, "description"), "A command needs a description.");
        }
    }
}

fn is_command(name: &str) -> bool {
    // The gateway takes white space and a slash away as it reads, and again as it checks.
    let bare = |name| {
        let name = js_trim(name);
        js_trim(name.strip_prefix('/').unwrap_or(name))
    };
    let name = bare(bare(name)).to_lowercase().replace('-', "_");
    (1..=32).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn slack(section: &Section, base: &Section, pointer: &str, problems: &mut Problems) {
    let http = text(section, "mode").or_else(|| text(base, "mode")) == Some("http");
    // An account's own secret counts where it is given, even where it is empty.
    let secret = text(section, "signingSecret").or_else(|| text(base, "signingSecret"));
    if http && secret.is_none_or(str::is_empty) && !is_off_account(section, base) {
        invalid(problems, join(pointer, "signingSecret"), "Slack over HTTP needs a signingSecret.");
    }
}

fn discord(section: &Section, pointer: &str, problems: &mut Problems) {
    /// The activity type that is a stream and has a URL.
    const STREAMING: u64 = 1;
    let kind = section.get("activityType").and_then(Value::as_u64);
    let url = filled(section, "activityUrl");
    if (kind.is_some() || url) && !filled(section, "activity") {
        invalid(problems, join(pointer, "activity"), "activityType and activityUrl need an activity.");
    }
    if (kind == Some(STREAMING)) != url {
        invalid(
            problems,
            join(pointer, "activityUrl"),
            "A streaming activity (type 1) and an activityUrl need each other.",
        );
    }
    discord_ids(&Value::Object(section.clone()), pointer, problems);
}

/// Lists of Discord ids hold texts: as numbers they would lose digits.
fn discord_ids(value: &Value, pointer: &str, problems: &mut Problems) {
    const LISTS: [&str; 5] = ["allowFrom", "groupChannels", "users", "roles", "approvers"];
    let Some(map) = value.as_object() else { return };
    for (key, item) in map.iter().filter(|(key, _)| *key != "accounts") {
        let below = join(pointer, key);
        if LISTS.contains(&key.as_str()) {
            for (index, _) in
                item.as_array().into_iter().flatten().enumerate().filter(|(_, id)| id.is_number())
            {
                invalid(
                    problems,
                    join(&below, &index.to_string()),
                    "A Discord id must be written in quotes.",
                );
            }
        } else {
            discord_ids(item, &below, problems);
        }
    }
}

fn irc(section: &Section, pointer: &str, problems: &mut Problems) {
    let Some(nickserv) = section.get("nickserv").and_then(Value::as_object) else { return };
    if nickserv.get("register") == Some(&Value::Bool(true)) && !filled(nickserv, "registerEmail") {
        invalid(
            problems,
            format!("{pointer}/nickserv/registerEmail"),
            "Registering with NickServ needs a registerEmail.",
        );
    }
}

fn phone(section: &Section, pointer: &str, problems: &mut Problems) {
    if text(section, "cliPath").is_some_and(|path| !is_safe_program(path)) {
        invalid(
            problems,
            join(pointer, "cliPath"),
            "cliPath must be a program name or path without shell characters.",
        );
    }
    if text(section, "remoteHost").is_some_and(|host| !is_ssh_host(host)) {
        invalid(
            problems,
            join(pointer, "remoteHost"),
            "remoteHost must be a host or user@host as ssh takes it.",
        );
    }
    for key in ["attachmentRoots", "remoteAttachmentRoots"] {
        let roots = section.get(key).and_then(Value::as_array).into_iter().flatten();
        for (index, root) in roots.enumerate() {
            if root.as_str().is_some_and(|root| !is_root(root)) {
                invalid(
                    problems,
                    format!("{pointer}/{key}/{index}"),
                    "An attachment root must be an absolute path.",
                );
            }
        }
    }
}

fn is_safe_program(path: &str) -> bool {
    const SHELL: [char; 12] = ['\0', '\r', '\n', '"', '\'', ';', '&', '|', '`', '$', '<', '>'];
    let path = js_trim(path);
    let is_path = path.starts_with(['.', '~', '/']) || path.contains('/') || path.contains('\\');
    let bare = !path.is_empty()
        && !path.starts_with('-')
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte));
    !path.contains(SHELL) && (is_path || bare)
}

/// An absolute path with something below the root, in which a `*` stands for a whole name.
fn is_root(path: &str) -> bool {
    let path = js_trim(path).replace('\\', "/");
    let on_drive =
        path.strip_prefix(|c: char| c.is_ascii_alphabetic()).and_then(|rest| rest.strip_prefix(":/"));
    let Some(rest) = on_drive.or_else(|| path.strip_prefix('/')) else { return false };
    let mut names = Vec::new();
    for name in rest.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    !names.is_empty() && names.iter().all(|name| *name == "*" || !name.contains('*'))
}

fn is_ssh_host(host: &str) -> bool {
    let name = |text: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let address = |text: &str| {
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        inner.is_some_and(|text| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte))
        })
    };
    let host_part = |text: &str| name(text) || address(text);
    match host.split_once('@') {
        Some((user, host)) => name(user) && host_part(host),
        None => host_part(host),
    }
}
