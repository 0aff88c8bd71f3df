//! From proposals to a plan: every proposal is guarded, what is left is put together, and what is refused says why.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::guard::{self, Refusal};
use super::territory::{Ground, Way, is_file_view};
use crate::audit::finding::{Finding, Fix};
use crate::audit::{Subject, visible};
use crate::config::Edit;
use crate::target::snapshot::{Identity, Kind, LookError, Metadata};
use crate::wire;

/// Objects that the patterns of one policy may lead to: more than an installation has transcripts.
const MAX_EXPANDED: usize = 2_000_000;
/// Objects of one folder that are named for one reason to leave them alone; the others are counted.
const NAMED: usize = 20;
/// Special bits stay, and a pattern says nothing about what the owner may do.
const ALWAYS_KEPT: u32 = 0o7700;

/// What will be done, and what will not.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Plan {
    /// Config values to set.
    pub values: Vec<ValueChange>,
    /// Modes to set.
    pub modes: Vec<ModeChange>,
    /// Proposals that are refused.
    pub refused: Vec<Refused>,
    /// The checks whose findings each proposal of modes cures.
    proposals: Vec<Vec<String>>,
    /// Where in `modes` an object is.
    #[serde(skip)]
    places: HashMap<(u64, u64), usize>,
    /// Objects that patterns led to.
    expanded: usize,
}

/// A config value that changes.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ValueChange {
    /// RFC 6901 pointer into the effective config.
    pub pointer: String,
    /// The value as it is; none where there is none.
    pub before: Option<Value>,
    /// The value as it will be.
    pub after: Value,
    /// The file that says it, by its index in the config's files.
    pub file: usize,
    /// The checks whose findings it cures.
    pub checks: Vec<String>,
}

/// An object whose mode changes.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ModeChange {
    /// The directory that it is reached from.
    #[serde(with = "wire::path")]
    pub root: PathBuf,
    /// The path below that; "" for the directory itself.
    #[serde(with = "wire::path")]
    pub rel: PathBuf,
    /// Which object it is.
    pub identity: Identity,
    /// The mode as it is, 07777.
    pub before: u32,
    /// The mode as it will be, 07777.
    pub after: u32,
    /// The proposal that it belongs to: those of one pattern are tried together.
    pub proposal: usize,
}

impl ModeChange {
    /// The absolute path of the object.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        if self.rel.as_os_str().is_empty() { self.root.clone() } else { self.root.join(&self.rel) }
    }
}

/// A proposal that is not followed.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Refused {
    /// The object or the config key that it is about.
    pub what: String,
    /// The check that proposes it.
    pub check: String,
    /// The policy that proposes it.
    pub policy: String,
    /// Why it is refused.
    pub why: Refusal,
}

impl Plan {
    /// Takes what the findings propose. `wanted` selects findings.
    #[must_use]
    pub fn new(subject: &Subject, findings: &[Finding], wanted: impl Fn(&Finding) -> bool) -> Self {
        let (mut plan, ground) = (Self::default(), Ground::of(subject));
        let findings = || findings.iter().filter(|finding| wanted(finding));
        let proposals = || findings().flat_map(|finding| finding.fixes.iter().map(move |fix| (finding, fix)));
        let mut patterns = HashMap::new();
        for (finding, fix) in proposals() {
            match fix {
                Fix::SetMode { view, rel, expected, mode } => {
                    match mode_change(subject, &ground, *view, rel, *expected, *mode) {
                        Ok(change) => {
                            let proposal = plan.proposal(&finding.check_id);
                            plan.add_mode(ModeChange { proposal, ..change });
                        }
                        Err(why) => plan.refuse(finding, visible::path(&subject.path(*view, rel)), why),
                    }
                }
                Fix::SetModes { view, directory, names, mode } => {
                    let key = (*view, directory, names, *mode);
                    let known = patterns.get(&key).and_then(|known: &usize| plan.proposals.get_mut(*known));
                    if let Some(checks) = known {
                        // Two findings about the same objects propose the same cure.
                        add(checks, &finding.check_id);
                        continue;
                    }
                    let proposal = plan.proposal(&finding.check_id);
                    patterns.insert(key, proposal);
                    plan.expand(subject, &ground, (finding, proposal), key);
                }
                Fix::NotGranted { what, capability } => {
                    plan.refuse(finding, what.clone(), Refusal::NotGranted(capability.clone()));
                }
                Fix::SetValue { .. } => {}
            }
        }
        // An allowlist is filled only where the policy beside it closes, so those come second.
        for second in [false, true] {
            for (finding, fix) in proposals() {
                if let Fix::SetValue { pointer, expected, value } = fix
                    && second == value.is_array()
                {
                    plan.add_value((subject, &ground), finding, pointer, expected.as_ref(), value);
                }
            }
        }
        plan
    }

