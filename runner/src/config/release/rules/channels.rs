//! Channels. Until their schemas became plain ones (2026.3.31), each channel and each of its accounts had rules.

use std::rc::Rc;

use crate::config::release::Release;
use crate::config::rules::Judge;
use crate::config::rules::forms::is_safe_program;
use crate::config::rules::spot::Spot;
use crate::target::js_trim;

/// A channel or one of its accounts.
struct Section<'a> {
    channel: &'a str,
    spot: Spot<'a>,
    /// The channel itself.
    base: Rc<Spot<'a>>,
    is_account: bool,
}

impl Section<'_> {
    /// An account that is off needs nothing. A channel that is off does.
    fn is_off_account(&self) -> bool {
        self.is_account && self.spot.value.get("enabled") == Some(&serde_json::Value::Bool(false))
    }
}

/// Every channel and every account of one of these channels; all where none is named.
fn sections<'a>(
    judge: &Judge<'a>,
    channels: &'static [&'static str],
) -> impl Iterator<Item = Section<'a>> + use<'a> {
    let all = judge
        .root()
        .members_of("channels")
        .filter(|(name, _)| channels.is_empty() || channels.contains(name));
    all.flat_map(|(channel, base)| {
        let accounts: Vec<_> = base.members_of("accounts").map(|(_, account)| account).collect();
        let base = Rc::new(base);
        let section =
            |spot: Spot<'a>, is_account| Section { channel, spot, base: Rc::clone(&base), is_account };
        let own = section((*base).clone(), false);
        let accounts: Vec<_> = accounts.into_iter().map(|account| section(account, true)).collect();
        std::iter::once(own).chain(accounts)
    })
    .filter(|section| section.spot.value.is_object())
}

const OPEN: [&str; 10] = [
    "telegram",
    "whatsapp",
    "signal",
    "irc",
    "imessage",
    "bluebubbles",
    "msteams",
    "googlechat",
    "discord",
    "slack",
];

/// Who may write to a section, and the key of its list.
fn direct<'a>(section: &Section<'a>, inherits: bool) -> (Option<Spot<'a>>, Option<Spot<'a>>, &'static str) {
    let dm = |spot: &Spot<'a>, key: &str| spot.get("dm").and_then(|dm| dm.get(key));
    let Section { channel, spot, base, is_account } = section;
    let own = (spot.get("dmPolicy"), spot.get("allowFrom"));
    let base = Some(base).filter(|_| inherits && *is_account);
    match *channel {
        "googlechat" => (dm(spot, "policy"), dm(spot, "allowFrom"), "dm"),
        "discord" | "slack" => {
            let of = |key: &str, in_dm: &str| {
                let own = spot.get(key).or_else(|| dm(spot, in_dm));
                own.or_else(|| base.and_then(|base| base.get(key).or_else(|| dm(base, in_dm))))
            };
            (of("dmPolicy", "policy"), of("allowFrom", "allowFrom"), "allowFrom")
        }
        // An account without a policy has the default one, whatever its channel says.
        _ => (own.0, own.1.or_else(|| base?.get("allowFrom")), "allowFrom"),
    }
}

/// Open direct messages need `"*"` in `allowFrom`, too.
pub(super) fn open_needs_star(judge: &mut Judge<'_>) {
    let inherits = judge.release >= LISTS_SINCE;
    for section in sections(judge, &OPEN) {
        let (policy, list, key) = direct(&section, inherits);
        let star = |item: Spot<'_>| item.is_unknown() || item.text().is_some_and(|text| js_trim(text) == "*");
        let has_star = list.is_some_and(|list| list.items().any(star));
        if policy.is_some_and(|policy| policy.text() == Some("open")) && !has_star {
            let message = "The gateway accepts open direct messages only with \"*\" in allowFrom.";
            judge.refuse(section.spot.below(key), message);
        }
    }
}

/// From this release on a list of senders needs one, and an account has the list of its channel (measured on 2026.2.26 and
/// 2026.3.13).
const LISTS_SINCE: Release = Release::new(2026, 2, 26);

/// Direct messages from a list need a sender in it.
pub(super) fn list_needs_sender(judge: &mut Judge<'_>) {
    for section in sections(judge, &OPEN) {
        let (policy, list, key) = direct(&section, true);
        let sender = |item: Spot<'_>| {
            item.is_unknown()
                || item.value.is_number()
                || item.text().is_some_and(|text| !js_trim(text).is_empty())
        };
        let has_sender = list.is_some_and(|list| list.items().any(sender));
        if policy.is_some_and(|policy| policy.text() == Some("allowlist")) && !has_sender {
            let message = "The gateway accepts direct messages from a list only with a sender in allowFrom.";
            judge.refuse(section.spot.below(key), message);
        }
    }
}

/// A webhook of Telegram has a secret.
pub(super) fn telegram_webhook(judge: &mut Judge<'_>) {
    for section in sections(judge, &["telegram"]) {
        let spot = &section.spot;
        let has_secret = spot.fills("webhookSecret") || section.base.fills("webhookSecret");
        if spot.fills("webhookUrl") && !has_secret && !section.is_off_account() {
            judge.refuse(spot.below("webhookSecret"), "A Telegram webhook needs a webhookSecret.");
        }
    }
}

