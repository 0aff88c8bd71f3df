//! People who share a session with the agent, and conversations that no agent answers.

mod routes;

use std::collections::{BTreeMap, BTreeSet};

use chitin_policy_sdk::context::Identity;
use chitin_policy_sdk::openclaw::channels::{self, Account, Channel};
use chitin_policy_sdk::openclaw::pairing::{self, Store};
use chitin_policy_sdk::openclaw::senders;
use chitin_policy_sdk::{Answer, Context, Finding, Location, NotAssessed, Verdict, js, listing, warn};

use crate::routes::{Missing, Route, Routes, Scope};

/// The check for shared sessions, where it cannot be told which.
const SHARED: &str = "channels.dm.session_collision.*.*";

/// Looks at everyone who is let in, and at which session they talk in.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    // Earlier releases have another check for it.
    if !cx.release().since(2026, 8, 1) {
        return Ok(answer);
    }
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for (id, channel) in channels::each(cx) {
        match channel {
            Ok(channel) => known.push(channel),
            Err(reason) => unknown.push((id, reason)),
        }
    }
    for (id, reason) in unknown {
        answer.leave_open(&owner_check(id, "*"), reason.clone());
        answer.leave_open(SHARED, reason);
    }
    match Routes::read(cx) {
        Ok(mut routes) => {
            let mut sessions = Sessions::default();
            for channel in &known {
                if let Err(reason) = routes.note(cx, channel) {
                    answer.leave_open(SHARED, reason);
                    continue;
                }
                look(cx, &mut answer, &mut sessions, &routes, channel);
            }
            sessions.tell(cx, &mut answer);
        }
        // Where nobody could be let in there is nothing to share.
        Err(reason) if !known.is_empty() => {
            answer.leave_open(&owner_check("*", "*"), reason.clone());
            answer.leave_open(SHARED, reason);
        }
        Err(_) => {}
    }
    Ok(answer)
}

fn owner_check(channel: &str, account: &str) -> String {
    format!("channels.{channel}.routing.owner_missing.{account}")
}

/// Somebody who is let in: by the form that the channel compares, or by the fingerprint of what is not shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Person {
    Shown(String),
    Hidden(u64),
}

/// Who may write to an account.
struct Admitted {
    people: BTreeSet<Person>,
    everyone: bool,
    /// Where they are named.
    places: Vec<Location>,
    /// Why there may be others.
    open: Vec<NotAssessed>,
}

impl Admitted {
    /// None where nobody is asked for.
    fn of(
        cx: &Context<'_>,
        channel: &Channel<'_>,
        account: &Account<'_>,
        stores: &Result<Vec<Store>, NotAssessed>,
    ) -> Result<Option<Self>, NotAssessed> {
        let policy = account.direct_policy_name()?;
        // What a channel of a plugin does without a policy is not known.
        let is_unknown = channel.is_of_plugin() && account.direct_policy()?.is_nullish()?;
        if is_unknown || policy == Some("disabled") {
            return Ok(None);
        }
        let mut seen =
            Self { people: BTreeSet::new(), everyone: false, places: Vec::new(), open: Vec::new() };
        match account.direct_list() {
            Ok(list) => {
                let before = seen.people.len();
                match list.items() {
                    Ok(items) => {
                        for item in items {
                            seen.add(channel.id, cx.identity(&item));
                        }
                    }
                    Err(reason) => seen.open.push(reason),
                }
                // Synology Chat also knows its list as a text with commas.
                if channel.id == "synology-chat" {
                    for text in list.trimmed()?.unwrap_or_default().split(',') {
                        let text = js::trim(text);
                        let text = (!text.is_empty()).then(|| Identity::Shown(text.to_owned()));
                        seen.add(channel.id, Ok(text));
                    }
                }
                if seen.people.len() > before || seen.everyone {
                    seen.places.push(list.location());
                }
            }
            Err(reason) => seen.open.push(reason),
        }
        match stores {
            _ if !pairing::counts(cx.release(), policy) => {}
            Ok(stores) => {
                for store in stores {
                    seen.everyone |= store.has_wildcard;
                    for sender in &store.senders {
                        seen.add(channel.id, Ok(Some(Identity::Shown(sender.clone()))));
                    }
                    seen.places.extend(store.location());
                }
            }
            Err(reason) => seen.open.push(reason.clone()),
        }
        Ok(Some(seen))
    }

