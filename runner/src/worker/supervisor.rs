//! The supervisor's side: starts the worker, gives it its order, opens what it may have opened, and takes what it says.

use std::io::Write as _;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::child::{Envelope, Root, SUBCOMMAND, Said};
use super::work::Work;
use super::{Delivery, Order, Task, Wanted};
use crate::audit::{Planned, Report, visible};
use crate::budget::{self, Budget, Cut};
use crate::confine::{self, Asked, Confinement};
use crate::policy::code_file::CodeFile;
use crate::policy::manifest::Severity;
use crate::sandbox::view::Grants;
use crate::sandbox::{Code, Progress, Sandbox};
use crate::target::Installation;
use crate::target::broker::{self, Broker, Caller};
use crate::target::sysroot;
use crate::wording::is_invisible;
use crate::{probe, program};

/// Longest line that a worker says: some times the report of the largest installation that was tried.
const MAX_LINE: usize = 256 << 20;

/// How often whoever waits looks up. What is said ends the wait at once.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// How long a worker may take to hand over what it has once it was interrupted: everything ends within a second.
const LAST_WORDS: Duration = Duration::from_millis(600);

/// How long a worker may take to end by itself once its output has ended.
const ENDING: Duration = Duration::from_millis(50);

/// How much longer than its own time a worker is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why no work was done.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// All of the confinement was asked for, and some of it is not to be had.
    #[error("--confine required: {0}")]
    NotConfined(String),
    /// The work met what ends every audit.
    #[error("{0}")]
    Failed(String),
}

/// Whoever has the work done.
pub struct Supervisor {
    asked: Asked,
    hand: Hand,
    /// Orders come one after the other, and each may run so many policies at a time; none where there is one order.
    several: Option<usize>,
}

/// Where the work is done.
enum Hand {
    /// In a worker that waits for its order.
    Worker(Box<Talk>),
    /// Here, for this reason.
    Here(String),
}

impl Supervisor {
    /// Starts a worker, where one is wanted and can be started. It makes itself ready while the supervisor looks where the
    /// target is.
    #[must_use]
    pub fn start(asked: Asked) -> Self {
        Self { asked, hand: Hand::start(asked), several: None }
    }

    /// The same, for orders that come one after the other. A worker that runs built-in policies alone carries out several of them, and
    /// opens nothing by itself; all else has a worker of its own. So many supervisors share the processors.
    #[must_use]
    pub fn for_several(asked: Asked, jobs: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { several: Some(processors / jobs.max(1)), ..Self::start(asked) }
    }

    /// Has an order carried out, within the budget. `shown` is told how far it is.
    ///
    /// # Errors
    /// See [`SupervisorError`]. A worker that is ended, or that says nothing, is a report: nothing was assessed.
    pub fn carry_out(
        &mut self,
        order: Order,
        plan: &[Arc<Planned>],
        budget: &Budget,
        shown: &Arc<Progress>,
    ) -> Result<Delivery, SupervisorError> {
        let Self { asked, hand, several } = self;
        let asked = *asked;
        let reason = loop {
            let series = several.and_then(|_| Series::of(&order));
            let is_over = match hand {
                Hand::Worker(talk) => !talk.takes(series.as_ref()),
                // What one target lacked, the next may have.
                Hand::Here(_) => several.is_some(),
            };
            if is_over {
                *hand = Hand::start(asked);
            }
            match hand {
                Hand::Here(reason) => break reason.clone(),
                Hand::Worker(talk) => {
                    let is_used = matches!(talk.state, State::Series(..));
                    if !talk.give(&order, plan, series, *several) {
                        talk.kill();
                        break NO_THREAD.to_owned();
                    }
                    let delivery = talk.carry_out(&order, plan, budget, shown);
                    // It may have ended before it heard of this target, which another one looks at then.
                    if !(is_used && talk.fell_silent && budget.cut().is_none()) {
                        return delivery;
                    }
                }
            }
        };
        let confinement = Confinement::none(asked, &reason);
        if asked == Asked::Required {
            return Err(SupervisorError::NotConfined(reason));
        }
        let failed = |error: anyhow::Error| SupervisorError::Failed(format!("{error:#}"));
        let sandbox = sandbox().map_err(failed)?;
        let order = Arc::new(order);
        let work = Work::new(&order, plan, sandbox, budget, &|_| (), shown);
        let delivery = work.carry_out().map_err(failed)?;
        Ok(delivery.confined(confinement))
    }

