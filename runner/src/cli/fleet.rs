//! Several targets in one call, some at a time. Each is audited as if it were the only one, by a worker of its own: what one does costs
//! none of the others more than its time.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use chitin::audit::{Exit, Planned, Report, Tally, visible, worst};
use chitin::budget::{Budget, Cut, LAST_WORDS};
use chitin::worker::{Supervisor, Task};

use super::audit::{Arguments, Work};
use super::choice::in_target;
use super::progress::Progress;
use super::target::now;
use super::targets::{Named, Targets};
use super::{INCOMPLETE, note, show, user_error};

/// Audits the targets, and gives the exit code: that of the worst.
pub(super) fn audit_all(
    arguments: &Arguments,
    work: &Work<'_>,
    targets: Targets,
    budget: &Budget,
) -> anyhow::Result<u8> {
    let streams = arguments.output.streams();
    if arguments.targets.is_resumed() && !streams {
        let what = "--resume is for results that are written as they come";
        return Err(user_error(what, "add --format ndjson, and append it to the file: >>FILE"));
    }
    let fleet = Fleet {
        arguments,
        work,
        plan: work.plan(&arguments.policies, arguments.deep, budget)?,
        settings: work
            .placed
            .place
            .as_ref()
            .filter(|_| !work.placed.is_named)
            .and_then(|place| place.canonicalize().ok()),
        budget,
        streams,
        targets: Mutex::new((0, targets)),
        results: Mutex::default(),
        failure: Mutex::default(),
        is_over: AtomicBool::new(false),
        alone: RwLock::new(()),
        account: rustix::process::geteuid().as_raw(),
        done: Arc::default(),
    };
    if arguments.targets.is_resumed_amid_line() {
        show(|out| writeln!(out))?;
    }
    let progress = Progress::targets(Arc::clone(&fleet.done));
    std::thread::scope(|scope| {
        for _ in 1..arguments.targets.jobs() {
            // Where no thread is to be had, those that are there do it.
            let job = std::thread::Builder::new().name("job".to_owned());
            let _ = job.spawn_scoped(scope, || fleet.work());
        }
        fleet.work();
    });
    drop(progress);
    fleet.end()
}

/// What all jobs share.
struct Fleet<'a> {
    arguments: &'a Arguments,
    work: &'a Work<'a>,
    plan: Vec<Arc<Planned>>,
    budget: &'a Budget,
    /// The real path of the settings file; none where `--settings` names it, or there is no file.
    settings: Option<PathBuf>,
    /// Each result is written as it comes, and not kept.
    streams: bool,
    /// The targets that are left, and how many were taken.
    targets: Mutex<(usize, Targets)>,
    results: Mutex<Results>,
    /// What ends all of it.
    failure: Mutex<Option<anyhow::Error>>,
    is_over: AtomicBool,
    /// Held for writing by whoever makes this process another account's.
    alone: RwLock<()>,
    /// The account that the process began as.
    account: u32,
    done: Arc<AtomicUsize>,
}

/// What came out.
#[derive(Default)]
struct Results {
    tally: Tally,
    /// The reports and their numbers, where they are kept.
    reports: Vec<(usize, Report)>,
    /// Reports that the collector was not sent yet.
    unsent: Vec<Report>,
    /// Why the collector has not got all. It gets no more then, and the audit goes on.
    not_sent: Option<anyhow::Error>,
    /// Targets that an interrupt cut.
    cut: usize,
    /// Nobody reads standard output any more.
    is_unread: bool,
}

impl Results {
    /// Sends what the collector was not sent yet. One that does not answer holds up no interrupt.
    fn send(&mut self, arguments: &Arguments, budget: &Budget) {
        let unsent = std::mem::take(&mut self.unsent);
        if self.not_sent.is_none() && !unsent.is_empty() {
            let output = arguments.output.clone();
            let sent = budget.patient().aside_within(LAST_WORDS, move || output.send(&unsent));
            let cut = |cut: Cut| Err(anyhow::anyhow!("cannot send the report: {cut}"));
            self.not_sent = sent.unwrap_or_else(cut).err();
        }
    }
}

