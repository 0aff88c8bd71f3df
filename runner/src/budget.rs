//! What an audit may use: processor time, time on the wall, and whether anybody still wants it. Every phase draws on it
//! and asks it in its loops; what is cut is "not assessed" with the name of the limit. The lowest module: it knows no other.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Processor time of an audit that is not deep: some hundred times an ordinary one.
pub const PLAIN: Duration = Duration::from_mins(1);
/// Processor time of a deep audit, which reads the code of all plugins and skills.
pub const DEEP: Duration = Duration::from_mins(5);
/// The share of locating, config and discovery in either: it takes what remains of no other phase, and gives it nothing.
pub const READING: Duration = Duration::from_secs(10);

/// Time on the wall for one audit where nothing else is said. Only what hangs in a file system needs so much.
pub const TIME_LIMIT: Duration = Duration::from_mins(5);
/// The shortest time limit that can be asked for: an audit of a large installation takes about a second.
pub const MIN_TIME_LIMIT: Duration = Duration::from_secs(1);
/// The longest: a nightly job must have ended before the next one.
pub const MAX_TIME_LIMIT: Duration = Duration::from_hours(24);

/// The name of the limit that `--time-limit` sets.
pub const WALL: &str = "wall clock";
/// The name of a run's own limit.
pub const TIME: &str = "time";
/// The name of the limit on a run that has an equal part of what is left for all.
pub const SLICE: &str = "time slice";
/// The name of the limit on all runs of a kind together.
pub const PROCESSOR: &str = "processor time";
/// The name of the limit on locating, config and discovery.
pub const READING_NAME: &str = "reading time";

/// How long work that was cut may take to say so by itself. What has not answered by then is left behind.
pub const GRACE: Duration = Duration::from_millis(300);

/// How long after an interrupt a report may still be written: a signal ends everything within a second.
pub const LAST_WORDS: Duration = Duration::from_millis(800);

/// How often whoever waits looks up. An answer ends the wait at once.
const TICK: Duration = Duration::from_millis(20);

/// Processor time that work may take beyond its share before it is left behind: it asks by itself, but for code of others.
const SLACK: Duration = Duration::from_secs(1);

/// Stack of a thread that does the work of the main one: as much as that has by default.
const STACK_BYTES: usize = 8 << 20;

/// Why work ended before it was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The operator wants no more of it.
    #[error("interrupted before it ended")]
    Interrupted,
    /// A limit on time, with its name.
    #[error("{what} limit: {} allowed, {actual}", time(*.allowed))]
    Limit {
        /// The name of the limit.
        what: &'static str,
        /// What is allowed.
        allowed: Duration,
        /// What happened.
        actual: &'static str,
    },
    /// The thread that did it is gone; what it met is on standard error.
    #[error("it broke off, which is a defect of chitin")]
    Broken,
}

/// A time in the largest unit that keeps it exact to a millisecond.
#[must_use]
pub fn time(time: Duration) -> String {
    match time.as_millis() {
        ms if ms % 1000 == 0 => format!("{} s", ms / 1000),
        ms => format!("{ms} ms"),
    }
}

/// What all budgets of one command share.
struct Command {
    interrupt: Arc<AtomicBool>,
    /// When somebody here saw it first.
    seen: OnceLock<Instant>,
}

/// Time for a piece of work. Its processor time is that of the thread that made it, from then on; a budget that is asked
/// in another thread is made there, by [`Budget::share`].
#[derive(Clone)]
pub struct Budget {
    command: Arc<Command>,
    what: &'static str,
    allowed: Duration,
    wall_limit: Duration,
    /// None is never.
    wall_end: Option<Instant>,
    /// Before this nobody has to look at the processor time: it is never more than the time on the wall.
    look: Option<Instant>,
    began: Duration,
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("what", &self.what)
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

impl Default for Budget {
    /// A budget without an end, that nobody interrupts.
    fn default() -> Self {
        Self {
            command: Arc::new(Command { interrupt: Arc::default(), seen: OnceLock::new() }),
            what: PROCESSOR,
            allowed: Duration::MAX,
            wall_limit: Duration::MAX,
            wall_end: None,
            look: None,
            began: Duration::ZERO,
        }
    }
}

impl Budget {
    /// The budget of a command, which begins now: no limit on processor time yet, and this time on the wall.
    #[must_use]
    pub fn new(wall_limit: Duration) -> Self {
        Self::default().again(wall_limit)
    }

    /// The same command's budget with a new time on the wall: for an audit after a question was answered.
    #[must_use]
    pub fn again(&self, wall_limit: Duration) -> Self {
        Self { wall_limit, wall_end: Instant::now().checked_add(wall_limit), ..self.clone() }
    }