    /// What would hold, as a worker tells it that is given nothing to do.
    #[must_use]
    pub fn look(self, budget: &Budget) -> Confinement {
        let mut talk = match self.hand {
            Hand::Worker(talk) => talk,
            Hand::Here(reason) => return Confinement::none(self.asked, &reason),
        };
        let envelope = Envelope {
            asked: self.asked,
            several: None,
            in_sysroot: false,
            roots: Vec::new(),
            order: None::<Order>,
        };
        if !talk.send(&envelope, Vec::new(), |_| ()) {
            return Confinement::none(self.asked, NO_THREAD);
        }
        let given = Given { plan: &[], deep: false, fail_on: Severity::Critical, installation: None };
        talk.hear(&given, budget, &Arc::default());
        let status = talk.end();
        let why = || why_ended(status, &String::from_utf8_lossy(&talk.words));
        let confinement = talk.confinement.clone();
        confinement
            .unwrap_or_else(|| Confinement::none(self.asked, &format!("the worker did not begin: {}", why())))
    }
}

/// Why there is no worker.
const NO_THREAD: &str = "no thread could be started for the worker";

/// The sandbox of this process, for work that no worker does. The process ends with it: what it has made ready serves all targets.
fn sandbox() -> anyhow::Result<&'static Sandbox> {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    if let Some(sandbox) = SANDBOX.get() {
        return Ok(sandbox);
    }
    let sandbox = Sandbox::new()?;
    Ok(SANDBOX.get_or_init(|| sandbox))
}

impl Hand {
    /// Starts a worker, where one is wanted and can be started.
    fn start(asked: Asked) -> Self {
        if asked == Asked::Off {
            return Self::Here("the operator wants none".to_owned());
        }
        let failed = |reason| Self::Here(format!("no child process could be started: {reason}"));
        start(asked).map_or_else(failed, |talk| Self::Worker(Box::new(talk)))
    }
}

fn start(asked: Asked) -> Result<Talk, String> {
    let program = program::own().ok_or("nobody knows where this program lies")?;
    let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
    let child = Command::new(program)
        .arg(SUBCOMMAND)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    Ok(Talk::new(asked, child, ours))
}

/// A talk with a worker.
struct Talk {
    asked: Asked,
    child: Child,
    channel: UnixStream,
    output: Option<ChildStdout>,
    errors: Option<ChildStderr>,
    /// What it said and was not looked at yet, and how much of that has no end of a line.
    said: Vec<u8>,
    endless: usize,
    /// The last of what it wrote to standard error.
    words: Vec<u8>,
    /// What holds, once it has said so.
    confinement: Option<Confinement>,
    /// What it may have opened now.
    opener: Arc<broker::Current>,
    state: State,
    /// It ended without a word about its last order.
    fell_silent: bool,
}

/// How far a worker is.
enum State {
    /// It waits for its first order.
    New,
    /// It has carried out so many orders of a series, and waits for the next one.
    Series(Series, usize),
    /// It gets no further order.
    Over,
}

/// Orders that one worker can carry out one after the other: what it is given of each beside the target is the same.
#[derive(PartialEq, Eq)]
struct Series {
    /// The built-in policies, by their numbers.
    policies: Vec<usize>,
    /// Whose process the worker becomes.
    owner: u32,
}

impl Series {
    /// None of an order that has a process of its own: with a stranger's policy, or where something is changed or the gateway asked.
    fn of(order: &Order) -> Option<Self> {
        let number = |wanted: &Wanted| match wanted {
            Wanted::Builtin(number) => Some(*number),
            Wanted::Strange { .. } => None,
        };
        let is_plain = order.task == Task::Audit && !order.deep && sysroot::entered().is_none();
        let policies = order.policies.iter().map(number).collect::<Option<_>>();
        let owner = order.installation.territory.owner();
        policies.filter(|_| is_plain).map(|policies| Self { policies, owner })
    }
}

