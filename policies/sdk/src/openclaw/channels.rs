//! The chat channels that the gateway runs, and the settings that hold for each of their accounts
//! (reference: channel-checks 1, 2, 4.1 and 6; 2026.9-delta 5).
//!
//! Needs the config pointers `/plugins/enabled`, `/plugins/deny`, `/plugins/allow`, `/plugins/entries/*/enabled`,
//! `/web/enabled`, and of each channel that is asked for `enabled`, `defaultAccount`, `accounts/*/enabled` and what
//! [`LOGINS`] names. A channel may run without a section; what tells so is named at the variants of `Elsewhere`.

use crate::answer::{all as all_of, any as any_of};
use crate::openclaw::agents;
use crate::openclaw::plugins::has_allowlist;
use crate::{Answer, Context, Finding, Kind as ObjectKind, Node, NotAssessed, Path, StateError, context, js};

/// The account of a channel that has none by name.
const DEFAULT_ACCOUNT: &str = "default";

/// A channel that OpenClaw brings along.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its key below `channels`, and the id of its plugin.
    pub id: &'static str,
    /// Its name for people.
    pub label: &'static str,
    direct: Direct,
    /// The key of the list of those who may write directly.
    list: &'static str,
    /// The policy for direct messages where none is set.
    policy: &'static str,
    accounts: Accounts,
    elsewhere: Elsewhere,
}

/// Where the policy and the list for direct messages stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direct {
    /// `dmPolicy` and `allowFrom`.
    Flat,
    /// The same; before 2026.8.1, where they are absent, `dm.policy` and `dm.allowFrom`, their older names.
    FlatBeforeNested,
    /// `dm.policy` and `dm.allowFrom`; an account's `dm` adds to the channel's instead of replacing it.
    Merged,
}

/// Which accounts a channel has.
#[derive(Debug, PartialEq, Eq)]
enum Accounts {
    /// The members of `accounts`, or else the section itself.
    Named,
    /// The section itself, and the members of `accounts` beside it.
    BesideSection,
    /// The section itself.
    One,
}

/// What makes the gateway run a channel that has no section in the config.
#[derive(Debug, PartialEq, Eq)]
enum Elsewhere {
    /// One of these variables, which hold secrets: `env:NAME` among the secrets of the manifest.
    Token(&'static [&'static str]),
    /// All of these variables: among the environment of the manifest.
    Variables(&'static [&'static str]),
    /// The login of a linked device: `stat:credentials/creds.json`, `list:credentials/whatsapp` and
    /// `stat:credentials/whatsapp/*/creds.json`.
    LinkedDevice,
    /// Nothing that can be seen, so a plugin that is switched on by name counts as running.
    Unseen,
}

/// Every channel that is audited, in the reference's order.
static KINDS: [Kind; 19] = [
    Kind { elsewhere: Elsewhere::Token(&["TELEGRAM_BOT_TOKEN"]), ..kind("telegram", "Telegram") },
    Kind { elsewhere: Elsewhere::LinkedDevice, ..kind("whatsapp", "WhatsApp") },
    Kind {
        direct: Direct::FlatBeforeNested,
        elsewhere: Elsewhere::Token(&["DISCORD_BOT_TOKEN"]),
        ..kind("discord", "Discord")
    },
    Kind { elsewhere: Elsewhere::Variables(&["IRC_HOST", "IRC_NICK"]), ..kind("irc", "IRC") },
    Kind { direct: Direct::FlatBeforeNested, ..kind("googlechat", "Google Chat") },
    Kind {
        direct: Direct::FlatBeforeNested,
        elsewhere: Elsewhere::Token(&["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_USER_TOKEN"]),
        ..kind("slack", "Slack")
    },
    kind("signal", "Signal"),
    kind("imessage", "iMessage"),
    Kind { accounts: Accounts::One, ..kind("msteams", "Microsoft Teams") },
    kind("mattermost", "Mattermost"),
    kind("nextcloud-talk", "Nextcloud Talk"),
    kind("feishu", "Feishu"),
    Kind { direct: Direct::Merged, ..kind("matrix", "Matrix") },
    kind("bluebubbles", "BlueBubbles"),
    kind("zalo", "Zalo"),
    kind("zalouser", "Zalo Personal"),
    Kind { list: "allowedUserIds", policy: "allowlist", ..kind("synology-chat", "Synology Chat") },
    Kind { accounts: Accounts::One, ..kind("nostr", "Nostr") },
    Kind { accounts: Accounts::BesideSection, ..kind("line", "LINE") },
];

/// A channel as most of them are.
const fn kind(id: &'static str, label: &'static str) -> Kind {
    Kind {
        id,
        label,
        direct: Direct::Flat,
        list: "allowFrom",
        policy: "pairing",
        accounts: Accounts::Named,
        elsewhere: Elsewhere::Unseen,
    }
}

/// What a channel has that a plugin brings along, as far as it has what most have (`dmPolicy`, `groupPolicy`, `allowFrom`).
static OTHER: Kind = kind("", "");

/// A channel that may take part.
#[derive(Clone, Copy)]
struct Candidate<'i> {
    kind: &'static Kind,
    /// Its key below `channels`.
    id: &'i str,
}

impl Candidate<'static> {
    fn of(kind: &'static Kind) -> Self {
        Self { kind, id: kind.id }
    }
}

