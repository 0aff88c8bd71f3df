//! Where the gateway is, from the config and the environment, and whether credentials may be sent there: over TLS
//! anywhere, in clear text only to this machine.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;
use url::{Host, Url};

use super::short;
use crate::config::Config;
use crate::target::{Environment, Located, Origin, js_trim};

/// The port where nothing names another (reference: config-checks 1.3).
const PORT: u64 = 18789;
/// The variables that go before `gateway.port`, the stronger one first.
const PORT_VARIABLES: [&str; 2] = ["OPENCLAW_GATEWAY_PORT", "CLAWDBOT_GATEWAY_PORT"];
/// Interfaces that are asked first for this machine's address in its network (reference: state-checks 9.1).
const LAN_INTERFACES: [&str; 2] = ["en0", "eth0"];
/// Tailscale's addresses: 100.64.0.0/10.
const TAILNET: (u32, u32) = (0x6440_0000, 0xffc0_0000);
/// Longest URL that is tried, in bytes: what servers commonly take.
const MAX_URL: usize = 8192;

/// A gateway that may be asked.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// Without credentials.
    pub url: Url,
    /// The URL for people.
    pub shown: String,
    /// Name and password of the URL.
    pub login: Option<(String, String)>,
    /// It is the gateway of `gateway.remote`, which has credentials of its own.
    pub remote: bool,
    /// It is on this machine, by an address of this machine's own: the kernel knows who listens.
    pub local: bool,
    /// The certificates that are accepted instead of those that the system trusts.
    pub pins: Vec<super::tls::Pin>,
}

/// Why no gateway is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unusable {
    pub url: String,
    pub reason: String,
}

/// The names and addresses of this machine's interfaces; none where the system does not tell.
pub(super) fn interfaces() -> Vec<(String, IpAddr)> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.into_iter().map(|interface| (interface.name.clone(), interface.ip())).collect()
}

impl Address {
    /// Resolves the address.
    pub fn of(
        located: &Located,
        environment: &Environment,
        config: &Config,
        interfaces: &[(String, IpAddr)],
    ) -> Result<Self, Unusable> {
        let text = |pointer: &str| config.effective.pointer(pointer).and_then(Value::as_str).map(js_trim);
        let remote_url = text("/gateway/remote/url").filter(|url| !url.is_empty());
        let remote = remote_url.filter(|_| text("/gateway/mode") == Some("remote"));
        let mut variables = config.variables("/gateway/remote/url");
        let is_its_own = variables.all(|origin| may_lead(located, origin))
            && !super::lacks_variable(located, config, "/gateway/remote/url");
        if remote.is_some() && !is_its_own {
            return Err(Unusable {
                url: "gateway.remote.url".to_owned(),
                reason: "gateway.remote.url holds a variable that is not the target's own: one of this process, where the \
                         target is named with --state-dir or --config, or one of the .env in the current directory; write \
                         the address into the config"
                    .to_owned(),
            });
        }
        let url = remote.map_or_else(|| local(located, environment, config, interfaces), str::to_owned);
        let mut parsed = parse(&url)?;
        // A part that came from a variable may be a secret (a path with a token); host and port are none.
        let hide_path = remote.is_some() && config.variables("/gateway/remote/url").next().is_some();
        let shown = shown(&url, &parsed, hide_path);
        allowed(&parsed, interfaces).map_err(|reason| Unusable { url: shown.clone(), reason })?;
        let login = (!parsed.username().is_empty() || parsed.password().is_some())
            .then(|| (decoded(parsed.username()), decoded(parsed.password().unwrap_or_default())));
        // Both fail only for URLs that can have neither.
        let _ = parsed.set_username("");
        let _ = parsed.set_password(None);
        parsed.set_fragment(None);
        let pins = super::tls::pins(located, config, remote.is_some())
            .map_err(|reason| Unusable { url: shown.clone(), reason })?;
        let local = is_local(&parsed, interfaces);
        Ok(Self { url: parsed, shown, login, remote: remote.is_some(), local, pins })
    }
}

