//! One process model for audit and fix. The **supervisor** knows the command line, the settings and where the installation
//! lies; it opens, shows and changes, and parses nothing of the target. The **worker** is this program started again: it is
//! confined before it reads the first byte, reads the target, runs the policies, and hands back data. What it says is looked
//! at like a stranger's words.
//!
//! Where no child can be started, or none is wanted, the same work is done in this process, and the report says so.

mod child;
mod supervisor;
mod work;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::audit::{Origin, Report, Terms};
use crate::config::release::Release;
use crate::confine::Confinement;
use crate::fix::{Place, Plan, Proven};
use crate::policy::code_file::Extent;
use crate::policy::manifest::{Capabilities, Manifest};
use crate::probe;
use crate::settings::Settings;
use crate::target::{Environment, Installation};

pub use child::{SUBCOMMAND, child};
pub use supervisor::{Supervisor, SupervisorError};

/// What a worker is to do. The open files of policies that are not built in follow it on the same channel.
#[derive(Debug, Deserialize, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub struct Order {
    /// Where the target lies.
    pub installation: Installation,
    /// The environment of the audit, without what `.env` files say.
    pub environment: Environment,
    /// The directory that the audit was started in is gone.
    pub nowhere: bool,
    /// What the site has decided.
    pub settings: Settings,
    /// The release that the operator asks for.
    pub release: Option<Release>,
    /// The policies, in the order of the plan.
    pub policies: Vec<Wanted>,
    /// Slow and live checks were asked for, too.
    pub deep: bool,
    /// How the gateway is asked, where a policy asks for that.
    pub probe: Option<probe::Options>,
    /// Seconds since the epoch, the same for the whole audit.
    pub now: u64,
    /// Time on the wall.
    pub wall: Duration,
    /// What the verdict goes by.
    pub terms: Terms,
    /// What is to come out.
    pub task: Task,
    /// Somebody looks on.
    pub watched: bool,
    /// The stages are timed.
    pub timed: bool,
}

/// What is to come out.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub enum Task {
    /// A report.
    Audit,
    /// A report, and what a fix would change, for these checks; for all where there are none.
    Fix {
        /// The ids of checks.
        only: Vec<String>,
    },
    /// The texts and differences that a plan comes to, by a worker that runs no policy: whoever takes over one that does
    /// writes no text.
    Edit {
        /// The plan.
        plan: Box<Plan>,
    },
}

/// A policy of the plan.
#[derive(Debug, Deserialize, Serialize)]
pub enum Wanted {
    /// A built-in one, by its number, with all that it declares.
    Builtin(usize),
    /// One of the operator's.
    Strange {
        /// What it says of itself.
        manifest: Box<Manifest>,
        /// What is both declared and granted.
        granted: Box<Capabilities>,
        /// Its origin.
        origin: Origin,
        /// What its code must be, whose file follows the order; otherwise why there is none.
        code: Result<Extent, String>,
    },
}

/// What a worker hands back.
#[derive(Debug, Deserialize, Serialize)]
pub struct Delivery {
    /// The report.
    pub report: Report,
    /// Why the work was cut before its end.
    pub cut: Option<String>,
    /// The target was read to its end.
    pub read: bool,
    /// What a fix would change; none where it was not asked for, or is not known.
    pub fix: Option<Prepared>,
    /// What policies wrote to their standard output and error, by their ids.
    pub logs: Vec<(String, String)>,
    /// How long the stages took.
    pub times: Vec<String>,
}

impl Delivery {
    /// The same, with what held while it was made.
    fn confined(mut self, confinement: Confinement) -> Self {
        self.report.confinement = Some(confinement);
        self
    }

    /// Nothing came of the order but this report.
    #[must_use]
    pub fn nothing(report: Report, cut: String) -> Self {
        Self { report, cut: Some(cut), read: false, fix: None, logs: Vec::new(), times: Vec::new() }
    }
}

/// What a fix would change, and how it is shown.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Prepared {
    /// The plan, proven.
    pub proven: Proven,
    /// The difference of each config file that changes, by its path.
    pub differences: Vec<(String, String)>,
    /// The places that the reference's own fix visits.
    pub places: Vec<Place>,
}

/// Times stages, where asked to.
#[derive(Debug)]
pub struct Clock {
    last: Option<Instant>,
    /// A line for each stage.
    pub lines: Vec<String>,
}

impl Clock {
    /// Begins now.
    #[must_use]
    pub fn start(on: bool) -> Self {
        Self { last: on.then(Instant::now), lines: Vec::new() }
    }

    /// A stage has ended.
    pub fn lap(&mut self, stage: &str) {
        if let Some(last) = &mut self.last {
            self.lines.push(format!("{:>9.3} ms  {stage}", last.elapsed().as_secs_f64() * 1e3));
            *last = Instant::now();
        }
    }

    /// Adds a line of another kind.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if self.last.is_some() {
            self.lines.push(line());
        }
    }
}
