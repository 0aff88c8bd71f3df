//! `chitin audit`: locate, read, run, show.

use std::sync::Arc;

use chitin::audit::{Planned, Report, Terms, visible};
use chitin::budget::{Budget, LAST_WORDS};
use chitin::confine::Asked;
use chitin::output::FormatName;
use chitin::policy::manifest::Severity;
use chitin::probe;
use chitin::settings::Placed;
use chitin::worker::{Clock, Delivery, Order, Supervisor, SupervisorError, Task};
use clap::{Args, ValueEnum};
use nix::sys::resource::{UsageWho, getrusage};

use super::choice::PolicyArguments;
use super::outputs::OutputArguments;
use super::progress::Progress;
use super::target::{ConfineArguments, Found, LimitArguments, ProbeArguments, TargetArguments, now, wanted};
use super::{INCOMPLETE, fix, listen, note, user_error};

#[derive(Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = super::EXIT_CODES, args_override_self = true)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    policies: PolicyArguments,
    /// Scan the code of plugins and skills, and try the live gateway, too
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    probe: ProbeArguments,
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
    /// Exit with 3 also where a check is out of reach: a secret that is kept elsewhere, a grant that was refused
    #[arg(long)]
    fail_on_unassessed: bool,
    /// Leave out the findings that the audited config itself asks to leave out; they are listed apart
    #[arg(long)]
    honour_config_suppressions: bool,
    #[command(flatten)]
    output: OutputArguments,
    /// Print what the policies log, on standard error
    #[arg(long, short)]
    verbose: bool,
    /// Print how long each stage took, on standard error
    #[arg(long, hide = true)]
    timings: bool,
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
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let Arguments { target, policies, limit, fix_options, confine, .. } = arguments;
    if !arguments.fix && fix_options.is_given() {
        return Err(user_error("--dry-run and --only are about --fix", "add --fix, or use `chitin fix`"));
    }
    if arguments.fix && arguments.output.is_more() {
        let what = "--fix shows its report as text or JSON on standard output only";
        return Err(user_error(what, "audit again behind it, with the formats and files that you want"));
    }
    arguments.output.check()?;
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
    let mut clock = Clock::start(arguments.timings);
    let budget = Budget::new(limit.wall());
    listen(&budget)?;
    let work = Work {
        target,
        placed: target.settings()?,
        confine: *confine,
        limit: *limit,
        terms: arguments.terms(),
        now: now()?,
        timed: arguments.timings,
    };
    let supervisor = work.supervisor();
    clock.lap("start the worker");
    let plan = work.plan(policies, arguments.deep, &budget)?;
    clock.lap("plan");
    // What was compiled for it stands outside of the audit.
    let budget = budget.again(limit.wall());
    let delivery = work.deliver(supervisor, Task::Audit, &plan, probe.as_ref(), &budget)?.0;
    clock.lap("the worker's part");
    let Delivery { report, logs, times, .. } = delivery;
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
}

impl Work<'_> {
    /// Starts whoever does the work, early: it makes itself ready beside this process.
    pub(super) fn supervisor(&self) -> Supervisor {
        Supervisor::start(self.confine.asked(&self.placed.settings))
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

    /// Has the work done, and says where the target lies; that is not known where it could not be found in time.
    pub(super) fn deliver(
        &self,
        supervisor: Supervisor,
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
        let progress = deep.map(|_| Progress::show(Arc::clone(&counts)));
        let order = Order {
            installation: found.installation.clone(),
            environment: found.environment.clone(),
            nowhere: found.nowhere,
            settings: self.placed.settings.clone(),
            release: self.target.release(),
            policies: wanted(plan),
            deep: deep.is_some(),
            probe: deep.cloned(),
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
            Ok(mut delivery) => {
                delivery.report.mark(plan);
                Ok((delivery, Some(found)))
            }
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