    /// The same command's budget, which nothing but an interrupt ends.
    #[must_use]
    pub fn patient(&self) -> Self {
        Self { command: Arc::clone(&self.command), ..Self::default() }
    }

    /// A share of it for work on this thread, which begins now. It ends with the whole.
    #[must_use]
    pub fn share(&self, what: &'static str, allowed: Duration) -> Self {
        let look = Instant::now().checked_add(allowed);
        Self { what, allowed, look, began: thread_time(), ..self.clone() }
    }

    /// Where this is set, everything ends.
    #[must_use]
    pub fn interrupt(&self) -> &Arc<AtomicBool> {
        &self.command.interrupt
    }

    /// Processor time that is allowed.
    #[must_use]
    pub fn allowed(&self) -> Duration {
        self.allowed
    }

    /// Processor time of this thread since the share began.
    #[must_use]
    pub fn used(&self) -> Duration {
        thread_time().saturating_sub(self.began)
    }

    /// Asks whether the work may go on. Cheap enough for every step of a loop: some 30 ns.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), Cut> {
        if self.command.interrupt.load(Ordering::Relaxed) {
            return Err(Cut::Interrupted);
        }
        let now = Instant::now();
        if self.wall_end.is_some_and(|end| now >= end) {
            return Err(self.wall_cut());
        }
        if self.look.is_some_and(|look| now >= look) && self.used() >= self.allowed {
            return Err(self.processor_cut());
        }
        Ok(())
    }

    /// Why nothing new should begin; none where it may.
    #[must_use]
    pub fn cut(&self) -> Option<Cut> {
        self.check().err()
    }

    fn wall_cut(&self) -> Cut {
        Cut::Limit { what: WALL, allowed: self.wall_limit, actual: "not ended (see --time-limit)" }
    }

    fn processor_cut(&self) -> Cut {
        Cut::Limit { what: self.what, allowed: self.allowed, actual: "still running" }
    }

    /// Why work that does not answer is not waited for any longer: it was cut, and had the grace to say so.
    fn overdue(&self, grace: Duration) -> Option<Cut> {
        if self.command.interrupt.load(Ordering::Relaxed) {
            let seen = self.command.seen.get_or_init(Instant::now);
            return (seen.elapsed() >= grace).then_some(Cut::Interrupted);
        }
        let end = self.wall_end?.checked_add(grace)?;
        (Instant::now() >= end).then(|| self.wall_cut())
    }

    /// Waits for an answer for as long as whoever works may take.
    ///
    /// # Errors
    /// Why there is none. `Ok(None)`: there is none yet, and the caller may do something else in between.
    pub fn receive<T>(&self, answers: &Receiver<T>, grace: Duration) -> Result<Option<T>, Cut> {
        match answers.recv_timeout(TICK) {
            Ok(answer) => Ok(Some(answer)),
            Err(RecvTimeoutError::Disconnected) => Err(Cut::Broken),
            Err(RecvTimeoutError::Timeout) => self.overdue(grace).map_or(Ok(None), Err),
        }
    }

    /// Does work that may hang, in a thread that is left behind where it does: it must own what it needs. Where no thread
    /// can be started, this one does it. The work gets a share that begins with it.
    ///
    /// # Errors
    /// Why it did not end. What it had by then is lost.
    pub fn aside<T: Send + 'static>(
        &self,
        what: &'static str,
        allowed: Duration,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Cut> {
        self.aside_with(GRACE, &spawn, what, allowed, work)
    }

    /// [`Budget::aside`] with another grace, and no limit but this budget's.
    ///
    /// # Errors
    /// Why it did not end.
    pub fn aside_within<T: Send + 'static>(
        &self,
        grace: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Cut> {
        self.aside_with(grace, &spawn, PROCESSOR, Duration::MAX, |_| work())
    }

    fn aside_with<T: Send + 'static>(
        &self,
        grace: Duration,
        start: &dyn Fn(Box<dyn FnOnce() + Send>) -> bool,
        what: &'static str,
        allowed: Duration,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Cut> {
        let (sender, receiver) = channel();
        // A thread that cannot be started takes what it was given with it, so both can take the work from here.
        let place = Arc::new(Mutex::new(Some(work)));
        let take = |place: &Mutex<Option<_>>| place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (there, whole) = (Arc::clone(&place), self.clone());
        let job = Box::new(move || {
            if let Some(work) = take(&there) {
                // Nobody listens any more where it took too long.
                let _ = sender.send(work(&whole.share(what, allowed)));
            }
        });
        if !start(job) {
            return take(&place).map(|work| work(&self.share(what, allowed))).ok_or(Cut::Broken);
        }
        let began = process_time();
        loop {
            if let Some(answer) = self.receive(&receiver, grace)? {
                return Ok(answer);
            }
            // This thread waits, and hardly any other one is at work.
            if process_time().saturating_sub(began) >= allowed.saturating_add(SLACK) {
                return Err(Cut::Limit { what, allowed, actual: "still running" });
            }
        }
    }
}

