//! `chitin fix`, `chitin undo`, and what `chitin audit --fix` does: read, audit, plan, prove, show, ask, apply.

use std::io::{self, IsTerminal as _, Write};

use anstyle::Style;
use chitin::audit::{Planned, Report, Subject, evaluate, visible};
use chitin::fix::journal::{Entry, JournalError, Outcome, Record};
use chitin::fix::{
    Applied, ApplyError, Journal, Lock, Plan, Proven, Summary, Undone, apply, clean_up, prove, show, undo,
};
use chitin::output::{Format, Text};
use chitin::policy::catalog::BUILTIN;
use chitin::policy::manifest::Severity;
use chitin::probe;
use chitin::sandbox::Sandbox;
use chitin::sandbox::limits::Limits;
use chitin::target::{Environment, Preview};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::progress::Progress;
use super::target::{PolicyArguments, TargetArguments, asks_gateway, now};
use super::{INCOMPLETE, listen, show as print, show_done, user_error};

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
    let work =
        Work::new(&arguments.target, &arguments.policies, Severity::Critical, &arguments.options, None)?;
    let lock = work.lock()?;
    let (subject, report, proven) = work.prepare()?;
    let count = proven.plan.values.len() + proven.plan.modes.len();
    if arguments.options.dry_run || count == 0 {
        if arguments.json {
            print(|out| write_json(&Summary::new(&subject, &proven, None), &report, out))?;
        } else {
            print(|out| {
                show::write_plan(&subject, &proven, out)?;
                match count {
                    0 => writeln!(out, "nothing to fix"),
                    _ => writeln!(out, "{}; nothing was changed", changes(count, "would be made")),
                }
            })?;
        }
        return Ok(0);
    }
    if !arguments.json {
        print(|out| show::write_plan(&subject, &proven, out))?;
    }
    if !arguments.yes && !confirmed(count)? {
        print(|out| writeln!(out, "nothing was changed"))?;
        return Ok(0);
    }
    let applied = carry_out(&subject, &proven)?;
    drop(lock);
    let after = work.audit_again()?;
    let code = if applied.failed.is_empty() { 0 } else { INCOMPLETE };
    Ok(show_done(code, |out| {
        if arguments.json {
            return write_json(&Summary::new(&subject, &proven, Some(&applied)), &after, out);
        }
        write_applied(count, &applied, out)?;
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
    target: &TargetArguments,
    policies: &PolicyArguments,
    fail_on: Severity,
    options: &Options,
    deep: Option<&probe::Options>,
    json: bool,
) -> anyhow::Result<u8> {
    let work = Work::new(target, policies, fail_on, options, deep)?;
    let lock = work.lock()?;
    let (subject, report, proven) = work.prepare()?;
    let applied = if options.dry_run { None } else { Some(carry_out(&subject, &proven)?) };
    drop(lock);
    let after = if applied.is_some() || deep.is_some() { work.audit_again()? } else { report };
    let failed = applied.as_ref().is_some_and(|applied| !applied.failed.is_empty());
    let code = if failed { INCOMPLETE } else { after.exit.code };
    let write = |out: &mut dyn Write| {
        if json {
            return write_json(&Summary::new(&subject, &proven, applied.as_ref()), &after, out);
        }
        let count = proven.plan.values.len() + proven.plan.modes.len();
        show::write_plan(&subject, &proven, out)?;
        match &applied {
            _ if count == 0 => writeln!(out, "nothing to fix\n")?,
            Some(applied) => {
                write_applied(count, applied, out)?;
                writeln!(out)?;
            }
            None => writeln!(out, "{}; nothing was changed\n", changes(count, "would be made"))?,
        }
        Text.write(&after, out)
    };
    if applied.as_ref().is_some_and(|applied| applied.run.is_some()) {
        return Ok(show_done(code, write));
    }
    print(write)?;
    Ok(code)
}

/// `chitin undo`.
pub(super) fn run_undo(arguments: &UndoArguments) -> anyhow::Result<u8> {
    let (located, _, _) = arguments.target.locate()?;
    let journal = journal()?;
    let help = "`chitin fix history` lists the runs";
    let mut record = if let Some(run) = &arguments.run {
        journal.load(run).map_err(|error| user_error(error.to_string(), help))?
    } else {
        let state_dir = located.state_dir.to_string_lossy();
        let last = |record: &Record| record.state_dir == state_dir && record.outcome != Some(Outcome::Undone);
        let record = journal.runs()?.into_iter().find(last);
        record.ok_or_else(|| {
            user_error(format!("there is no fix of {} to take back", visible(&state_dir)), help)
        })?
    };
    let _lock = take_lock(std::path::Path::new(&record.state_dir), None)?;
    let all = undo(&journal, &mut record, &mut |_| Ok(()))?;
    let kept = all.iter().filter(|(_, done)| matches!(done, Undone::Kept(_))).count();
    let code = if kept == 0 { 0 } else { INCOMPLETE };
    Ok(show_done(code, |out| {
        for (entry, done) in &all {
            let path = visible(&entry.path().to_string_lossy());
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
        Ok(())
    }))
}

fn history() -> anyhow::Result<u8> {
    let journal = journal()?;
    let runs = journal.runs()?;
    print(|out| {
        if runs.is_empty() {
            writeln!(out, "no fix was made yet")?;
        }
        for record in &runs {
            let outcome = match record.outcome {
                Some(Outcome::Complete) => "complete",
                Some(Outcome::Partial) => "in part",
                Some(Outcome::Undone) => "taken back",
                None => "broken off",
            };
            writeln!(
                out,
                "{BOLD}{}{BOLD:#}  {}  {outcome}, {} on {}",
                record.run,
                record.started,
                changes(record.entries.len(), "made"),
                visible(&record.state_dir)
            )?;
        }
        Ok(())
    })?;
    Ok(0)
}

/// All that a fix needs, made once.
struct Work<'a> {
    target: &'a TargetArguments,
    sandbox: Sandbox,
    /// Those of deep audits last: they are slow and propose nothing, so only the report behind the fix needs them.
    policies: Vec<Planned>,
    deep: Option<&'a probe::Options>,
    now: u64,
    fail_on: Severity,
    only: &'a [String],
}

impl<'a> Work<'a> {
    fn new(
        target: &'a TargetArguments,
        policies: &PolicyArguments,
        fail_on: Severity,
        options: &'a Options,
        deep: Option<&'a probe::Options>,
    ) -> anyhow::Result<Self> {
        let mut policies = policies.plan(deep.is_some())?;
        policies.sort_by_key(|planned| planned.manifest.policy.deep);
        for check in &options.only {
            let mut checks = policies.iter().flat_map(|planned| &planned.manifest.checks);
            if !checks.any(|known| known.matches(check)) {
                return Err(unknown_check(check));
            }
        }
        let (sandbox, now) = (Sandbox::new()?, now()?);
        Ok(Self { target, sandbox, policies, deep, now, fail_on, only: &options.only })
    }

    fn wants(&self, check: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == check)
    }

    /// One fix at a time, from before the target is read until it is changed.
    fn lock(&self) -> anyhow::Result<Option<Lock>> {
        let (located, _, _) = self.target.locate()?;
        take_lock(&located.state_dir, located.config_load.parent())
    }

    fn audit(&self, preview: &Preview) -> anyhow::Result<(Subject, Report)> {
        self.audit_with(preview, None)
    }

    /// The report behind a fix, as deep as it was asked for.
    fn audit_again(&self) -> anyhow::Result<Report> {
        // What was changed is told even where the rest takes too long for somebody.
        listen(&self.sandbox)?;
        self.audit_with(&Preview::default(), self.deep).map(|(_, report)| report)
    }

    fn audit_with(
        &self,
        preview: &Preview,
        deep: Option<&probe::Options>,
    ) -> anyhow::Result<(Subject, Report)> {
        let probe = deep.filter(|_| asks_gateway(&self.policies));
        let subject = self.target.read(self.now, preview, deep.is_some(), probe)?;
        let wanted =
            |planned: &&Planned| !subject.is_absent() && (deep.is_some() || !planned.manifest.policy.deep);
        let count = self.policies.iter().take_while(wanted).count();
        let policies = self.policies.get(..count).unwrap_or_default();
        let progress = deep.map(|_| Progress::show(subject.shared()));
        let evaluation = evaluate(&self.sandbox, &subject, policies, &Limits::default());
        drop(progress);
        let report = Report::new(&subject, &evaluation, self.fail_on, self.now * 1000);
        Ok((subject, report))
    }

    fn prepare(&self) -> anyhow::Result<(Subject, Report, Proven)> {
        let (subject, report) = self.audit(&Preview::default())?;
        let wanted = |check: &str| self.wants(check);
        let plan = Plan::new(&subject, &report.findings, wanted);
        let proven = prove(&subject, &report, plan, &wanted, &|preview| self.audit(preview))?;
        Ok((subject, report, proven))
    }
}

/// Carries the plan out, with a journal of it.
fn carry_out(subject: &Subject, proven: &Proven) -> anyhow::Result<Applied> {
    if proven.plan.is_empty() {
        return Ok(Applied::default());
    }
    let journal = journal()?;
    clean_up(&journal, &subject.located.state_dir).map_err(|error| journal_error(&error))?;
    apply(proven, &subject.located.state_dir, &journal, &mut |_| Ok(())).map_err(|error| match error {
        ApplyError::Journal(error) => journal_error(&error),
        other => other.into(),
    })
}

fn write_json(summary: &Summary, report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Both { fix: summary, report })?;
    writeln!(out)
}

