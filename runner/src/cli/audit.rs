//! `chitin audit`: locate, read, run, show.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chitin::audit::baseline::Baseline;
use chitin::audit::{Gate, Planned, Report, Terms, visible};
use chitin::budget::{Budget, LAST_WORDS};
use chitin::confine::Asked;
use chitin::output::FormatName;
use chitin::policy::manifest::Severity;
use chitin::probe;
use chitin::settings::Placed;
use chitin::wording::shell_word;
use chitin::worker::{Clock, Delivery, Order, Supervisor, SupervisorError, Task};
use clap::{Args, ValueEnum};
use nix::sys::resource::{UsageWho, getrusage};

use super::choice::PolicyArguments;
use super::outputs::OutputArguments;
use super::progress::Progress;
use super::target::{
    ConfineArguments, Found, LimitArguments, ProbeArguments, RootArguments, TargetArguments, now, wanted,
};
use super::targets::TargetsArguments;
use super::{INCOMPLETE, fix, fleet, listen, note, user_error};

#[derive(Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = super::EXIT_CODES, args_override_self = true)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) targets: TargetsArguments,
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    root: RootArguments,
    #[command(flatten)]
    pub(super) policies: PolicyArguments,
    /// Scan the code of plugins and skills, and try the live gateway, too
    #[arg(long)]
    pub(super) deep: bool,
    #[command(flatten)]
    pub(super) probe: ProbeArguments,
    #[command(flatten)]
    limit: LimitArguments,
    #[command(flatten)]
    confine: ConfineArguments,
    /// Cure what can be cured safely first, without asking, and audit the result
    #[arg(long)]
    fix: bool,
    #[command(flatten)]
    fix_options: fix::Options,
    /// The lowest severity that makes the exit code 1
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = FailOn::Critical)]
    fail_on: FailOn,
    #[command(flatten)]
    known: KnownArguments,
    /// Exit with 3 also where a check is out of reach: a secret that is kept elsewhere, a grant that was refused
    #[arg(long)]
    fail_on_unassessed: bool,
    /// Leave out the findings that the audited config itself asks to leave out; they are listed apart
    #[arg(long)]
    honour_config_suppressions: bool,
    #[command(flatten)]
    pub(super) output: OutputArguments,
    /// Print what the policies log, on standard error
    #[arg(long, short)]
    verbose: bool,
    /// Print how long each stage took, on standard error
    #[arg(long, hide = true)]
    timings: bool,
}

