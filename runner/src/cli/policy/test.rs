//! `chitin policy test`: a policy's golden cases in the sandbox, and what has to be so of every policy.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chitin::audit::visible;
use chitin::author::cases::{self, Access, Case, CaseError, Said, Subject, Used};
use chitin::author::{place, review};
use chitin::budget::Budget;
use chitin::output::{fit, width_of, without_commands};
use chitin::policy::cache::Cache;
use chitin::policy::code_file::Digest;
use chitin::policy::manifest::Manifest;
use chitin::program;
use chitin::sandbox::limits::{Limits, bytes};
use chitin::sandbox::{self, check};
use chitin::target::Environment;
use clap::Args;
use nix::sys::resource::{UsageWho, getrusage};
use similar::{ChangeTag, TextDiff};

use super::check::component;
use super::{NO_PROGRAM, read, refused};
use crate::cli::outputs::not_written;
use crate::cli::progress::Progress;
use crate::cli::{listen, user_error};

/// Exit code where a case failed.
const FAILED: u8 = 1;

#[derive(Args)]
#[command(after_help = "\
Exit codes:
  0  every case gives what stands in its file, and every invariant holds
  1  one does not
  2  wrong usage, or a policy that cannot be run")]
pub(in crate::cli) struct Arguments {
    /// The folder of a policy that is built, or a component with cases/ beside it
    #[arg(value_name = "DIR|FILE", default_value = ".")]
    policy: PathBuf,
    /// Write what the policy says to the cases' files
    #[arg(long)]
    bless: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (path, stale) = component(&arguments.policy)?;
    let name = path.display().to_string();
    if let Some(stale) = stale {
        return Err(user_error(format!("cannot test {name}: {stale}"), "build it first"));
    }
    let content = read(&path)?;
    let manifest = check::inspect(&content).map_err(|refusal| refused(&name, &refusal))?.manifest;
    let (folder, names) = case_folder(&path)?;
    let budget = Budget::default();
    listen(&budget)?;
    let cache = Cache::of(&Environment::from_process(), None);
    let compiled = match cache.find(&Digest::of(&content)) {
        Ok(Some(_)) => None,
        _ => Some(compile(&name, &content, &cache, &budget)?.1),
    };
    let subject = subject(&path, &manifest, &cache)?;
    let mut test =
        Test { subject, manifest, folder, budget, bless: arguments.bless, failed: 0, used: Used::default() };
    test.all(&names)?;
    test.tell_use(compiled);
    Ok(if test.failed == 0 { 0 } else { FAILED })
}

/// The folder of the cases of a component, and their names.
pub(super) fn case_folder(component: &Path) -> anyhow::Result<(PathBuf, Vec<String>)> {
    let parent = component.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new(".")).join("cases");
    let names = cases::names(&folder);
    if names.is_empty() {
        let help = "write cases/NAME.json5, a config, and run `chitin policy test --bless`";
        return Err(user_error(format!("there is no case in {}", folder.display()), help));
    }
    Ok((folder, names))
}

/// What audits of cases need to know.
pub(super) fn subject(component: &Path, manifest: &Manifest, cache: &Cache) -> anyhow::Result<Subject> {
    let name = component.display();
    Ok(Subject {
        program: program::own().ok_or_else(|| {
            user_error(format!("cannot test {name}: {NO_PROGRAM}"), "start chitin by its path")
        })?,
        policy: std::path::absolute(component)?,
        deep: manifest.policy.deep,
        // The audits find their code where it was kept.
        cache: cache.folder().and_then(|folder| Some(folder.parent()?.parent()?.to_owned())),
    })
}

/// Compiles a component and keeps its code for the audits. Gives the bytes of that, and the processor time that it took.
pub(super) fn compile(
    name: &str,
    component: &[u8],
    cache: &Cache,
    budget: &Budget,
) -> anyhow::Result<(usize, Duration)> {
    let failed = |reason: String| {
        user_error(format!("cannot test {name}: {reason}"), "see `chitin policy compile --help`")
    };
    let program = program::own().ok_or_else(|| failed(NO_PROGRAM.to_owned()))?;
    let before = children_time();
    let progress = Progress::compiling(name);
    let compiled =
        sandbox::compile::in_child(&program, component, budget).map_err(|error| failed(error.to_string()))?;
    drop(progress);
    let taken = children_time().saturating_sub(before);
    let label = compiled.label(component).map_err(|refusal| refused(name, &refusal))?;
    // Without a cache each audit compiles it anew, which is slow and as good.
    let _ = cache.keep(&label, compiled.bytes());
    Ok((compiled.bytes().len(), taken))
}