/// Starts a thread that nobody joins. Says whether it could be started.
#[must_use]
pub fn spawn(work: Box<dyn FnOnce() + Send>) -> bool {
    std::thread::Builder::new().name("work".to_owned()).stack_size(STACK_BYTES).spawn(work).is_ok()
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    of(ClockId::ThreadCPUTime)
}

/// Processor time of all threads of this process.
#[must_use]
pub fn process_time() -> Duration {
    of(ClockId::ProcessCPUTime)
}

fn of(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burn(time: Duration) {
        let began = thread_time();
        while thread_time().saturating_sub(began) < time {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn a_limit_names_itself_and_the_actual() {
        let share = Budget::default().share(SLICE, Duration::from_millis(1));
        assert_eq!(share.check(), Ok(()));
        burn(Duration::from_millis(2));
        assert_eq!(share.check().unwrap_err().to_string(), "time slice limit: 1 ms allowed, still running");
        assert_eq!(time(Duration::from_secs(10)), "10 s");
    }

    #[test]
    fn waiting_costs_no_processor_time() {
        let share = Budget::default().share(TIME, Duration::from_millis(5));
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(share.check(), Ok(()));
    }

    #[test]
    fn a_share_is_its_own_and_ends_with_the_whole() {
        let whole = Budget::new(Duration::from_mins(10));
        let (one, other) =
            (whole.share(SLICE, Duration::from_millis(1)), whole.share(SLICE, Duration::from_secs(9)));
        burn(Duration::from_millis(2));
        assert!(one.check().is_err());
        assert_eq!(other.check(), Ok(()));
        let other = Budget::new(Duration::from_millis(1)).share(SLICE, Duration::from_secs(9));
        std::thread::sleep(Duration::from_millis(2));
        let late = other.check().unwrap_err();
        assert_eq!(late.to_string(), "wall clock limit: 1 ms allowed, not ended (see --time-limit)");
        assert_eq!(other.patient().check(), Ok(()));
        assert_eq!(other.again(Duration::from_mins(1)).check(), Ok(()));
    }

    #[test]
    fn an_interrupt_ends_every_share() {
        let whole = Budget::default();
        let share = whole.share(TIME, Duration::from_secs(1));
        whole.interrupt().store(true, Ordering::Relaxed);
        for budget in [&whole, &share, &whole.patient(), &whole.again(Duration::from_secs(9))] {
            assert_eq!(budget.cut(), Some(Cut::Interrupted));
        }
    }

    #[test]
    fn work_that_hangs_is_left_behind() {
        // As a system call on a dead file system: it never asks.
        let hang = || {
            let (sender, receiver) = channel::<()>();
            move |_: &Budget| {
                let _ = (receiver.recv(), &sender);
            }
        };
        let budget = Budget::new(Duration::from_millis(20));
        let cut = budget.aside(READING_NAME, READING, hang()).unwrap_err();
        assert!(matches!(cut, Cut::Limit { what: WALL, .. }), "{cut}");
        let budget = Budget::default();
        budget.interrupt().store(true, Ordering::Relaxed);
        assert_eq!(budget.aside(READING_NAME, READING, hang()), Err(Cut::Interrupted));
    }

    #[test]
    fn work_that_never_asks_is_left_behind_for_its_processor_time() {
        let cut =
            Budget::default().aside(READING_NAME, Duration::from_millis(1), |_| burn(Duration::from_mins(1)));
        assert_eq!(cut.unwrap_err().to_string(), "reading time limit: 1 ms allowed, still running");
    }

    #[test]
    fn what_was_interrupted_can_still_say_what_it_has() {
        let budget = Budget::default();
        budget.interrupt().store(true, Ordering::Relaxed);
        let had = budget.aside(READING_NAME, READING, |share| (1, share.cut()));
        assert_eq!(had, Ok((1, Some(Cut::Interrupted))));
    }

    #[test]
    fn without_a_thread_the_work_is_done_here() {
        let here = std::thread::current().id();
        let id = |_: &Budget| std::thread::current().id();
        let budget = Budget::default();
        let no_thread = |_: Box<dyn FnOnce() + Send>| false;
        assert_eq!(budget.aside_with(GRACE, &no_thread, TIME, READING, id), Ok(here));
        assert_ne!(budget.aside(TIME, READING, id), Ok(here));
    }

    #[test]
    fn work_that_breaks_off_is_no_answer() {
        let broken: Result<(), Cut> = Budget::default().aside(TIME, READING, |_| panic!("as a defect would"));
        assert_eq!(broken, Err(Cut::Broken));
    }
}
