//! `chitin fix`, `chitin undo`, and what `chitin audit --fix` does: read, audit, plan, prove, show, ask, apply.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::slice;
use std::sync::Arc;

use anstyle::Style;
use chitin::audit::finding::Finding;
use chitin::audit::{Exit, Planned, Report, Terms, visible};
use chitin::budget::{self, Budget};
use chitin::confine::Confinement;
use chitin::fix::journal::{Entry, JournalError, Outcome, Record};
use chitin::fix::summary::Shown;
use chitin::fix::{
    Applied, ApplyError, Journal, Lock, Summary, Undone, What, apply, border, clean_up, show, undo,
};
use chitin::output::{Format, Text};
use chitin::policy::catalog::BUILTIN;
use chitin::policy::manifest::Severity;
use chitin::probe;
use chitin::target::{Environment, Installation, account_name};
use chitin::wording::{nearest, shell_word};
use chitin::worker::{Delivery, Prepared, Task};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::audit::{Known, Work};
use super::choice::PolicyArguments;
use super::target::{ConfineArguments, Found, LimitArguments, TargetArguments, now};
use super::{INCOMPLETE, Unfinished, ask, listen, note, show as print, show_done, user_error};

const BOLD: Style = Style::new().bold();

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
The fix takes permissions away that nobody but the owner needs, and moves config values towards stricter ones. \
It changes nothing else: no token, no tool, no address. What it did is in a journal; `chitin undo` takes it back."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    policies: PolicyArguments,
    #[command(flatten)]
    limit: LimitArguments,
    #[command(flatten)]
    confine: ConfineArguments,
    /// Make the changes without asking
    #[arg(long, short)]
    yes: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// What `chitin fix` and `chitin audit --fix` have in common.
#[derive(Args, Clone)]
pub(super) struct Options {
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Cure the findings of this check only (repeatable)
    #[arg(long, value_name = "CHECK-ID")]
    only: Vec<String>,
}

impl Options {
    /// One of them is given.
    pub(super) fn is_given(&self) -> bool {
        self.dry_run || !self.only.is_empty()
    }
}

#[derive(Subcommand)]
enum Command {
    /// List the runs that are in the journal
    History,
}

#[derive(Args)]
pub(super) struct UndoArguments {
    /// The run to take back, as `chitin fix history` names it [default: the last one on this installation]
    run: Option<String>,
    #[command(flatten)]
    target: TargetArguments,
}

/// `{fix, report}`, the reference program's form.
#[derive(Serialize)]
struct Both<'a> {
    fix: &'a Summary,
    report: &'a Report,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    if let Some(Command::History) = arguments.command {
        return history();
    }
    let Arguments { target, policies, limit, options, confine, .. } = arguments;
    let fix = Fix::new((target, policies), (*limit, *confine), Terms::default(), options, None)?;
    let lock = fix.lock(options.dry_run)?;
    let ready = fix.prepare()?;
    if let Some(cut) = &ready.cut {
        return unfinished(&ready, cut, arguments.json);
    }
    fix.tell_left_out(&ready.report);
    let proven = &ready.prepared.proven;
    let count = proven.plan.count();
    // A dry run was asked for and was made in full; otherwise what is left is told by the exit code too.
    let left = if proven.plan.leaves_something() { INCOMPLETE } else { 0 };
    if arguments.options.dry_run || count == 0 {
        if arguments.json {
            print(|out| write_json(&ready.summary(None), &ready.report, out))?;
        } else {
            print(|out| {
                ready.write_plan(out)?;
                match count {
                    0 if left != 0 => writeln!(out, "nothing was changed"),
                    0 => writeln!(out, "{}", fix.nothing_to_fix(&ready.report)),
                    _ => writeln!(out, "{}; nothing was changed", changes(count, "would be made")),
                }
            })?;
        }
        return Ok(match ready.report.exit.code {
            Exit::NOTHING => Exit::NOTHING,
            _ if arguments.options.dry_run => 0,
            _ => left,
        });
    }
    if !arguments.json {
        print(|out| ready.write_plan(out))?;
    }
    if !arguments.yes && !confirmed(count, &fix.budget)? {
        print(|out| writeln!(out, "nothing was changed"))?;
        return Ok(0);
    }
    let applied = ready.carry_out(lock)?;
    let (after, cut) = fix.audit_again()?;
    let code = if applied.failed.is_empty() && cut.is_none() { left } else { INCOMPLETE };
    Ok(show_done(code, |out| {
        if arguments.json {
            return write_json(&ready.summary(Some(&applied)), &after, out);
        }
        write_applied(&applied, out)?;
        if let Some(cut) = &cut {
            return writeln!(out, "what is left is not known: {}; see `chitin audit`", visible(cut));
        }
        let summary = &after.summary;
        writeln!(
            out,
            "left: {} critical, {} warn, {} info; see `chitin audit`",
            summary.critical, summary.warn, summary.info
        )
    }))
}

