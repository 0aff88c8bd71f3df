//! The flags that say which policies run, and with what grants; shared by `audit` and `fix`.

use std::cell::LazyCell;
use std::path::Path;
use std::sync::Arc;

use chitin::audit::{Origin, Planned, visible};
use chitin::budget::Budget;
use chitin::policy::cache::Cache;
use chitin::policy::catalog;
use chitin::policy::manifest::Manifest;
use chitin::policy::names::shared_name;
use chitin::policy::set::Set;
use chitin::policy::wants::wants;
use chitin::settings::{Placed, Settings};
use chitin::target::Environment;
use chitin::wording::{nearest, shell_word};
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::policy::{self, Stranger};
use super::target::TargetArguments;
use super::{note, user_error};

/// The flags as clap reads them.
#[derive(Args, Clone)]
struct Flags {
    /// Run this policy only: an ID of `chitin policy list`, or the path of a component (repeatable)
    #[arg(long, value_name = "ID|FILE")]
    policy: Vec<String>,
    /// Run this component, too, beside all others (repeatable)
    #[arg(long, value_name = "FILE", conflicts_with = "policy")]
    with: Vec<String>,
    /// Give the component of the --policy or --with before it this capability, as `chitin policy inspect FILE` names it; "all"
    /// gives what its manifest declares (repeatable)
    #[arg(long, value_name = "CAPABILITY")]
    grant: Vec<String>,
    /// Run nothing but what is built in and what chitin.lock pins
    #[arg(long)]
    locked: bool,
    /// Run code files of `chitin policy compile`, too: native code, which no sandbox holds. For those that you have made yourself
    #[arg(long)]
    native: bool,
}

/// Which policies.
#[derive(Clone)]
pub(super) struct PolicyArguments {
    /// Those that the command line names, in its order.
    named: Vec<Named>,
    /// They run beside all others.
    beside: bool,
    /// A grant that no policy stands before.
    stray: Option<String>,
    locked: bool,
    /// Code files are run, too.
    native: bool,
}

/// A policy that the command line names.
#[derive(Clone)]
struct Named {
    name: String,
    grants: Vec<String>,
}

impl Args for PolicyArguments {
    fn augment_args(command: Command) -> Command {
        Flags::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Flags::augment_args_for_update(command)
    }
}

impl FromArgMatches for PolicyArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = Flags::from_arg_matches(matches)?;
        let places = |flag: &str| matches.indices_of(flag).into_iter().flatten().collect::<Vec<usize>>();
        let beside = !flags.with.is_empty();
        let (policies, at) =
            if beside { (flags.with, places("with")) } else { (flags.policy, places("policy")) };
        let mut named: Vec<Named> =
            policies.into_iter().map(|name| Named { name, grants: Vec::new() }).collect();
        let mut stray = None;
        for (place, grant) in places("grant").into_iter().zip(flags.grant) {
            let before = at.iter().rposition(|policy| *policy < place);
            match before.and_then(|number| named.get_mut(number)) {
                Some(policy) => policy.grants.push(grant),
                None => stray = Some(grant),
            }
        }
        Ok(Self { named, beside, stray, locked: flags.locked, native: flags.native })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A policy that is to run.
enum Chosen {
    Ready(Planned),
    Stranger(Box<Stranger>),
}

impl Chosen {
    /// The stranger's policy in a file that the command line names.
    fn file(&mut self) -> Option<&mut Stranger> {
        match self {
            Self::Stranger(stranger) if stranger.origin() == Origin::File => Some(stranger),
            _ => None,
        }
    }
}

impl PolicyArguments {
    /// Some of those that run are not built in.
    pub(super) fn has_strangers(&self, settings: &Settings) -> bool {
        self.named.iter().any(|named| policy::is_file(&named.name)) || !settings.policies.is_empty()
    }

    /// The plan has to be made for each target: settings and a cache of code are refused where they lie in it.
    pub(super) fn depend_on_target(&self, placed: &Placed) -> bool {
        placed.place.is_some() || self.has_strangers(&placed.settings)
    }