    /// Nothing would be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.modes.is_empty()
    }

    /// How many changes there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values.len() + self.modes.len()
    }

    /// Something was proposed that is needed, and is not done.
    #[must_use]
    pub fn leaves_something(&self) -> bool {
        self.refused.iter().any(|refused| refused.why != Refusal::Already)
    }

    /// The values as edits of the config.
    #[must_use]
    pub fn edits(&self) -> Vec<Edit> {
        let edit =
            |change: &ValueChange| Edit { pointer: change.pointer.clone(), value: change.after.clone() };
        self.values.iter().map(edit).collect()
    }

    /// The checks that a change of a mode is for.
    #[must_use]
    pub fn checks(&self, change: &ModeChange) -> &[String] {
        self.proposals.get(change.proposal).map_or(&[], Vec::as_slice)
    }

    /// The change of an object's mode.
    #[must_use]
    pub fn mode_of(&self, identity: Identity) -> Option<&ModeChange> {
        self.modes.get(*self.places.get(&(identity.device, identity.inode))?)
    }

    /// Adds the changes of another plan; those here were there first.
    pub fn merge(&mut self, other: Self) {
        let first = self.proposals.len();
        self.proposals.extend(other.proposals);
        for change in other.modes {
            self.add_mode(ModeChange { proposal: first + change.proposal, ..change });
        }
        for change in other.values {
            match self.values.iter_mut().find(|known| known.pointer == change.pointer) {
                Some(known) if known.after == change.after => {
                    change.checks.iter().for_each(|check| add(&mut known.checks, check));
                }
                Some(_) => self.refused.push(Refused {
                    what: visible::key(&change.pointer),
                    check: change.checks.first().cloned().unwrap_or_default(),
                    policy: String::new(),
                    why: Refusal::Conflict,
                }),
                None => self.values.push(change),
            }
        }
        self.refused.extend(other.refused);
    }

    /// The same plan by a target that was read anew: each value is judged again, and the modes are as they are. What was
    /// planned beside policies is believed no further than this goes.
    #[must_use]
    pub fn judged_again(&self, subject: &Subject) -> Self {
        let ground = Ground::of(subject);
        let mut plan = self.emptied();
        plan.take_modes(&self.modes);
        // An allowlist is filled only where the policy beside it closes, so those come second.
        for second in [false, true] {
            for known in self.values.iter().filter(|known| known.after.is_array() == second) {
                let closes = |beside: &str| plan.values.iter().any(|known| known.pointer == beside);
                let change =
                    value_change(subject, &known.pointer, known.before.as_ref(), &known.after, closes);
                let change = change.and_then(|change| {
                    super::prove::look_at_file(subject, &ground, change.file)?;
                    Ok(change)
                });
                match change {
                    Ok(change) => plan.values.push(ValueChange { checks: known.checks.clone(), ..change }),
                    Err(why) => plan.refused.push(Refused {
                        what: visible::key(&known.pointer),
                        check: known.checks.first().cloned().unwrap_or_default(),
                        policy: String::new(),
                        why,
                    }),
                }
            }
        }
        plan
    }

    /// The same proposals and refusals, and no change.
    pub(super) fn emptied(&self) -> Self {
        let (proposals, refused) = (self.proposals.clone(), self.refused.clone());
        Self { refused, proposals, ..Self::default() }
    }

    /// Adds changes that belong to proposals of this plan.
    pub(super) fn take_modes(&mut self, modes: &[ModeChange]) {
        for change in modes {
            self.add_mode(change.clone());
        }
    }

    fn proposal(&mut self, check: &str) -> usize {
        self.proposals.push(vec![check.to_owned()]);
        self.proposals.len() - 1
    }

    fn refuse(&mut self, finding: &Finding, what: String, why: Refusal) {
        let (check, policy) = (finding.check_id.clone(), finding.policy.clone());
        let refused = Refused { what, check, policy, why };
        if !self.refused.contains(&refused) {
            self.refused.push(refused);
        }
    }

    /// Two checks may want to take different bits from one object: both are taken.
    fn add_mode(&mut self, change: ModeChange) {
        let key = (change.identity.device, change.identity.inode);
        let known = self.places.get(&key).and_then(|place| self.modes.get_mut(*place));
        let Some(known) = known else {
            self.places.insert(key, self.modes.len());
            self.modes.push(change);
            return;
        };
        known.after &= change.after;
        let checks = self.proposals.get(change.proposal).cloned().unwrap_or_default();
        if let Some(all) = self.proposals.get_mut(known.proposal) {
            for check in &checks {
                add(all, check);
            }
        }
    }

    /// Guards every file of a folder whose name fits a pattern, one by one.
    fn expand(
        &mut self,
        subject: &Subject,
        ground: &Ground,
        (finding, proposal): (&Finding, usize),
        (view, directory, names, keep): (usize, &PathBuf, &String, u32),
    ) {
        let folder = subject.path(view, directory);
        let shown = |name: &str| visible::path(&folder.join(name));
        let entries = match self.entries(subject, ground, &folder, names) {
            Ok(found) => found,
            Err(why) => return self.refuse(finding, shown(names), why),
        };
        let (way, entries) = entries;
        let mut left: BTreeMap<String, (Refusal, usize)> = BTreeMap::new();
        for (name, object) in entries {
            let wanted = object.mode & (keep | ALWAYS_KEPT);
            if wanted == object.mode {
                continue;
            }
            match guard::mode(&object, ground.caller, object.mode, wanted) {
                Ok(()) => self.add_mode(ModeChange {
                    root: way.root.clone(),
                    rel: way.rel.join(&name),
                    identity: object.identity,
                    before: object.mode,
                    after: wanted,
                    proposal,
                }),
                Err(why) => {
                    let (_, count) = left.entry(why.to_string()).or_insert((why.clone(), 0));
                    *count += 1;
                    if *count <= NAMED {
                        self.refuse(finding, visible::path(&folder.join(&name)), why);
                    }
                }
            }
        }
        for (why, (_, count)) in left.into_iter().filter(|(_, (_, count))| *count > NAMED) {
            let more = format!("{} more of {}", count - NAMED, shown(names));
            self.refuse(finding, more, Refusal::Alike(why));
        }
    }

    /// The regular files of a folder whose names fit, and the way to the folder.
    fn entries(
        &mut self,
        subject: &Subject,
        ground: &Ground,
        folder: &Path,
        names: &str,
    ) -> Result<(Way, Vec<(std::ffi::OsString, Metadata)>), Refusal> {
        let pattern = Pattern::new(names)?;
        let way = ground.way(folder)?;
        let state = subject.view("state").filter(|_| way.root == ground.state_dir).ok_or(Refusal::Outside)?;
        let shared = subject.shared();
        let is_root = way.rel.as_os_str().is_empty();
        if !is_root && shared.snapshot.stat(state, &way.rel).is_ok_and(|folder| folder.kind == Kind::Symlink)
        {
            return Err(Refusal::ThroughLink);
        }
        let listing = shared.snapshot.list(state, &way.rel).map_err(|error| unseen(&error))?;
        let fits = listing
            .iter()
            .filter(|entry| entry.metadata.kind == Kind::File && pattern.fits(entry.name.as_encoded_bytes()));
        let found: Vec<_> = fits.map(|entry| (entry.name.to_owned(), *entry.metadata)).collect();
        // What is looked at counts, not what fits: a pattern that fits nothing costs as much.
        self.expanded += listing.len();
        if self.expanded > MAX_EXPANDED { Err(Refusal::TooMany(MAX_EXPANDED)) } else { Ok((way, found)) }
    }

    fn add_value(
        &mut self,
        (subject, ground): (&Subject, &Ground),
        finding: &Finding,
        pointer: &str,
        expected: Option<&Value>,
        value: &Value,
    ) {
        let key = visible::key(pointer);
        if let Some(known) = self.values.iter_mut().find(|known| known.pointer == pointer) {
            if known.after == *value {
                add(&mut known.checks, &finding.check_id);
            } else {
                self.refuse(finding, key, Refusal::Conflict);
            }
            return;
        }
        let closes = |beside: &str| self.values.iter().any(|known| known.pointer == beside);
        let change = value_change(subject, pointer, expected, value, closes);
        let change = change.and_then(|change| {
            super::prove::look_at_file(subject, ground, change.file)?;
            Ok(change)
        });
        match change {
            Ok(change) => {
                self.values.push(ValueChange { checks: vec![finding.check_id.clone()], ..change });
            }
            Err(why) => self.refuse(finding, key, why),
        }
    }
}