/// `chitin audit --fix`: no questions, and the report behind it.
pub(super) fn run_in_audit(
    what: (&TargetArguments, &PolicyArguments),
    how: (LimitArguments, ConfineArguments),
    terms: Terms,
    options: &Options,
    deep: Option<&probe::Options>,
    json: bool,
) -> anyhow::Result<u8> {
    let fix = Fix::new(what, how, terms, options, deep)?;
    let lock = fix.lock(options.dry_run)?;
    let ready = fix.prepare()?;
    if let Some(cut) = &ready.cut {
        return unfinished(&ready, cut, json);
    }
    let applied = if options.dry_run { None } else { Some(ready.carry_out(lock)?) };
    let after = if applied.is_some() || deep.is_some() { fix.audit_again()?.0 } else { ready.report.clone() };
    let plan = &ready.prepared.proven.plan;
    let left = applied.as_ref().is_some_and(|applied| !applied.failed.is_empty() || plan.leaves_something());
    let code = if left { INCOMPLETE } else { after.exit.code };
    let write = |out: &mut dyn Write| {
        if json {
            return write_json(&ready.summary(applied.as_ref()), &after, out);
        }
        let count = plan.count();
        ready.write_plan(out)?;
        match &applied {
            _ if count == 0 => writeln!(out, "{}\n", fix.nothing_to_fix(&after))?,
            Some(applied) => {
                write_applied(applied, out)?;
                writeln!(out)?;
            }
            None => writeln!(out, "{}; nothing was changed\n", changes(count, "would be made"))?,
        }
        Text::default().write(slice::from_ref(&after), out)
    };
    if applied.as_ref().is_some_and(|applied| applied.run.is_some()) {
        return Ok(show_done(code, write));
    }
    print(write)?;
    Ok(code)
}

/// `chitin undo`.
pub(super) fn run_undo(arguments: &UndoArguments) -> anyhow::Result<u8> {
    let caller = caller();
    let Found { installation, .. } = arguments.target.find(&Budget::default())??;
    if arguments.run.is_none() {
        told_whose(caller, installation.territory.owner(), &installation, true)?;
    }
    let journal = journal()?;
    let mut record = match &arguments.run {
        Some(run) => journal.load(run).map_err(|error| unusable(&error))?,
        None => last_run(&journal, &installation.state_dir)?,
    };
    // The run may be one on another installation than the one that was found.
    if let Ok(stat) = rustix::fs::stat(&record.state_dir) {
        told_whose(caller, stat.st_uid, &installation, true)?;
    }
    let _lock = match Lock::take(&journal, &record.state_dir) {
        Ok(lock) => Some(lock),
        // Where the state directory is gone, there is nobody to keep out.
        Err(_) if rustix::fs::stat(&record.state_dir).is_err() => None,
        Err(error) => return Err(not_locked(error)),
    };
    let all = undo(&journal, &mut record, &mut |_| Ok(())).map_err(|error| match error {
        ApplyError::Journal(error) => unusable(&error),
        busy @ ApplyError::Busy(_) => busy.into(),
    })?;
    let kept = all.iter().filter(|(_, done)| matches!(done, Undone::Kept(_))).count();
    let code = if kept == 0 { 0 } else { INCOMPLETE };
    Ok(show_done(code, |out| write_undone(&all, out)))
}

/// The last run on an installation that can still be taken back. One that cannot be read may be it, so that it is told.
fn last_run(journal: &Journal, state_dir: &Path) -> anyhow::Result<Record> {
    for (_, record) in journal.all().map_err(|error| unusable(&error))? {
        let record = record.map_err(|error| unusable(&error))?;
        if record.state_dir == state_dir && record.outcome != Some(Outcome::Undone) {
            return Ok(record);
        }
    }
    Err(user_error(format!("there is no fix of {} to take back", visible::path(state_dir)), HISTORY))
}