/// A variable of this origin may say where credentials go. The `.env` of whatever directory this program was started in
/// may not.
fn may_lead(located: &Located, origin: Origin) -> bool {
    origin != Origin::CwdDotenv && located.may_use(origin)
}

/// The URL of the gateway of this machine.
fn local(
    located: &Located,
    environment: &Environment,
    config: &Config,
    interfaces: &[(String, IpAddr)],
) -> String {
    let gateway = |key: &str| config.effective.pointer(&format!("/gateway/{key}"));
    let scheme = if gateway("tls/enabled") == Some(&Value::Bool(true)) { "wss" } else { "ws" };
    let variable = PORT_VARIABLES.iter().find_map(|name| {
        let is_ours = environment.origin(name).is_some_and(|origin| may_lead(located, origin));
        environment.non_blank(name).filter(|_| is_ours)
    });
    let configured = || gateway("port").and_then(Value::as_u64).filter(|port| *port > 0);
    let port = variable.and_then(leading_number).or_else(configured).unwrap_or(PORT);
    let outer = || {
        interfaces.iter().filter_map(|(name, address)| match address {
            IpAddr::V4(address) if !address.is_loopback() => Some((name.as_str(), *address)),
            _ => None,
        })
    };
    let address = match gateway("bind").and_then(Value::as_str) {
        Some("tailnet") => {
            outer().map(|(_, address)| address).find(|address| address.to_bits() & TAILNET.1 == TAILNET.0)
        }
        Some("lan") => {
            let named = |wanted: &&str| outer().find(|(name, _)| name == wanted);
            LAN_INTERFACES.iter().find_map(named).or_else(|| outer().next()).map(|(_, address)| address)
        }
        _ => None,
    };
    format!("{scheme}://{}:{port}", address.unwrap_or(Ipv4Addr::LOCALHOST))
}

/// `65533abc` is 65533, as the gateway reads it; none where there is no number above 0.
fn leading_number(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let number = digits.get(..end).filter(|digits| !digits.is_empty())?.parse().unwrap_or(u64::MAX);
    (number > 0).then_some(number)
}

fn parse(text: &str) -> Result<Url, Unusable> {
    let unusable = |reason: String| {
        // What cannot be taken apart may hold a password anywhere.
        let url = if text.contains(['@', '?']) { "gateway.remote.url".to_owned() } else { short(text) };
        Unusable { url, reason }
    };
    if text.len() > MAX_URL {
        return Err(unusable(format!(
            "the address has {} bytes, and at most {MAX_URL} are tried; mend gateway.remote.url",
            text.len()
        )));
    }
    Url::parse(text).map_err(|error| {
        unusable(format!("the address is no URL ({error}); mend gateway.remote.url, or gateway.port"))
    })
}

/// The URL for people: as it was written, where there is nothing to hide.
fn shown(text: &str, url: &Url, hide_path: bool) -> String {
    let login = !url.username().is_empty() || url.password().is_some();
    if !login && !hide_path && url.query().is_none() && url.fragment().is_none() {
        return short(text);
    }
    let login = if login { "***@" } else { "" };
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let path = if hide_path { "/***" } else { url.path() };
    let query = if url.query().is_some() { "?***" } else { "" };
    short(&format!("{}://{login}{host}{port}{path}{query}", url.scheme()))
}

/// Credentials may be sent there.
pub(super) fn allowed(url: &Url, interfaces: &[(String, IpAddr)]) -> Result<(), String> {
    let host = url.host();
    match url.scheme() {
        "wss" if host.is_some() => Ok(()),
        "ws" if host.is_some() => {
            if is_local(url, interfaces) {
                return Ok(());
            }
            Err("the address is on another machine and not encrypted: the gateway's credentials would cross the \
                 network in clear text; use wss://, or a tunnel to 127.0.0.1"
                .to_owned())
        }
        scheme => Err(format!(
            "the address begins with {}:, and a gateway is reached by ws:// or wss://; mend gateway.remote.url",
            short(scheme)
        )),
    }
}

/// The URL leads to this machine.
pub(super) fn is_local(url: &Url, interfaces: &[(String, IpAddr)]) -> bool {
    url.host().is_some_and(|host| is_this_machine(&host, interfaces))
}