impl<'i> Candidate<'i> {
    /// The gateway runs the channel, or would as soon as it is given what is kept elsewhere.
    fn takes_part(&self, cx: &Context<'_>) -> Result<bool, NotAssessed> {
        let config = cx.config();
        // Programs 2026.2.26 and 2026.3.13: from then on WhatsApp is looked at whether the web is on or not.
        let asks_web = self.id == "whatsapp" && !cx.release().since(2026, 3, 2);
        if !self.may_load(&config)? || (asks_web && config.at("web.enabled").is_false()?) {
            return Ok(false);
        }
        if self.has_section(&config)? {
            // The gateway itself switches the plugin of a section on and allows it, but for this one.
            return Ok(!self.gives_way(cx)? || self.is_on_by_name(&config)?);
        }
        match self.kind.elsewhere {
            Elsewhere::Token(names) => any_token(cx, names),
            Elsewhere::Variables(names) => all_of(names.iter().map(|name| is_set(cx, name))),
            Elsewhere::LinkedDevice => has_linked_device(cx),
            Elsewhere::Unseen => self.is_on_by_name(&config),
        }
    }

    /// Its plugin is allowed and switched on.
    fn is_on_by_name(&self, config: &Node<'_>) -> Result<bool, NotAssessed> {
        let allowed = config.at("plugins.allow").texts()?;
        Ok((!has_allowlist(config)? || allowed.contains(&self.id))
            && self.plugin(config).get("enabled").is_true()?)
    }

    fn section<'a>(&self, config: &Node<'a>) -> Node<'a> {
        config.get("channels").get(self.id)
    }

    fn has_section(&self, config: &Node<'_>) -> Result<bool, NotAssessed> {
        self.section(config).is_object()
    }

    fn plugin<'a>(&self, config: &Node<'a>) -> Node<'a> {
        config.at("plugins.entries").get(self.id)
    }

    /// Nothing forbids its plugin.
    fn may_load(&self, config: &Node<'_>) -> Result<bool, NotAssessed> {
        let plugins = config.get("plugins");
        Ok(!plugins.get("enabled").is_false()?
            && !plugins.get("deny").texts()?.contains(&self.id)
            && !self.plugin(config).get("enabled").is_false()?)
    }

    /// It is the channel `imessage`, and `bluebubbles`, which carries the same messages, runs in its place.
    fn gives_way(&self, cx: &Context<'_>) -> Result<bool, NotAssessed> {
        let (config, release) = (&cx.config(), cx.release());
        // Programs 2026.3.13 and 2026.4.15: from then on both are looked at.
        if self.id != "imessage" || release.since(2026, 3, 22) {
            return Ok(false);
        }
        // Programs 2026.2.19 and 2026.2.26: from then on a channel that says itself that it is on does not give way.
        if release.since(2026, 2, 26) && self.section(config).get("enabled").is_true()? {
            return Ok(false);
        }
        let Some(other) = KINDS.iter().find(|kind| kind.id == "bluebubbles") else { return Ok(false) };
        let other = Candidate::of(other);
        Ok(other.has_section(config)? && other.may_load(config)?)
    }

    fn read<'a>(&self, cx: &'a Context<'_>) -> Result<Channel<'a>, NotAssessed>
    where
        'i: 'a,
    {
        let (config, release) = (cx.config(), cx.release());
        let section = self.section(&config);
        // From 2026.8.1 on the older names are no keys any more.
        let direct = match self.kind.direct {
            Direct::FlatBeforeNested if release.since(2026, 8, 1) => Direct::Flat,
            direct => direct,
        };
        let account = |id, own| Account { kind: self.kind, direct, id, own, section: section.clone() };
        let mut accounts: Vec<Account<'a>> = section
            .get("accounts")
            .entries()?
            .filter(|(id, _)| !id.is_empty() && self.kind.accounts != Accounts::One)
            .filter(|(id, _)| self.kind.accounts != Accounts::BesideSection || *id != DEFAULT_ACCOUNT)
            .flat_map(|(id, own)| {
                // Where the key is not found, the section alone holds, and is judged as well.
                let missed = EXACT_KEYS.contains(&self.id) && agents::normalise(id) != id;
                let alone = missed.then(|| account(id, None));
                [account(id, Some(own))].into_iter().chain(alone)
            })
            .collect();
        let beside = self.kind.accounts == Accounts::BesideSection
            || self.has_account_beside(cx, &section, &accounts)?;
        if accounts.is_empty() || beside {
            accounts.insert(0, account(DEFAULT_ACCOUNT, None));
        }
        if self.id == "whatsapp" || release.since(2026, 3, 8) {
            let mut on = Vec::new();
            for account in accounts {
                if !account.is_off()? {
                    on.push(account);
                }
            }
            accounts = on;
        }
        Ok(Channel { kind: self.kind, id: self.id, accounts })
    }

    /// The section itself is an account, too: it can log in, and none of its accounts is the default one. Seen in 2026.5.28,
    /// and not in 2026.5.12.
    fn has_account_beside(
        &self,
        cx: &Context<'_>,
        section: &Node<'_>,
        accounts: &[Account<'_>],
    ) -> Result<bool, NotAssessed> {
        let is_alone = accounts.is_empty() || accounts.iter().any(Account::is_default);
        if is_alone || !cx.release().since(2026, 5, 28) {
            return Ok(false);
        }
        let logins = LOGINS.iter().filter(|(id, _)| *id == self.id);
        let configured =
            logins.map(|(_, keys)| all_of(keys.iter().map(|key| Ok(!section.get(key).is_nullish()?))));
        let elsewhere = match self.kind.elsewhere {
            // Slack wants more than one of them.
            Elsewhere::Token(names) if self.id != "slack" => any_token(cx, names),
            Elsewhere::Variables(names) => all_of(names.iter().map(|name| is_set(cx, name))),
            _ => Ok(false),
        };
        any_of(configured.chain([elsewhere]))
    }
}