    fn add(&mut self, channel: &str, entry: Result<Option<Identity>, NotAssessed>) {
        match entry {
            Ok(None) => {}
            Ok(Some(Identity::Shown(entry))) if entry == "*" => self.everyone = true,
            Ok(Some(Identity::Shown(entry))) => {
                let form = senders::normalise(channel, &entry);
                if !form.is_empty() {
                    self.people.insert(Person::Shown(form));
                }
            }
            Ok(Some(Identity::Hidden(fingerprint, _))) => {
                self.people.insert(Person::Hidden(fingerprint));
            }
            Err(reason) => self.open.push(reason),
        }
    }
}

fn look(
    cx: &Context<'_>,
    answer: &mut Answer,
    sessions: &mut Sessions,
    routes: &Routes,
    channel: &Channel<'_>,
) {
    let mut known = BTreeSet::new();
    for (account, stores) in channel.accounts.iter().zip(pairing::stores(cx, channel)) {
        // Two spellings of one account are one.
        if !known.insert(account.key()) {
            continue;
        }
        let admitted = match Admitted::of(cx, channel, account, &stores) {
            Ok(Some(admitted)) => admitted,
            Ok(None) => continue,
            Err(reason) => {
                answer.leave_open(&owner_check(channel.id, &account.key()), reason.clone());
                answer.leave_open(SHARED, reason);
                continue;
            }
        };
        let place = Place { channel: channel.id, account: account.key(), places: &admitted.places };
        let missing = sessions.admit(routes, &place, &admitted);
        if let Some(missing) = missing {
            answer.findings.push(owner_missing(cx, channel, &place, &missing));
        }
        for reason in admitted.open {
            answer.leave_open(SHARED, reason);
        }
    }
}

fn owner_missing(cx: &Context<'_>, channel: &Channel<'_>, place: &Place<'_>, missing: &Missing) -> Finding {
    let label = channel.label();
    let check = owner_check(place.channel, &place.account);
    let (title, detail) = match missing {
        Missing::Owner => (
            format!("No agent is chosen for those who write to {label}"),
            format!(
                "There are several agents, none of them is the default one, and no binding names one for the account \"{}\" of \
                 {label}: who answers those who are let in there is not settled.",
                place.account
            ),
        ),
        Missing::Agent(name) => (
            format!("A binding gives {label} to an agent that there is not"),
            format!(
                "A binding for the account \"{}\" of {label} names the agent \"{name}\", which is not among the agents of the config: \
                 who answers those who are let in there is not settled.",
                place.account
            ),
        ),
    };
    let title: String = title.chars().take(80).collect();
    let found = warn(&check, &title).detail(detail).remediation(format!(
        "Add a binding with match.channel \"{}\" and match.accountId \"{}\" that names one of your agents in agentId",
        place.channel, place.account
    ));
    found.at(&cx.config().get("bindings"))
}

/// An account, and where those are named who may write to it.
struct Place<'p> {
    channel: &'p str,
    account: String,
    places: &'p [Location],
}

impl Place<'_> {
    fn name(&self) -> String {
        format!("{}-{}", self.channel, self.account)
    }
}

/// Where the session of one who writes directly is: in one that is known, or in some of a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bucket {
    /// The session of this key.
    Key(String),
    /// Some session of a channel.
    SomeOfChannel(String),
    /// Some session of one person.
    SomeOfPeer,
}

/// One who may be in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Principal {
    /// Somebody by a form that tells them from others.
    Shown(String),
    /// Somebody whose id is not shown.
    Hidden(u64),
    /// Two of everyone, who have one session.
    Anyone(String, bool),
    /// Everyone, each in a session of their own, by the scope that keeps them apart.
    Apart(&'static str, String),
}