    /// The policies, ready to run; those of deep audits only where it is one. An interrupt ends what has to be compiled.
    pub(super) fn plan(
        &self,
        deep: bool,
        target: &TargetArguments,
        placed: &Placed,
        budget: &Budget,
    ) -> anyhow::Result<Vec<Arc<Planned>>> {
        let set = policy::set(placed)?;
        self.check(set.as_ref())?;
        self.are_known(&placed.settings, set.as_ref())?;
        if let Some(set) = &set {
            for id in set.unwanted() {
                note(&visible(&format!("warning: {}", unwanted(id))));
            }
        }
        let installed = || set.as_ref().map_or(Vec::new(), |set| policy::installed(set, self.native, budget));
        let mut chosen = Vec::new();
        if self.named.is_empty() || self.beside {
            chosen.extend(policy::builtin(|about| deep || !about.deep)?.into_iter().map(Chosen::Ready));
            let wanted = installed().into_iter().filter(|stranger| deep || !stranger.about().deep);
            chosen.extend(wanted.map(|stranger| Chosen::Stranger(stranger.into())));
            for named in &self.named {
                chosen.push(Chosen::Stranger(self.one_file(named, deep, set.as_ref(), budget)?.into()));
            }
        } else {
            // The files of the set are read where one of them is named.
            let installed = LazyCell::new(installed);
            let added = |id: &str| installed.iter().find(|stranger| stranger.about().id == id).cloned();
            for named in &self.named {
                chosen.push(self.pick(named, deep, &added, (set.as_ref(), budget))?);
            }
        }
        let mut files: Vec<&mut Stranger> = chosen.iter_mut().filter_map(Chosen::file).collect();
        policy::told_apart(&files.iter().map(|file| &**file).collect::<Vec<_>>())?;
        for stranger in &mut files {
            if let Some(owner) = set.as_ref().and_then(|set| owner(set, stranger.manifest())) {
                stranger.refuse(format!(
                    "it takes a name of {owner}, which you have added; `chitin policy update {owner} --from {}` makes it another \
                     version of that one",
                    shell_word(stranger.name())
                ));
            }
        }
        let is_idle = !chosen.iter().any(|chosen| matches!(chosen, Chosen::Stranger(_)));
        // Nothing is looked up where neither strangers nor settings need it.
        let settings = set.as_ref().filter(|set| set.place().exists());
        let target = if is_idle && settings.is_none() { None } else { target.state(budget) };
        if let Some(set) = settings.filter(|set| target.is_some_and(|target| set.lies_in(target))) {
            return Err(in_target(set.place()));
        }
        let cache = Cache::of(&Environment::from_process(), target);
        let mut maker = policy::Maker::new(&cache, budget);
        let plan = chosen.into_iter().map(|chosen| match chosen {
            Chosen::Stranger(stranger) => maker.plan(*stranger),
            Chosen::Ready(planned) => planned,
        });
        let mut plan: Vec<Planned> = plan.collect();
        if self.named.is_empty() || self.beside {
            // Whoever waits for the gateway comes last, so that nobody waits behind.
            plan.sort_by_key(|planned| planned.granted.gateway);
        }
        Ok(plan.into_iter().map(Arc::new).collect())
    }

    /// What the settings name are checks; a misspelt one would do nothing, and nobody would know.
    fn are_known(&self, settings: &Settings, set: Option<&Set>) -> anyhow::Result<()> {
        let named = |what: &'static str, check: &str| (what, check.to_owned());
        let mut all: Vec<(&str, String)> = Vec::new();
        all.extend(settings.accepted.iter().map(|accepted| named("accepts", &accepted.check)));
        all.extend(settings.suppressions.iter().map(|suppression| named("suppresses", &suppression.check)));
        all.extend(settings.severities.keys().map(|check| named("weighs", check)));
        // A file may bring checks that nobody knows yet.
        if all.is_empty() || self.named.iter().any(|named| policy::is_file(&named.name)) {
            return Ok(());
        }
        let mut known = Vec::new();
        for builtin in catalog::pages() {
            known.extend(builtin.manifest()?.checks);
        }
        known.extend(set.into_iter().flat_map(Set::locked).flat_map(|locked| locked.manifest().checks));
        for (what, check) in all {
            let is_known = match check.strip_suffix('*') {
                Some(beginning) => known.iter().any(|known| known.id.starts_with(beginning)),
                None => known.iter().any(|known| known.matches(&check)),
            };
            if is_known {
                continue;
            }
            let near = nearest(&check, known.iter().map(|check| check.id.as_str()));
            let near = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
            note(&visible(&format!("warning: chitin.toml {what} {check}, and there is no such check{near}")));
        }
        Ok(())
    }

