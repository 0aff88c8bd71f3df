//! In which chats people can call what plugins bring (reference: state-checks 5.2).

use chitin_policy_sdk::{Context, Facts, Node, NotAssessed, all, any};

use crate::known::Known;

/// A chat service that can offer native skill commands.
struct Service {
    name: &'static str,
    key: &'static str,
    /// Config keys that hold a secret, each of which configures it.
    tokens: &'static [&'static str],
    /// The config key of a file that holds the secret.
    token_file: Option<&'static str>,
    variables: &'static [&'static str],
    /// The commands are on where the config leaves it to the gateway.
    by_itself: bool,
}

const SERVICES: [Service; 3] = [
    Service {
        name: "Discord",
        key: "discord",
        tokens: &["token"],
        token_file: None,
        variables: &["DISCORD_BOT_TOKEN"],
        by_itself: true,
    },
    Service {
        name: "Telegram",
        key: "telegram",
        tokens: &["botToken"],
        token_file: Some("tokenFile"),
        variables: &["TELEGRAM_BOT_TOKEN"],
        by_itself: true,
    },
    Service {
        name: "Slack",
        key: "slack",
        tokens: &["botToken", "appToken"],
        token_file: None,
        variables: &["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"],
        by_itself: false,
    },
];

/// A chat service that is configured and offers native skill commands.
pub struct Chat<'a> {
    /// Its name, for people.
    pub name: &'static str,
    /// The setting that decides.
    pub switch: Node<'a>,
}

/// The services of which that is known to be so, and why there may be more; none where these are all.
pub fn channels<'a>(cx: &'a Context<'_>, known: &Known<'_, '_>) -> (Vec<Chat<'a>>, Option<NotAssessed>) {
    let (mut chats, mut open) = (Vec::new(), None);
    for service in SERVICES {
        match service.chat(cx, known) {
            Ok(chat) => chats.extend(chat),
            Err(reason) => open = Some(reason),
        }
    }
    (chats, open)
}

impl Service {
    fn chat<'a>(&self, cx: &'a Context<'_>, known: &Known<'_, '_>) -> Result<Option<Chat<'a>>, NotAssessed> {
        let config = cx.config();
        let channel = config.get("channels").get(self.key);
        let switch = switch(&config, &channel);
        let is_on = switch.as_ref().map_err(Clone::clone).and_then(|switch| self.is_on(&config, switch));
        let mut conditions = vec![is_on, self.is_configured(cx, &channel)];
        // Earlier releases take a channel that is switched off for one that is configured.
        if cx.release().since(2026, 8, 1) {
            conditions.push(channel.get("enabled").is_false().map(|is_off| !is_off));
        }
        let may_offer = all(conditions);
        // Channels have become plugins of their own, one after another.
        if may_offer == Ok(false) || !all([may_offer, known.has(self.key)])? {
            return Ok(None);
        }
        Ok(Some(Chat { name: self.name, switch: switch? }))
    }

    fn is_on(&self, config: &Node<'_>, switch: &Node<'_>) -> Result<bool, NotAssessed> {
        if switch.is_true()? {
            return Ok(true);
        }
        if !self.by_itself || switch.is_false()? {
            return Ok(false);
        }
        self.loads(&config.get("plugins"))
    }

    /// The channel is a plugin itself; where that is not loaded, the gateway switches nothing on.
    fn loads(&self, plugins: &Node<'_>) -> Result<bool, NotAssessed> {
        let is_not = |node: &Node<'_>| node.is_false().map(|is_off| !is_off);
        let own = plugins.get("entries").get(self.key).get("enabled");
        let is_denied = plugins
            .get("deny")
            .items()
            .and_then(|ids| any(ids.map(|id| Ok(id.trimmed()? == Some(self.key)))));
        all([is_not(&plugins.get("enabled")), is_not(&own), is_denied.map(|is_denied| !is_denied)])
    }

    /// It has a token, or a file with one, in the config or in the environment.
    fn is_configured(&self, cx: &Context<'_>, channel: &Node<'_>) -> Result<bool, NotAssessed> {
        let mut ways = vec![self.has_token(cx, channel)];
        match channel.get("accounts").entries() {
            Ok(accounts) => ways.extend(accounts.map(|(_, account)| self.has_token(cx, &account))),
            Err(reason) => ways.push(Err(reason)),
        }
        ways.extend(self.variables.iter().map(|variable| Ok(is_set(cx.env_secret(variable)?))));
        any(ways)
    }

    fn has_token(&self, cx: &Context<'_>, place: &Node<'_>) -> Result<bool, NotAssessed> {
        let tokens = self.tokens.iter().map(|token| Ok(is_set(cx.config_secret(&place.get(token))?)));
        let file = self.token_file.map(|key| is_named(cx, &place.get(key)));
        any(tokens.chain(file))
    }
}

/// The setting that decides: the channel's own, or else the one for all.
fn switch<'a>(config: &Node<'a>, channel: &Node<'a>) -> Result<Node<'a>, NotAssessed> {
    let own = channel.at("commands.nativeSkills");
    Ok(if own.is_nullish()? { config.at("commands.nativeSkills") } else { own })
}

fn is_set(facts: Option<Facts>) -> bool {
    facts.is_some_and(|facts| facts.is_set())
}

/// A text that is not blank, shown or not.
fn is_named(cx: &Context<'_>, node: &Node<'_>) -> Result<bool, NotAssessed> {
    Ok(node.is_text()? && cx.identity(node)?.is_some())
}