const HISTORY: &str = "`chitin fix history` lists the runs";

/// A journal that is not used for an undo.
fn unusable(error: &JournalError) -> anyhow::Error {
    let help = match error {
        JournalError::Damaged { .. } => {
            "nothing was changed; `chitin fix history` lists the runs, and `chitin undo RUN` takes back one that you name"
        }
        JournalError::NotPrivate(_) => {
            "nothing was changed; look who wrote there, and take the permission from others with chmod go-w"
        }
        _ => HISTORY,
    };
    user_error(error.to_string(), help)
}

/// What became of each change; of many that went the same way in one folder the first, and how many more.
fn write_undone(all: &[(Entry, Undone)], out: &mut dyn Write) -> io::Result<()> {
    /// Objects of a folder that are named.
    const NAMED: usize = 20;
    let alike = |(one, done): &(Entry, Undone), (other, also): &(Entry, Undone)| {
        let same = match (done, also) {
            (Undone::Restored, Undone::Restored) | (Undone::NothingToDo, Undone::NothingToDo) => true,
            (Undone::Kept(one), Undone::Kept(other)) => one.to_string() == other.to_string(),
            _ => false,
        };
        same && one.path().parent() == other.path().parent()
    };
    for group in all.chunk_by(alike) {
        for (entry, done) in group.iter().take(NAMED) {
            let path = visible::path(&entry.path());
            match (done, entry) {
                (Undone::Restored, Entry::Mode { before, .. }) => {
                    writeln!(out, "{path}: mode {before:04o} again")
                }
                (Undone::Restored, Entry::Text { .. }) => {
                    writeln!(out, "{path}: the text before the fix again")
                }
                (Undone::NothingToDo, _) => writeln!(out, "{path}: as before the fix already"),
                (Undone::Kept(why), _) => {
                    writeln!(out, "{BOLD}left as it is:{BOLD:#} {path}: {}", visible(&why.to_string()))
                }
            }?;
        }
        if let Some((entry, _)) = group.get(NAMED) {
            let folder = entry.path().parent().map(visible::path).unwrap_or_default();
            writeln!(out, "{} more in {folder} the same way", group.len() - NAMED)?;
        }
    }
    Ok(())
}

fn history() -> anyhow::Result<u8> {
    let journal = journal()?;
    let runs: Vec<_> = journal.all().map_err(|error| unusable(&error))?.collect();
    print(|out| {
        if runs.is_empty() {
            writeln!(out, "no fix was made yet")?;
        }
        for (run, record) in &runs {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    writeln!(out, "{BOLD}{run}{BOLD:#}  {}", visible(&error.to_string()))?;
                    continue;
                }
            };
            let outcome = match record.outcome {
                Some(Outcome::Complete) => "complete",
                Some(Outcome::Partial) => "in part",
                Some(Outcome::Undone) => "taken back",
                None => "broken off",
            };
            writeln!(
                out,
                "{BOLD}{run}{BOLD:#}  {}  {outcome}, {} on {}",
                visible(&record.started),
                changes(record.entries.len(), "made"),
                visible::path(&record.state_dir)
            )?;
        }
        Ok(())
    })?;
    Ok(0)
}

/// Who runs this. To be asked before the target is located: root becomes the owner of what it looks at.
fn caller() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Only the owner of an installation changes anything in it. Root, who could, is told how; whoever cannot gets the reason
/// beside each change that is left.
fn told_whose(caller: u32, owner: u32, located: &Installation, undo: bool) -> anyhow::Result<()> {
    if caller == owner {
        return Ok(());
    }
    let who = account_name(owner).unwrap_or_else(|| format!("#{owner}"));
    let mut command = vec![OsString::from("sudo"), "-u".into(), who.clone().into(), "chitin".into()];
    command.extend(hidden(std::env::args_os().skip(1)));
    // What this account's environment says does not reach the other one.
    if !located.by_hand() {
        command.extend(["--state-dir".into(), located.state_dir.clone().into()]);
    }
    if located.config_load.parent() != Some(&located.state_dir) && located.config_origin != "--config" {
        command.extend(["--config".into(), located.config_load.clone().into()]);
    }
    let words: Vec<String> = command.iter().map(shell_word).collect();
    if caller != 0 && !undo {
        // Nothing can be changed; what could be is told, and each place says why it is left.
        let help = visible(&format!("run: {}", words.join(" ")));
        let _ =
            writeln!(anstream::stderr().lock(), "help: only {} changes anything here; {help}", visible(&who));
        return Ok(());
    }
    Err(user_error(
        format!(
            "the installation in {} belongs to another account ({who}), and only its owner changes it; nothing was changed",
            visible::path(&located.state_dir)
        ),
        format!("run: {}", words.join(" ")),
    ))
}