/// What is sent there does not leave this machine. A name but "localhost" says nothing of where it leads.
fn is_this_machine(host: &Host<&str>, interfaces: &[(String, IpAddr)]) -> bool {
    let address = match host {
        Host::Domain(name) => return *name == "localhost",
        Host::Ipv4(address) => IpAddr::V4(*address),
        Host::Ipv6(address) => address.to_ipv4_mapped().map_or(IpAddr::V6(*address), IpAddr::V4),
    };
    address.is_loopback() || interfaces.iter().any(|(_, own)| *own == address)
}

/// Percent-encoded bytes as they are meant.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pair = tail.first().and_then(hex).zip(tail.get(1).and_then(hex)).filter(|_| *first == b'%');
        if let Some((high, low)) = pair {
            bytes.push(high * 16 + low);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::target::Request;

    /// The URL for a gateway section on a machine with these interfaces.
    fn resolve(gateway: &Value, interfaces: &[(&str, [u8; 4])]) -> Result<String, String> {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join(".openclaw");
        std::fs::create_dir(&state).unwrap();
        std::fs::write(state.join("openclaw.json"), json!({"gateway": gateway}).to_string()).unwrap();
        let mut env: Environment = [("HOME", home.path().to_str().unwrap())].into_iter().collect();
        let (located, _) = crate::target::locate(&Request::default(), &mut env, home.path()).unwrap();
        let config = crate::config::load(&located, &mut env);
        let interfaces: Vec<(String, IpAddr)> =
            interfaces.iter().map(|(name, address)| ((*name).to_owned(), (*address).into())).collect();
        let address = Address::of(&located, &env, &config, &interfaces);
        address.map(|address| address.shown).map_err(|unusable| unusable.reason)
    }

    #[test]
    fn the_local_gateway_is_where_it_binds() {
        let machine = [
            ("lo", [127, 0, 0, 1]),
            ("wlan0", [10, 0, 0, 7]),
            ("eth0", [192, 0, 2, 7]),
            ("ts", [100, 100, 1, 2]),
        ];
        for (gateway, url) in [
            (json!({}), "ws://127.0.0.1:18789"),
            (json!({"port": 5}), "ws://127.0.0.1:5"),
            (json!({"port": -5}), "ws://127.0.0.1:18789"),
            (json!({"tls": {"enabled": true}}), "wss://127.0.0.1:18789"),
            (json!({"tls": {"enabled": "true"}}), "ws://127.0.0.1:18789"),
            (json!({"bind": "lan"}), "ws://192.0.2.7:18789"),
            (json!({"bind": "tailnet"}), "ws://100.100.1.2:18789"),
            (json!({"bind": "auto"}), "ws://127.0.0.1:18789"),
            (json!({"bind": "custom", "customBindHost": "10.0.0.7"}), "ws://127.0.0.1:18789"),
            (json!({"mode": "local", "remote": {"url": "wss://a.example"}}), "ws://127.0.0.1:18789"),
            (json!({"mode": "remote", "remote": {"url": "  "}}), "ws://127.0.0.1:18789"),
            (json!({"mode": "remote", "remote": {"url": " wss://a.example "}}), "wss://a.example"),
            (json!({"mode": "remote", "remote": {"url": "ws://10.0.0.7:1"}}), "ws://10.0.0.7:1"),
        ] {
            assert_eq!(resolve(&gateway, &machine).as_deref(), Ok(url), "{gateway}");
        }
        assert_eq!(resolve(&json!({"bind": "lan"}), &machine[..2]).as_deref(), Ok("ws://10.0.0.7:18789"));
        assert_eq!(resolve(&json!({"bind": "lan"}), &[]).as_deref(), Ok("ws://127.0.0.1:18789"));
        assert_eq!(
            resolve(&json!({"bind": "tailnet"}), &machine[..3]).as_deref(),
            Ok("ws://127.0.0.1:18789")
        );
        assert!(resolve(&json!({"port": 65536}), &machine).unwrap_err().starts_with("the address is no URL"));
    }
}
