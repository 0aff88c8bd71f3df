//! Which agent answers whom, and in which session (reference: 2026.9-delta 2.3 and 5.3).

use std::collections::BTreeMap;

use chitin_policy_sdk::openclaw::agents;
use chitin_policy_sdk::openclaw::channels::{Account, Channel, account_key};
use chitin_policy_sdk::{Context, Node, NotAssessed, js};

/// How far apart the sessions of those who write directly are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All share the main session of the agent.
    Main,
    /// Each person has a session, whatever the channel.
    Peer,
    /// Each person has a session in each channel.
    ChannelPeer,
    /// Each person has a session with each account.
    AccountChannelPeer,
}

impl Scope {
    /// The scope of this name; another name is that of the main session.
    fn named(name: Option<&str>) -> Self {
        match name {
            Some("per-peer") => Self::Peer,
            Some("per-channel-peer") => Self::ChannelPeer,
            Some("per-account-channel-peer") => Self::AccountChannelPeer,
            _ => Self::Main,
        }
    }
}

/// A binding, as far as it can be about direct messages.
struct Binding {
    agent: Option<String>,
    channel: String,
    /// None for all accounts.
    account: Option<String>,
    peer: Peer,
    scope: Option<Scope>,
}

/// Whom a binding is about.
#[derive(PartialEq)]
enum Peer {
    /// All.
    Unnamed,
    /// All who write directly.
    Anyone,
    /// One who does.
    One(String),
}

impl Binding {
    /// None where it is not about direct messages.
    fn of(node: &Node<'_>) -> Result<Option<Self>, NotAssessed> {
        let (matches, kind) = (node.get("match"), node.get("type").trimmed()?);
        let channel = matches.get("channel").trimmed()?.map(str::to_lowercase);
        let Some(channel) = channel.filter(|_| kind.is_none_or(|kind| kind == "route")) else {
            return Ok(None);
        };
        // What names a server, a team or roles is about groups.
        let is_set = |key: &str| Ok(matches.get(key).id()?.is_some());
        if is_set("guildId")? || is_set("teamId")? || matches.get("roles").items()?.next().is_some() {
            return Ok(None);
        }
        let (place, account) = (matches.get("peer"), matches.get("accountId").trimmed()?.unwrap_or_default());
        let peer = if place.is_truthy()? {
            let is_direct = matches!(place.get("kind").trimmed()?, Some("direct" | "dm"));
            match place.get("id").id()? {
                Some(id) if is_direct => {
                    if id == "*" {
                        Peer::Anyone
                    } else {
                        Peer::One(id)
                    }
                }
                _ => return Ok(None),
            }
        } else {
            Peer::Unnamed
        };
        let scope = node.get("session").get("dmScope");
        let scope = if scope.is_nullish()? { None } else { Some(Scope::named(scope.trimmed()?)) };
        let agent = node.get("agentId").trimmed()?.map(str::to_owned);
        let account = (account != "*").then(|| account_key(account));
        Ok(Some(Self { agent, channel, account, peer, scope }))
    }

    fn is_about(&self, channel: &str, account: &str) -> bool {
        self.channel == channel && self.account.as_ref().is_none_or(|known| known == account)
    }

    /// How narrow it is: the narrowest that fits decides, and of those the first.
    fn rank(&self) -> u8 {
        match (&self.peer, &self.account) {
            (Peer::One(_), _) => 0,
            (Peer::Anyone, _) => 1,
            (Peer::Unnamed, Some(_)) => 2,
            (Peer::Unnamed, None) => 3,
        }
    }
}

/// Which agent answers, how its sessions are kept apart, and whether a binding says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The agent's id.
    pub agent: String,
    /// How its sessions are kept apart.
    pub scope: Scope,
    /// No binding names the conversation.
    pub by_default: bool,
}

/// Why no agent answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Missing {
    /// There are several agents, and none is the default one.
    Owner,
    /// A binding names one that there is not.
    Agent(String),
}

/// What decides who answers whom.
pub struct Routes {
    bindings: Vec<Binding>,
    agents: Vec<String>,
    owner: Option<String>,
    scope: Scope,
    /// The channels' ids with the default account of each.
    defaults: BTreeMap<String, String>,
    /// The name of a person, and each of their ids.
    links: Vec<(String, String)>,
}

