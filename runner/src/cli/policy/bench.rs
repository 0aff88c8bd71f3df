//! `chitin policy bench`: what a policy costs, over its cases.

use std::path::PathBuf;
use std::time::Duration;

use chitin::audit::visible;
use chitin::author::cases::{Access, Case, Used};
use chitin::budget::Budget;
use chitin::policy::cache::Cache;
use chitin::sandbox::check;
use chitin::sandbox::limits::{Limits, bytes};
use chitin::target::Environment;
use clap::Args;
use serde_json::{Value, json};

use super::check::component;
use super::test::{case_folder, compile, subject};
use super::{read, refused};
use crate::cli::{listen, show, user_error};

#[derive(Args)]
#[command(after_help = "\
Each case is audited in the sandbox as often as --runs says, with all that the policy asks for, and no other policy beside it. The time \
is that of the policy alone: mapping its code, its instance, and its run. Compile time is processor time, and is spent once.")]
pub(in crate::cli) struct Arguments {
    /// The folder of a policy that is built, or a component with cases/ beside it
    #[arg(value_name = "DIR|FILE", default_value = ".")]
    policy: PathBuf,
    /// How often each case is audited
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the runs of one case took.
struct Measured {
    case: String,
    median: Duration,
    slowest: Duration,
    used: Used,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (path, stale) = component(&arguments.policy)?;
    let name = path.display().to_string();
    if let Some(stale) = stale {
        return Err(user_error(format!("cannot measure {name}: {stale}"), "build it first"));
    }
    let content = read(&path)?;
    let inspected = check::inspect(&content).map_err(|refusal| refused(&name, &refusal))?;
    let (folder, names) = case_folder(&path)?;
    let budget = Budget::default();
    listen(&budget)?;
    let cache = Cache::of(&Environment::from_process(), None);
    let (code, compiled) = compile(&name, &content, &cache, &budget)?;
    let subject = subject(&path, &inspected.manifest, &cache)?;
    let mut all = Vec::new();
    for case in &names {
        let failed = |reason: String| {
            user_error(
                format!("the case {case} cannot be measured: {reason}"),
                "`chitin policy test` says more",
            )
        };
        let read = Case::read(&folder, case).map_err(|error| failed(error.to_string()))?;
        let mut runs = Vec::new();
        for _ in 0..arguments.runs {
            let said = subject
                .run(&read, &["all".to_owned()], Access::Whole)
                .map_err(|error| failed(error.to_string()))?;
            if let Some(reason) = said.failure() {
                return Err(failed(format!("it has no answer: {reason}")));
            }
            if said.used.fuel == 0 {
                return Err(failed("the policy did not run: its config cannot be read".to_owned()));
            }
            runs.push(said.used);
            budget.cut().map_or(Ok(()), Err)?;
        }
        all.push(Measured::of(case, &mut runs));
    }
    let policy = &inspected.manifest.policy;
    if arguments.json {
        let value = json!({
            "policy": policy.id, "version": policy.version, "componentBytes": content.len(), "codeBytes": code,
            "compileMilliseconds": compiled.as_millis(), "runs": arguments.runs,
            "cases": all.iter().map(Measured::json).collect::<Vec<Value>>(),
        });
        return show(|out| {
            serde_json::to_writer_pretty(&mut *out, &value)?;
            writeln!(out)
        });
    }
    show(|out| {
        writeln!(
            out,
            "{}: {} {}, {}; compiled to {} in {:.1} s of processor time",
            visible(&name),
            policy.id,
            policy.version,
            bytes(content.len()),
            bytes(code),
            compiled.as_secs_f64()
        )?;
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("case".len());
        writeln!(
            out,
            "\n{:width$}  {:>9}  {:>9}  {:>12}  {:>10}  {:>6}",
            "case", "median", "slowest", "fuel", "memory", "calls"
        )?;
        let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
        for Measured { case, median, slowest, used } in &all {
            let memory = bytes(usize::try_from(used.memory).unwrap_or(usize::MAX));
            writeln!(
                out,
                "{:width$}  {:>9}  {:>9}  {:>12}  {memory:>10}  {:>6}",
                visible(case),
                milliseconds(*median),
                milliseconds(*slowest),
                used.fuel,
                used.calls
            )?;
        }
        let limits = Limits::default();
        let memory = bytes(limits.memory);
        writeln!(
            out,
            "\neach policy has {} units of fuel, {memory} and {} calls",
            limits.fuel, limits.host_calls
        )
    })
}

impl Measured {
    fn of(case: &str, runs: &mut [Used]) -> Self {
        runs.sort_by_key(|used| used.time);
        let at = |number: usize| runs.get(number).map_or(Duration::ZERO, |used| used.time);
        let most = runs.iter().copied().fold(Used::default(), Used::most);
        Self { case: case.to_owned(), median: at(runs.len() / 2), slowest: most.time, used: most }
    }

    fn json(&self) -> Value {
        let Self { case, median, slowest, used } = self;
        json!({
            "case": case, "medianMicroseconds": median.as_micros(), "slowestMicroseconds": slowest.as_micros(),
            "fuel": used.fuel, "memoryBytes": used.memory, "calls": used.calls,
        })
    }
}
