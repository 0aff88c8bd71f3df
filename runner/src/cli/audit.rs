//! `chitin audit`: locate, read, run, show.

use std::sync::Arc;
use std::time::Duration;

use chitin::audit::{Evaluation, Planned, Report, Subject, Terms, evaluate};
use chitin::budget::{self, Budget, LAST_WORDS};
use chitin::output::{Format, Json, Text};
use chitin::policy::manifest::Severity;
use chitin::sandbox::Sandbox;
use chitin::sandbox::limits::Limits;
use chitin::target::Preview;
use clap::{Args, ValueEnum};

use super::progress::Progress;
use super::target::{
    LimitArguments, PolicyArguments, ProbeArguments, Read, TargetArguments, asks_gateway, now,
};
use super::{INCOMPLETE, fix, listen, show, user_error};

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
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
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
    let Arguments { target, policies, limit, fix_options, .. } = arguments;
    if !arguments.fix && fix_options.is_given() {
        return Err(user_error("--dry-run and --only are about --fix", "add --fix, or use `chitin fix`"));
    }
    let probe = arguments.deep.then(|| arguments.probe.options());
    if arguments.fix {
        return fix::run_in_audit(
            target,
            policies,
            *limit,
            arguments.terms(),
            fix_options,
            probe.as_ref(),
            arguments.json,
        );
    }
    let mut clock = Clock::start(arguments.timings);
    let budget = Budget::new(limit.wall());
    listen(&budget)?;
    let now = now()?;
    let plan = policies.plan(arguments.deep, &budget)?;
    clock.lap("plan");
    // What was compiled for it stands outside of the audit.
    let budget = budget.again(limit.wall());
    let probe = probe.filter(|_| asks_gateway(&plan));
    let read = target.read(now, &Preview::default(), arguments.deep, probe.as_ref(), &budget)?;
    clock.lap("read the target");
    let sandbox = Sandbox::new()?;
    clock.lap("start the engine");
    let terms = arguments.terms();
    let (audit, evaluation) = match read {
        Read::Cut(located, cut) => {
            let report = Report::unread(located.as_deref(), &plan, &cut, arguments.deep, now * 1000);
            (Audit::Unread(Box::new(report)), Arc::default())
        }
        Read::Whole(subject) => {
            let evaluation = run_policies(&sandbox, &subject, &plan, arguments.deep, &budget);
            let evaluation = Arc::new(evaluation);
            (Audit::Evaluated(subject, Arc::clone(&evaluation), terms, now * 1000), evaluation)
        }
    };
    clock.lap("map, link and run the policies");
    // Whoever reads it may be slow, or gone.
    let json = arguments.json;
    let written = budget.patient().aside_within(LAST_WORDS, move || audit.write(json));
    clock.lap("write the report");
    for outcome in &evaluation.outcomes {
        clock.policy(&outcome.manifest.policy.id, &outcome.stages);
        for line in outcome.log.lines().filter(|_| arguments.verbose) {
            note(&format!("{}: {line}", outcome.manifest.policy.id));
        }
    }
    clock.memory();
    // The process ends here; taking the engine apart first would take as long as starting it.
    std::mem::forget(sandbox);
    written.unwrap_or(Ok(INCOMPLETE))
}

/// Runs the policies, where there is something to audit.
fn run_policies(
    sandbox: &Sandbox,
    subject: &Arc<Subject>,
    plan: &[Arc<Planned>],
    deep: bool,
    budget: &Budget,
) -> Evaluation {
    let plan = if subject.is_absent() { &[] } else { plan };
    let budget = budget.share(budget::PROCESSOR, processor_time(deep));
    let progress = deep.then(|| Progress::show(subject.shared()));
    let evaluation = evaluate(sandbox, subject, plan, &Limits::default(), &budget);
    drop(progress);
    evaluation
}

/// Processor time for all runs of an audit.
pub(super) fn processor_time(deep: bool) -> Duration {
    let all = if deep { budget::DEEP } else { budget::PLAIN };
    all.saturating_sub(budget::READING)
}

/// What there is to report.
enum Audit {
    Unread(Box<Report>),
    Evaluated(Arc<Subject>, Arc<Evaluation>, Terms, u64),
}

impl Audit {
    /// Writes the report, and gives the exit code.
    fn write(self, json: bool) -> anyhow::Result<u8> {
        let report = match self {
            Self::Unread(report) => *report,
            Self::Evaluated(subject, evaluation, terms, ts) => Report::new(&subject, &evaluation, terms, ts),
        };
        let format: &dyn Format = if json { &Json } else { &Text };
        show(|out| format.write(&report, out))?;
        Ok(report.exit.code)
    }
}

/// A line on standard error. Where that is gone, nobody is left to be told.
fn note(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Times the stages, where asked to.
struct Clock {
    on: bool,
    last: std::time::Instant,
}

impl Clock {
    fn start(on: bool) -> Self {
        Self { on, last: std::time::Instant::now() }
    }

    fn lap(&mut self, stage: &str) {
        if self.on {
            note(&format!("{:>9.3} ms  {stage}", self.last.elapsed().as_secs_f64() * 1e3));
            self.last = std::time::Instant::now();
        }
    }

    /// The most memory that this process had at once, as Linux tells it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the kernel's word on this process, not a file of the target"
    )]
    fn memory(&self) {
        let status = if self.on { std::fs::read_to_string("/proc/self/status").ok() } else { None };
        let peak =
            status.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("VmHWM:")));
        if let Some(peak) = peak {
            note(&format!("{:>12}  peak memory", peak.trim()));
        }
    }

    fn policy(&self, id: &str, stages: &chitin::sandbox::Stages) {
        if self.on {
            let [map, instantiate, call] =
                [stages.map, stages.instantiate, stages.call].map(|time| time.as_secs_f64() * 1e3);
            note(&format!(
                "{:>9.3} ms  {id} (map {map:.3}, instantiate {instantiate:.3}, call {call:.3}; fuel {})",
                map + instantiate + call,
                stages.fuel
            ));
        }
    }
}
