//! `chitin baseline`: the findings that are known, in a file that people review.

use std::io::Write;
use std::path::{Path, PathBuf};

use chitin::audit::baseline::{Baseline, Known};
use chitin::audit::{Exit, Report, Terms, visible};
use chitin::budget::Budget;
use chitin::worker::Task;
use clap::{Args, Subcommand};

use super::audit::{self, Work, read_baseline};
use super::choice::PolicyArguments;
use super::outputs::{not_written, write_whole};
use super::target::{ConfineArguments, LimitArguments, RootArguments, TargetArguments, now};
use super::{INCOMPLETE, listen, note, show, user_error};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Audit, and write what is found to a baseline
    Write(WriteArguments),
    /// Show a baseline
    Show {
        /// The baseline
        file: PathBuf,
    },
    /// Audit, and take out of a baseline what is not found any more
    Prune(PruneArguments),
}

#[derive(Args)]
pub(super) struct WriteArguments {
    /// The file, for example .chitin-baseline.json
    file: PathBuf,
    /// Write it anew where there is one; owners, days and notes of what is found again stay
    #[arg(long)]
    update: bool,
    #[command(flatten)]
    audit: AuditArguments,
}

#[derive(Args)]
pub(super) struct PruneArguments {
    /// The baseline
    file: PathBuf,
    #[command(flatten)]
    audit: AuditArguments,
}

/// What is audited, and how.
#[derive(Args)]
struct AuditArguments {
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    root: RootArguments,
    #[command(flatten)]
    policies: PolicyArguments,
    /// Scan the code of plugins and skills, too
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    limit: LimitArguments,
    #[command(flatten)]
    confine: ConfineArguments,
}

pub(super) fn run(command: &Command) -> anyhow::Result<u8> {
    match command {
        Command::Write(arguments) => write(arguments),
        Command::Show { file } => {
            let baseline = read_baseline(file)?;
            show(|out| write_table(&baseline, out))?;
            Ok(0)
        }
        Command::Prune(arguments) => prune(arguments),
    }
}

fn write(arguments: &WriteArguments) -> anyhow::Result<u8> {
    let file = &arguments.file;
    let earlier = match file.symlink_metadata() {
        Ok(_) if !arguments.update => {
            let what = format!("{} exists", file.display());
            return Err(user_error(what, "--update writes it anew, and keeps owners, days and notes"));
        }
        Ok(_) => Some(read_baseline(file)?),
        Err(_) => None,
    };
    let report = arguments.audit.report(None)?;
    let baseline = Baseline::of(&report, earlier.as_ref());
    save(file, &baseline)?;
    let count: usize = baseline.findings.iter().map(|known| known.count).sum();
    show(|out| writeln!(out, "{}: {}", visible(&file.display().to_string()), findings(count, "known")))?;
    Ok(incomplete(&report))
}

fn prune(arguments: &PruneArguments) -> anyhow::Result<u8> {
    let mut baseline = read_baseline(&arguments.file)?;
    let report = arguments.audit.report(Some(&baseline))?;
    if baseline.is_anothers(&report) {
        let what = format!("nothing that {} knows is found here", arguments.file.display());
        return Err(user_error(
            what,
            "it may be that of another target; where all of it is cured, remove the file",
        ));
    }
    let mut gone = 0;
    for lost in &report.gone {
        let same =
            |known: &&mut Known| known.check_id == lost.check_id && known.fingerprint == lost.fingerprint;
        for known in baseline.findings.iter_mut().filter(same) {
            known.count = known.count.saturating_sub(lost.count);
        }
        gone += lost.count;
    }
    baseline.findings.retain(|known| known.count > 0);
    if gone > 0 {
        save(&arguments.file, &baseline)?;
    }
    show(|out| {
        for lost in &report.gone {
            writeln!(out, "gone: {} {}", lost.check_id, lost.place)?;
        }
        let left: usize = baseline.findings.iter().map(|known| known.count).sum();
        let file = visible(&arguments.file.display().to_string());
        writeln!(out, "{file}: {}, {}", findings(gone, "taken out"), findings(left, "known"))
    })?;
    Ok(incomplete(&report))
}

/// An audit that could not look at everything is told; what it did not see is neither known nor gone.
fn incomplete(report: &Report) -> u8 {
    if report.incomplete.is_empty() {
        return 0;
    }
    note("warning: the audit is incomplete; `chitin audit` says why");
    INCOMPLETE
}

impl AuditArguments {
    fn report(&self, baseline: Option<&Baseline>) -> anyhow::Result<Report> {
        let budget = Budget::new(self.limit.wall());
        listen(&budget)?;
        let target = &self.root.around(&self.target);
        let work = Work {
            target,
            placed: target.settings()?,
            confine: self.confine,
            limit: self.limit,
            terms: Terms::default(),
            now: now()?,
            timed: false,
            is_shown: true,
            known: audit::Known { baseline, ..audit::Known::default() },
        };
        let mut supervisor = work.supervisor();
        let plan = work.plan(&self.policies, self.deep, &budget)?;
        let budget = budget.again(self.limit.wall());
        let report = work.deliver(&mut supervisor, Task::Audit, &plan, None, &budget)?.0.report;
        if report.exit.code == Exit::NOTHING {
            let help = "--state-dir DIR, --config FILE or --profile NAME names another place";
            return Err(user_error(report.exit.reason, help));
        }
        Ok(report)
    }
}

fn save(path: &Path, baseline: &Baseline) -> anyhow::Result<()> {
    write_whole(path, baseline.text().as_bytes()).map_err(|error| not_written(path, &error))
}

fn findings(count: usize, what: &str) -> String {
    format!("{count} finding{} {what}", if count == 1 { "" } else { "s" })
}

fn write_table(baseline: &Baseline, out: &mut dyn Write) -> std::io::Result<()> {
    for known in &baseline.findings {
        let Known { check_id, place, severity, count, owner, expires, note, .. } = known;
        let times = if *count == 1 { String::new() } else { format!(" ({count} times)") };
        writeln!(out, "{severity:<8} {} {}{times}", visible(check_id), visible(place))?;
        let more = [
            owner.as_ref().map(|owner| format!("owner: {}", visible(owner))),
            expires.as_ref().map(|day| format!("until: {}", day.text)),
            note.as_ref().map(|note| format!("note: {}", visible(note))),
        ];
        more.into_iter().flatten().try_for_each(|line| writeln!(out, "         {line}"))?;
    }
    let count: usize = baseline.findings.iter().map(|known| known.count).sum();
    writeln!(
        out,
        "{}, of {} checks, written by {}",
        findings(count, "known"),
        baseline.checks.len(),
        visible(&baseline.written_by)
    )
}
