//! The worker's side: takes its order, enters the first layer, works, and hands back what came out.

use std::cell::Cell;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustix::fs::{FileType, Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::supervisor::Beside;
use super::work::Work;
use super::{Delivery, Order, Task, Wanted};
use crate::audit::{Planned, Subject};
use crate::budget::Budget;
use crate::confine::{self, Asked, Confinement, Layer, Profile};
use crate::policy::catalog::BUILTIN;
use crate::policy::code_file::CodeFile;
use crate::program;
use crate::sandbox::{Code, Progress, Sandbox};
use crate::target::{account, broker, sysroot};

/// The hidden subcommand that starts a worker.
pub const SUBCOMMAND: &str = "worker";

/// Longest order, in bytes: an environment, settings, and a plan for the largest installation.
const MAX_ORDER: u64 = 1 << 30;

/// How often whoever looks on is told how far the work is.
const TICK: Duration = Duration::from_millis(100);

/// What a worker says, a line each.
#[derive(Deserialize, Serialize)]
pub(super) enum Said {
    /// What holds. The target is not read yet.
    Confined(Confinement),
    /// How far it is: runs that have ended, runs in all, files that were read, and what is looked at.
    Progress((usize, usize, usize, String)),
    /// What came out, and what the report does not say of itself.
    Done(Box<Delivery>, Beside),
    /// Nothing came out.
    Failed(String),
}

/// Standard output, a line at a time.
fn say(said: &Said) -> io::Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

/// An order as it crosses.
#[derive(Deserialize, Serialize)]
pub(super) struct Envelope<O> {
    pub asked: Asked,
    /// Orders about other targets may follow, by the same policies, and so many of these run at a time; none where this is the only order.
    pub several: Option<usize>,
    /// The folder that the target's paths begin at follows on the channel.
    pub in_sysroot: bool,
    /// The places that may be read.
    pub roots: Vec<Root>,
    pub order: O,
}

/// A place that may be read.
#[derive(Deserialize, Serialize)]
pub(super) struct Root(#[serde(with = "crate::wire::path")] pub PathBuf);

/// The worker: an order on standard input, what came out on standard output.
///
/// # Errors
/// Where it was given no order, or cannot say what came out.
pub fn child() -> anyhow::Result<()> {
    program::begin_child();
    // For whoever looks at the list of processes: it is started by a name that says nothing.
    let _ = rustix::thread::set_name(c"chitin-worker");
    let budget = Budget::new(Duration::MAX);
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(budget.interrupt()))?;
    }
    // While the supervisor still looks where the target is.
    let sandbox = Sandbox::new()?;
    let channel = io::stdin().as_fd().try_clone_to_owned().context("there is no supervisor")?;
    let mut channel = UnixStream::from(channel);
    let Envelope { asked, several, in_sysroot, roots, order } = next(&mut channel)?;
    if in_sysroot {
        sysroot::enter(broker::take_handle(channel.as_fd()).context("no folder to look in")?);
    }
    let plan = order.as_ref().map(|order| plan(order, &channel)).transpose()?.unwrap_or_default();
    let owner = order.as_ref().map_or(0, |order| order.installation.territory.owner());
    account::become_owner(owner);
    // Once more: it may have become another account's process.
    program::end_with_parent();
    let roots = roots.into_iter().map(|Root(path)| sysroot::open(&path, OFlags::PATH));
    // Randomness, for a kernel that has no call for it.
    let random = rustix::fs::open("/dev/urandom", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let roots: Vec<OwnedFd> = roots.chain([random]).flatten().collect();
    broker::ask_supervisor();
    let mut entered = confine::enter(&Profile::Read { roots: &roots });
    if owner != 0 && rustix::process::geteuid().is_root() {
        entered.push((Layer::Privileges, Err("root could not become the installation's owner".to_owned())));
    }
    let confinement = Confinement::of(asked, entered);
    let holds = confinement.missing.is_empty();
    say(&Said::Confined(confinement))?;
    let mut order = order.filter(|_| holds || asked != Asked::Required);
    let mut channel = Channel(channel.into());
    if let Some(threads) = several {
        sandbox.keep_answers();
        sandbox.limit_threads(threads);
    }
    let mut roots = Some(roots);
    while let Some(given) = order {
        say(&carry_out(given, &plan, &sandbox, &budget, &mut roots))?;
        if budget.cut().is_some() {
            break; // an interrupt costs the target under way, and another worker looks at the next one
        }
        // Where none follows, the supervisor has gone.
        order = several.and_then(|_| next(&mut channel).ok()).and_then(|envelope| envelope.order);
    }
    // The process ends here; taking the engine apart first would take as long as starting it.
    std::mem::forget(sandbox);
    Ok(())
}

/// Carries out an order. With the first one that is read this process enters the second layer, and the roots are given up.
fn carry_out(
    order: Order,
    plan: &[Arc<Planned>],
    sandbox: &Sandbox,
    budget: &Budget,
    roots: &mut Option<Vec<OwnedFd>>,
) -> Said {
    let budget = budget.again(order.wall);
    let order = Arc::new(order);
    let progress = Arc::default();
    if order.watched {
        tell(Arc::clone(&progress));
    }
    let (roots, is_sealed) = (Cell::new(roots.take()), Cell::new(false));
    let is_read = |subject: &Subject| {
        // Once: the trials of a fix read the config again.
        if is_sealed.replace(true) {
            return;
        }
        let is_fix = matches!(order.task, Task::Fix { .. });
        if !is_fix {
            broker::seal(subject.shared().snapshot.paths().map(Path::to_owned));
        }
        let Some(mut roots) = roots.take() else { return };
        if !is_fix {
            // The config and the `.env` files are read: no policy reads them.
            roots.retain(|root| !is_file(root));
        }
        // What the first layer reached is told already; where it holds, so does this one.
        let _ = confine::enter(&Profile::Evaluate { roots: &roots });
    };
    match Work::new(&order, plan, sandbox, &budget, &is_read, &progress).carry_out() {
        Ok(delivery) => {
            let beside = Beside::of(&delivery.report);
            Said::Done(Box::new(delivery), beside)
        }
        Err(error) => Said::Failed(format!("{error:#}")),
    }
}

/// The supervisor's orders, by the system call that both layers allow. That of a stream is another one.
struct Channel(OwnedFd);

impl Read for Channel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.0, buffer)?)
    }
}

