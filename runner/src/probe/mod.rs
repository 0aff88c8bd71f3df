//! The live gateway probe of a deep audit: connects to the gateway as its own command line client does, asks four harmless
//! questions, and tells whether they were answered. It writes nothing, and neither a hostile config nor a hostile gateway
//! can make it wait longer, read more, or send credentials further than is said here. `docs/probe.md` is its page.

mod call;
mod client;
mod credentials;
mod device;
mod listener;
mod mask;
mod message;
mod stream;
mod tls;
mod url;

use std::fmt;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::config::release::Release;
use crate::config::{Config, SecretString};
use crate::target::{Environment, Located, Origin, broker};
use crate::wire;

pub use call::{SUBCOMMAND, child, start as start_call};

/// How long the probe may take where nothing else is said (the reference's budget).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// The shortest time that can be asked for (the reference's minimum).
pub const MIN_TIMEOUT: Duration = Duration::from_millis(250);
/// The longest time that can be asked for: nobody waits longer for an audit that is otherwise done in a second.
pub const MAX_TIMEOUT: Duration = Duration::from_mins(1);

/// How long the probe's thread may be late before it is given up: it keeps to the time by itself, but for a resolver of
/// names that hangs.
const GRACE: Duration = Duration::from_millis(200);

/// Longest text of a gateway, or of a URL, that is passed on, in characters. A close reason has 123 bytes at most.
const MAX_TEXT: usize = 300;

/// How an error begins where the gateway was not asked, so that whether it answers is not known: it is no finding. No words
/// of a gateway can begin so. The policy that reads the result knows it by these words.
pub const NOTHING_SENT: &str = "nothing was sent: ";

/// What the operator says about the probe.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Options {
    /// Goes before every other token.
    #[serde(with = "wire::secret")]
    pub token: Option<SecretString>,
    /// Goes before every other password.
    #[serde(with = "wire::secret")]
    pub password: Option<SecretString>,
    /// How long the whole probe may take.
    pub timeout: Duration,
    /// What a target that was named on the command line holds may go to the address that it names, on another machine, too.
    pub trust_target: bool,
    /// The names and addresses of this machine's interfaces.
    pub interfaces: Vec<(String, IpAddr)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token: None,
            password: None,
            timeout: DEFAULT_TIMEOUT,
            trust_target: false,
            interfaces: url::interfaces(),
        }
    }
}

/// What the probe met. The fields have the reference's names and meanings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// A connection was tried.
    pub attempted: bool,
    /// The address, without credentials.
    pub url: String,
    /// The gateway answered all questions.
    pub ok: bool,
    /// What went wrong.
    pub error: Option<String>,
    /// How the connection was closed, if it was.
    pub close: Option<Close>,
    /// The release that its greeting names.
    #[serde(skip)]
    pub release: Option<Release>,
}

/// How a WebSocket was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Close {
    /// The close code; 1006 where the connection ended without one.
    pub code: u16,
    /// The peer's words.
    pub reason: String,
}

/// A probe that is under way. Clones are the same probe.
#[derive(Clone)]
pub struct Probe(Arc<Inner>);

struct Inner {
    result: OnceLock<Gateway>,
    receiver: Mutex<Receiver<Gateway>>,
    url: String,
    deadline: Instant,
}

