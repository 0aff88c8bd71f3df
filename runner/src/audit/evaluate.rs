//! Runs the planned policies in parallel, each within its share of the audit's time. Data in, outcomes out; nothing here
//! prints or changes anything.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::audit::finding::Finding;
use crate::audit::open::Open;
use crate::audit::outlet;
use crate::audit::plan::Planned;
use crate::audit::subject::{ConfigGap, Subject};
use crate::audit::subtree;
use crate::audit::visible::visible;
use crate::audit::worse;
use crate::budget::{self, Budget, Cut, GRACE, SLICE, TIME};
use crate::policy::manifest::{Capabilities, Manifest};
use crate::sandbox::limits::{LimitError, Limits};
use crate::sandbox::view::Grants;
use crate::sandbox::{Failure, Input, Sandbox, Stages};

/// What one run of a policy gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The policy's place in the plan. One that looks at views of a family one by one has an outcome for each.
    pub planned: usize,
    /// The policy.
    pub manifest: Arc<Manifest>,
    /// Where that one view of a family lies.
    pub view: Option<String>,
    /// Its findings, or why it has none.
    pub verdict: Result<Vec<Finding>, Failure>,
    /// The checks that it could not assess, or not in full.
    pub open: Vec<Open>,
    /// What it could not have seen, though it ran.
    pub gap: Option<String>,
    /// Capabilities that are declared and not granted, of those that let it see something: all but fixes, fuel and memory.
    pub ungranted: Vec<String>,
    /// What it wrote to standard output and error.
    pub log: String,
    /// What it asked for without a grant.
    pub denied: Vec<String>,
    /// How long it took.
    pub stages: Stages,
}

/// All outcomes, in the order of the plan.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// One or more for each planned policy.
    pub outcomes: Vec<Outcome>,
}

/// The part of the time for all runs that the built-in policies have, in fifths. They run first, and whether strangers
/// follow makes no difference to them; what they leave, which is nearly all of it, the strangers have.
const BUILTIN_FIFTHS: u32 = 4;

/// How long no run may end before it is asked whether those that are there hang in a file system, so that one more thread
/// is needed for the others.
const SILENCE: Duration = Duration::from_millis(500);

/// They hang where they had less than one part in so many of that time on a processor. Those that are busy are not replaced:
/// each run takes memory.
const IDLE: u32 = 20;

/// Most threads that are started for that: what more than so many policies hang in, all do.
const MAX_REPLACEMENTS: usize = 16;

/// One run of a policy.
#[derive(Clone, Copy)]
struct Job {
    /// The policy's place in the plan.
    number: usize,
    /// The one view of its family that it sees.
    view: Option<usize>,
    /// Runs that share the memory for answers with it.
    sharing: usize,
}

/// Runs every policy of a plan over a target; by two releases where it is not sure which one it is of. The budget says how
/// much processor time there is for all runs together, and when all must have ended: by then there is an outcome for each,
/// whatever hangs.
#[must_use]
pub fn evaluate(
    sandbox: &Sandbox,
    subject: &Arc<Subject>,
    plan: &[Arc<Planned>],
    limits: &Limits,
    budget: &Budget,
) -> Evaluation {
    let all = budget.allowed();
    let workers = most_workers(subject);
    let by_release = |subject: &Arc<Subject>, time| {
        let stage = Stage {
            sandbox: sandbox.clone(),
            subject: Arc::clone(subject),
            config: subject.config.redact(),
            plan: plan.to_vec(),
            limits: limits.clone(),
            jobs: jobs(subject, plan),
            workers,
        };
        by_one_release(&Arc::new(stage), budget, time)
    };
    let Some(other) = subject.other() else { return by_release(subject, all).0 };
    // Half of the time for each, and what the first one leaves for the second.
    let (first, used) = by_release(subject, all / 2);
    let (second, _) = by_release(other, all.saturating_sub(used));
    let release = |subject: &Subject| subject.config.judged.release;
    worse::of_both((release(subject), first), (release(other), second))
}

