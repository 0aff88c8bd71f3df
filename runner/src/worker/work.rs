//! The work itself: reads the target, runs the policies, makes the report, and proves a fix in memory. The same in a worker
//! and, where there is none, in this process.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use super::{Clock, Delivery, Order, Prepared, Task};
use crate::audit::{Basis, Planned, Report, Subject, evaluate};
use crate::budget::{self, Budget, Cut};
use crate::config::Written;
use crate::config::release::Word;
use crate::fix::prove::files;
use crate::fix::{Plan, Proven, prove, show, visited};
use crate::probe::{Gateway, Probe};
use crate::sandbox::limits::Limits;
use crate::sandbox::{Progress, Sandbox};
use crate::target::{Preview, Problem, ProblemKind};

/// How long the audit waits to hear from the gateway which release it is. One that runs answers within milliseconds.
const GREETING: Duration = Duration::from_secs(2);

const NO_WORKING_DIRECTORY: &str = "The directory that this audit was started in is gone, or its path cannot be told: a .env \
    in it was not read, and what the config names by a relative path was not found.";

/// Some policy is given what the probe meets. Where none is, nobody needs to connect to anything.
fn asks_gateway(plan: &[Arc<Planned>]) -> bool {
    plan.iter().any(|planned| planned.granted.gateway)
}

/// Processor time for all runs of an audit.
fn processor_time(deep: bool) -> Duration {
    let all = if deep { budget::DEEP } else { budget::PLAIN };
    all.saturating_sub(budget::READING)
}

/// All that an order needs, made once.
pub(super) struct Work<'a> {
    pub order: &'a Arc<Order>,
    pub plan: &'a [Arc<Planned>],
    pub sandbox: &'a Sandbox,
    pub budget: &'a Budget,
    /// Does what is to be done once a target is read, before policies run on it.
    pub is_read: &'a dyn Fn(&Subject),
    /// How far it is.
    pub progress: &'a Arc<Progress>,
    clock: RefCell<Clock>,
    /// Processor time that is left for all trials of a fix together.
    for_trials: Cell<Duration>,
}

/// What one audit came to.
struct Audited {
    subject: Arc<Subject>,
    report: Report,
    logs: Vec<(String, String)>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        order: &'a Arc<Order>,
        plan: &'a [Arc<Planned>],
        sandbox: &'a Sandbox,
        budget: &'a Budget,
        is_read: &'a dyn Fn(&Subject),
        progress: &'a Arc<Progress>,
    ) -> Self {
        let (clock, for_trials) = (RefCell::new(Clock::start(order.timed)), Cell::new(budget::PLAIN));
        Self { order, plan, sandbox, budget, is_read, progress, clock, for_trials }
    }

    /// Carries the order out.
    ///
    /// # Errors
    /// Where this system lacks what every audit needs.
    pub(super) fn carry_out(&self) -> anyhow::Result<Delivery> {
        let is_fix = self.order.task != Task::Audit;
        let deep = self.order.deep && !is_fix;
        let audited = self.audit(&Preview::default(), deep, &|_| true, self.budget)?;
        let delivery = match audited {
            Err(cut) => {
                let (order, reason) = (self.order, Report::unread_because(&cut));
                let report =
                    Report::unread(Some(&order.installation), self.plan, &reason, deep, order.now * 1000);
                Delivery::nothing(report, cut.to_string())
            }
            Ok(Audited { subject, report, logs }) => {
                let (fix, cut) = match &self.order.task {
                    Task::Audit => (None, None),
                    Task::Fix { only } => self.prepare(&subject, &report, only)?,
                    Task::Edit { plan } => (Some(edit(&subject, plan)), None),
                };
                Delivery {
                    report,
                    cut: cut.map(|cut| cut.to_string()),
                    read: true,
                    fix,
                    logs,
                    times: Vec::new(),
                }
            }
        };
        Ok(Delivery { times: std::mem::take(&mut self.clock.borrow_mut().lines), ..delivery })
    }

    /// Reads the target as if the preview's changes were made, and runs the policies whose id is asked for on it.
    fn audit(
        &self,
        preview: &Preview,
        deep: bool,
        asked: &dyn Fn(&str) -> bool,
        budget: &Budget,
    ) -> anyhow::Result<Result<Audited, Cut>> {
        let order = Arc::clone(self.order);
        let wants_probe = deep && asks_gateway(self.plan);
        let (preview, progress) = (preview.clone(), Arc::clone(self.progress));
        let work = move |share: &Budget| take_stock(&order, &preview, (deep, wants_probe), progress, share);
        let read = budget.aside(budget::READING_NAME, budget::READING.min(budget.allowed()), work);
        self.clock.borrow_mut().lap("read the target");
        let subject = match read {
            Ok(subject) => Arc::new(subject?),
            Err(cut) => return Ok(Err(cut)),
        };
        (self.is_read)(&subject);
        self.clock.borrow_mut().lap("close the second layer");
        let wanted = |planned: &&Arc<Planned>| {
            let about = &planned.manifest.policy;
            !subject.is_absent() && (deep || !about.deep) && asked(&about.id)
        };
        let plan: Vec<Arc<Planned>> = self.plan.iter().filter(wanted).cloned().collect();
        let budget = budget.share(budget::PROCESSOR, processor_time(deep).min(budget.allowed()));
        let evaluation = evaluate(self.sandbox, &subject, &plan, &Limits::default(), &budget);
        self.clock.borrow_mut().lap("map, link and run the policies");
        let report = Report::new(&subject, &evaluation, self.order.terms, self.order.now * 1000);
        let mut clock = self.clock.borrow_mut();
        clock.lap("make the report");
        for outcome in &evaluation.outcomes {
            clock.note(|| outcome.stages.told(&outcome.manifest.policy.id));
        }
        let logs = evaluation.outcomes.iter().filter(|outcome| !outcome.log.is_empty());
        let logs = logs.map(|outcome| (outcome.manifest.policy.id.clone(), outcome.log.clone())).collect();
        Ok(Ok(Audited { subject, report, logs }))
    }

    /// What a fix would change; none where that is not known, and why.
    fn prepare(
        &self,
        subject: &Arc<Subject>,
        report: &Report,
        only: &[String],
    ) -> anyhow::Result<(Option<Prepared>, Option<Cut>)> {
        let wanted = |check: &str| only.is_empty() || only.iter().any(|only| only == check);
        let judge = |preview: &Preview, asked: &dyn Fn(&str) -> bool| self.try_out(preview, asked);
        let (proven, cut) = match prove(subject, report, &wanted, &judge) {
            Ok(proven) => (proven, self.budget.cut()),
            Err(error) => (Proven::default(), Some(error.downcast::<Cut>()?)),
        };
        let differences = show::differences(subject, &proven.plan);
        let prepared = Prepared { proven, differences, places: visited::places(subject) };
        Ok((Some(prepared), cut))
    }

    /// Tries a preview. What all trials together may take is what one audit may.
    fn try_out(
        &self,
        preview: &Preview,
        asked: &dyn Fn(&str) -> bool,
    ) -> anyhow::Result<(Arc<Subject>, Report)> {
        self.budget.check()?;
        let left = self.for_trials.get();
        if left.is_zero() {
            let (allowed, actual) = (budget::PLAIN, "all used by trials of the changes");
            return Err(Cut::Limit { what: "proof time", allowed, actual }.into());
        }
        let began = budget::process_time();
        let audited = self.audit(preview, false, asked, &self.budget.share(budget::PROCESSOR, left));
        self.for_trials.set(left.saturating_sub(budget::process_time().saturating_sub(began)));
        let Audited { subject, report, .. } = audited??;
        Ok((subject, report))
    }
}

