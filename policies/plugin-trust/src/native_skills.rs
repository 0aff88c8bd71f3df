//! In which chats people can call what plugins bring (reference: state-checks 5.2).

use chitin_policy_sdk::{Context, Facts, Failure, Node};

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

/// All such services.
pub fn channels<'a>(cx: &'a Context<'_>) -> Result<Vec<Chat<'a>>, Failure> {
    let config = cx.config();
    let mut chats = Vec::new();
    for service in SERVICES {
        let channel = config.get("channels").get(service.key);
        let own = channel.at("commands.nativeSkills");
        let switch = if own.is_nullish() { config.at("commands.nativeSkills") } else { own };
        let by_itself = service.by_itself && !switch.is_false() && service.loads(&config.get("plugins"));
        let on = switch.is_true() || by_itself;
        if on && service.is_configured(cx, &channel)? {
            chats.push(Chat { name: service.name, switch });
        }
    }
    Ok(chats)
}

impl Service {
    /// The channel is a plugin itself; where that is not loaded, the gateway switches nothing on.
    fn loads(&self, plugins: &Node<'_>) -> bool {
        !plugins.get("enabled").is_false()
            && !plugins.get("deny").texts().any(|id| id == self.key)
            && !plugins.get("entries").get(self.key).get("enabled").is_false()
    }

    fn is_configured(&self, cx: &Context<'_>, channel: &Node<'_>) -> Result<bool, Failure> {
        let accounts = channel.get("accounts");
        for place in [channel.clone()].into_iter().chain(accounts.entries().map(|(_, account)| account)) {
            let file = self.token_file.and_then(|key| place.get(key).trimmed());
            if file.is_some() || self.has_token(cx, &place)? {
                return Ok(true);
            }
        }
        for variable in self.variables {
            if cx.env_secret(variable)?.as_ref().is_some_and(Facts::is_set) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn has_token(&self, cx: &Context<'_>, place: &Node<'_>) -> Result<bool, Failure> {
        for token in self.tokens {
            if cx.config_secret(&place.get(token))?.as_ref().is_some_and(Facts::is_set) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