fn add(checks: &mut Vec<String>, check: &str) {
    if !checks.iter().any(|known| known == check) {
        checks.push(check.to_owned());
    }
}

fn unseen(error: &LookError) -> Refusal {
    match error {
        LookError::ThroughLink => Refusal::ThroughLink,
        other => Refusal::Unseen(other.to_string()),
    }
}

fn mode_change(
    subject: &Subject,
    ground: &Ground,
    view: usize,
    rel: &Path,
    expected: u32,
    mode: u32,
) -> Result<ModeChange, Refusal> {
    let Way { root, rel: below } = ground.way(&subject.path(view, rel))?;
    // What lies in the state directory is looked at from there, so that no link on the way is passed, whatever view
    // begins behind one. The state directory itself may be a link: it is the operator's choice, and its maker is known.
    let state = subject.view("state").filter(|_| root == ground.state_dir);
    let (from, look) = state.map_or((view, rel), |state| (state, below.as_path()));
    let object = subject.shared().snapshot.stat(from, look).map_err(|error| unseen(&error))?;
    if object.kind == Kind::Directory && subject.view_name(view).is_some_and(is_file_view) {
        return Err(Refusal::NotAFile);
    }
    guard::mode(&object, ground.caller, expected, mode)?;
    let (identity, before) = (object.identity, object.mode);
    Ok(ModeChange { root, rel: below, identity, before, after: mode, proposal: 0 })
}