/// Those who are in a bucket of an agent.
#[derive(Default)]
struct Members {
    principals: BTreeSet<Principal>,
    accounts: BTreeSet<String>,
    places: Vec<Location>,
}

/// All sessions, by agent and bucket.
#[derive(Default)]
struct Sessions {
    buckets: BTreeMap<(String, Bucket), Members>,
    open: Vec<NotAssessed>,
}

const PER_PEER: &str = "per-peer";
const PER_CHANNEL_PEER: &str = "per-channel-peer";

impl Sessions {
    fn add(&mut self, agent: &str, bucket: Bucket, place: &Place<'_>, principal: Principal) {
        let members = self.buckets.entry((agent.to_owned(), bucket)).or_default();
        members.principals.insert(principal);
        members.accounts.insert(place.name());
        for place in place.places {
            if !members.places.contains(place) {
                members.places.push(place.clone());
            }
        }
    }

    /// Puts everyone who may write to an account where they talk. Tells why nobody answers, where that is so.
    fn admit(&mut self, routes: &Routes, place: &Place<'_>, admitted: &Admitted) -> Option<Missing> {
        let mut missing = None;
        let mut people = admitted.people.clone();
        if admitted.everyone {
            people.extend(routes.bound(place.channel, &place.account).map(|id| Person::Shown(id.to_owned())));
        }
        for person in people {
            let shown = if let Person::Shown(id) = &person { Some(id.as_str()) } else { None };
            if shown.is_none() && routes.may_name(place.channel, &place.account) {
                let reason = "a binding or a link of identities may name somebody whose id is not shown";
                self.open.push(NotAssessed::absent(reason));
                continue;
            }
            match routes.of(place.channel, &place.account, shown) {
                Ok(route) => self.person(routes, place, &person, &route),
                Err(reason) => missing = Some(reason),
            }
        }
        if admitted.everyone {
            match routes.of(place.channel, &place.account, None) {
                Ok(route) => self.everyone(routes, place, &route),
                Err(reason) => missing = Some(reason),
            }
        }
        missing
    }

    fn person(&mut self, routes: &Routes, place: &Place<'_>, person: &Person, route: &Route) {
        let (channel, account) = (place.channel, &place.account);
        let linked = if let Person::Shown(id) = person { routes.linked(channel, id) } else { None };
        let (peer, principal) = match (person, linked) {
            (_, Some(name)) => (name.to_owned(), Principal::Shown(format!("linked:{name}"))),
            (Person::Shown(id), None) => {
                let id = id.to_lowercase();
                (id.clone(), Principal::Shown(format!("{channel}:{account}:{id}")))
            }
            (Person::Hidden(fingerprint), None) => {
                (format!("\0{fingerprint}"), Principal::Hidden(*fingerprint))
            }
        };
        let scope =
            if routes.keeps_apart(channel, account, route) { Scope::AccountChannelPeer } else { route.scope };
        let key = match scope {
            Scope::Main => Bucket::Key("main".to_owned()),
            Scope::Peer => Bucket::Key(format!("direct:{peer}")),
            Scope::ChannelPeer => Bucket::Key(format!("{channel}:direct:{peer}")),
            Scope::AccountChannelPeer => Bucket::Key(format!("{channel}:{account}:direct:{peer}")),
        };
        let some: &[Bucket] = match scope {
            Scope::Main => &[],
            Scope::Peer => &[Bucket::SomeOfPeer],
            Scope::ChannelPeer | Scope::AccountChannelPeer => {
                &[Bucket::SomeOfPeer, Bucket::SomeOfChannel(channel.to_owned())]
            }
        };
        for bucket in [key].iter().chain(some) {
            self.add(&route.agent, bucket.clone(), place, principal.clone());
        }
    }