/// Reports that are sent to a collector at a time.
const BATCH: usize = 20;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fleet<'_> {
    /// Audits one target after the other until none is left.
    fn work(&self) {
        let mut supervisor = self.work.supervisor_of_several(self.arguments.targets.jobs());
        while !self.is_over.load(Ordering::Relaxed) {
            let done = self.next().and_then(|next| match next {
                Some((number, named)) => {
                    self.audit(&named, &mut supervisor).and_then(|report| self.take(number, report)).map(Some)
                }
                None => Ok(None),
            });
            match done {
                Ok(Some(())) => {}
                Ok(None) => break,
                Err(error) => {
                    lock(&self.failure).get_or_insert(error);
                    self.is_over.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    fn next(&self) -> anyhow::Result<Option<(usize, Named)>> {
        let mut targets = lock(&self.targets);
        if self.is_interrupted() {
            return Ok(None);
        }
        let Some(named) = targets.1.next(self.budget)? else { return Ok(None) };
        targets.0 += 1;
        Ok(Some((targets.0, named)))
    }

    fn is_interrupted(&self) -> bool {
        self.budget.cut() == Some(Cut::Interrupted)
    }

    fn audit(&self, named: &Named, supervisor: &mut Supervisor) -> anyhow::Result<Report> {
        let (arguments, deep) = (self.arguments, self.arguments.deep);
        let budget = self.budget.again(self.work.limit.wall());
        // A list may take days.
        let now = now()?;
        let unusable = |reason: &str| {
            let mut report = Report::unusable(&named.path, &self.plan, reason, deep, now * 1000);
            report.mark(&self.plan);
            report
        };
        let is_root = self.account == 0;
        // Root becomes the owner, for good. Nobody else is at work meanwhile.
        let (_one, _all);
        if is_root && !is_of(&named.path, 0) {
            _one = self.alone.write().unwrap_or_else(PoisonError::into_inner);
        } else {
            _all = self.alone.read().unwrap_or_else(PoisonError::into_inner);
        }
        let account = rustix::process::geteuid().as_raw();
        let mut report = match &named.target {
            _ if self.is_interrupted() => {
                let reason = Report::unread_because(&Cut::Interrupted);
                Report::unread(None, &self.plan, &reason, deep, now * 1000)
            }
            Err(reason) => unusable(reason),
            Ok(_) if account != self.account && !is_of(&named.path, account) => unusable(
                "it belongs to another account than the one before it; audit each account's in a call of its own",
            ),
            Ok(target) => {
                // The plan of a target looks for it by itself, with the rights that this process began with.
                let is_another = account != self.account;
                let settings = self.settings.as_deref().filter(|path| is_another && target.holds(path));
                if let Some(settings) = settings {
                    return Err(in_target(settings));
                }
                let work = Work { target, placed: self.work.placed.clone(), now, ..*self.work };
                // No target brings the settings that all are judged by, or holds the cache of code.
                // Root that has become another account can no longer read its settings: the plan that it made before counts.
                let own = arguments.policies.depend_on_target(&work.placed) && !is_another;
                let own = own.then(|| work.plan(&arguments.policies, deep, &budget)).transpose()?;
                let plan = own.as_ref().unwrap_or(&self.plan);
                let probe = deep.then(|| arguments.probe.options());
                let done = work.deliver(supervisor, Task::Audit, plan, probe.as_ref(), &budget);
                done.map_or_else(|error| unusable(&format!("{error:#}")), |(delivery, _)| delivery.report)
            }
        };
        report.target.id = named.id.as_deref().map(visible);
        report.target.called = Some(named.called());
        report.target.key = Some(named.key.clone());
        Ok(report)
    }

    fn take(&self, number: usize, report: Report) -> anyhow::Result<()> {
        let mut results = lock(&self.results);
        // One that was cut has no result: whoever goes on later audits it again.
        if self.is_interrupted() && report.exit.code == INCOMPLETE {
            results.cut += 1;
            if self.streams {
                return Ok(());
            }
        }
        results.tally.add(&report.exit);
        self.done.fetch_add(1, Ordering::Relaxed);
        if self.streams {
            let output = &self.arguments.output;
            if !output.stream(&report)? && !output.has_collector() {
                results.is_unread = true;
                self.is_over.store(true, Ordering::Relaxed);
            }
            if output.has_collector() {
                results.unsent.push(report);
            }
            if results.unsent.len() >= BATCH {
                results.send(self.arguments, self.budget);
            }
            return Ok(());
        }
        results.reports.push((number, report));
        Ok(())
    }

    /// Writes what is kept, in the order in which the targets were named, and says how it ended.
    fn end(self) -> anyhow::Result<u8> {
        if let Some(error) = lock(&self.failure).take() {
            return Err(error);
        }
        let is_interrupted = self.is_interrupted();
        let mut results = self.results.into_inner().unwrap_or_else(PoisonError::into_inner);
        if self.streams {
            results.send(self.arguments, self.budget);
            let Results { tally, not_sent, cut, is_unread, .. } = results;
            let left_out = lock(&self.targets).1.left_out();
            if left_out > 0 {
                note(&format!("{left_out} of {} targets had their result", left_out + tally.targets()));
            }
            if tally.targets() > 0 {
                note(&tally.told());
            }
            if is_interrupted {
                note(&format!(
                    "interrupted: {} targets have their result, {cut} were cut; --resume FILE leaves out what has one",
                    tally.targets()
                ));
            }
            if is_unread {
                note(&format!(
                    "nobody reads standard output any more: the list was left behind target {}",
                    tally.targets()
                ));
            }
            if let Some(error) = not_sent {
                return Err(error);
            }
            return Ok(code_of(&tally.worst(), is_interrupted || is_unread));
        }
        if is_interrupted {
            let (cut, all) = (results.cut, results.reports.len());
            note(&format!(
                "interrupted: {} targets were looked at, {cut} cut, and none that follows was begun",
                all - cut
            ));
        }
        results.reports.sort_by_key(|(number, _)| *number);
        let reports: Vec<Report> = results.reports.into_iter().map(|(_, report)| report).collect();
        let output = self.arguments.output.clone();
        let written = self.budget.patient().aside_within(LAST_WORDS, move || {
            output.write(&reports).map(|()| code_of(&worst(&reports), is_interrupted))
        });
        written.unwrap_or_else(|_| {
            note("interrupted: there was no time to write all of the report; with --format ndjson each result is written as it ends");
            Ok(INCOMPLETE)
        })
    }
}

/// The exit code of a list, of which something may be left.
fn code_of(worst: &Exit, is_left: bool) -> u8 {
    if is_left && worst.code != Exit::UNUSABLE { INCOMPLETE } else { worst.code }
}

/// The place belongs to this account; so does what is not there.
fn is_of(path: &Path, account: u32) -> bool {
    path.metadata().map_or(true, |found| found.uid() == account)
}