fn value_change(
    subject: &Subject,
    pointer: &str,
    expected: Option<&Value>,
    value: &Value,
    closes: impl Fn(&str) -> bool,
) -> Result<ValueChange, Refusal> {
    let before = subject.config.effective.pointer(pointer);
    if before != expected {
        return Err(Refusal::Changed("the value is another one".to_owned()));
    }
    guard::value(pointer, before, value, closes)?;
    let edit = Edit { pointer: pointer.to_owned(), value: value.clone() };
    let file = subject.config.edited_file(&edit).map_err(|error| Refusal::Text(error.to_string()))?;
    Ok(ValueChange {
        pointer: edit.pointer,
        before: before.cloned(),
        after: edit.value,
        file,
        checks: Vec::new(),
    })
}

/// A pattern for names: at most one `*`, so that it costs what the name is long.
struct Pattern<'p> {
    head: &'p str,
    /// Behind the `*`; none where there is none.
    tail: Option<&'p str>,
}

impl<'p> Pattern<'p> {
    /// The longest name that Linux allows.
    const LONGEST: usize = 255;

    fn new(text: &'p str) -> Result<Self, Refusal> {
        let (head, tail) = text.split_once('*').map_or((text, None), |(head, tail)| (head, Some(tail)));
        let odd = text.is_empty() || text.len() > Self::LONGEST || text.contains(['/', '\0']);
        if odd || tail.is_some_and(|tail| tail.contains('*')) {
            let shown = visible::path(Path::new(text)).chars().take(Self::LONGEST).collect();
            return Err(Refusal::Pattern(shown));
        }
        Ok(Self { head, tail })
    }

    fn fits(&self, name: &[u8]) -> bool {
        match self.tail {
            None => name == self.head.as_bytes(),
            Some(tail) => {
                let rest = name.strip_prefix(self.head.as_bytes());
                rest.is_some_and(|rest| rest.ends_with(tail.as_bytes()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_one_name_with_at_most_one_star() {
        let fits = |pattern: &str, name: &str| {
            Pattern::new(pattern).unwrap_or_else(|why| panic!("{why}")).fits(name.as_bytes())
        };
        for (pattern, name) in
            [("*.jsonl", "1.jsonl"), ("*.jsonl", ".jsonl"), ("a*a", "aa"), ("*", "x\ny"), ("x", "x")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.jsonl", "1.json"), ("a*a", "a"), ("x", "xx"), ("?", "x")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        for odd in ["", "*/x", "**", "*.*", "../*", "a\0*", &"x".repeat(256)] {
            assert!(matches!(Pattern::new(odd), Err(Refusal::Pattern(_))), "{odd}");
        }
    }
}