/// Channels whose section is an account of its own beside those that have names, where all of these keys stand in it; a
/// channel may stand here more than once (seen in 2026.5.28 to 2026.8.2).
pub const LOGINS: [(&str, &[&str]); 18] = [
    ("telegram", &["botToken"]),
    ("telegram", &["tokenFile"]),
    ("discord", &["token"]),
    ("irc", &["host", "nick"]),
    ("googlechat", &["serviceAccount"]),
    ("googlechat", &["serviceAccountRef"]),
    ("googlechat", &["serviceAccountFile"]),
    ("signal", &["account"]),
    ("imessage", &["cliPath"]),
    ("imessage", &["dbPath"]),
    ("mattermost", &["baseUrl", "botToken"]),
    ("nextcloud-talk", &["baseUrl", "botSecret"]),
    ("nextcloud-talk", &["baseUrl", "botSecretFile"]),
    ("feishu", &["appId", "appSecret"]),
    ("zalo", &["botToken"]),
    ("zalo", &["tokenFile"]),
    ("zalouser", &["profile"]),
    ("synology-chat", &["token"]),
];

/// Channels that look an account up by the tidy form of its id, and miss a key that is written otherwise (reference:
/// channel-checks 2.2).
const EXACT_KEYS: [&str; 10] = [
    "discord",
    "slack",
    "signal",
    "imessage",
    "googlechat",
    "mattermost",
    "feishu",
    "zalo",
    "zalouser",
    "bluebubbles",
];

/// The form in which the gateway knows an account: that of an agent's id, but for what has none.
#[must_use]
pub fn account_key(id: &str) -> String {
    let key = agents::normalise(id);
    let is_none = key == agents::MAIN && !js::trim(id).eq_ignore_ascii_case(agents::MAIN);
    if is_none { DEFAULT_ACCOUNT.to_owned() } else { key }
}

fn any_token(cx: &Context<'_>, names: &[&str]) -> Result<bool, NotAssessed> {
    for name in names {
        if cx.env_secret(name)?.is_some_and(|facts| facts.is_set()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_set(cx: &Context<'_>, name: &str) -> Result<bool, NotAssessed> {
    Ok(cx.environment(name)?.is_some_and(|value| !js::trim(value).is_empty()))
}

/// A device is linked: its login has more than one byte (reference: channel-checks 1.4).
fn has_linked_device(cx: &Context<'_>) -> Result<bool, NotAssessed> {
    let is_login = |rel: &str| {
        let path = Path::new("credentials", rel);
        match cx.host().stat(&path) {
            Ok(metadata) => Ok(metadata.kind == ObjectKind::File && metadata.size > 1),
            Err(StateError::NotFound | StateError::NoStateDir) => Ok(false),
            Err(error) => Err(context::unseen(cx, "stat", &path, &error)),
        }
    };
    if is_login("creds.json")? {
        return Ok(true);
    }
    let directory = Path::new("credentials", "whatsapp");
    let entries = match cx.host().list(&directory) {
        Ok(entries) => entries,
        Err(StateError::NotFound | StateError::NoStateDir) => return Ok(false),
        Err(error) => return Err(context::unseen(cx, "list", &directory, &error)),
    };
    for entry in entries.iter().filter(|entry| entry.metadata.kind == ObjectKind::Directory) {
        if is_login(&format!("whatsapp/{}/creds.json", entry.name))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A channel that takes part.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel<'a> {
    /// Which kind of channel.
    pub kind: &'static Kind,
    /// Its key below `channels`.
    pub id: &'a str,
    /// Its accounts in config order.
    pub accounts: Vec<Account<'a>>,
}

impl<'a> Channel<'a> {
    /// Its name for people; the id where a plugin brings it along.
    #[must_use]
    pub fn label(&self) -> &'a str {
        if self.is_of_plugin() { self.id } else { self.kind.label }
    }

    /// OpenClaw does not bring it along: only its common settings are known.
    #[must_use]
    pub fn is_of_plugin(&self) -> bool {
        self.kind.id.is_empty()
    }
}

/// A channel by its id, or why it cannot be told whether it takes part, or which accounts it has.
pub type Seen<'a> = (&'a str, Result<Channel<'a>, NotAssessed>);

/// The id of channels that are not known, because not all sections are granted: it fits a check id's pattern.
const UNKNOWN: &str = "*";

/// Every channel that takes part: those of OpenClaw in the reference's order, then those that plugins bring along.
#[must_use]
pub fn each<'a>(cx: &'a Context<'_>) -> Vec<Seen<'a>> {
    let config = cx.config();
    let mut seen: Vec<Seen<'a>> =
        KINDS.iter().filter_map(|kind| Some((kind.id, one(cx, Candidate::of(kind)).transpose()?))).collect();
    let sections = match config.get("channels").entries() {
        Ok(sections) => sections,
        Err(reason) => {
            seen.push((UNKNOWN, Err(reason)));
            return seen;
        }
    };
    for (id, section) in sections {
        let is_known = id.is_empty() || id == "defaults" || KINDS.iter().any(|kind| kind.id == id);
        // What is no object is no section.
        if !is_known && section.is_object() != Ok(false) {
            let candidate = Candidate { kind: &OTHER, id };
            seen.extend(one(cx, candidate).transpose().map(|channel| (id, channel)));
        }
    }
    seen
}

/// One channel of OpenClaw's; none where it does not take part.
///
/// # Errors
/// Where it cannot be told whether it does, or which accounts it has.
pub fn find<'a>(cx: &'a Context<'_>, id: &str) -> Result<Option<Channel<'a>>, NotAssessed> {
    KINDS.iter().find(|kind| kind.id == id).map_or(Ok(None), |kind| one(cx, Candidate::of(kind)))
}

fn one<'a>(cx: &'a Context<'_>, candidate: Candidate<'a>) -> Result<Option<Channel<'a>>, NotAssessed> {
    candidate.takes_part(cx)?.then(|| candidate.read(cx)).transpose()
}

/// An account of a channel: its own settings over those of the channel's section.
#[derive(Clone, Debug, PartialEq)]
pub struct Account<'a> {
    kind: &'static Kind,
    direct: Direct,
    /// Its key below `accounts`; "default" where it has none.
    pub id: &'a str,
    own: Option<Node<'a>>,
    section: Node<'a>,
}