/// A custom command of Telegram has a valid name and a description.
pub(super) fn telegram_commands(judge: &mut Judge<'_>) {
    for command in sections(judge, &["telegram"]).flat_map(|section| section.spot.items_of("customCommands"))
    {
        if command.text_of("command").is_some_and(|name| !is_command(name)) {
            let message = "A command has 1 to 32 lower-case letters, digits and underscores.";
            judge.refuse(command.below("command"), message);
        }
        if command.text_of("description").is_some_and(|text| js_trim(text).is_empty()) {
            judge.refuse(command.below("description"), "A command needs a description.");
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

/// Slack over HTTP needs a signing secret.
pub(super) fn slack_http(judge: &mut Judge<'_>) {
    for section in sections(judge, &["slack"]) {
        let (spot, base) = (&section.spot, &section.base);
        let http = spot.text_of("mode").or_else(|| base.text_of("mode")) == Some("http");
        // An account's own secret counts where it is given, even where it is empty.
        let secret = spot.get("signingSecret").or_else(|| base.get("signingSecret"));
        if http && secret.is_none_or(|secret| secret.text() == Some("")) && !section.is_off_account() {
            judge.refuse(spot.below("signingSecret"), "Slack over HTTP needs a signingSecret.");
        }
    }
}

/// The settings of the activity that Discord shows fit each other.
pub(super) fn discord_activity(judge: &mut Judge<'_>) {
    /// The activity type that is a stream and has a URL.
    const STREAMING: u64 = 1;
    for Section { spot, .. } in sections(judge, &["discord"]) {
        let kind = spot.value.get("activityType").and_then(serde_json::Value::as_u64);
        let url = spot.fills("activityUrl");
        if (kind.is_some() || url) && !spot.fills("activity") {
            judge.refuse(spot.below("activity"), "activityType and activityUrl need an activity.");
        }
        if (kind == Some(STREAMING)) != url {
            judge.refuse(
                spot.below("activityUrl"),
                "A streaming activity (type 1) and an activityUrl need each other.",
            );
        }
    }
}

/// Lists of Discord ids hold texts: as numbers they would lose digits.
pub(super) fn discord_ids(judge: &mut Judge<'_>) {
    for Section { spot, .. } in sections(judge, &["discord"]) {
        ids_below(&spot, judge);
    }
}

fn ids_below(spot: &Spot<'_>, judge: &mut Judge<'_>) {
    const LISTS: [&str; 5] = ["allowFrom", "groupChannels", "users", "roles", "approvers"];
    for (key, member) in spot.members().filter(|(key, _)| *key != "accounts") {
        if LISTS.contains(&key) {
            for id in member.items().filter(|id| id.value.is_number()) {
                judge.refuse(id.pointer, "A Discord id must be written in quotes.");
            }
        } else {
            ids_below(&member, judge);
        }
    }
}

/// Registering a name with IRC needs an e-mail address.
pub(super) fn irc_register(judge: &mut Judge<'_>) {
    for nickserv in sections(judge, &["irc"]).filter_map(|section| section.spot.get("nickserv")) {
        if nickserv.is_true("register") && !nickserv.fills("registerEmail") {
            judge.refuse(nickserv.below("registerEmail"), "Registering with NickServ needs a registerEmail.");
        }
    }
}

/// The program, the host and the folders of Signal and iMessage have safe names.
pub(super) fn phones(judge: &mut Judge<'_>) {
    for Section { spot, .. } in sections(judge, &["signal", "imessage"]) {
        if spot.text_of("cliPath").is_some_and(|path| !is_safe_program(path)) {
            judge.refuse(
                spot.below("cliPath"),
                "cliPath must be a program name or path without shell characters.",
            );
        }
        if spot.text_of("remoteHost").is_some_and(|host| !is_ssh_host(host)) {
            judge.refuse(spot.below("remoteHost"), "remoteHost must be a host or user@host as ssh takes it.");
        }
        for root in
            ["attachmentRoots", "remoteAttachmentRoots"].into_iter().flat_map(|key| spot.items_of(key))
        {
            if root.text().is_some_and(|root| !is_root(root)) {
                judge.refuse(root.pointer, "An attachment root must be an absolute path.");
            }
        }
    }
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

/// A channel has no bindings of its own.
pub(super) fn own_bindings(judge: &mut Judge<'_>) {
    if let Some(channels) = judge.at("channels") {
        bindings_below(&channels, judge);
    }
}

fn bindings_below(spot: &Spot<'_>, judge: &mut Judge<'_>) {
    if let Some(acp) = spot.at("bindings/acp").filter(|acp| acp.value.is_object() || acp.value.is_array()) {
        judge.refuse(acp.pointer, "Bindings of a channel belong in the config's own list of bindings.");
    }
    for item in spot.items() {
        bindings_below(&item, judge);
    }
    for (_, member) in spot.members() {
        bindings_below(&member, judge);
    }
}

/// The schema of Twitch is one that nothing fits: what one half asks for, the other refuses (programs 2026.3.31, 2026.4.15
/// and 2026.4.29).
pub(super) fn no_twitch(judge: &mut Judge<'_>) {
    let Some(twitch) = judge.at("channels/twitch") else { return };
    judge.refuse(twitch.pointer, "This release refuses every section of Twitch, whatever it holds.");
}

/// Twitch has one account in its section, or accounts by name; not both, and not neither.
pub(super) fn twitch_accounts(judge: &mut Judge<'_>) {
    const ACCOUNT: [&str; 3] = ["username", "accessToken", "channel"];
    const COMMON: [&str; 5] = ["name", "enabled", "markdown", "defaultAccount", "accounts"];
    let Some(twitch) = judge.at("channels/twitch") else { return };
    let Some(section) = twitch.value.as_object() else { return };
    let fits = if section.contains_key("accounts") {
        section.keys().all(|key| COMMON.contains(&key.as_str()))
    } else {
        ACCOUNT.iter().all(|key| section.contains_key(*key))
    };
    if !fits {
        let message = "Twitch needs username, accessToken and channel here, or beneath accounts alone.";
        judge.refuse(twitch.pointer, message);
    }
}