/// The arguments, without the credentials that may be among them.
fn hidden(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    const CREDENTIALS: [&str; 2] = ["--token", "--password"];
    let mut all = Vec::new();
    let mut behind = false;
    for argument in arguments {
        let text = argument.to_string_lossy();
        let with = CREDENTIALS.iter().find(|name| text.starts_with(&format!("{name}=")));
        all.push(match with {
            _ if behind => "***".into(),
            Some(name) => format!("{name}=***").into(),
            None => argument.clone(),
        });
        behind = !behind && CREDENTIALS.contains(&&*text);
    }
    all
}

/// Tells what there is where the fix was cut before it changed anything.
fn unfinished(ready: &Ready, cut: &str, json: bool) -> anyhow::Result<u8> {
    if json {
        print(|out| write_json(&ready.summary(None), &ready.report, out))?;
    } else {
        print(|out| {
            Text::default().write(slice::from_ref(&ready.report), out)?;
            writeln!(out, "\nnothing was changed: what to change is not known, {}", visible(cut))
        })?;
    }
    Ok(INCOMPLETE)
}

/// What is known before anything is changed.
struct Ready {
    installation: Installation,
    environment: Environment,
    report: Report,
    prepared: Prepared,
    /// Why it was not known to its end; nothing is proven then.
    cut: Option<String>,
}

impl Ready {
    fn summary(&self, applied: Option<&Applied>) -> Summary {
        let Prepared { proven, differences, places } = &self.prepared;
        Summary::new(&self.installation, Shown { proven, differences, places }, applied)
    }

    fn write_plan(&self, out: &mut dyn Write) -> io::Result<()> {
        show::write_plan(&self.prepared.differences, &self.prepared.proven, out)?;
        match self.report.confinement.as_ref().and_then(Confinement::told) {
            Some(missing) => writeln!(out, "not confined in full, missing: {}", visible(&missing)),
            None => Ok(()),
        }
    }

    /// Carries the plan out, with a journal of it.
    fn carry_out(&self, lock: Locked) -> anyhow::Result<Applied> {
        let proven = &self.prepared.proven;
        if proven.plan.is_empty() {
            return Ok(Applied::default());
        }
        let refused =
            |why: String| user_error(format!("{why}; nothing was changed"), "this is a defect; report it");
        border::check(proven, &self.installation, &self.environment).map_err(refused)?;
        let _held = match lock {
            Locked::Held(lock) => Some(lock),
            Locked::Needless => None,
            Locked::Not(error) => return Err(error),
        };
        let state_dir = &self.installation.state_dir;
        let journal = journal()?;
        clean_up(&journal, state_dir).map_err(|error| journal_error(&error))?;
        let bar = ProgressBar::new(proven.plan.modes.len() as u64);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos} of {len} modes set") {
            bar.set_style(style);
        }
        let mut step = |name: &'static str| {
            // Where standard error is no terminal, nothing is drawn.
            bar.inc(u64::from(name == "set the mode"));
            Ok(())
        };
        let applied = apply(proven, state_dir, &journal, &mut step);
        bar.finish_and_clear();
        applied.map_err(|error| match error {
            ApplyError::Journal(error) => journal_error(&error),
            busy @ ApplyError::Busy(_) => busy.into(),
        })
    }
}

/// All that a fix needs, made once.
struct Fix<'a> {
    work: Work<'a>,
    budget: Budget,
    /// Those of deep audits last: they are slow and propose nothing, so only the report behind the fix needs them.
    policies: Vec<Arc<Planned>>,
    deep: Option<&'a probe::Options>,
    only: &'a [String],
}