/// What is known already, and what becomes of it.
#[derive(Args, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
struct KnownArguments {
    /// Findings of the one target that this file of `chitin baseline write` has are known, and do not make the exit code 1
    #[arg(long, value_name = "FILE", conflicts_with = "fix")]
    baseline: Option<PathBuf>,
    /// The lowest severity at which a finding that the baseline does not have makes the exit code 1 [default: that of --fail-on]
    #[arg(long, value_name = "SEVERITY", value_enum, requires = "baseline")]
    fail_on_new: Option<FailOn>,
    /// Findings of checks that did not exist when the baseline was written make the exit code 1, too
    #[arg(long, requires = "baseline")]
    fail_on_new_checks: bool,
    /// Exit with 0 whatever is found; with 3 still where something could not be assessed
    #[arg(long, conflicts_with = "fix")]
    exit_zero: bool,
    /// Leave out the findings that comments in the audited config allow, such as `// chitin: allow CHECK-ID until 2027-01-31: reason`
    #[arg(long)]
    inline_suppressions: bool,
    /// Show all findings, also those that suppressions of any kind leave out
    #[arg(long, conflicts_with_all = ["inline_suppressions", "honour_config_suppressions"])]
    no_suppressions: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FailOn {
    Info,
    Warn,
    Critical,
}

impl From<FailOn> for Severity {
    fn from(fail_on: FailOn) -> Self {
        match fail_on {
            FailOn::Info => Self::Info,
            FailOn::Warn => Self::Warn,
            FailOn::Critical => Self::Critical,
        }
    }
}

impl Arguments {
    fn terms(&self) -> Terms {
        Terms {
            fail_on: self.fail_on.into(),
            fail_on_unassessed: self.fail_on_unassessed,
            honour_suppressions: self.honour_config_suppressions,
            inline_suppressions: self.known.inline_suppressions,
            no_suppressions: self.known.no_suppressions,
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let Arguments { policies, limit, fix_options, confine, .. } = arguments;
    let around = arguments.root.around(&arguments.target);
    let one = arguments.targets.one(&around);
    let target = one.as_ref().unwrap_or(&around);
    let several = if one.is_some() { None } else { arguments.targets.open(target)? };
    if !arguments.fix && fix_options.is_given() {
        return Err(user_error("--dry-run and --only are about --fix", "add --fix, or use `chitin fix`"));
    }
    if arguments.fix && arguments.output.is_more() {
        let what = "--fix shows its report as text or JSON on standard output only";
        return Err(user_error(what, "audit again behind it, with the formats and files that you want"));
    }
    if several.is_some() && (arguments.fix || arguments.known.baseline.is_some()) {
        let what = "--fix and --baseline are about one target, which --state-dir or --config names";
        return Err(user_error(what, "use them for one target after the other"));
    }
    if arguments.fix && target.is_below_root() {
        let what = "--fix is about this machine, and --root about another file system";
        return Err(user_error(what, "leave one of them out"));
    }
    let probe = arguments.deep.then(|| arguments.probe.options());
    if arguments.fix {
        return fix::run_in_audit(
            (target, policies),
            (*limit, *confine),
            arguments.terms(),
            fix_options,
            probe.as_ref(),
            arguments.output.stdout() == FormatName::Json,
        );
    }
    let placed = target.settings()?;
    let named = [arguments.known.baseline.as_deref(), placed.place.as_deref()];
    let inputs = named.into_iter().flatten().chain(target.config()).chain(arguments.targets.files());
    arguments.output.check(&inputs.collect::<Vec<_>>())?;
    let baseline = arguments.known.baseline.as_deref().map(read_baseline).transpose()?;
    let mut clock = Clock::start(arguments.timings);
    let budget = Budget::new(limit.wall());
    listen(&budget)?;
    let work = Work {
        target,
        placed,
        confine: *confine,
        limit: *limit,
        terms: arguments.terms(),
        now: now()?,
        timed: arguments.timings,
        is_shown: several.is_none(),
        known: Known {
            baseline: baseline.as_ref(),
            fail_on: arguments.known.fail_on_new.map(Severity::from),
            fail_on_new_checks: arguments.known.fail_on_new_checks,
            exit_zero: arguments.known.exit_zero,
        },
    };
    if let Some(several) = several {
        return fleet::audit_all(arguments, &work, several, &budget);
    }
    let mut supervisor = work.supervisor();
    clock.lap("start the worker");
    let plan = work.plan(policies, arguments.deep, &budget)?;
    clock.lap("plan");
    // What was compiled for it stands outside of the audit.
    let budget = budget.again(limit.wall());
    let delivery = work.deliver(&mut supervisor, Task::Audit, &plan, probe.as_ref(), &budget)?.0;
    clock.lap("the worker's part");
    let Delivery { report, logs, times, .. } = delivery;
    if baseline.as_ref().is_some_and(|baseline| baseline.is_anothers(&report)) {
        note("warning: nothing that the baseline knows is found here; it may be that of another target");
    }
    // Whoever reads it may be slow, or gone.
    let output = arguments.output.clone();
    let written = budget.patient().aside_within(LAST_WORDS, move || {
        output.write(std::slice::from_ref(&report)).map(|()| report.exit.code)
    });
    clock.lap("write the report");
    for line in clock.lines.iter().chain(&times) {
        note(line);
    }
    for (id, log) in logs.iter().filter(|_| arguments.verbose) {
        log.lines().for_each(|line| note(&format!("{}: {}", visible(id), visible(line))));
    }
    if arguments.timings {
        note(&format!("{:>9} kB  peak memory", peak_memory()));
    }
    written.unwrap_or(Ok(INCOMPLETE))
}

/// The flags and settings that all orders of a command share.
pub(super) struct Work<'a> {
    pub target: &'a TargetArguments,
    pub placed: Placed,
    pub confine: ConfineArguments,
    pub limit: LimitArguments,
    pub terms: Terms,
    pub now: u64,
    pub timed: bool,
    /// How far it is may be shown.
    pub is_shown: bool,
    pub known: Known<'a>,
}

/// What is known of a target, and what becomes of it.
#[derive(Clone, Copy, Default)]
pub(super) struct Known<'a> {
    pub baseline: Option<&'a Baseline>,
    /// The lowest severity at which what is not known makes the verdict 1, where it is another than for all.
    pub fail_on: Option<Severity>,
    pub fail_on_new_checks: bool,
    pub exit_zero: bool,
}

/// What is known of a target.
pub(super) fn read_baseline(path: &Path) -> anyhow::Result<Baseline> {
    Baseline::read(path).map_err(|error| {
        user_error(
            error.to_string(),
            format!(
                "restore it; or remove it, and chitin baseline write {} makes one of what is found now",
                shell_word(path)
            ),
        )
    })
}

impl Work<'_> {
    /// Starts whoever does the work, early: it makes itself ready beside this process.
    pub(super) fn supervisor(&self) -> Supervisor {
        Supervisor::start(self.confine.asked(&self.placed.settings))
    }