/// Runs them by one release within this processor time, and gives what was used of it, too.
fn by_one_release(stage: &Arc<Stage>, budget: &Budget, all: Duration) -> (Evaluation, Duration) {
    stage.subject.shared().progress.runs.fetch_add(stage.jobs.len(), Ordering::Relaxed);
    let (own, strange): (Vec<usize>, Vec<usize>) =
        (0..stage.jobs.len()).partition(|index| stage.is_builtin(*index));
    let mut outcomes = BTreeMap::new();
    let reserve = (all / 5).saturating_mul(BUILTIN_FIFTHS);
    let used = stage.run_in_slices(own, reserve, budget, &mut outcomes);
    let left = all.saturating_sub(used).min(all);
    let used = used + stage.run_in_slices(strange, left, budget, &mut outcomes);
    (Evaluation { outcomes: outcomes.into_values().collect() }, used)
}

/// How many policies run at a time, however many processors there are: each may take its 64 MiB, and the runner holds its
/// part of the config beside it. With a config of megabytes the memory of an audit is for two, and where a very large one is
/// there by two releases, for one.
fn most_workers(subject: &Subject) -> usize {
    const LARGE: usize = 1 << 20;
    const VERY_LARGE: usize = 8 << 20;
    let text: usize = subject.config.files.iter().map(|file| file.text.len()).sum();
    match text {
        0..=LARGE => 4,
        VERY_LARGE.. if subject.other().is_some() => 1,
        _ => 2,
    }
}

/// A policy of the plan makes one job, or one for each view of its family; and one where there is no such view.
fn jobs(subject: &Subject, plan: &[Arc<Planned>]) -> Vec<Job> {
    let mut jobs = Vec::with_capacity(plan.len());
    for (number, planned) in plan.iter().enumerate() {
        let family = planned.manifest.policy.each.as_deref();
        let views: Vec<usize> = family.map(|family| subject.family(family)).unwrap_or_default();
        let sharing = views.len();
        if views.is_empty() {
            jobs.push(Job { number, view: None, sharing });
        }
        jobs.extend(views.into_iter().map(|view| Job { number, view: Some(view), sharing }));
    }
    // The policies of strangers share with each other, so that their number does not count.
    let is_strangers = |job: &Job| plan.get(job.number).is_some_and(|planned| planned.is_strangers());
    let strangers = jobs.iter().filter(|job| is_strangers(job)).count();
    for job in jobs.iter_mut().filter(|job| is_strangers(job)) {
        job.sharing = strangers;
    }
    jobs
}

/// What all runs need. Threads own it together, so that one that hangs can be left behind.
struct Stage {
    sandbox: Sandbox,
    subject: Arc<Subject>,
    /// The config as policies see it. Held, so that it is made once.
    config: Arc<Value>,
    plan: Vec<Arc<Planned>>,
    limits: Limits,
    jobs: Vec<Job>,
    /// How many threads run them.
    workers: usize,
}

/// Runs that share their time.
struct Group {
    /// The jobs by their numbers, each with its slice.
    queue: Vec<(usize, Duration)>,
    next: AtomicUsize,
    /// Processor time for all of them, and what they have used of it, in nanoseconds.
    share: Duration,
    used: AtomicU64,
    /// What came out, by the jobs' numbers; none once nobody waits for it. Whoever waits is woken by the last one alone.
    outcomes: Mutex<Option<BTreeMap<usize, Outcome>>>,
}

impl Group {
    fn outcomes(&self) -> MutexGuard<'_, Option<BTreeMap<usize, Outcome>>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }
}

impl Stage {
    fn planned(&self, index: usize) -> Option<(&Job, &Planned)> {
        let job = self.jobs.get(index)?;
        Some((job, &**self.plan.get(job.number)?))
    }