/// The processor time of the children that have ended.
fn children_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return Duration::ZERO };
    [usage.user_time(), usage.system_time()]
        .into_iter()
        .map(|time| {
            let of = |number: i64| u64::try_from(number).unwrap_or_default();
            Duration::from_secs(of(time.tv_sec())) + Duration::from_micros(of(time.tv_usec()))
        })
        .sum()
}

struct Test {
    subject: Subject,
    manifest: Manifest,
    folder: PathBuf,
    budget: Budget,
    bless: bool,
    failed: usize,
    used: Used,
}

impl Test {
    fn all(&mut self, names: &[String]) -> anyhow::Result<()> {
        let all = ["all".to_owned()];
        let mut whole = Vec::new();
        for name in names {
            let said = Case::read(&self.folder, name).and_then(|case| {
                let said = self.subject.run(&case, &all, Access::Whole)?;
                Ok((case, said))
            });
            match said {
                Ok((case, said)) => {
                    self.used = self.used.most(said.used);
                    self.golden(name, &said)?;
                    whole.push((case, said));
                }
                Err(error) => self.tell(&format!("case {name}"), &[error.to_string()]),
            }
            self.go_on()?;
        }
        // Without fixes and fuel it sees the same, and all the others are places to look at.
        let mut places = self.manifest.capabilities.names();
        places.retain(|name| !name.starts_with("fix:") && !name.starts_with("fuel:"));
        for withheld in &places {
            let mut grants = self.manifest.capabilities.names();
            grants.retain(|name| name != withheld);
            self.with_less(&whole, &grants, &format!("without {withheld}"))?;
        }
        if places.len() > 1 {
            self.with_less(&whole, &[], "without any grant")?;
        }
        let mut wrong = Vec::new();
        for (case, said) in &whole {
            for (pointer, hidden) in case.with_each_text_hidden(&self.manifest.capabilities) {
                let part = self.subject.run(&hidden, &all, Access::Whole);
                let found = self.judge(part, |part| part.untrue(said));
                wrong
                    .extend(found.into_iter().map(|text| format!("{}, {pointer} hidden: {text}", case.name)));
                self.go_on()?;
            }
        }
        self.tell("with each text of the config hidden", &wrong);
        let silent =
            self.manifest.checks.iter().map(|check| check.id.as_str()).filter(|id| !id.contains('*'));
        let silent: Vec<String> = silent
            .filter(|id| !whole.iter().any(|(_, said)| said.finds(id)))
            .map(|id| format!("no case makes {id} find anything"))
            .collect();
        self.tell("each check finds something in a case", &silent);
        let said = self.subject.run(&Case::empty(), &all, Access::Whole);
        let wrong = self.judge(said, |_| Vec::new());
        self.tell("an empty installation", &wrong);
        chitin::confine::obey_modes();
        if !cases::is_held_to_modes() {
            say("skipped everything unreadable: this account may read whatever there is");
            return Ok(());
        }
        let mut wrong = Vec::new();
        for (case, _) in &whole {
            let said = self.subject.run(case, &all, Access::Unreadable);
            let found = self.judge(said, |_| Vec::new());
            wrong.extend(found.into_iter().map(|text| format!("{}: {text}", case.name)));
            self.go_on()?;
        }
        self.tell("everything unreadable", &wrong);
        Ok(())
    }

    /// What has to be so of every case where less is granted.
    fn with_less(&mut self, whole: &[(Case, Said)], grants: &[String], what: &str) -> anyhow::Result<()> {
        let mut wrong = Vec::new();
        for (case, all) in whole {
            let said = self.subject.run(case, grants, Access::Whole);
            let found = self.judge(said, |said| said.untrue(all));
            wrong.extend(found.into_iter().map(|text| format!("{}: {text}", case.name)));
            self.go_on()?;
        }
        self.tell(what, &wrong);
        Ok(())
    }

