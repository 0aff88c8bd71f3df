//! `chitin audit`: locate, read, run, show.

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Context as _;
use chitin::audit::{Planned, Report, Subject, evaluate};
use chitin::output::{Format, Json, Text};
use chitin::policy::manifest::Severity;
use chitin::sandbox::Sandbox;
use chitin::sandbox::limits::Limits;
use chitin::target::{Environment, LocateError, Request, locate};
use clap::{Args, ValueEnum};

use super::{policy, show, user_error};

#[derive(Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = super::EXIT_CODES, args_override_self = true)]
pub(super) struct Arguments {
    /// The state directory [default: as OpenClaw itself finds it, usually ~/.openclaw]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The config file [default: the one in the state directory]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Audit the profile NAME, whose state directory is ~/.openclaw-NAME
    #[arg(long, value_name = "NAME", conflicts_with = "dev")]
    profile: Option<String>,
    /// Audit the profile "dev"
    #[arg(long)]
    dev: bool,
    /// Run this policy only: a built-in ID, or the path of a component (repeatable)
    #[arg(long, value_name = "ID|FILE")]
    policy: Vec<String>,
    /// Give a component from a file this capability, as `chitin policy inspect FILE` names it; "all" gives what its
    /// manifest declares (repeatable)
    #[arg(long, value_name = "CAPABILITY")]
    grant: Vec<String>,
    /// The lowest severity that makes the exit code 1
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = FailOn::Critical)]
    fail_on: FailOn,
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

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let mut clock = Clock::start(arguments.timings);
    let now = now()?;
    let subject = subject(arguments, now)?;
    clock.lap("read the target");
    let sandbox = Sandbox::new()?;
    clock.lap("start the engine");
    let plan = if subject.is_absent() { Vec::new() } else { plan(arguments)? };
    clock.lap("plan");
    let evaluation = evaluate(&sandbox, &subject, &plan, &Limits::default(), false);
    clock.lap("map, link and run the policies");
    let report = Report::new(&subject, &evaluation, arguments.fail_on.into(), now * 1000);
    let format: &dyn Format = if arguments.json { &Json } else { &Text };
    show(|out| format.write(&report, out))?;
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
    Ok(report.exit.code)
}

/// The audit's time: `SOURCE_DATE_EPOCH` where it is set, so that two runs give the same bytes.
fn now() -> anyhow::Result<u64> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.trim().parse().map_err(|_| {
            user_error(
                format!("SOURCE_DATE_EPOCH is \"{text}\", which is no number of seconds"),
                "unset it, or set it to seconds since 1970, for example $(git log -1 --format=%ct)",
            )
        }),
        Err(_) => Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs()),
    }
}

fn subject(arguments: &Arguments, now: u64) -> anyhow::Result<Subject> {
    for (flag, path) in [("--state-dir", &arguments.state_dir), ("--config", &arguments.config)] {
        let Some(path) = path else { continue };
        if let Err(error) = path.symlink_metadata() {
            let help =
                format!("name an existing path, or leave {flag} out to audit what OpenClaw itself would use");
            return Err(user_error(format!("cannot use {flag} {}: {error}", path.display()), help));
        }
    }
    let profile = arguments.profile.clone().or(arguments.dev.then(|| "dev".to_owned()));
    let request =
        Request { state_dir: arguments.state_dir.clone(), config: arguments.config.clone(), profile };
    let cwd = std::env::current_dir().context("the current directory cannot be read")?;
    let mut environment = Environment::from_process();
    let (located, problems) = locate(&request, &mut environment, &cwd)
        .map_err(|error: LocateError| user_error(error.to_string(), "see `chitin audit --help`"))?;
    let config = chitin::config::load(&located, &mut environment);
    let mut key = [0; 32];
    rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty())
        .context("no randomness for this audit's key")?;
    Ok(Subject::new(located, environment, config, problems, now, &key))
}

fn plan(arguments: &Arguments) -> anyhow::Result<Vec<Planned>> {
    if arguments.policy.is_empty() {
        return policy::builtin(|_| true);
    }
    let mut plan = Vec::new();
    for (number, name) in arguments.policy.iter().enumerate() {
        if arguments.policy.iter().take(number).any(|known| known == name) {
            return Err(user_error(format!("the policy {name} is asked for twice"), "name each policy once"));
        }
        plan.push(if policy::is_file(name) {
            policy::from_file(name.as_ref(), &arguments.grant)?
        } else {
            policy::builtin(|id| id == name)?.pop().ok_or_else(|| policy::unknown(name))?
        });
    }
    Ok(plan)
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