    /// The code is this program's own, or there is none that could take anybody's time.
    fn is_builtin(&self, index: usize) -> bool {
        self.planned(index).is_none_or(|(_, planned)| !planned.is_strangers())
    }

    /// Runs these jobs in equal slices of a share. Those that their slice cut short run again in equal slices of what the
    /// others left: one that needs more than most is assessed, and one that takes all it gets harms no other. Gives what
    /// was used.
    fn run_in_slices(
        self: &Arc<Self>,
        mut indices: Vec<usize>,
        share: Duration,
        budget: &Budget,
        outcomes: &mut BTreeMap<usize, Outcome>,
    ) -> Duration {
        let mut used = Duration::ZERO;
        for _ in 0..2 {
            let mut queue = self.slices(&indices, share.saturating_sub(used));
            // Longest job first: a policy that declares more fuel than others runs longer, and these run beside it.
            let fuel = |index: usize| self.planned(index).and_then(|(_, planned)| planned.granted.fuel);
            queue.sort_by_key(|(index, _)| Reverse(fuel(*index)));
            let group = Group {
                queue,
                next: AtomicUsize::new(0),
                share: share.saturating_sub(used),
                used: AtomicU64::new(0),
                outcomes: Mutex::new(Some(BTreeMap::new())),
            };
            let group = Arc::new(group);
            self.run(&group, budget, outcomes);
            used += group.used();
            let was_cut = |index: &usize| outcomes.get(index).is_some_and(Outcome::is_sliced);
            indices.retain(was_cut);
            if indices.is_empty() || used >= share || budget.cut().is_some() {
                break;
            }
        }
        used
    }

    /// Each policy's slice is equal, and so is each view's of its policy's.
    fn slices(&self, indices: &[usize], share: Duration) -> Vec<(usize, Duration)> {
        let number = |index: &usize| self.jobs.get(*index).map(|job| job.number);
        let policies = indices.iter().filter_map(number).collect::<BTreeSet<_>>().len();
        let mut views: BTreeMap<Option<usize>, u32> = BTreeMap::new();
        for index in indices {
            *views.entry(number(index)).or_default() += 1;
        }
        let policies = u32::try_from(policies).unwrap_or(u32::MAX).max(1);
        let slice =
            |index: &usize| (share / policies) / views.get(&number(index)).copied().unwrap_or(1).max(1);
        indices.iter().map(|index| (*index, slice(index))).collect()
    }

    /// Runs a group in as many threads as there are processors for it, and waits for all of it, but not for what hangs.
    fn run(self: &Arc<Self>, group: &Arc<Group>, budget: &Budget, outcomes: &mut BTreeMap<usize, Outcome>) {
        let (sender, receiver) = channel();
        let workers = self.sandbox.threads().min(self.workers).min(group.queue.len());
        let started = (0..workers).take_while(|_| self.start(group, budget, &sender)).count();
        let cut = if started > 0 {
            self.wait(group, budget, &sender, &receiver).err()
        } else {
            // Where no thread can be started, this one does it.
            self.work(group, budget, &sender);
            None
        };
        outcomes.append(&mut group.outcomes().take().unwrap_or_default());
        let why = cut.or_else(|| budget.cut()).unwrap_or(Cut::Broken);
        for (index, _) in &group.queue {
            if !outcomes.contains_key(index)
                && let Some((job, planned)) = self.planned(*index)
            {
                let outcome = Outcome { verdict: Err(why.clone().into()), ..self.outcome(job, planned) };
                outcomes.insert(*index, outcome);
            }
        }
    }

    /// Starts one more thread for a group. Says whether it could be started.
    fn start(self: &Arc<Self>, group: &Arc<Group>, budget: &Budget, all_done: &Sender<()>) -> bool {
        let (stage, group, budget, all_done) =
            (Arc::clone(self), Arc::clone(group), budget.clone(), all_done.clone());
        budget::spawn(Box::new(move || stage.work(&group, &budget, &all_done)))
    }