/// Orders of one worker. What a process gathers in its life is gone with it.
const MAX_ORDERS: usize = 1_000;

/// What the worker was given, as far as its answer is held against it.
struct Given<'a> {
    plan: &'a [Arc<Planned>],
    deep: bool,
    fail_on: Severity,
    /// None where it was given nothing to do.
    installation: Option<&'a Installation>,
}

/// How a talk ended.
enum End {
    /// With what was asked for.
    Delivered(Box<Delivery>),
    /// The worker met what ends every audit.
    Failed(String),
    /// The worker has ended, or its standard output has.
    Silence,
    /// It is not waited for any longer, or not believed.
    Given(String),
}

impl Talk {
    fn new(asked: Asked, mut child: Child, channel: UnixStream) -> Self {
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        Self {
            asked,
            child,
            channel,
            output,
            errors,
            said: Vec::new(),
            endless: 0,
            words: Vec::new(),
            confinement: None,
            opener: Arc::default(),
            state: State::New,
            fell_silent: false,
        }
    }

    /// It can be given an order of this series, or one that is of none.
    fn takes(&self, series: Option<&Series>) -> bool {
        match &self.state {
            State::New => true,
            State::Series(known, orders) => series == Some(known) && *orders < MAX_ORDERS,
            State::Over => false,
        }
    }

    fn carry_out(
        &mut self,
        order: &Order,
        plan: &[Arc<Planned>],
        budget: &Budget,
        shown: &Arc<Progress>,
    ) -> Result<Delivery, SupervisorError> {
        let (installation, ts) = (&order.installation, order.now * 1000);
        let deep = order.deep && order.task == Task::Audit;
        let given = Given { plan, deep, fail_on: order.terms.fail_on, installation: Some(installation) };
        let end = self.hear(&given, budget, shown);
        self.fell_silent = matches!(end, End::Silence);
        let status = match &end {
            End::Delivered(delivery) if self.goes_on(delivery) => None,
            // What it has delivered is all that is wanted of it: nobody waits for it to put its things away.
            End::Delivered(_) => self.kill(),
            _ => self.end(),
        };
        let confinement = self
            .confinement
            .clone()
            .unwrap_or_else(|| Confinement::none(self.asked, "the worker did not begin"));
        if self.asked == Asked::Required
            && let Some(missing) = confinement.told()
        {
            return Err(SupervisorError::NotConfined(missing));
        }
        let reason = match end {
            End::Delivered(delivery) => return Ok(delivery.confined(confinement)),
            End::Failed(reason) => return Err(SupervisorError::Failed(visible(&reason))),
            End::Silence => why_ended(status, &String::from_utf8_lossy(&self.words)),
            End::Given(reason) => reason,
        };
        let unread = match budget.cut() {
            Some(cut @ Cut::Interrupted) => Report::unread_because(&cut),
            _ => format!("the worker ended before its report: {reason}"),
        };
        let report = Report::unread(Some(installation), plan, &unread, deep, ts);
        Ok(Delivery::nothing(report, reason).confined(confinement))
    }

    /// It is ready for the next order, and until then has nothing opened. One that was cut may still be at work.
    fn goes_on(&mut self, delivery: &Delivery) -> bool {
        let State::Series(_, orders) = &mut self.state else { return false };
        *orders += 1;
        let is_clean = delivery.cut.is_none() && self.said.is_empty();
        is_clean && self.opener.try_lock().is_ok_and(|mut opener| opener.take().is_some())
    }