/// What a plan comes to, by this target.
fn edit(subject: &Subject, plan: &Plan) -> Prepared {
    let plan = plan.judged_again(subject);
    let differences = show::differences(subject, &plan);
    let files = files(subject, &plan);
    Prepared { proven: Proven { plan, files }, differences, places: visited::places(subject) }
}

/// What the gateway has answered by the time that it is waited for.
fn greeting(probe: &Probe, budget: &Budget) -> Option<Gateway> {
    /// How often it is asked whether the audit goes on.
    const STEP: Duration = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    while waited < GREETING && budget.cut().is_none() {
        if let Some(gateway) = probe.within(STEP) {
            return Some(gateway);
        }
        waited += STEP;
    }
    None
}

/// Reads the installation. The probe, where there is to be one, begins as soon as it is known where the gateway is.
fn take_stock(
    order: &Order,
    preview: &Preview,
    (deep, wants_probe): (bool, bool),
    progress: Arc<Progress>,
    budget: &Budget,
) -> anyhow::Result<Subject> {
    let mut environment = order.environment.clone();
    let (located, mut problems) = order.installation.clone().read(&mut environment);
    if order.nowhere {
        problems.push(Problem::new(ProblemKind::NoWorkingDirectory, NO_WORKING_DIRECTORY));
    }
    let options = order.probe.as_ref().filter(|_| wants_probe);
    let mut word = Word { asked: order.release, greeted: None };
    let written = Written::read(&located, &environment, preview, order.release);
    // The gateway may tell another release yet, of what was read once.
    let again = (options.is_some() && word.asked.is_none()).then(|| (written.clone(), environment.clone()));
    let mut config = written.judge(&located, &mut environment, word);
    let present = located.state_exists || config.present;
    let probe =
        options.filter(|_| present).map(|options| Probe::start(&located, &environment, &config, options));
    if let Some((written, untouched)) = again {
        let greeting = probe.as_ref().and_then(|probe| greeting(probe, budget));
        word.greeted = greeting.and_then(|gateway| gateway.release);
        if word.greeted.is_some() {
            environment = untouched;
            config = written.judge(&located, &mut environment, word);
        }
    }
    let mut key = [0; 32];
    crate::random::fill(&mut key)
        .map_err(|error| anyhow::anyhow!("no randomness for this audit's key: {error}"))?;
    let (now, settings, preview) = (order.now, order.settings.clone(), preview.clone());
    let basis = Basis { now, key, settings, preview, deep, probe, progress, budget: budget.clone() };
    Ok(Subject::new(located, environment, config, problems, &basis))
}