impl<'a> Fix<'a> {
    fn new(
        (target, policies): (&'a TargetArguments, &PolicyArguments),
        (limit, confine): (LimitArguments, ConfineArguments),
        terms: Terms,
        options: &'a Options,
        deep: Option<&'a probe::Options>,
    ) -> anyhow::Result<Self> {
        let budget = Budget::new(limit.wall());
        listen(&budget)?;
        let (placed, now) = (target.settings()?, now()?);
        let work = Work {
            target,
            placed,
            confine,
            limit,
            terms,
            now,
            timed: false,
            is_shown: true,
            known: Known::default(),
        };
        let mut policies = work.plan(policies, deep.is_some(), &budget)?;
        policies.sort_by_key(|planned| planned.manifest.policy.deep);
        for check in &options.only {
            let mut checks = policies.iter().flat_map(|planned| &planned.manifest.checks);
            if !checks.any(|known| known.matches(check)) {
                return Err(unknown_check(check));
            }
        }
        Ok(Self { work, budget: budget.again(limit.wall()), policies, deep, only: &options.only })
    }

    fn wants(&self, check: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == check)
    }

    /// The last line of a run that proposes no change: how many findings remain for the user, or that there is no installation.
    fn nothing_to_fix(&self, report: &Report) -> String {
        if report.exit.code == Exit::NOTHING {
            return report.exit.reason.clone();
        }
        let graver = |finding: &&Finding| finding.severity != Severity::Info && self.wants(&finding.check_id);
        let left = report.findings.iter().filter(graver).count();
        let findings = if left == 1 { "finding that is" } else { "findings that are" };
        match left {
            0 => "nothing to fix".to_owned(),
            _ => format!("nothing that a fix can change: {left} {findings} left to you; see `chitin audit`"),
        }
    }

    /// One fix at a time, from before the target is read until it is changed. What only shows needs no lock; nor does one
    /// for whom nothing can be changed.
    fn lock(&self, dry_run: bool) -> anyhow::Result<Locked> {
        if dry_run {
            return Ok(Locked::Needless);
        }
        let target = self.work.target.clone();
        // Wherever it looks, a file system may hang.
        self.budget.aside(budget::READING_NAME, budget::READING, move |_| lock(&target))?
    }

    /// The report behind a fix, as deep as it was asked for. What was changed is told even where it takes too long.
    fn audit_again(&self) -> anyhow::Result<(Report, Option<String>)> {
        let budget = self.budget.again(self.work.limit.wall());
        let mut supervisor = self.work.supervisor();
        let plan: Vec<Arc<Planned>> = self
            .policies
            .iter()
            .filter(|planned| self.deep.is_some() || !planned.manifest.policy.deep)
            .cloned()
            .collect();
        let (delivery, _) = self.work.deliver(&mut supervisor, Task::Audit, &plan, self.deep, &budget)?;
        let cut = delivery.cut.or_else(|| budget.cut().map(|cut| cut.to_string()));
        Ok((delivery.report, cut))
    }

    /// What a plan comes to, by a worker of its own that runs no policy.
    fn edited(&self, prepared: Prepared) -> anyhow::Result<(Prepared, Option<String>)> {
        let task = Task::Edit { plan: Box::new(prepared.proven.plan) };
        let (delivery, _) = self.work.deliver(&mut self.work.supervisor(), task, &[], None, &self.budget)?;
        let why = || "what it comes to is not known".to_owned();
        let cut = delivery.cut.or_else(|| delivery.fix.is_none().then(why));
        Ok((delivery.fix.unwrap_or_default(), cut))
    }

    fn prepare(&self) -> anyhow::Result<Ready> {
        let task = Task::Fix { only: self.only.to_vec() };
        let mut supervisor = self.work.supervisor();
        let plan: Vec<Arc<Planned>> =
            self.policies.iter().filter(|planned| !planned.manifest.policy.deep).cloned().collect();
        let (delivery, found) = self.work.deliver(&mut supervisor, task, &plan, None, &self.budget)?;
        let Delivery { report, mut cut, read, fix, .. } = delivery;
        match (read, found) {
            (true, Some(Found { installation, environment, .. })) => {
                let mut prepared = fix.unwrap_or_default();
                if cut.is_none() && !prepared.proven.plan.is_empty() {
                    (prepared, cut) = self.edited(prepared)?;
                }
                Ok(Ready { installation, environment, report, prepared, cut })
            }
            _ => Err(Unfinished(cut.unwrap_or_default()).into()),
        }
    }