impl<'a> Account<'a> {
    /// The setting that holds: the account's own, or else the channel's, present or not.
    ///
    /// # Errors
    /// Where it cannot be told whether the account has its own.
    pub fn get(&self, key: &str) -> Result<Node<'a>, NotAssessed> {
        self.merged(|section| section.get(key))
    }

    /// The same for a member of a section of settings that an account adds to instead of replacing it.
    ///
    /// # Errors
    /// As [`Account::get`].
    pub fn member(&self, section: &str, key: &str) -> Result<Node<'a>, NotAssessed> {
        self.merged(|all| all.get(section).get(key))
    }

    fn merged(&self, setting: impl Fn(&Node<'a>) -> Node<'a>) -> Result<Node<'a>, NotAssessed> {
        if let Some(own) = self.own.as_ref().map(&setting)
            && own.is_present()?
        {
            return Ok(own);
        }
        Ok(setting(&self.section))
    }

    /// The channel or the account is switched off.
    ///
    /// # Errors
    /// Where that is not shown.
    pub fn is_off(&self) -> Result<bool, NotAssessed> {
        Ok(self.section.get("enabled").is_false()? || self.get("enabled")?.is_false()?)
    }

    /// It is the account of a channel without named accounts.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.id == DEFAULT_ACCOUNT
    }

    /// The policy for direct messages; absent means [`Account::direct_default`].
    ///
    /// # Errors
    /// As [`Account::get`].
    pub fn direct_policy(&self) -> Result<Node<'a>, NotAssessed> {
        self.direct("dmPolicy", "policy")
    }

    /// The list of those who may write directly.
    ///
    /// # Errors
    /// As [`Account::get`].
    pub fn direct_list(&self) -> Result<Node<'a>, NotAssessed> {
        self.direct(self.kind.list, "allowFrom")
    }

    /// The policy for direct messages that holds where none is set.
    #[must_use]
    pub fn direct_default(&self) -> &'static str {
        self.kind.policy
    }

    /// The name of the policy for direct messages that holds; none where it is no text.
    ///
    /// # Errors
    /// Where it is not shown.
    pub fn direct_policy_name(&self) -> Result<Option<&'a str>, NotAssessed> {
        let policy = self.direct_policy()?;
        if policy.is_nullish()? { Ok(Some(self.kind.policy)) } else { policy.text() }
    }

    /// The form in which the gateway knows the account: it names its pairing store and its sessions.
    #[must_use]
    pub fn key(&self) -> String {
        account_key(self.id)
    }

    fn direct(&self, flat: &str, nested: &str) -> Result<Node<'a>, NotAssessed> {
        if self.direct == Direct::Merged {
            return self.member("dm", nested);
        }
        let node = self.get(flat)?;
        if self.direct == Direct::FlatBeforeNested && node.is_nullish()? {
            let older = self.get("dm")?.get(nested);
            return Ok(if older.is_nullish()? { node } else { older });
        }
        Ok(node)
    }

    /// The policy for groups, and its name: the account's, or else `channels.defaults.groupPolicy`, or else
    /// "allowlist" (reference: channel-checks 5).
    ///
    /// # Errors
    /// Where it is not shown.
    pub fn group_policy(&self, cx: &'a Context<'_>) -> Result<(Node<'a>, &'a str), NotAssessed> {
        let own = self.get("groupPolicy")?;
        if !own.is_nullish()? {
            let name = own.text()?.unwrap_or("?");
            return Ok((own, name));
        }
        let default = cx.config().at("channels.defaults.groupPolicy");
        // BlueBubbles does not look there (run: 2026.4.15).
        if self.kind.id != "bluebubbles" && !default.is_nullish()? {
            let name = default.text()?.unwrap_or("?");
            return Ok((default, name));
        }
        // With a section the schema of most fills "allowlist" in; from 2026.2.26 on those that have none are closed, too.
        let has_section = !self.section.is_nullish()?;
        let is_later = cx.release().since(2026, 2, 26);
        let open = match self.kind.id {
            "discord" | "slack" => !has_section && !is_later,
            "zalo" => has_section && is_later,
            _ => false,
        };
        Ok((own, if open { "open" } else { "allowlist" }))
    }

    /// The setting that switches native commands on, where they are on: `commands.native` or `commands.nativeSkills`
    /// of the account, or else of the config (reference: channel-checks 6).
    ///
    /// # Errors
    /// Where it is not shown.
    pub fn native_commands(&self, config: &Node<'a>, key: &str) -> Result<Option<Node<'a>>, NotAssessed> {
        let own = self.get("commands")?.get(key);
        let is_switch = |node: &Node<'_>| Ok(node.is_true()? || node.is_false()?);
        let says = is_switch(&own)? || own.text()? == Some("auto");
        let setting = if says { own } else { config.get("commands").get(key) };
        let automatic = matches!(self.kind.id, "discord" | "telegram");
        let is_on = setting.is_true()? || (automatic && !setting.is_false()?);
        Ok(is_on.then_some(setting))
    }
}

fn join<'t, T, K: PartialEq>(groups: &mut Vec<(K, Vec<&'t T>)>, key: K, item: &'t T) {
    match groups.iter_mut().find(|(known, _)| *known == key) {
        Some((_, items)) => items.push(item),
        None => groups.push((key, vec![item])),
    }
}