impl Probe {
    /// Starts the probe, in a thread of its own.
    #[must_use]
    pub fn start(located: &Located, environment: &Environment, config: &Config, options: &Options) -> Self {
        let deadline = Instant::now() + options.timeout;
        let address = if config.understood || !config.present {
            url::Address::of(located, environment, config, &options.interfaces)
                .and_then(|address| permitted(address, located, options))
        } else {
            let reason = "the config could not be read, so it is not known where the gateway is".to_owned();
            Err(url::Unusable { url: String::new(), reason })
        };
        let (sender, receiver) = channel();
        let inner = |url, result: Option<Gateway>| {
            let known = OnceLock::new();
            if let Some(result) = result {
                // A new cell is empty.
                let _ = known.set(result);
            }
            Self(Arc::new(Inner { result: known, receiver: Mutex::new(receiver), url, deadline }))
        };
        let address = match address {
            Ok(address) => address,
            Err(url::Unusable { url, reason }) => {
                let gateway = Gateway {
                    attempted: false,
                    url: url.clone(),
                    ok: false,
                    error: Some(reason),
                    close: None,
                    release: None,
                };
                return inner(url, Some(gateway));
            }
        };
        let shown = address.shown.clone();
        let owner = located.territory.owner();
        let credentials = credentials::Credentials::of(located, environment, config, options, &address);
        // A worker may not call anybody: its supervisor has it done, and the result comes by a handle. Asked for here, because
        // a worker that is sealed gets nothing more.
        let call = broker::has_supervisor().then(|| {
            let call = call::Call::new(&address, &credentials, options.timeout);
            broker::call(serde_json::to_string(&call).unwrap_or_default())
        });
        let work = move || {
            let gateway = match call {
                None => client::run(&address, &credentials, owner, deadline, &|| ()),
                Some(Ok(handle)) => {
                    call::result(handle).unwrap_or_else(|| lost(&address, "it ended without a word"))
                }
                Some(Err(errno)) => lost(&address, &format!("it could not be started ({errno})")),
            };
            // Nobody listens any more where the time is over.
            let _ = sender.send(gateway);
        };
        match std::thread::Builder::new().name("probe".to_owned()).spawn(work) {
            Ok(_) => inner(shown, None),
            Err(error) => {
                let error = Some(format!("no thread could be started for it: {}", error.kind()));
                let gateway = Gateway {
                    attempted: false,
                    url: shown.clone(),
                    ok: false,
                    error,
                    close: None,
                    release: None,
                };
                inner(shown, Some(gateway))
            }
        }
    }

    /// The result, where it comes within this time; in any case when the timeout is over.
    #[must_use]
    pub fn within(&self, time: Duration) -> Option<Gateway> {
        let Inner { result, receiver, url, deadline } = &*self.0;
        let receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner);
        if result.get().is_none() {
            let left = deadline.saturating_duration_since(Instant::now()) + GRACE;
            let gateway = match receiver.recv_timeout(left.min(time)) {
                Ok(gateway) => gateway,
                Err(RecvTimeoutError::Timeout) if time < left => return None,
                Err(_) => Gateway {
                    attempted: true,
                    url: url.clone(),
                    ok: false,
                    error: Some("timeout".to_owned()),
                    close: None,
                    release: None,
                },
            };
            // Only who holds the receiver gets here, and it is empty.
            let _ = result.set(gateway);
        }
        result.get().cloned()
    }
}

/// Nothing is known of the gateway: the process that calls it came to nothing.
fn lost(address: &url::Address, why: &str) -> Gateway {
    Gateway {
        attempted: false,
        url: address.shown.clone(),
        ok: false,
        error: Some(format!("{NOTHING_SENT}the process that calls the gateway came to nothing: {why}")),
        close: None,
        release: None,
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("url", &self.0.url).finish_non_exhaustive()
    }
}

/// The address, where it may be asked: a target that may be a stranger's does not choose which machine is shown anything,
/// be it its own or what the operator gives on the command line.
fn permitted(
    address: url::Address,
    located: &Located,
    options: &Options,
) -> Result<url::Address, url::Unusable> {
    if address.local || options.trust_target || is_own(located) {
        return Ok(address);
    }
    let reason = format!(
        "{NOTHING_SENT}the target was named on the command line or belongs to another user, and it names a gateway on \
         another machine; give --trust-target where that may be shown the target's credentials, and --token or --password"
    );
    Err(url::Unusable { url: address.shown, reason })
}

/// The text at a pointer holds a variable that a target that was named on the command line does not get.
fn lacks_variable(located: &Located, config: &Config, pointer: &str) -> bool {
    !located.may_use(Origin::Process) && config.is_unset(pointer)
}

/// The installation is this user's own: found as OpenClaw itself finds it, and owned by the user who audits it.
fn is_own(located: &Located) -> bool {
    located.may_use(Origin::Process) && !located.territory.is_anothers()
}

/// At most [`MAX_TEXT`] characters of a text, on one line.
fn short(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == MAX_TEXT {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}