    /// Says of which strangers' policies nobody knows what they would propose. Their audit would be incomplete; the fixes of others are
    /// made all the same.
    fn tell_left_out(&self, report: &Report) {
        for planned in self.policies.iter().filter(|planned| !planned.origin.is_built_in()) {
            let id = &planned.manifest.policy.id;
            let failed = report.incomplete.iter().find(|part| part.policy.as_ref() == Some(id));
            if let Some(part) = failed {
                note(&visible(&format!("warning: {id} proposes nothing: {}", part.reason)));
            }
        }
    }
}

/// Takes the lock, where the caller may change anything.
fn lock(target: &TargetArguments) -> anyhow::Result<Locked> {
    let caller = caller();
    let Found { installation: located, .. } = target.find(&Budget::default())??;
    told_whose(caller, located.territory.owner(), &located, false)?;
    let config = located.config_load.parent();
    let folder =
        [Some(located.state_dir.as_path()), config].into_iter().flatten().find(|folder| folder.is_dir());
    let Some(folder) = folder.filter(|_| caller == located.territory.owner()) else {
        return Ok(Locked::Needless);
    };
    // A journal that cannot be used matters only where there is something to change.
    let journal = match journal() {
        Ok(journal) => journal,
        Err(error) => return Ok(Locked::Not(error)),
    };
    match Lock::take(&journal, folder) {
        Ok(lock) => Ok(Locked::Held(lock)),
        Err(error @ ApplyError::Busy(_)) => Err(not_locked(error)),
        Err(error) => Ok(Locked::Not(not_locked(error))),
    }
}

/// Whether the lock of the target is held.
enum Locked {
    /// It is.
    Held(Lock),
    /// Nothing will be changed.
    Needless,
    /// It could not be taken.
    Not(anyhow::Error),
}

fn write_json(summary: &Summary, report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Both { fix: summary, report })?;
    writeln!(out)
}

fn not_locked(error: ApplyError) -> anyhow::Error {
    match error {
        ApplyError::Busy(_) => {
            user_error(format!("{error}; nothing was changed"), "run it again when that one has ended")
        }
        ApplyError::Journal(error) => journal_error(&error),
    }
}

/// The journal of whoever runs this. The target's .env files have no say in where it lies: it holds secrets.
fn journal() -> anyhow::Result<Journal> {
    Journal::of(&Environment::from_process()).map_err(|error| journal_error(&error))
}

fn journal_error(error: &JournalError) -> anyhow::Error {
    user_error(
        format!("{error}; nothing was changed"),
        "set XDG_STATE_HOME to a directory of yours that you can write to",
    )
}

fn unknown_check(check: &str) -> anyhow::Error {
    let manifests = BUILTIN.iter().filter_map(|builtin| builtin.manifest().ok());
    let ids = manifests.flat_map(|manifest| manifest.checks).map(|check| check.id);
    let help = nearest(check, ids).map_or_else(
        || "`chitin policy list` names the policies, `chitin policy inspect ID` the checks of one".to_owned(),
        |nearest| format!("did you mean --only {nearest}?"),
    );
    user_error(format!("there is no check \"{check}\" to cure"), help)
}

/// Asks on a terminal; elsewhere nobody can answer.
fn confirmed(count: usize, budget: &Budget) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(user_error(
            format!("{}, and there is no terminal to ask on", changes(count, "would be made")),
            "give --yes to make them, or --dry-run to see them only",
        ));
    }
    let what = if count == 1 { "this change".to_owned() } else { format!("these {count} changes") };
    Ok(matches!(ask(&format!("Make {what}? [y/N] "), budget)?.as_str(), "y" | "yes"))
}

fn write_applied(applied: &Applied, out: &mut dyn Write) -> io::Result<()> {
    for failed in &applied.failed {
        let said = match failed.what {
            What::Text => "text not changed:",
            What::Mode => "mode not changed:",
            What::Both => "not changed:",
            What::Afterwards => "changed, but:",
        };
        let path = visible::path(&failed.path);
        writeln!(out, "{BOLD}{said}{BOLD:#} {path}: {}", visible(&failed.error.to_string()))?;
    }
    let undo =
        applied.run.as_ref().map_or(String::new(), |run| format!("; `chitin undo {run}` takes it back"));
    writeln!(out, "{}{undo}", changes(applied.made(), "made"))
}

fn changes(count: usize, what: &str) -> String {
    format!("{count} change{} {what}", if count == 1 { "" } else { "s" })
}