/// The next order, with what comes with it.
fn next(channel: &mut impl Read) -> anyhow::Result<Envelope<Option<Order>>> {
    serde_json::from_slice(&take(channel)?).context("no order")
}

fn is_file(root: &OwnedFd) -> bool {
    rustix::fs::fstat(root).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// The policies of an order. The open files of strangers' code follow it on the channel, in their order. Code is mapped here,
/// before anything of the target is read: no memory becomes executable later.
fn plan(order: &Order, channel: &UnixStream) -> anyhow::Result<Vec<Arc<Planned>>> {
    let one = |wanted: &Wanted| -> anyhow::Result<Planned> {
        Ok(match wanted {
            Wanted::Builtin(number) => {
                let builtin = BUILTIN.get(*number).context("there is no such built-in policy")?;
                Planned::builtin(*number, builtin.manifest()?)
            }
            Wanted::Strange { manifest, granted, origin, code } => {
                let code = match code {
                    Ok(extent) => {
                        let file = broker::take_handle(channel.as_fd()).context("no code of a policy")?;
                        let code = Code::in_file(CodeFile::handed_over(file, extent.clone()));
                        code.map().map(|()| code).map_err(|error| error.to_string())
                    }
                    Err(reason) => Err(reason.clone()),
                };
                Planned::new((**manifest).clone(), (**granted).clone(), code, *origin)
            }
        })
    };
    order.policies.iter().map(|wanted| one(wanted).map(Arc::new)).collect()
}

/// Takes a piece that its length goes before.
fn take(channel: &mut impl Read) -> anyhow::Result<Vec<u8>> {
    let mut length = [0; 8];
    channel.read_exact(&mut length).context("the supervisor has gone")?;
    let length = u64::from_le_bytes(length);
    anyhow::ensure!(length <= MAX_ORDER, "the order has {length} bytes");
    let mut bytes = vec![0; usize::try_from(length)?];
    channel.read_exact(&mut bytes).context("the supervisor has gone")?;
    Ok(bytes)
}

/// Says from time to time how far the work is.
fn tell(progress: Arc<Progress>) {
    let work = move || {
        loop {
            std::thread::sleep(TICK);
            if say(&Said::Progress(progress.now())).is_err() {
                break;
            }
        }
    };
    // Where no thread is to be had, the work goes on unseen.
    let _ = std::thread::Builder::new().name("progress".to_owned()).spawn(work);
}