    fn wait(
        self: &Arc<Self>,
        group: &Arc<Group>,
        budget: &Budget,
        all_done: &Sender<()>,
        receiver: &Receiver<()>,
    ) -> Result<(), Cut> {
        let (mut last, mut worked) = (Instant::now(), budget::process_time());
        let (mut ended, mut replacements) = (0, 0);
        while budget.receive(receiver, GRACE)?.is_none() {
            let now_ended = group.outcomes().as_ref().map_or(0, BTreeMap::len);
            if now_ended == ended {
                if last.elapsed() < SILENCE {
                    continue;
                }
                if budget::process_time().saturating_sub(worked) < SILENCE / IDLE
                    && replacements < MAX_REPLACEMENTS
                    && group.next.load(Ordering::Relaxed) < group.queue.len()
                {
                    self.start(group, budget, all_done);
                    replacements += 1;
                }
            }
            (last, worked, ended) = (Instant::now(), budget::process_time(), now_ended);
        }
        Ok(())
    }

    /// Does one job after the other.
    fn work(&self, group: &Group, budget: &Budget, all_done: &Sender<()>) {
        let shared = self.subject.shared();
        let progress = &shared.progress;
        loop {
            let next = group.queue.get(group.next.fetch_add(1, Ordering::Relaxed));
            let Some((index, slice)) = next else { break };
            let Some((job, planned)) = self.planned(*index) else { break };
            let what =
                job.view.map(|view| self.subject.path(view, Path::new("")).to_string_lossy().into_owned());
            let what = what.unwrap_or_else(|| planned.manifest.policy.id.clone());
            *progress.current.lock().unwrap_or_else(PoisonError::into_inner) = what;
            let time = self.limits.time;
            let run = if *slice < time { budget.share(SLICE, *slice) } else { budget.share(TIME, time) };
            let outcome = if group.used() < group.share {
                // A defect of this program costs one run, and nobody waits for what does not come.
                let one = AssertUnwindSafe(|| self.one(job, planned, &run));
                catch_unwind(one).unwrap_or_else(|_| Outcome {
                    verdict: Err(Failure::Broken),
                    ..self.outcome(job, planned)
                })
            } else {
                let error =
                    LimitError::new(budget::PROCESSOR, budget::time(group.share), "all used by others");
                Outcome { verdict: Err(error.into()), ..self.outcome(job, planned) }
            };
            let used = u64::try_from(run.used().as_nanos()).unwrap_or(u64::MAX);
            group.used.fetch_add(used, Ordering::Relaxed);
            progress.done.fetch_add(1, Ordering::Relaxed);
            let mut outcomes = group.outcomes();
            // Nobody waits any more where it took too long.
            let Some(outcomes) = outcomes.as_mut() else { break };
            outcomes.insert(*index, outcome);
            if outcomes.len() == group.queue.len() {
                let _ = all_done.send(());
            }
        }
    }

    /// An outcome without findings.
    fn outcome(&self, job: &Job, planned: &Planned) -> Outcome {
        let family_gap = || self.subject.family_gap(planned);
        let view = |view| visible(&self.subject.path(view, Path::new("")).to_string_lossy());
        Outcome {
            planned: job.number,
            manifest: Arc::clone(&planned.manifest),
            view: job.view.map(view),
            verdict: Ok(Vec::new()),
            open: Vec::new(),
            gap: self.gap(planned).map(|gap| self.subject.gap_reason(gap)).or_else(family_gap),
            ungranted: ungranted(planned),
            log: String::new(),
            denied: Vec::new(),
            stages: Stages::default(),
        }
    }

    fn gap(&self, planned: &Planned) -> Option<ConfigGap> {
        self.subject.config_gap().filter(|_| !planned.manifest.capabilities.config.is_empty())
    }

