//! Runs the planned policies in parallel. Data in, outcomes out; nothing here prints or changes anything.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::audit::finding::Finding;
use crate::audit::outlet;
use crate::audit::plan::{ConfigGap, Planned, Subject};
use crate::audit::subtree;
use crate::audit::visible::visible;
use crate::policy::manifest::{Capabilities, Manifest};
use crate::sandbox::limits::{LimitError, Limits};
use crate::sandbox::view::Grants;
use crate::sandbox::{Code, Failure, Input, Sandbox, Stages};
use crate::target::processor_time;

/// What one run of a policy gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The policy's place in the plan. One that looks at views of a family one by one has an outcome for each.
    pub planned: usize,
    /// The policy.
    pub manifest: Manifest,
    /// Where that one view of a family lies.
    pub view: Option<String>,
    /// Its findings, or why it has none.
    pub verdict: Result<Vec<Finding>, Failure>,
    /// What it could not have seen, though it ran.
    pub gap: Option<String>,
    /// What it declares and was not granted: it could not have seen that either.
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

/// One run of a policy.
struct Job<'a> {
    number: usize,
    planned: &'a Planned,
    /// The one view of its family that it sees.
    view: Option<usize>,
    /// Runs that share the memory for answers with it.
    sharing: usize,
}

/// Runs every policy of a plan over a target.
#[must_use]
pub fn evaluate(sandbox: &Sandbox, subject: &Subject, plan: &[Planned], limits: &Limits) -> Evaluation {
    let jobs = jobs(subject, plan);
    let shared = subject.shared();
    let progress = &shared.progress;
    progress.runs.store(jobs.len(), Ordering::Relaxed);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Outcome)>> = Mutex::new(Vec::with_capacity(jobs.len()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = workers.min(most_workers(subject)).min(jobs.len());
    let redacted = subject.config.redact();
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else { break };
            let what = job.view.map(|view| subject.path(view, Path::new("")).to_string_lossy().into_owned());
            let what = what.unwrap_or_else(|| job.planned.manifest.policy.id.clone());
            *progress.current.lock().unwrap_or_else(PoisonError::into_inner) = what;
            let outcome = one(sandbox, subject, redacted, job, limits);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((index, outcome));
            progress.done.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Evaluation { outcomes: done.into_iter().map(|(_, outcome)| outcome).collect() }
}

/// How many policies run at a time, however many processors there are: each may take its 64 MiB, and the runner holds its
/// part of the config beside it. With a config of megabytes the memory of an audit is for two.
fn most_workers(subject: &Subject) -> usize {
    const LARGE: usize = 1 << 20;
    let text: usize = subject.config.files.iter().map(|file| file.text.len()).sum();
    if text > LARGE { 2 } else { 4 }
}

/// A policy of the plan makes one job, or one for each view of its family; and one where there is no such view.
fn jobs<'a>(subject: &Subject, plan: &'a [Planned]) -> Vec<Job<'a>> {
    let mut jobs = Vec::with_capacity(plan.len());
    for (number, planned) in plan.iter().enumerate() {
        let family = planned.manifest.policy.each.as_deref();
        let views: Vec<usize> = family.map(|family| subject.family(family)).unwrap_or_default();
        let sharing = views.len();
        if views.is_empty() {
            jobs.push(Job { number, planned, view: None, sharing });
        }
        jobs.extend(views.into_iter().map(|view| Job { number, planned, view: Some(view), sharing }));
    }
    // The policies of strangers share with each other, so that their number does not count.
    let strangers = jobs.iter().filter(|job| job.is_strangers()).count();
    for job in jobs.iter_mut().filter(|job| job.is_strangers()) {
        job.sharing = strangers;
    }
    jobs
}

impl Job<'_> {
    fn is_strangers(&self) -> bool {
        matches!(self.planned.code, Ok(Code::Compiled(..)))
    }
}

fn one(
    sandbox: &Sandbox,
    subject: &Subject,
    redacted: &serde_json::Value,
    job: &Job<'_>,
    limits: &Limits,
) -> Outcome {
    let planned = job.planned;
    let capabilities = &planned.granted;
    let family = planned.manifest.policy.each.as_deref();
    let gap = subject.config_gap().filter(|_| !planned.manifest.capabilities.config.is_empty());
    let family_gap = family.and_then(|family| subject.family_gap(family));
    let mut outcome = Outcome {
        planned: job.number,
        manifest: planned.manifest.clone(),
        view: job.view.map(|view| visible(&subject.path(view, Path::new("")).to_string_lossy())),
        verdict: Ok(Vec::new()),
        gap: gap.map(|gap| gap.reason().to_owned()).or(family_gap),
        ungranted: ungranted(planned),
        log: String::new(),
        denied: Vec::new(),
        stages: Stages::default(),
    };
    if gap == Some(ConfigGap::Unknown) && capabilities.files.is_empty() && planned.code.is_ok() {
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
    let grants = Grants::new(capabilities.clone(), subject.view_numbers(family, job.view));
    let input = input_from(subject, redacted, &grants);
    let mut limits = limits.clone().shared_by(job.sharing);
    limits.fuel = limits.fuel.max(capabilities.fuel.unwrap_or(0));
    let limits = &limits;
    let began = processor_time();
    let answer = sandbox.run(code, &subject.shared(), grants.clone(), limits, &input);
    outcome.stages = answer.stages;
    outcome.log = outlet::clean_log(subject, &answer.log);
    outcome.denied = answer.denied.iter().map(|name| outlet::clean_name(subject, name)).collect();
    // What the runner does with an answer is the policy's doing, too.
    let go_on = || {
        if sandbox.interrupt().load(Ordering::Relaxed) {
            return Err(Failure::Interrupted);
        }
        if processor_time().saturating_sub(began) > limits.time {
            let allowed = format!("{} s", limits.time.as_secs());
            return Err(LimitError::new("time", allowed, "still resolving its places").into());
        }
        Ok(())
    };
    let accept = |findings| outlet::accept(&planned.manifest, &grants, limits, subject, findings, &go_on);
    let verdict = answer.verdict.and_then(accept);
    outcome.verdict = verdict.map_err(|failure| outlet::clean_failure(subject, failure));
    outcome
}

fn ungranted(planned: &Planned) -> Vec<String> {
    let granted = planned.granted.names();
    let declared = planned.manifest.capabilities.names();
    declared.into_iter().filter(|name| !granted.contains(name)).map(|name| visible(&name)).collect()
}

/// What a policy with these capabilities is given.
#[must_use]
pub fn input(subject: &Subject, granted: &Capabilities) -> Input {
    let grants = Grants::new(granted.clone(), subject.view_numbers(None, None));
    input_from(subject, subject.config.redact(), &grants)
}

fn input_from(subject: &Subject, redacted: &serde_json::Value, grants: &Grants) -> Input {
    let capabilities = grants.capabilities();
    Input {
        config: subtree::cut(redacted, &capabilities.config),
        generation: subject.config.generation.clone(),
        problems: if capabilities.problems { subject.input_problems() } else { Vec::new() },
        views: subject.input_views(|view| grants.sees(view)),
        environment: subject.input_variables(&capabilities.environment),
        platform: Subject::platform(),
        permissions: subject.permissions(),
        deep: subject.deep,
        now: subject.now,
    }
}
