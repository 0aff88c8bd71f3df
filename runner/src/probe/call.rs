//! A probe in a process of its own. The worker, which has read the config, says whom to call and what to show; the supervisor
//! decides whether it may be; a child connects, sees whose the other end is, gives up everything but that connection, and
//! only then hears what the gateway says.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use url::Url;

use super::credentials::Credentials;
use super::device::{Device, Paired};
use super::url::{self as address, Address};
use super::{Gateway, MAX_TIMEOUT, Options, client};
use crate::config::SecretString;
use crate::config::release::Release;
use crate::confine::{self, Profile};
use crate::program;
use crate::target::Installation;
use crate::wire;

/// The hidden subcommand that calls.
pub const SUBCOMMAND: &str = "call-gateway";

/// Longest call, in bytes: all secrets of the largest config.
const MAX_CALL: u64 = 32 << 20;

/// Variables that say where the certificates lie that the system trusts.
const CERTIFICATES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Whom to call, and what to show.
#[derive(Deserialize, Serialize)]
pub(super) struct Call {
    url: String,
    shown: String,
    login: Option<(String, String)>,
    remote: bool,
    pins: Vec<super::tls::Pin>,
    #[serde(with = "wire::secret")]
    token: Option<SecretString>,
    #[serde(with = "wire::secret")]
    password: Option<SecretString>,
    device: Option<Paired>,
    withheld: bool,
    hidden: Vec<String>,
    time: Duration,
}

impl Call {
    pub(super) fn new(address: &Address, credentials: &Credentials, time: Duration) -> Self {
        let Credentials { token, password, device, withheld, hidden } = credentials;
        Self {
            url: address.url.to_string(),
            shown: address.shown.clone(),
            login: address.login.clone(),
            remote: address.remote,
            pins: address.pins.clone(),
            token: token.clone(),
            password: password.clone(),
            device: device.as_ref().map(Device::paired),
            withheld: *withheld,
            hidden: hidden.iter().map(|secret| secret.expose().to_owned()).collect(),
            time,
        }
    }
}

/// A call that the supervisor allows, and what it knows itself.
#[derive(Deserialize, Serialize)]
struct Allowed {
    call: Call,
    /// The address is one of this machine, so that the kernel tells who listens.
    local: bool,
    owner: u32,
}

/// What the probe met, as it crosses.
#[derive(Deserialize, Serialize)]
struct Met {
    gateway: Gateway,
    release: Option<Release>,
}

/// The supervisor's part: decides by itself whether the call may be made, has it made, and gives the handle on which the
/// result comes.
///
/// # Errors
/// `EACCES` where it may not be made.
pub fn start(text: &str, installation: &Installation, options: &Options) -> Result<OwnedFd, Errno> {
    let mut call: Call = serde_json::from_str(text).map_err(|_| Errno::INVAL)?;
    let url = Url::parse(&call.url).map_err(|_| Errno::INVAL)?;
    let interfaces = &options.interfaces;
    let local = address::is_local(&url, interfaces);
    let may_leave = options.trust_target || installation.is_own();
    if address::allowed(&url, interfaces).is_err() || !(local || may_leave) {
        return Err(Errno::ACCESS);
    }
    call.time = call.time.min(options.timeout).min(MAX_TIMEOUT);
    let allowed = Allowed { call, local, owner: installation.territory.owner() };
    let text = serde_json::to_vec(&allowed).map_err(|_| Errno::INVAL)?;
    let of_io = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let certificates = CERTIFICATES.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut child = Command::new(program::own().ok_or(Errno::NOENT)?)
        .arg(SUBCOMMAND)
        .env_clear()
        .envs(certificates)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Nobody hears it. There may be no /dev/null.
        .stderr(Stdio::piped())
        .spawn()
        .map_err(of_io)?;
    let mut input = child.stdin.take().ok_or(Errno::IO)?;
    input.write_all(&text).map_err(of_io)?;
    drop(input);
    child.stdout.take().map(OwnedFd::from).ok_or(Errno::IO)
}

/// The child's part: a call on standard input, what was met on standard output.
///
/// # Errors
/// Where it was given no call, or nobody hears it.
pub fn child() -> anyhow::Result<()> {
    program::begin_child();
    // It holds credentials from here on, and may run as the target's own account.
    confine::hide();
    let mut text = Vec::new();
    io::stdin().take(MAX_CALL).read_to_end(&mut text)?;
    let Allowed { call, local, owner } = serde_json::from_slice(&text).context("no call")?;
    let deadline = Instant::now() + call.time;
    let url = Url::parse(&call.url)?;
    let address =
        Address { url, shown: call.shown, login: call.login, remote: call.remote, local, pins: call.pins };
    let device = call.device.and_then(Device::of_paired);
    let hidden = call.hidden.into_iter().map(SecretString::new).collect();
    let credentials =
        Credentials { token: call.token, password: call.password, device, withheld: call.withheld, hidden };
    // What is missing of it on this kernel, the report says of the worker.
    let confine = || drop(confine::enter(&Profile::Probe));
    let gateway = client::run(&address, &credentials, owner, deadline, &confine);
    let met = Met { release: gateway.release, gateway };
    io::stdout().write_all(&serde_json::to_vec(&met)?)?;
    Ok(())
}

/// What came on the handle that [`start`] gave; none where nothing did.
pub(super) fn result(handle: OwnedFd) -> Option<Gateway> {
    let mut text = Vec::new();
    #[expect(clippy::disallowed_types, reason = "a pipe")]
    std::fs::File::from(handle).take(MAX_CALL).read_to_end(&mut text).ok()?;
    let Met { gateway, release } = serde_json::from_slice(&text).ok()?;
    Some(Gateway { release, ..gateway })
}