    /// The flags fit together.
    fn check(&self, set: Option<&Set>) -> anyhow::Result<()> {
        if let Some(grant) = &self.stray {
            return Err(user_error(
                format!("--grant {grant} stands before the policy that it is for"),
                "write it behind its policy: --with ./mine.wasm --grant CAPABILITY",
            ));
        }
        for (number, Named { name, .. }) in self.named.iter().enumerate() {
            if self.named.iter().take(number).any(|known| known.name == *name) {
                return Err(user_error(
                    format!("the policy {name} is asked for twice"),
                    "name each policy once",
                ));
            }
        }
        if !self.locked {
            return Ok(());
        }
        if let Some(file) = self.named.iter().find(|named| self.beside || policy::is_file(&named.name)) {
            return Err(user_error(
                format!("--locked does not run {}, which chitin.lock does not pin", file.name),
                "add it with `chitin policy add`, or leave --locked out",
            ));
        }
        if let Some(id) = set.and_then(|set| set.unwanted().first().copied()) {
            return Err(user_error(
                unwanted(id),
                format!("`chitin policy remove {id}` takes it out of the lock, too"),
            ));
        }
        if set.is_none_or(|set| !set.is_locked()) {
            return Err(user_error(
                match set {
                    Some(set) => format!(
                        "--locked is given, and there is no chitin.lock in {}",
                        set.folder().display()
                    ),
                    None => "--locked is given, and there is no place for a chitin.lock".to_owned(),
                },
                "`chitin policy add` makes one; `chitin doctor` says where the settings are looked for",
            ));
        }
        Ok(())
    }

    /// The policy of a name: a file, a built-in one, or one of the set.
    fn pick(
        &self,
        named: &Named,
        deep: bool,
        added: &dyn Fn(&str) -> Option<Stranger>,
        (set, budget): (Option<&Set>, &Budget),
    ) -> anyhow::Result<Chosen> {
        let Named { name, grants } = named;
        if policy::is_file(name) {
            return Ok(Chosen::Stranger(self.one_file(named, deep, set, budget)?.into()));
        }
        let builtin = policy::builtin(|about| about.id == *name)?.pop();
        let chosen = match builtin {
            Some(planned) => Chosen::Ready(planned),
            None => Chosen::Stranger(added(name).ok_or_else(|| policy::unknown(name, set))?.into()),
        };
        if !grants.is_empty() {
            let (what, help) = match chosen {
                Chosen::Ready(_) => ("is built in, and has all that it declares", "leave --grant out"),
                Chosen::Stranger(_) => (
                    "is granted what chitin.toml says",
                    "`chitin policy update ID --grant CAPABILITY` grants it more",
                ),
            };
            return Err(user_error(format!("the policy {name} {what}"), help));
        }
        let is_deep = match &chosen {
            Chosen::Ready(planned) => planned.manifest.policy.deep,
            Chosen::Stranger(stranger) => stranger.about().deep,
        };
        is_reachable(name, is_deep, deep)?;
        Ok(chosen)
    }

    /// A policy from a file that the command line names. Where it is granted all without a look at what that is, the worst of it is told.
    fn one_file(
        &self,
        named: &Named,
        deep: bool,
        set: Option<&Set>,
        budget: &Budget,
    ) -> anyhow::Result<Stranger> {
        let Named { name, grants } = named;
        let file = policy::from_file(name.as_ref(), grants, (set, self.native), budget)?;
        // Whoever asks for it wants its verdict.
        is_reachable(name, file.about().deep, deep)?;
        let wants = wants(&file.manifest().capabilities);
        if let Some(worst) = wants.first().filter(|_| grants.iter().any(|grant| grant == "all")) {
            let more = match wants.len() {
                1 => String::new(),
                count => format!(", and {} more", count - 1),
            };
            note(&visible(&format!(
                "warning: {name} is granted all that it asks for: it {}{more}; `chitin policy inspect {}` tells all",
                worst.words,
                shell_word(name)
            )));
        }
        Ok(file)
    }
}

/// Settings that nobody named, in the installation that is audited by them.
pub(super) fn in_target(settings: &Path) -> anyhow::Error {
    user_error(
        format!("the settings {} lie in the installation that they are for", settings.display()),
        "what is audited decides nothing: name them with --settings, or set XDG_CONFIG_HOME to another folder",
    )
}

/// A policy that is pinned, and whose entry in the settings is gone.
fn unwanted(id: &str) -> String {
    format!("chitin.lock pins {id}, and chitin.toml does not want it: it does not run")
}

/// A policy of deep audits runs in those alone.
fn is_reachable(name: &str, is_deep: bool, deep: bool) -> anyhow::Result<()> {
    if is_deep && !deep {
        return Err(user_error(
            format!("the policy {name} runs in deep audits only"),
            "use `chitin audit --deep`",
        ));
    }
    Ok(())
}

/// The policy of the set whose name a file takes. What is pinned keeps its names, whether it can be used or not.
fn owner(set: &Set, manifest: &Manifest) -> Option<String> {
    let mut pinned = set.locked().filter(|locked| set.wanted(&locked.id).is_some());
    let taken = pinned.find(|locked| shared_name(&locked.manifest(), manifest).is_some());
    taken.map(|locked| locked.id.clone()).filter(|_| catalog::owner(manifest).is_none())
}