    /// Hears what the worker says until it has said all, or has had its time.
    fn hear(&mut self, given: &Given<'_>, budget: &Budget, shown: &Arc<Progress>) -> End {
        let (mut since, mut silent) = (None, None);
        loop {
            if let Some(end) = self.look(given, shown) {
                return end;
            }
            let Self { output, errors, .. } = self;
            // Its last words may come behind the end of its output.
            let is_over = errors.is_none() || silent.is_some_and(|since: Instant| since.elapsed() >= ENDING);
            if output.is_none() && is_over {
                return End::Silence;
            }
            let pipes = [output.as_ref().map(AsFd::as_fd), errors.as_ref().map(AsFd::as_fd)];
            let mut open: Vec<PollFd<'_>> =
                pipes.iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
            // An interrupt of the wait is none of the audit.
            let _ = poll(&mut open, Some(&TICK));
            let mut ready = open.iter().map(|pipe| !pipe.revents().is_empty());
            let [has_output, has_errors] = pipes.map(|pipe| pipe.is_some() && ready.next() == Some(true));
            drop(ready);
            if has_output && program::drain(output, &mut self.said).is_err() {
                *output = None;
            }
            if has_errors && program::drain(errors, &mut self.words).is_err() {
                *errors = None;
            }
            program::keep_last(&mut self.words);
            if self.output.is_none() {
                silent.get_or_insert_with(Instant::now);
            }
            if self.said.len() > MAX_LINE {
                return End::Given("it said more than a report can be".to_owned());
            }
            let Some(cut) = budget.cut() else { continue };
            let is_first = since.is_none();
            let since = since.get_or_insert_with(Instant::now);
            // A signal may have reached this process alone; its own time a worker keeps by itself.
            let patience = if cut == Cut::Interrupted { LAST_WORDS } else { PATIENCE };
            if is_first && cut == Cut::Interrupted {
                self.signal(Signal::TERM);
            }
            if since.elapsed() >= patience {
                return End::Given(cut.to_string());
            }
        }
    }

    /// Looks at the lines that were said in full.
    fn look(&mut self, given: &Given<'_>, shown: &Arc<Progress>) -> Option<End> {
        loop {
            let new = self.said.get(self.endless..).unwrap_or_default();
            let Some(end) = new.iter().position(|byte| *byte == b'\n') else {
                self.endless = self.said.len();
                return None;
            };
            let behind = self.said.split_off(self.endless + end + 1);
            let line = std::mem::replace(&mut self.said, behind);
            self.endless = 0;
            let is_visible = std::str::from_utf8(&line).is_ok_and(|line| shows_only_visible(line.trim_end()));
            match serde_json::from_slice::<Said>(&line) {
                Ok(Said::Confined(heard)) if self.confinement.is_none() && heard.is_answer_to(self.asked) => {
                    self.confinement = Some(heard);
                }
                Ok(Said::Progress((done, runs, files, current))) => {
                    shown.tell((done, runs, files, visible(&current)));
                }
                Ok(Said::Done(delivery, beside)) => {
                    let delivery = beside.put_into(*delivery, given, is_visible);
                    let wrong = || End::Given("what it handed over is no report".to_owned());
                    return Some(delivery.map_or_else(wrong, |delivery| End::Delivered(Box::new(delivery))));
                }
                Ok(Said::Failed(reason)) => return Some(End::Failed(reason)),
                Ok(Said::Confined(_)) | Err(_) => {
                    return Some(End::Given("what it said is not what a worker says".to_owned()));
                }
            }
        }
    }