/// Judges accounts: those that share a value make one finding, and one that cannot be judged leaves the check open.
/// `value` is none where nothing is wrong.
pub fn judge<'t, T, K: PartialEq>(
    answer: &mut Answer,
    id: &str,
    items: &'t [T],
    value: impl Fn(&T) -> Result<Option<K>, NotAssessed>,
    finding: impl Fn(K, Vec<&'t T>) -> Finding,
) {
    let mut groups: Vec<(K, Vec<&T>)> = Vec::new();
    for item in items {
        match value(item) {
            Ok(Some(value)) => join(&mut groups, value, item),
            Ok(None) => {}
            Err(reason) => answer.leave_open(id, reason),
        }
    }
    answer.findings.extend(groups.into_iter().map(|(value, sharing)| finding(value, sharing)));
}

/// What a detail says of the accounts that it is about: who they are, in brackets and with a space before them, where
/// they have names; and as a last sentence that none of them is in use at present, where that is so.
pub fn told<'t, 'a: 't>(accounts: impl IntoIterator<Item = &'t Account<'a>>) -> (String, &'static str) {
    let accounts: Vec<&Account<'_>> = accounts.into_iter().collect();
    // This only adds a note, so a hidden value leaves it out and the check stays assessed.
    let note = if accounts.iter().all(|account| account.is_off() == Ok(true)) {
        " At present the channel or account is off (enabled is false): this counts from the day it is on."
    } else {
        ""
    };
    (named(&accounts), note)
}