    /// The same, for one target after the other, while so many jobs do that.
    pub(super) fn supervisor_of_several(&self, jobs: usize) -> Supervisor {
        Supervisor::for_several(self.confine.asked(&self.placed.settings), jobs)
    }

    /// The policies. A stranger's may have to be compiled, which takes a confined process, too.
    pub(super) fn plan(
        &self,
        policies: &PolicyArguments,
        deep: bool,
        budget: &Budget,
    ) -> anyhow::Result<Vec<Arc<Planned>>> {
        if policies.has_strangers(&self.placed.settings)
            && self.confine.asked(&self.placed.settings) == Asked::Required
        {
            let confinement = Supervisor::start(Asked::Required).look(budget);
            if let Some(missing) = confinement.told() {
                return Err(not_confined(&SupervisorError::NotConfined(missing)));
            }
        }
        policies.plan(deep, self.target, &self.placed, budget)
    }

    /// Has the work done, decides of the report, and says where the target lies; that is not known where it could not be found in time.
    pub(super) fn deliver(
        &self,
        supervisor: &mut Supervisor,
        task: Task,
        plan: &[Arc<Planned>],
        deep: Option<&probe::Options>,
        budget: &Budget,
    ) -> anyhow::Result<(Delivery, Option<Found>)> {
        let (mut delivery, found) = self.carry_out(supervisor, task, plan, deep, budget)?;
        delivery.report.mark(plan);
        delivery.report.decide(&Gate {
            fail_on: self.known.fail_on.unwrap_or(self.terms.fail_on),
            fail_on_new_checks: self.known.fail_on_new_checks,
            exit_zero: self.known.exit_zero,
            baseline: self.known.baseline,
            settings: &self.placed.settings,
            settings_file: self.placed.place.as_deref(),
            no_suppressions: self.terms.no_suppressions,
            now: self.now,
            base: found.as_ref().and_then(|found| found.installation.base.as_deref()),
        });
        Ok((delivery, found))
    }

    fn carry_out(
        &self,
        supervisor: &mut Supervisor,
        task: Task,
        plan: &[Arc<Planned>],
        deep: Option<&probe::Options>,
        budget: &Budget,
    ) -> anyhow::Result<(Delivery, Option<Found>)> {
        let found = match self.target.find(budget)? {
            Ok(found) => found,
            Err(cut) => {
                let reason = Report::unread_because(&cut);
                let report = Report::unread(None, plan, &reason, deep.is_some(), self.now * 1000);
                return Ok((Delivery::nothing(report, cut.to_string()), None));
            }
        };
        let counts = Arc::default();
        let progress = deep.filter(|_| self.is_shown).map(|_| Progress::show(Arc::clone(&counts)));
        let order = Order {
            installation: found.installation.clone(),
            environment: found.environment.clone(),
            nowhere: found.nowhere,
            settings: self.placed.settings.clone(),
            release: self.target.release(),
            policies: wanted(plan),
            deep: deep.is_some(),
            probe: deep.filter(|_| found.installation.may_run()).cloned(),
            now: self.now,
            wall: self.limit.wall(),
            terms: self.terms,
            task,
            watched: progress.as_ref().is_some_and(Progress::is_shown),
            timed: self.timed,
        };
        let delivery = supervisor.carry_out(order, plan, budget, &counts);
        drop(progress);
        match delivery {
            Ok(delivery) => Ok((delivery, Some(found))),
            Err(error @ SupervisorError::NotConfined(_)) => Err(not_confined(&error)),
            Err(error) => Err(error.into()),
        }
    }
}

/// All of the confinement was asked for.
fn not_confined(error: &SupervisorError) -> anyhow::Error {
    let help = "`chitin doctor` says what this machine has; --confine best-effort audits with what there is";
    user_error(error.to_string(), help)
}

/// The most memory that this process or its worker had at once, in KiB.
fn peak_memory() -> i64 {
    let of = |who| getrusage(who).map_or(0, |usage| usage.max_rss());
    of(UsageWho::RUSAGE_SELF).max(of(UsageWho::RUSAGE_CHILDREN))
}