impl Routes {
    /// Reads it.
    ///
    /// # Errors
    /// Where a part is not shown.
    pub fn read(cx: &Context<'_>) -> Result<Self, NotAssessed> {
        let config = cx.config();
        let mut bindings = Vec::new();
        for node in config.get("bindings").items()? {
            bindings.extend(Binding::of(&node)?);
        }
        let agents = agents::named(&config)?.into_iter().map(|(id, _)| agents::normalise(id)).collect();
        let mut routes = Self {
            bindings,
            agents,
            owner: agents::owner(cx)?,
            scope: Scope::named(config.at("session.dmScope").trimmed()?),
            defaults: BTreeMap::new(),
            links: links(&config)?,
        };
        if routes.owner.is_none() {
            let named = config.at("agents.defaults.systemAgent.agentId").trimmed()?.map(agents::normalise);
            routes.owner = named.filter(|named| routes.agents.contains(named));
        }
        Ok(routes)
    }

    /// Notes which account of a channel is the default one.
    ///
    /// # Errors
    /// Where that is not shown.
    pub fn note(&mut self, cx: &Context<'_>, channel: &Channel<'_>) -> Result<(), NotAssessed> {
        let mut keys: Vec<String> = channel.accounts.iter().map(Account::key).collect();
        keys.sort();
        let bound = self.bindings.iter().find_map(|binding| {
            let is_owners = binding.agent.as_deref().map(agents::normalise) == self.owner;
            let account = binding.account.clone().filter(|_| is_owners && self.owner.is_some());
            account.filter(|_| channel.id == "telegram" && binding.channel == channel.id)
        });
        let preferred = cx.config().get("channels").get(channel.id).get("defaultAccount").trimmed()?;
        let preferred = preferred.map(account_key).filter(|key| keys.contains(key));
        let usual = || keys.iter().find(|key| *key == "default").or_else(|| keys.first()).cloned();
        if let Some(default) = bound.or(preferred).or_else(usual) {
            self.defaults.insert(channel.id.to_owned(), default);
        }
        Ok(())
    }

    /// The ids that bindings name of those who write to an account directly.
    pub fn bound(&self, channel: &str, account: &str) -> impl Iterator<Item = &str> {
        let bindings = self.bindings.iter().filter(move |binding| binding.is_about(channel, account));
        bindings
            .filter_map(|binding| if let Peer::One(id) = &binding.peer { Some(id.as_str()) } else { None })
    }

    /// Who answers one who writes to an account, or anybody else.
    ///
    /// # Errors
    /// Where nobody does.
    pub fn of(&self, channel: &str, account: &str, peer: Option<&str>) -> Result<Route, Missing> {
        let fits = |binding: &&Binding| {
            binding.is_about(channel, account)
                && match &binding.peer {
                    Peer::One(id) => peer == Some(id.as_str()),
                    Peer::Anyone | Peer::Unnamed => true,
                }
        };
        let chosen = self.bindings.iter().filter(fits).min_by_key(|binding| binding.rank());
        // Zalo Personal keeps people apart by itself.
        let usual = match (channel, self.scope) {
            ("zalouser", Scope::Main) => Scope::ChannelPeer,
            (_, scope) => scope,
        };
        let Some(binding) = chosen else {
            let agent = self.owner.clone().ok_or(Missing::Owner)?;
            return Ok(Route { agent, scope: usual, by_default: true });
        };
        let agent = match &binding.agent {
            None => self.owner.clone().ok_or(Missing::Owner)?,
            Some(named) => {
                let id = agents::normalise(named);
                let exists = self.agents.is_empty() || id == agents::MAIN || self.agents.contains(&id);
                if exists { id } else { return Err(Missing::Agent(js::trim(named).to_owned())) }
            }
        };
        Ok(Route { agent, scope: binding.scope.unwrap_or(usual), by_default: false })
    }

    /// Telegram keeps those apart who write to another than the default account, and whom no binding names.
    pub fn keeps_apart(&self, channel: &str, account: &str, route: &Route) -> bool {
        let is_default = self.defaults.get(channel).is_some_and(|default| default == account);
        channel == "telegram" && route.by_default && !is_default
    }

    /// The name that the config links an id with.
    pub fn linked(&self, channel: &str, peer: &str) -> Option<&str> {
        let peer = js::trim(peer).to_lowercase();
        let scoped = format!("{channel}:{peer}");
        let found = self.links.iter().find(|(_, id)| *id == peer || *id == scoped);
        found.map(|(name, _)| name.as_str())
    }

    /// An id that is not shown may be named by a binding or by a link.
    pub fn may_name(&self, channel: &str, account: &str) -> bool {
        !self.links.is_empty() || self.bound(channel, account).next().is_some()
    }
}

fn links(config: &Node<'_>) -> Result<Vec<(String, String)>, NotAssessed> {
    let mut links = Vec::new();
    for (name, ids) in config.at("session.identityLinks").entries()? {
        let name = js::trim(name);
        for id in ids.items()? {
            if let Some(id) = id.id()?.filter(|_| !name.is_empty()) {
                links.push((name.to_lowercase(), id.to_lowercase()));
            }
        }
    }
    Ok(links)
}