fn named(accounts: &[&Account<'_>]) -> String {
    /// More names than this help nobody.
    const NAMES: usize = 5;
    let known = accounts.iter().filter(|account| account.own.is_some());
    let mut names: Vec<String> = known.map(|account| format!("\"{}\"", account.id)).collect();
    if names.len() > NAMES {
        let more = names.len() - NAMES;
        names.truncate(NAMES);
        names.push(format!("{more} more"));
    }
    match names.as_slice() {
        [] => String::new(),
        [one] => format!(" (account {one})"),
        [most @ .., last] => format!(" (accounts {} and {last})", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MemoryHost;

    /// The ids of the channels that take part.
    fn ids(host: &MemoryHost) -> Vec<String> {
        host.with(|cx| {
            let seen = each(cx).into_iter();
            seen.map(|(_, channel)| channel.expect("it can be seen").id.to_owned()).collect()
        })
    }

    fn parts(config: &str) -> Vec<String> {
        ids(&MemoryHost::new(config))
    }

    /// Runs a function over the accounts of a channel.
    fn accounts<R>(channel: &str, section: &str, function: impl Fn(&Account<'_>) -> R) -> Vec<R> {
        let host = MemoryHost::new(&format!(r#"{{channels: {{"{channel}": {section}}}}}"#));
        host.with(|cx| {
            let channel = find(cx, channel).expect("it can be seen").expect("it takes part");
            channel.accounts.iter().map(&function).collect()
        })
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn a_channel_takes_part_by_its_section() {
        assert_eq!(
            parts("{channels: {tlon: {}, line: {}, telegram: {}, defaults: {}}}"),
            ["telegram", "line", "tlon"],
            "those of plugins come last"
        );
        for odd in ["null", "5", "[]", r#""on""#, "true"] {
            assert_eq!(parts(&format!("{{channels: {{telegram: {odd}}}}}")), NOTHING, "{odd}");
            assert_eq!(parts(&format!("{{channels: {odd}}}")), NOTHING, "{odd}");
        }
        assert_eq!(parts("{channels: {telegram: {enabled: false}}}"), ["telegram"]);
    }

    #[test]
    fn a_plugin_that_is_forbidden_runs_no_channel() {
        let with = |plugins: &str| parts(&format!("{{channels: {{telegram: {{}}}}, plugins: {plugins}}}"));
        for forbids in
            ["{enabled: false}", r#"{deny: ["telegram"]}"#, "{entries: {telegram: {enabled: false}}}"]
        {
            assert_eq!(with(forbids), NOTHING, "{forbids}");
        }
        for allows in [r#"{allow: ["discord"]}"#, r#"{deny: "telegram"}"#, "{entries: []}", "5"] {
            assert_eq!(with(allows), ["telegram"], "{allows}");
        }
    }

    #[test]
    fn bluebubbles_goes_before_imessage() {
        let both = "channels: {imessage: {}, bluebubbles: {}}";
        assert_eq!(parts(&format!("{{{both}}}")), ["bluebubbles"]);
        let by_name = "plugins: {entries: {imessage: {enabled: true}}}";
        assert_eq!(parts(&format!("{{{both}, {by_name}}}")), ["imessage", "bluebubbles"]);
        assert_eq!(parts(&format!(r#"{{{both}, plugins: {{deny: ["bluebubbles"]}}}}"#)), ["imessage"]);
        let at = |config: &str, (year, month, patch): (u16, u8, u16)| {
            ids(&MemoryHost::new(config).release(year, month, patch))
        };
        let is_on = "{channels: {imessage: {enabled: true}, bluebubbles: {}}}";
        assert_eq!(at(is_on, (2026, 2, 19)), ["bluebubbles"]);
        assert_eq!(at(is_on, (2026, 2, 26)), ["imessage", "bluebubbles"]);
        assert_eq!(at(&format!("{{{both}}}"), (2026, 3, 13)), ["bluebubbles"]);
        assert_eq!(at(&format!("{{{both}}}"), (2026, 4, 15)), ["imessage", "bluebubbles"]);
    }

    #[test]
    fn a_channel_takes_part_by_its_variables() {
        for (variables, channels) in [
            (["TELEGRAM_BOT_TOKEN", "DISCORD_BOT_TOKEN"].as_slice(), ["telegram", "discord"].as_slice()),
            (&["SLACK_APP_TOKEN"], &["slack"]),
            (&["SLACK_USER_TOKEN"], &["slack"]),
            (&["IRC_HOST", "IRC_NICK"], &["irc"]),
            (&["IRC_HOST"], &[]),
        ] {
            let host = |value: &str| {
                variables.iter().fold(MemoryHost::new("{}"), |host, name| host.variable(name, value))
            };
            assert_eq!(ids(&host("x")), channels);
            assert_eq!(ids(&host("  ")), NOTHING);
        }
    }

    #[test]
    fn a_plugin_that_is_switched_on_by_name_runs_its_channel() {
        let entries = "entries: {msteams: {enabled: true}, discord: {enabled: true}}";
        assert_eq!(parts(&format!("{{plugins: {{{entries}}}}}")), ["msteams"], "Discord would have a token");
        assert_eq!(parts(&format!(r#"{{plugins: {{{entries}, allow: ["discord"]}}}}"#)), NOTHING);
        assert_eq!(parts(&format!(r#"{{plugins: {{{entries}, allow: ["msteams"]}}}}"#)), ["msteams"]);
    }

    #[test]
    fn whatsapp_takes_part_by_a_linked_device() {
        let file = |rel: &str, content: &str| {
            let host = MemoryHost::new("{}").directory("credentials", "whatsapp", 0o700);
            ids(&host.directory("credentials", "whatsapp/work", 0o700).file(
                "credentials",
                rel,
                0o600,
                content,
            ))
        };
        assert_eq!(file("whatsapp/work/creds.json", "{}"), ["whatsapp"]);
        assert_eq!(file("creds.json", "{}"), ["whatsapp"]);
        assert_eq!(file("creds.json", "{"), NOTHING);
        assert_eq!(file("whatsapp/work/x.json", "{}"), NOTHING);
        let hidden = MemoryHost::new("{}").deny("credentials", "whatsapp");
        assert!(hidden.with(|cx| each(cx).iter().any(|(_, channel)| channel.is_err())));
    }

    #[test]
    fn whatsapp_that_is_switched_off_is_left_out() {
        let web_is_off = MemoryHost::new("{channels: {whatsapp: {}}, web: {enabled: false}}");
        assert_eq!(ids(&web_is_off), NOTHING);
        assert_eq!(ids(&web_is_off.release(2026, 3, 13)), ["whatsapp"]);
        let ids =
            accounts("whatsapp", "{accounts: {a: {enabled: false}, b: {}}}", |account| account.id.to_owned());
        assert_eq!(ids, ["b"]);
    }

    #[test]
    fn every_account_counts_in_whatever_case_it_is_written() {
        let ids = |channel: &str, section: &str| accounts(channel, section, |account| account.id.to_owned());
        assert_eq!(ids("discord", r#"{accounts: {Work: {}, "": {}, home: 5}}"#), ["Work", "Work", "home"]);
        assert_eq!(ids("telegram", "{accounts: {Work: {}}}"), ["Work"]);
        assert_eq!(ids("discord", "{accounts: []}"), ["default"]);
        assert_eq!(ids("msteams", "{accounts: {a: {}}}"), ["default"]);
        assert_eq!(ids("line", "{accounts: {default: {}, a: {}}}"), ["default", "a"]);
    }

    #[test]
    fn an_accounts_own_value_goes_before_the_channels() {
        let section =
            r#"{dmPolicy: "open", accounts: {a: {dmPolicy: "disabled"}, b: {}, c: {dmPolicy: null}}}"#;
        let policy = |account: &Account<'_>| account.direct_policy().expect("shown").pointer().to_owned();
        assert_eq!(
            accounts("telegram", section, policy),
            [
                "/channels/telegram/accounts/a/dmPolicy",
                "/channels/telegram/dmPolicy",
                "/channels/telegram/accounts/c/dmPolicy",
            ]
        );
        assert_eq!(accounts("telegram", "{}", policy), ["/channels/telegram/dmPolicy"]);
    }

    #[test]
    fn the_older_names_count_where_the_newer_ones_are_absent() {
        let policy = |section: &str| {
            accounts("discord", section, |account| {
                account.direct_policy().expect("shown").pointer().to_owned()
            })
            .remove(0)
        };
        assert_eq!(policy(r#"{dmPolicy: "pairing", dm: {policy: "open"}}"#), "/channels/discord/dmPolicy");
        assert_eq!(policy(r#"{dm: {policy: "open"}}"#), "/channels/discord/dm/policy");
        assert_eq!(policy("{dm: 5}"), "/channels/discord/dmPolicy");
        assert_eq!(
            policy(r#"{dm: {policy: "open"}, accounts: {a: {dm: {}}}}"#),
            "/channels/discord/dmPolicy"
        );
        let list = r#"{allowFrom: [], dm: {allowFrom: ["5"]}}"#;
        let list =
            accounts("slack", list, |account| account.direct_list().expect("shown").pointer().to_owned());
        assert_eq!(list, ["/channels/slack/allowFrom"]);
    }

    #[test]
    fn a_matrix_account_adds_to_the_direct_messages_of_its_channel() {
        let section = r#"{dmPolicy: "open", dm: {policy: "open", allowFrom: ["*"]}, accounts: {a: {dm: {policy: "pairing"}}}}"#;
        let places = accounts("matrix", section, |account| {
            (account.direct_policy().expect("shown").dotted(), account.direct_list().expect("shown").dotted())
        });
        let place = "channels.matrix.accounts.a.dm.policy".to_owned();
        assert_eq!(places, [(place, "channels.matrix.dm.allowFrom".to_owned())]);
    }

    #[test]
    fn the_group_policy_has_a_default_for_all_channels() {
        let policy = |host: &MemoryHost, channel: &str| {
            host.with(|cx| {
                let channel = find(cx, channel).expect("it can be seen").expect("it takes part");
                let (node, name) = channel.accounts[0].group_policy(cx).expect("shown");
                format!("{} {name}", node.dotted())
            })
        };
        let with = |channels: &str| {
            MemoryHost::new(&format!("{{channels: {channels}}}")).variable("DISCORD_BOT_TOKEN", "t")
        };
        for (channels, channel, expected) in [
            ("{irc: {}}", "irc", "channels.irc.groupPolicy allowlist"),
            (r#"{irc: {groupPolicy: "open"}}"#, "irc", "channels.irc.groupPolicy open"),
            (
                r#"{defaults: {groupPolicy: "open"}, irc: {groupPolicy: "disabled"}}"#,
                "irc",
                "channels.irc.groupPolicy disabled",
            ),
            (r#"{defaults: {groupPolicy: "open"}, irc: {}}"#, "irc", "channels.defaults.groupPolicy open"),
            (
                r#"{bluebubbles: {}, defaults: {groupPolicy: "open"}}"#,
                "bluebubbles",
                "channels.bluebubbles.groupPolicy allowlist",
            ),
            ("{irc: {groupPolicy: 5}}", "irc", "channels.irc.groupPolicy ?"),
            ("{}", "discord", "channels.discord.groupPolicy open"),
            ("{discord: {}}", "discord", "channels.discord.groupPolicy allowlist"),
        ] {
            assert_eq!(policy(&with(channels), channel), expected, "{channels}");
        }
        assert_eq!(
            policy(&with("{}").release(2026, 9, 6), "discord"),
            "channels.discord.groupPolicy allowlist"
        );
    }

    #[test]
    fn native_commands_are_on_by_themselves_in_some_channels() {
        let on = |channel: &str, own: &str, global: &str| {
            let config = format!("{{channels: {{{channel}: {{commands: {own}}}}}, commands: {global}}}");
            MemoryHost::new(&config).with(|cx| {
                let channel = find(cx, channel).expect("it can be seen").expect("it takes part");
                let setting = channel.accounts[0].native_commands(&cx.config(), "native");
                setting.expect("shown").map_or_else(|| "off".to_owned(), |setting| setting.dotted())
            })
        };
        assert_eq!(on("discord", "{}", "{}"), "commands.native");
        assert_eq!(on("slack", "{}", "{}"), "off");
        assert_eq!(on("slack", "{}", "{native: true}"), "commands.native");
        assert_eq!(on("discord", "{}", "{native: false}"), "off");
        assert_eq!(
            on("discord", r#"{native: "auto"}"#, "{native: false}"),
            "channels.discord.commands.native"
        );
        assert_eq!(on("discord", "{native: false}", "{native: true}"), "off");
        assert_eq!(on("slack", r#"{native: "yes"}"#, "{native: true}"), "commands.native");
    }

    #[test]
    fn accounts_that_share_a_value_are_told_together() {
        let section =
            r#"{enabled: false, dmPolicy: "open", accounts: {a: {}, b: {}, c: {dmPolicy: "open"}}}"#;
        let host = MemoryHost::new(&format!("{{channels: {{telegram: {section}}}}}"));
        host.with(|cx| {
            let channel = find(cx, "telegram").expect("it can be seen").expect("it takes part");
            let mut answer = Answer::new();
            let policy = |account: &Account<'_>| Ok(Some(account.direct_policy()?.pointer().to_owned()));
            judge(&mut answer, "id", &channel.accounts, policy, |_, sharing| {
                let (who, note) = told(sharing);
                assert!(note.contains("At present"));
                crate::info("id", "title").detail(who)
            });
            let who: Vec<&str> = answer.findings.iter().map(|finding| finding.detail.as_str()).collect();
            assert_eq!(who, [" (accounts \"a\" and \"b\")", " (account \"c\")"]);
        });
        let one = accounts("telegram", "{}", |account| told([account]));
        assert_eq!(one, [(String::new(), "")]);
    }

    #[test]
    fn an_account_that_is_hidden_costs_the_others_nothing() {
        fn open<'a>(account: &Account<'a>) -> Result<Option<&'a str>, NotAssessed> {
            Ok(account.direct_policy()?.text()?.filter(|text| *text == "open"))
        }
        let hidden = r#"{"$hidden": "variable"}"#;
        let section = format!(
            r#"{{dmPolicy: "open", accounts: {{a: {{}}, b: {{dmPolicy: {hidden}}}, c: {{}}, d: {{dmPolicy: "x"}}}}}}"#
        );
        let host = MemoryHost::new(&format!("{{channels: {{telegram: {section}}}}}"));
        host.with(|cx| {
            let channel = find(cx, "telegram").expect("it can be seen").expect("it takes part");
            let mut answer = Answer::new();
            judge(&mut answer, "id", &channel.accounts, open, |_, sharing| {
                crate::info("id", "title").detail(told(sharing).0)
            });
            let details: Vec<&str> = answer.findings.iter().map(|finding| finding.detail.as_str()).collect();
            assert_eq!(details, [" (accounts \"a\" and \"c\")"]);
            assert_eq!(answer.unassessed.len(), 1);
        });
    }

    #[test]
    fn many_accounts_are_counted() {
        let section = "{accounts: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}, g: {}}}";
        let host = MemoryHost::new(&format!("{{channels: {{telegram: {section}}}}}"));
        host.with(|cx| {
            let channel = find(cx, "telegram").expect("it can be seen").expect("it takes part");
            let (text, _) = told(&channel.accounts);
            assert!(text.ends_with("\"e\" and 2 more)"), "{text}");
        });
    }

    /// How many accounts a channel has, or that it is left open.
    fn seen(host: &MemoryHost, channel: &str) -> String {
        host.with(|cx| match find(cx, channel) {
            Ok(Some(channel)) => channel.accounts.len().to_string(),
            Ok(None) => "none".to_owned(),
            Err(_) => "open".to_owned(),
        })
    }

    #[test]
    fn a_channel_that_cannot_be_told_leaves_itself_open() {
        let config = "{channels: {telegram: {}, discord: {accounts: {a: {}}}, whatsapp: {accounts: {b: {}}}},
            plugins: {deny: [], entries: {}}, web: {}}";
        for (pointer, expected) in [
            ("/channels", ["open", "open", "open"]),
            ("/channels/telegram", ["open", "1", "1"]),
            ("/channels/telegram/enabled", ["1", "1", "1"]),
            ("/channels/discord/accounts", ["1", "open", "1"]),
            ("/channels/discord/accounts/a", ["1", "1", "1"]),
            ("/channels/whatsapp/accounts/b", ["1", "1", "open"]),
            ("/channels/whatsapp/enabled", ["1", "1", "open"]),
            ("/web/enabled", ["1", "1", "open"]),
            ("/plugins/deny", ["open", "open", "open"]),
            ("/plugins/enabled", ["open", "open", "open"]),
            ("/plugins/entries/telegram", ["open", "1", "1"]),
        ] {
            let host = MemoryHost::new(config).withhold(pointer);
            assert_eq!(["telegram", "discord", "whatsapp"].map(|id| seen(&host, id)), expected, "{pointer}");
            let is_open = host.with(|cx| each(cx).iter().any(|(_, channel)| channel.is_err()));
            assert_eq!(is_open, expected.contains(&"open"), "{pointer}");
        }
    }

    #[test]
    fn a_name_that_a_variable_gives_may_forbid_any_channel() {
        let host = |plugins: &str, telegram: &str| {
            let config = format!("{{channels: {{telegram: {telegram}}}, plugins: {plugins}}}");
            MemoryHost::new(&config.replace("HIDDEN", r#"{"$hidden": "variable"}"#))
        };
        assert_eq!(seen(&host("{deny: [HIDDEN]}", "{}"), "telegram"), "open");
        assert_eq!(seen(&host("{enabled: false, deny: [HIDDEN]}", "{}"), "telegram"), "none");
        assert_eq!(seen(&host("{}", "HIDDEN"), "telegram"), "none", "a text is no section");
    }

    #[test]
    fn a_setting_that_is_not_shown_is_not_taken_from_the_channel() {
        let policy = |own: &str| {
            let text =
                |account: &Account<'_>| Ok(account.direct_policy()?.text()?.unwrap_or_default().to_owned());
            accounts("telegram", &format!(r#"{{dmPolicy: "open", accounts: {{a: {own}}}}}"#), text).remove(0)
        };
        let withheld = Err(NotAssessed::withheld("config:/channels/telegram/accounts/a/dmPolicy"));
        assert_eq!(policy("{}"), Ok("open".to_owned()));
        assert_eq!(policy(r#"{"$hidden": "withheld"}"#), withheld);
        assert_eq!(policy(r#"{dmPolicy: {"$hidden": "withheld"}}"#), withheld);
        assert!(policy(r#"{dmPolicy: {"$hidden": "variable"}}"#).is_err());
        let section = r#"{enabled: false, accounts: {a: {enabled: {"$hidden": "withheld"}}}}"#;
        let is_off = accounts("telegram", section, |account| account.is_off() == Ok(true));
        assert_eq!(is_off, [true], "the channel decides");
    }

    #[test]
    fn a_section_that_can_log_in_is_an_account_beside_the_others() {
        let ids = |host: MemoryHost, channel: &str| {
            host.with(|cx| {
                let channel = find(cx, channel).expect("it can be seen").expect("it takes part");
                channel.accounts.iter().map(|account| account.id.to_owned()).collect::<Vec<_>>()
            })
        };
        let host = |channel: &str, section: &str| {
            MemoryHost::new(&format!(r#"{{channels: {{"{channel}": {section}}}}}"#)).release(2026, 5, 28)
        };
        for (channel, keys) in LOGINS {
            let keys: Vec<String> = keys.iter().map(|key| format!(r#"{key}: "x""#)).collect();
            let section = format!("{{{}, accounts: {{a: {{}}}}}}", keys.join(", "));
            assert_eq!(ids(host(channel, &section), channel), ["default", "a"], "{section}");
            assert_eq!(ids(host(channel, &section).release(2026, 5, 12), channel), ["a"], "{section}");
            let known = section.replace("a: {}", "default: {}");
            assert_eq!(ids(host(channel, &known), channel), ["default"], "{known}");
        }
        assert_eq!(ids(host("irc", r#"{host: "h", accounts: {a: {}}}"#), "irc"), ["a"]);
        assert_eq!(ids(host("telegram", "{accounts: {a: {}}}"), "telegram"), ["a"]);
        let named = host("telegram", "{accounts: {a: {}}}").variable("TELEGRAM_BOT_TOKEN", "t");
        assert_eq!(ids(named, "telegram"), ["default", "a"]);
        let named = host("irc", "{accounts: {a: {}}}").variable("IRC_HOST", "h").variable("IRC_NICK", "n");
        assert_eq!(ids(named, "irc"), ["default", "a"]);
        let withheld = host("telegram", r#"{botToken: {"$hidden": "withheld"}, accounts: {a: {}}}"#);
        assert!(withheld.with(|cx| find(cx, "telegram").is_err()));
    }

    #[test]
    fn an_account_has_a_key() {
        for (id, key) in
            [("Work", "work"), ("My Bot", "my-bot"), (" ", "default"), ("--", "default"), ("Main", "main")]
        {
            assert_eq!(account_key(id), key, "{id}");
        }
    }

    #[test]
    fn a_policy_has_a_default() {
        let names = |channel: &str, section: &str| {
            accounts(channel, section, |account| {
                account.direct_policy_name().expect("shown").map(str::to_owned)
            })
        };
        assert_eq!(names("telegram", "{}"), [Some("pairing".to_owned())]);
        assert_eq!(names("synology-chat", "{}"), [Some("allowlist".to_owned())]);
        assert_eq!(names("telegram", r#"{dmPolicy: "open"}"#), [Some("open".to_owned())]);
        assert_eq!(names("telegram", "{dmPolicy: 5}"), [None]);
    }
}