    /// One run. What it makes this program do when its answer is looked at counts as its own.
    fn one(&self, job: &Job, planned: &Planned, budget: &Budget) -> Outcome {
        let Self { sandbox, subject, config, .. } = self;
        let capabilities = &planned.granted;
        let family = planned.manifest.policy.each.as_deref();
        let mut outcome = self.outcome(job, planned);
        if let Some(cut) = budget.cut() {
            outcome.verdict = Err(cut.into());
            return outcome;
        }
        if self.gap(planned) == Some(ConfigGap::Unknown)
            && capabilities.files.is_empty()
            && planned.code.is_ok()
        {
            return outcome; // it would judge an empty config
        }
        if family.is_some() && job.view.is_none() && planned.code.is_ok() {
            return outcome; // there is nothing of what it looks at
        }
        let code = match &planned.code {
            Ok(code) => code,
            Err(reason) => {
                outcome.verdict = Err(outlet::clean_failure(subject, Failure::Refused(reason.clone())));
                return outcome;
            }
        };
        let grants = Grants::new(Arc::clone(capabilities), subject.view_numbers(family, job.view));
        let withheld = planned.withheld();
        let input = input_from(subject, config, &grants, withheld);
        let mut limits = self.limits.clone().shared_by(job.sharing);
        limits.fuel = limits.fuel.max(capabilities.fuel.unwrap_or(0));
        let memory = capabilities.memory.map_or(0, |mebibytes| mebibytes << 20);
        limits.memory = limits.memory.max(usize::try_from(memory).unwrap_or(0));
        let limits = &limits;
        let answer = sandbox.run(code, &subject.shared(), &grants, limits, input, budget);
        outcome.stages = answer.stages;
        outcome.log = outlet::clean_log(subject, &answer.log);
        outcome.denied = answer.denied.iter().map(|name| outlet::clean_name(subject, name)).collect();
        let go_on = || budget.check().map_err(Failure::from);
        let rules = outlet::Rules { manifest: &planned.manifest, grants: &grants, withheld, limits };
        let accepted = answer.verdict.and_then(|answer| outlet::accept(&rules, subject, answer, &go_on));
        match accepted {
            Ok((mut findings, open)) => {
                if subject.config_gap() == Some(ConfigGap::Unknown) {
                    // It took an empty config for the one that nobody could read.
                    findings.retain(|finding| !finding.is_about_values_alone());
                }
                (outcome.verdict, outcome.open) = (Ok(findings), open);
            }
            Err(failure) => outcome.verdict = Err(outlet::clean_failure(subject, failure)),
        }
        outcome
    }
}

impl Outcome {
    /// It had less time than a run may have.
    fn is_sliced(&self) -> bool {
        matches!(&self.verdict, Err(Failure::Limit(limit)) if limit.what == SLICE)
    }
}

fn ungranted(planned: &Planned) -> Vec<String> {
    let shows = |name: &&String| !["fix:", "fuel:", "memory:"].iter().any(|kind| name.starts_with(kind));
    planned.withheld().names().iter().filter(shows).map(|name| visible(name)).collect()
}

/// What a policy with these capabilities is given.
#[must_use]
pub fn input(subject: &Subject, granted: &Capabilities) -> Input {
    let grants = Grants::new(granted.clone(), subject.view_numbers(None, None));
    input_from(subject, &subject.config.redact(), &grants, &Capabilities::default())
}

fn input_from(subject: &Subject, config: &Value, grants: &Grants, withheld: &Capabilities) -> Input {
    let capabilities = grants.capabilities();
    Input {
        config: subtree::cut(config, &capabilities.config, &withheld.config),
        release: subject.release(),
        withheld: withheld.names(),
        problems: if capabilities.problems { subject.input_problems() } else { Vec::new() },
        views: subject.input_views(|view| grants.sees(view)),
        environment: subject.input_variables(&capabilities.environment),
        platform: Subject::platform(),
        permissions: subject.permissions(),
        deep: subject.deep,
        now: subject.now,
    }
}