    /// Compares what was said of a case with what stands in its file, or writes it there.
    fn golden(&mut self, name: &str, said: &Said) -> anyhow::Result<()> {
        let file = cases::findings_file(&self.folder, name);
        let text = said.text();
        let written = review::text(&file).unwrap_or_default();
        if let Some(reason) = said.failure() {
            self.tell(&format!("case {name}"), &no_answer(reason, &said.log));
        } else if written == text {
            self.tell(&format!("case {name}"), &[]);
        } else if self.bless {
            place::replace(&file, text.as_bytes()).map_err(|error| not_written(&file, &error))?;
            say(&format!("written case {name}: {}", file.display()));
        } else {
            let difference = TextDiff::from_lines(&written, &text);
            let mut lines =
                vec![format!("{} (-) is not what it says (+); --bless writes it", file.display())];
            lines.extend(difference.iter_all_changes().map(|change| {
                let sign = match change.tag() {
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                    ChangeTag::Equal => ' ',
                };
                format!("{sign} {}", change.value().trim_end_matches('\n'))
            }));
            self.tell(&format!("case {name}"), &lines);
        }
        Ok(())
    }

    /// What is wrong with a run that has no file to be compared with.
    fn judge(&mut self, said: Result<Said, CaseError>, more: impl Fn(&Said) -> Vec<String>) -> Vec<String> {
        match said {
            Err(error) => vec![error.to_string()],
            Ok(said) => {
                self.used = self.used.most(said.used);
                match said.failure() {
                    Some(reason) => no_answer(reason, &said.log),
                    None => more(&said),
                }
            }
        }
    }

    fn tell(&mut self, what: &str, wrong: &[String]) {
        if wrong.is_empty() {
            return say(&format!("ok      {what}"));
        }
        self.failed += 1;
        say(&format!("FAILED  {what}"));
        for line in wrong {
            say(&format!("  {line}"));
        }
    }

    fn go_on(&self) -> anyhow::Result<()> {
        self.budget.cut().map_or(Ok(()), |cut| Err(cut.into()))
    }

    /// Says what was used of the limits, and complains where it is more than half of one.
    fn tell_use(&mut self, compiled: Option<Duration>) {
        let limits = Limits::default();
        let memory = limits.memory as u64;
        let fuel = self.manifest.capabilities.fuel.unwrap_or(limits.fuel).max(limits.fuel);
        let size = |number: u64| bytes(usize::try_from(number).unwrap_or(usize::MAX));
        say("");
        let mut wrong = Vec::new();
        for (name, used, most, words) in [
            ("fuel", self.used.fuel, fuel, [self.used.fuel, fuel].map(|number| number.to_string())),
            ("memory", self.used.memory, memory, [self.used.memory, memory].map(size)),
            (
                "calls",
                self.used.calls,
                limits.host_calls,
                [self.used.calls, limits.host_calls].map(|number| number.to_string()),
            ),
        ] {
            let [has, may] = words;
            say(&format!("{name:8}{has} of {may}"));
            if used > most / 2 {
                wrong.push(format!("{name}: {has} are more than half of {may}"));
            }
        }
        match compiled {
            None => say("compile its code was in the cache"),
            Some(taken) => {
                let most = sandbox::compile::MAX_SECONDS;
                say(&format!("compile {:.1} s, of {most} s of processor time", taken.as_secs_f64()));
                if taken.as_secs() > most / 2 {
                    wrong.push(format!("compile: {} s are more than half of {most} s", taken.as_secs()));
                }
            }
        }
        if !wrong.is_empty() {
            self.tell("its use of the limits", &wrong);
        }
    }
}

/// Why there is no answer, and what the policy wrote itself.
fn no_answer(reason: &str, log: &[String]) -> Vec<String> {
    let wrote = log.iter().map(|line| format!("it wrote: {line}"));
    std::iter::once(format!("it has no answer: {reason}")).chain(wrote).collect()
}

/// A line on standard output, as soon as it is known. Where that is gone, the exit code tells.
fn say(line: &str) {
    let _ = write!(
        anstream::stdout(),
        "{}",
        fit(&without_commands(&format!("{}\n", visible(line)), false), width_of(std::io::stdout()))
    );
}