    /// Hands over the order, the open files of strangers' code behind it, and opens from then on what the worker asks for. In a thread of
    /// its own: a worker that does not listen, or a file system that hangs, holds up nobody. Says whether there is one.
    fn give(
        &mut self,
        order: &Order,
        plan: &[Arc<Planned>],
        series: Option<Series>,
        threads: Option<usize>,
    ) -> bool {
        let installation = &order.installation;
        let caller = order.probe.clone().map(|options| {
            let installation = installation.clone();
            let call = move |text: &str| probe::start_call(text, &installation, &options);
            Box::new(call) as Caller
        });
        let includes = installation.include_roots(&order.environment);
        let roots = installation.roots(&order.environment);
        let broker = Broker::new(installation.territory, roots.clone(), includes, is_code, caller);
        *self.opener.lock().unwrap_or_else(PoisonError::into_inner) = Some(broker);
        let is_first = matches!(self.state, State::New);
        let several = threads.filter(|_| series.is_some());
        if is_first {
            self.state = series.map_or(State::Over, |series| State::Series(series, 0));
        }
        let envelope = Envelope {
            asked: self.asked,
            several,
            in_sysroot: sysroot::entered().is_some(),
            // A process that looks at several targets opens nothing of them by itself.
            roots: if several.is_some() { Vec::new() } else { roots.into_iter().map(Root).collect() },
            order: Some(order),
        };
        let file = |planned: &Arc<Planned>| planned.code.as_ref().ok().and_then(Code::file).cloned();
        let files = plan.iter().filter_map(file).collect();
        let opener = Arc::clone(&self.opener);
        self.send(&envelope, files, move |channel| {
            if is_first {
                broker::serve(&opener, channel);
            }
        })
    }