    fn everyone(&mut self, routes: &Routes, place: &Place<'_>, route: &Route) {
        if routes.keeps_apart(place.channel, &place.account, route) {
            return;
        }
        let (agent, name) = (&route.agent, place.name());
        match route.scope {
            Scope::Main => {
                for one in [true, false] {
                    let bucket = Bucket::Key("main".to_owned());
                    self.add(agent, bucket, place, Principal::Anyone(name.clone(), one));
                }
            }
            Scope::Peer => self.add(agent, Bucket::SomeOfPeer, place, Principal::Apart(PER_PEER, name)),
            Scope::ChannelPeer => {
                for bucket in [Bucket::SomeOfChannel(place.channel.to_owned()), Bucket::SomeOfPeer] {
                    self.add(agent, bucket, place, Principal::Apart(PER_CHANNEL_PEER, name.clone()));
                }
            }
            Scope::AccountChannelPeer => {}
        }
    }

    fn tell(self, cx: &Context<'_>, answer: &mut Answer) {
        for reason in self.open {
            answer.leave_open(SHARED, reason);
        }
        let has = |members: &Members, scope: &str| {
            members.principals.iter().any(|one| matches!(one, Principal::Apart(known, _) if *known == scope))
        };
        let shared: Vec<_> = self.buckets.iter().filter(|(_, members)| members.most() > 1).collect();
        let is_broad = |agent: &str| {
            let peer = (agent.to_owned(), Bucket::SomeOfPeer);
            self.buckets.get(&peer).is_some_and(|members| members.most() > 1 && has(members, PER_PEER))
        };
        let counted = shared.into_iter().filter(|((agent, bucket), members)| match bucket {
            Bucket::Key(_) => true,
            Bucket::SomeOfPeer => has(members, PER_PEER),
            Bucket::SomeOfChannel(_) => !is_broad(agent) && has(members, PER_CHANNEL_PEER),
        });
        let mut number = 0;
        for ((agent, bucket), members) in counted {
            if members.least() < 2 {
                // A hidden person may be the same as one who is shown.
                let reason = "somebody whose id is not shown may be the one whose id is";
                answer.leave_open(SHARED, NotAssessed::absent(reason));
                continue;
            }
            number += 1;
            answer.findings.push(members.finding(cx, agent, bucket, number));
        }
    }
}

impl Members {
    /// How many there are at most.
    fn most(&self) -> usize {
        self.principals.len()
    }

    /// How many there are at least.
    fn least(&self) -> usize {
        let hidden = self.principals.iter().filter(|one| matches!(one, Principal::Hidden(_))).count();
        (self.most() - hidden).max(hidden)
    }

    fn finding(&self, cx: &Context<'_>, agent: &str, bucket: &Bucket, number: usize) -> Finding {
        let accounts: Vec<String> = self.accounts.iter().cloned().collect();
        let check = format!("channels.dm.session_collision.{}.{number}", accounts.join("_"));
        let everyone =
            self.principals.iter().any(|one| matches!(one, Principal::Anyone(..) | Principal::Apart(..)));
        let people = match (everyone, self.least()) {
            (true, _) => "Everyone who writes to".to_owned(),
            (false, least) if least == self.most() => format!("{least} people who may write to"),
            (false, least) => format!("At least {least} people who may write to"),
        };
        let (title, effect) = match bucket {
            Bucket::Key(_) => {
                ("People who write to the agent share one session", "talks in the same session")
            }
            _ => (
                "People who write to the agent may share one session",
                "may come to talk in a session that somebody else has",
            ),
        };
        let talk = if everyone { effect.to_owned() } else { effect.replace("talks", "talk") };
        let config = cx.config();
        let global = if config.at("session.scope").text() == Ok(Some("global")) {
            " session.scope is \"global\", so that it is the one session of all agents."
        } else {
            ""
        };
        let scope = config.at("session.dmScope");
        let found = warn(&check, title)
            .detail(format!(
                "{people} {} {talk} with the agent \"{agent}\": each can be told what the others said, and can leave words there \
                 that the agent takes for theirs.{global}",
                listing::words(&accounts)
            ))
            .remediation(
                "Set session.dmScope to \"per-channel-peer\", or to \"per-account-channel-peer\" where a channel has several \
                 accounts; a binding has its own in session.dmScope. Where these are ids of one person, name them together in \
                 session.identityLinks",
            )
            .at(&scope);
        self.places.iter().fold(found, Finding::at_location)
    }
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests;