fn take_lock(state_dir: &std::path::Path, config: Option<&std::path::Path>) -> anyhow::Result<Option<Lock>> {
    let folder = [Some(state_dir), config].into_iter().flatten().find(|folder| folder.is_dir());
    let Some(folder) = folder else { return Ok(None) };
    match Lock::take(folder) {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ ApplyError::Busy(_)) => {
            Err(user_error(format!("{error}; nothing was changed"), "run it again when that one has ended"))
        }
        Err(error) => Err(error.into()),
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
    let help = super::nearest(check, ids).map_or_else(
        || "`chitin policy list` names the policies, `chitin policy inspect ID` the checks of one".to_owned(),
        |nearest| format!("did you mean --only {nearest}?"),
    );
    user_error(format!("there is no check \"{check}\" to cure"), help)
}

/// Asks on a terminal; elsewhere nobody can answer.
fn confirmed(count: usize) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(user_error(
            format!("{}, and there is no terminal to ask on", changes(count, "would be made")),
            "give --yes to make them, or --dry-run to see them only",
        ));
    }
    print(|out| {
        write!(
            out,
            "Make {}? [y/N] ",
            if count == 1 { "this change".to_owned() } else { format!("these {count} changes") }
        )
    })?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn write_applied(count: usize, applied: &Applied, out: &mut dyn Write) -> io::Result<()> {
    for failed in &applied.failed {
        let path = visible(&failed.path.to_string_lossy());
        writeln!(out, "{BOLD}not changed:{BOLD:#} {path}: {}", visible(&failed.error.to_string()))?;
    }
    let undo =
        applied.run.as_ref().map_or(String::new(), |run| format!("; `chitin undo {run}` takes it back"));
    writeln!(out, "{}{undo}", changes(count - applied.failed.len().min(count), "made"))
}

fn changes(count: usize, what: &str) -> String {
    format!("{count} change{} {what}", if count == 1 { "" } else { "s" })
}