    /// Sends an envelope, the folder of its paths and code behind it, and then does what is to be done with the channel. Says whether a thread does it.
    fn send<O: Serialize>(
        &self,
        envelope: &Envelope<O>,
        files: Vec<CodeFile>,
        then: impl FnOnce(UnixStream) + Send + 'static,
    ) -> bool {
        let (Ok(text), Ok(mut channel)) = (serde_json::to_vec(envelope), self.channel.try_clone()) else {
            return false;
        };
        let sysroot = sysroot::entered().filter(|_| envelope.in_sysroot);
        budget::spawn(Box::new(move || {
            let length = (text.len() as u64).to_le_bytes();
            let text = [&length[..], &text].concat();
            // One that does not listen ends, and that is told.
            let given = channel.write_all(&text).is_ok();
            let handles = sysroot.into_iter().chain(files.iter().map(CodeFile::handle));
            if given && handles.into_iter().all(|handle| broker::give_handle(&channel, handle).is_ok()) {
                then(channel);
            }
        }))
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // It may have ended by itself, which is as good.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// The worker has said all that is heard of it.
    fn end(&mut self) -> Option<ExitStatus> {
        self.state = State::Over;
        self.wait().or_else(|| self.kill())
    }

    fn kill(&mut self) -> Option<ExitStatus> {
        self.state = State::Over;
        if self.child.kill().is_ok() {
            return self.child.wait().ok();
        }
        // It is root's, and this process has become another account's since. It ends by itself where nobody is left to give it an order.
        let _ = self.channel.shutdown(Shutdown::Both);
        self.wait()
    }

    /// Waits a little for one that ends by itself.
    fn wait(&mut self) -> Option<ExitStatus> {
        /// One that has delivered ends at once.
        const REST: Duration = Duration::from_millis(1);
        let began = Instant::now();
        while began.elapsed() < ENDING {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(REST),
                ended => return ended.ok().flatten(),
            }
        }
        None
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The file by this name is code, or describes it: what lies outside of the installation is read for that alone.
fn is_code(name: &str) -> bool {
    let as_log = [".log", ".jsonl"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
    as_log || Grants::is_readable("plugin/0", name) || Grants::is_readable("credentials", name)
}

/// Why a worker ended that delivered nothing.
fn why_ended(status: Option<ExitStatus>, words: &str) -> String {
    let refused = confine::call_in(words).map(confine::name_of);
    let by_filter = status.is_some_and(|status| {
        status.code() == Some(confine::STATUS) || status.signal() == Some(Signal::SYS.as_raw())
    });
    if by_filter {
        let call = refused.unwrap_or_else(|| "of which it did not say the name".to_owned());
        return format!("it was ended at the system call {call}, which no audit needs");
    }
    match (status, program::last_line(words)) {
        (_, Some(said)) => visible(said),
        (Some(status), None) => status.to_string(),
        (None, None) => "it is not known how".to_owned(),
    }
}

/// What a report's own form does not say, and the supervisor needs to show it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Beside {
    /// The declared check of each finding, and then of each that was suppressed.
    findings: Vec<String>,
    /// A fix may cure some of it.
    curable: bool,
    /// The check of each reason of each assessment, as the policy named it.
    open: Vec<Vec<String>>,
}

impl Beside {
    pub(super) fn of(report: &Report) -> Self {
        let named = |open: &crate::audit::Open| open.check_id.clone();
        Self {
            curable: report.is_curable,
            findings: report.all_findings().map(|finding| finding.check.clone()).collect(),
            open: report
                .assessment
                .iter()
                .map(|check| check.unassessed.iter().map(named).collect())
                .collect(),
        }
    }

    /// The whole delivery; none where it is not what a worker hands over.
    fn put_into(self, mut delivery: Delivery, given: &Given<'_>, is_visible: bool) -> Option<Delivery> {
        let report = &mut delivery.report;
        if self.findings.len() != report.all_findings().count() || self.open.len() != report.assessment.len()
        {
            return None;
        }
        (report.is_curable, report.is_deep) = (self.curable, given.deep);
        for (finding, check) in report.all_findings_mut().zip(self.findings) {
            finding.check = check;
        }
        for (assessment, names) in report.assessment.iter_mut().zip(self.open) {
            if names.len() != assessment.unassessed.len() {
                return None;
            }
            for (open, name) in assessment.unassessed.iter_mut().zip(names) {
                open.check_id = name;
            }
        }
        if let Some(installation) = given.installation {
            report.target = report.target.clone().placed(installation);
        }
        let absent = given.installation.is_none_or(|found| !found.state_exists && !found.config_exists);
        (is_clean(&delivery, is_visible) && delivery.report.agrees(given.plan, given.fail_on, absent))
            .then_some(delivery)
    }
}

/// No text has what changes a terminal: all of them went through the outlet once. Those of the report are not gone through again where it
/// is known that all texts are visible.
fn is_clean(delivery: &Delivery, is_visible: bool) -> bool {
    let line = |text: &str| !text.chars().any(is_invisible);
    let texts = || serde_json::to_string(&delivery.report).is_ok_and(|json| shows_only_visible(&json));
    (is_visible || texts())
        && delivery.cut.iter().all(|text| line(text))
        && delivery.times.iter().all(|text| line(text))
}

/// The texts of a document have nothing invisible but ends of lines. It is this program's own, whose only escapes are those of quotes, of
/// backslashes, and of what is invisible.
fn shows_only_visible(json: &str) -> bool {
    let mut chars = json.chars();
    while let Some(c) = chars.next() {
        let is_shown = match c {
            '\\' => matches!(chars.next(), Some('"' | '\\' | 'n')),
            c => !is_invisible(c),
        };
        if !is_shown {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::policy::catalog::BUILTIN;

    /// A worker that is somebody else's: a shell that says what it likes.
    fn talk(script: &str) -> Talk {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::from(OwnedFd::from(theirs)));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Talk::new(Asked::BestEffort, child, ours)
    }

    fn plan() -> Vec<Arc<Planned>> {
        let manifest = BUILTIN.first().unwrap().manifest().unwrap();
        vec![Arc::new(Planned::builtin(0, manifest))]
    }

    /// A line of a worker that has an empty report.
    fn done() -> Value {
        let report = Report::unread(None, &plan(), "a reason", false, 0);
        let beside = Beside::of(&report);
        let delivery = Box::new(Delivery::nothing(report, "cut".to_owned()));
        serde_json::to_value(Said::Done(delivery, beside)).unwrap()
    }

    fn heard(script: &str, budget: &Budget) -> (End, Talk) {
        let mut talk = talk(script);
        let plan = plan();
        let given = Given { plan: &plan, deep: false, fail_on: Severity::Critical, installation: None };
        let end = talk.hear(&given, budget, &Arc::default());
        (end, talk)
    }

    /// What becomes of a worker that says these lines.
    fn of_lines(lines: &[u8]) -> End {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lines");
        std::fs::write(&file, lines).unwrap();
        let (end, mut talk) = heard(&format!("cat {}", file.display()), &Budget::default());
        talk.end();
        end
    }

    fn line(value: &Value) -> Vec<u8> {
        format!("{value}\n").into_bytes()
    }

    fn finding() -> Value {
        json!({
            "checkId": "no.such_check", "severity": "critical", "title": "t", "detail": "d", "policy": "p",
            "locations": [{"kind": "env", "name": "N"}],
        })
    }

    #[test]
    fn an_honest_report_is_taken() {
        assert!(matches!(of_lines(&line(&done())), End::Delivered(_)));
        let progress = line(&json!({"Progress": [1, 2, 3, "x"]}));
        assert!(matches!(of_lines(&[progress, line(&done())].concat()), End::Delivered(_)));
    }

    #[test]
    fn what_a_worker_says_is_a_strangers_word() {
        let change = |pointer: &str, to: Value| {
            let mut said = done();
            *said.pointer_mut(pointer).unwrap() = to;
            line(&said)
        };
        let report = "/Done/0/report";
        for (what, lines) in [
            ("a control character", change(&format!("{report}/exit/reason"), json!("\u{1b}[31mred"))),
            (
                "an end of a line in a place",
                change(&format!("{report}/target/stateDir"), json!("a\u{202e}b")),
            ),
            ("another check", change(&format!("{report}/assessment/0/checkId"), json!("no.such_check"))),
            ("wrong counts", change(&format!("{report}/counts/clean"), json!(7))),
            ("a wrong summary", change(&format!("{report}/summary/critical"), json!(1))),
            ("no gap, though incomplete", change(&format!("{report}/incomplete"), json!([]))),
            ("clean, though incomplete", change(&format!("{report}/exit/code"), json!(0))),
            ("findings without a check", change(&format!("{report}/findings"), json!([finding()]))),
            ("another reason", change(&format!("{report}/exit/reason"), json!("all is well"))),
            ("another code", change(&format!("{report}/exit/code"), json!(2))),
            ("another form", change(&format!("{report}/schemaVersion"), json!(99))),
            ("names that are too few", change("/Done/1/open", json!([]))),
            ("a line of timing that is two", change("/Done/0/times", json!(["a\nb"]))),
            ("no report", line(&json!({"Done": 5}))),
            ("rubbish", b"\xff\xfe\n".to_vec()),
            ("a deep nest", [vec![b'['; 1 << 20], b"\n".to_vec()].concat()),
            ("confined twice", line(&json!({"Confined": 1})).repeat(2)),
        ] {
            assert!(matches!(of_lines(&lines), End::Given(_)), "{what}");
        }
        assert!(matches!(of_lines(b"{\"Progress\": [1, 2"), End::Silence), "a line without an end");
    }

    #[test]
    fn a_worker_that_hangs_is_ended_with_the_audit() {
        let budget = Budget::default();
        budget.interrupt().store(true, std::sync::atomic::Ordering::Relaxed);
        let (end, mut talk) = heard("trap '' TERM; exec sleep 60", &budget);
        assert!(matches!(end, End::Given(_)));
        assert_eq!(talk.end().and_then(|status| status.signal()), Some(Signal::KILL.as_raw()));
    }

    #[test]
    fn why_it_ended_is_said() {
        let ended = |script: &str| {
            let (end, mut talk) = heard(script, &Budget::default());
            assert!(matches!(end, End::Silence));
            let status = talk.end();
            why_ended(status, &String::from_utf8_lossy(&talk.words))
        };
        let refused = "echo 'chitin: refused system call 41' >&2; exit 159";
        if cfg!(target_arch = "x86_64") {
            assert_eq!(ended(refused), "it was ended at the system call socket, which no audit needs");
        }
        assert_eq!(ended("echo 'error: no memory' >&2; exit 1"), "no memory");
        assert_eq!(ended("printf 'a\\033[31m' >&2; exit 1"), "a\\u{1b}[31m");
        assert_eq!(ended("kill -9 $$"), "signal: 9 (SIGKILL)");
    }
}
