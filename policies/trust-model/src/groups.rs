//! Groups that share the session of the owner: by the global setting, or by a binding that some message of a group is led
//! by.

use chitin_policy_sdk::{Answer, Node, NotAssessed, js, listing, warn};

use crate::leave_open;

const CHECK: &str = "security.trust_model.group_scope_main";

/// The account of a channel that has none by name.
const DEFAULT: &str = "default";
/// Stands for every account or peer.
const ANY: &str = "*";
/// The scope of the owner's session.
const MAIN: &str = "main";

/// Adds the finding, where a group shares that session.
pub fn shared(config: &Node<'_>, answer: &mut Answer) {
    let global = config.at("session.groupScope");
    let (mut lines, mut nodes) = (Vec::new(), Vec::new());
    if leave_open(answer, CHECK, global.text().map(|scope| scope == Some(MAIN))) {
        lines.push("session.groupScope: all groups that no binding sets apart".to_owned());
        nodes.push(global);
    }
    let bindings: Vec<Node<'_>> = match config.get("bindings").items() {
        Ok(bindings) => bindings.collect(),
        Err(reason) => {
            answer.leave_open(CHECK, reason);
            Vec::new()
        }
    };
    let routes: Vec<Result<Option<Route>, NotAssessed>> = bindings.iter().map(Route::of).collect();
    for (index, binding) in bindings.iter().enumerate() {
        let scope = binding.at("session.groupScope");
        if !leave_open(answer, CHECK, scope.text().map(|scope| scope == Some(MAIN))) {
            continue;
        }
        if leave_open(answer, CHECK, leads(index, &routes)) {
            let route = routes.get(index).and_then(|route| route.as_ref().ok().and_then(Option::as_ref));
            lines.push(format!("{}: {}", binding.dotted(), route.map(Route::words).unwrap_or_default()));
            nodes.push(scope);
        }
    }
    if lines.is_empty() {
        return;
    }
    answer.findings.push(
        warn(CHECK, "Groups share the main session of an agent")
            .detail(
                "groupScope is \"main\": what is said in these groups goes into the agent's main session, with what its owner \
                 says in private, and everybody in the group can ask for it.",
            )
            .list(&lines, 0)
            .remediation("Set groupScope to \"per-group\" there, or remove it: that is the default")
            .at_all(&nodes),
    );
}

/// A message of some group is led by this binding, and by no other that comes before it.
fn leads(index: usize, routes: &[Result<Option<Route>, NotAssessed>]) -> Result<bool, NotAssessed> {
    let Some(Some(route)) = routes.get(index).cloned().transpose()? else { return Ok(false) };
    let mut open = None;
    let known: Vec<(usize, &Route)> = routes
        .iter()
        .enumerate()
        .filter_map(|(index, route)| match route {
            Ok(route) => Some((index, route.as_ref()?)),
            Err(reason) => {
                open = Some(reason.clone());
                None
            }
        })
        .collect();
    let wins = route.messages().iter().any(|message| {
        let fits = known.iter().filter(|(_, route)| route.fits(message));
        fits.min_by_key(|(index, route)| (route.tier(), *index)).is_some_and(|(winner, _)| *winner == index)
    });
    // A hidden binding may come first.
    match open {
        Some(reason) if wins => Err(reason),
        _ => Ok(wins),
    }
}

/// What a binding leads to its agent.
#[derive(Clone, Debug, Default)]
struct Route {
    agent: String,
    channel: String,
    /// Empty where no account is named: the default one is meant.
    account: String,
    /// Kind and id.
    peer: Option<(String, String)>,
    guild: String,
    team: String,
    roles: Vec<String>,
}

/// A message of a group.
struct Message<'r> {
    channel: &'r str,
    account: &'r str,
    kind: &'r str,
    /// None stands for one that no binding names.
    id: Option<&'r str>,
    guild: &'r str,
    team: &'r str,
    role: Option<&'r str>,
}

impl Route {
    /// The route of a binding; none where it leads no message of a group.
    fn of(binding: &Node<'_>) -> Result<Option<Self>, NotAssessed> {
        let kind = binding.get("type");
        if !binding.is_object()? || !kind.is_nullish()? && kind.text()? != Some("route") {
            return Ok(None);
        }
        let text = |node: Node<'_>| Ok(node.id()?.unwrap_or_default());
        let place = binding.get("match");
        let peer = place.get("peer");
        let peer = if peer.is_nullish()? {
            None
        } else {
            let (kind, id) = (text(peer.get("kind"))?.to_lowercase(), text(peer.get("id"))?);
            if id.is_empty() || !["group", "channel"].contains(&kind.as_str()) {
                return Ok(None);
            }
            Some((kind, id))
        };
        let roles = place.get("roles");
        let roles = roles.items()?.map(|role| role.id()).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Self {
            agent: text(binding.get("agentId"))?,
            channel: text(place.get("channel"))?.to_lowercase(),
            account: text(place.get("accountId"))?.to_lowercase(),
            peer,
            guild: text(place.get("guildId"))?,
            team: text(place.get("teamId"))?,
            roles: roles.into_iter().flatten().collect(),
        }))
    }

    /// Messages that this is made for; where it asks for less, ones that nothing else is made for.
    fn messages(&self) -> Vec<Message<'_>> {
        let (kind, id) = match &self.peer {
            Some((kind, id)) => (kind.as_str(), Some(id.as_str()).filter(|id| *id != ANY)),
            None => ("group", None),
        };
        let account = match self.account.as_str() {
            "" => DEFAULT,
            ANY => "",
            account => account,
        };
        let message = |role| Message {
            channel: &self.channel,
            account,
            kind,
            id,
            guild: &self.guild,
            team: &self.team,
            role,
        };
        if self.roles.is_empty() {
            return vec![message(None)];
        }
        self.roles.iter().map(|role| message(Some(role.as_str()))).collect()
    }

    fn fits(&self, message: &Message<'_>) -> bool {
        let account = match self.account.as_str() {
            "" => message.account == DEFAULT,
            ANY => true,
            account => account == message.account,
        };
        let peer = self
            .peer
            .as_ref()
            .is_none_or(|(kind, id)| kind == message.kind && (id == ANY || Some(id.as_str()) == message.id));
        self.channel == message.channel
            && account
            && peer
            && (self.guild.is_empty() || self.guild == message.guild)
            && (self.team.is_empty() || self.team == message.team)
            && (self.roles.is_empty()
                || message.role.is_some_and(|role| self.roles.iter().any(|own| own == role)))
    }

    /// The order in which bindings are asked.
    fn tier(&self) -> usize {
        match &self.peer {
            Some((_, id)) if id != ANY => 0,
            Some(_) => 1,
            None if !self.guild.is_empty() && !self.roles.is_empty() => 2,
            None if !self.guild.is_empty() => 3,
            None if !self.team.is_empty() => 4,
            None if self.account != ANY => 5,
            None => 6,
        }
    }

    fn words(&self) -> String {
        let mut words = vec![format!("channel {}", js::trim(&self.channel))];
        if !self.account.is_empty() {
            words.push(format!("account {}", self.account));
        }
        if let Some((kind, id)) = &self.peer {
            words.push(format!("{kind} {id}"));
        }
        for (name, value) in [("guild", &self.guild), ("team", &self.team), ("agent", &self.agent)] {
            if !value.is_empty() {
                words.push(format!("{name} {value}"));
            }
        }
        if !self.roles.is_empty() {
            words.push(format!("roles {}", listing::words(&self.roles)));
        }
        words.join(", ")
    }
}
