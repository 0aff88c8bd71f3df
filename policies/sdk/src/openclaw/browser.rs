//! How agents reach the browser they control (reference: config-checks 1.3 and 1.4).
//!
//! The built-in profile `chrome`, and `openclaw` where no `browser.cdpUrl` is set, use a port of this machine: nothing
//! that anybody else could reach, so their ports are not worked out here.

use std::net::Ipv4Addr;

use crate::openclaw::plugins::has_allowlist;
use crate::url::{Host, HttpUrl};
use crate::{Context, Location, Node, NotAssessed, Release, all, any, js};

/// The environment variables that stand before `gateway.port`, the stronger one first.
pub const PORT_VARIABLES: [&str; 2] = ["OPENCLAW_GATEWAY_PORT", "CLAWDBOT_GATEWAY_PORT"];

/// The gateway's port where nothing names another (reference: config-checks 1.3).
const GATEWAY_PORT: u64 = 18789;
/// The control port's distance from the gateway's (reference: config-checks 1.4).
const CONTROL_PORT_OFFSET: u64 = 2;
/// The control port where that sum is no port (reference: config-checks 1.4).
const CONTROL_PORT: u64 = 18791;

/// The plugin that controls browsers in later releases.
const PLUGIN: &str = "browser";

/// The profile that exists in every installation.
const OWN_PROFILE: &str = "openclaw";

/// One browser that agents can be pointed at.
#[derive(Clone, Debug)]
pub struct Profile<'a> {
    /// Its key below `browser.profiles`.
    pub name: &'a str,
    /// Where its debugging protocol is spoken.
    pub endpoint: Result<Endpoint<'a>, Trouble>,
}

/// Where a browser's debugging protocol is spoken.
#[derive(Clone, Debug)]
pub struct Endpoint<'a> {
    /// Scheme, host and port.
    pub url: HttpUrl,
    /// The config values that say so.
    pub nodes: Vec<Node<'a>>,
}

/// Why there is no address.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// The config says something that is none.
    Defect(Defect),
    /// What the config says is not shown.
    NotAssessed(NotAssessed),
}

impl From<Defect> for Trouble {
    fn from(defect: Defect) -> Self {
        Self::Defect(defect)
    }
}

impl From<NotAssessed> for Trouble {
    fn from(reason: NotAssessed) -> Self {
        Self::NotAssessed(reason)
    }
}

/// Something that cannot be resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Defect {
    /// Where it stands.
    pub location: Location,
    /// What is wrong, as a sentence without its full stop.
    pub reason: String,
    /// What should stand there.
    pub wanted: &'static str,
}

/// What a `cdpUrl` should be.
const WANTED_URL: &str = "an http:// or https:// URL such as \"http://127.0.0.1:9222\"";

impl Defect {
    fn of_url(node: &Node<'_>, reason: impl Into<String>) -> Self {
        Self { location: node.location(), reason: reason.into(), wanted: WANTED_URL }
    }
}

/// The releases that a rule begins with: the first after one that was looked at and does not have it.
const KNOWS_SOCKETS: (u16, u8, u16) = (2026, 3, 8);
const KNOWS_EXISTING_SESSIONS: (u16, u8, u16) = (2026, 3, 13);
const BROWSER_IS_PLUGIN: (u16, u8, u16) = (2026, 4, 5);
const KNOWS_RELAYED_EXTENSIONS: (u16, u8, u16) = (2026, 7, 1);

fn since(release: Release, (year, month, patch): (u16, u8, u16)) -> bool {
    release.since(year, month, patch)
}

/// Agents can control a browser, and from 2026.4.5 on, when browser control became a plugin, the plugin is let load. Needs
/// what [`is_enabled`] and [`is_loaded`] need, and `/tools/allow`, `/tools/alsoAllow` and the same of each agent.
///
/// # Errors
/// Where that is not shown.
pub fn is_on(cx: &Context<'_>) -> Result<bool, NotAssessed> {
    let config = cx.config();
    let is_on = is_enabled(&config);
    if !since(cx.release(), BROWSER_IS_PLUGIN) {
        return is_on;
    }
    all([is_on, any([is_loaded(&config), all([is_not_off(&config), is_asked_for(&config)])])])
}

/// The gateway adds the plugin to the list of those that may load where the config has a section for it, or names its tool
/// (run: 2026.4.15; read: 2026.9.6).
fn is_asked_for(config: &Node<'_>) -> Result<bool, NotAssessed> {
    let is_there = |node: &Node<'_>| node.is_nullish().map(|is_absent| !is_absent);
    let by_tools = |tools: &Node<'_>| any([names_it(&tools.get("allow")), names_it(&tools.get("alsoAllow"))]);
    let by_agents = || any(config.at("agents.list").items()?.map(|agent| by_tools(&agent.get("tools"))));
    any([
        is_there(&config.get("browser")),
        is_there(&config.at("plugins.entries").get(PLUGIN)),
        by_tools(&config.get("tools")),
        by_agents(),
    ])
}

/// A list has the name of the plugin, which is that of its tool.
fn names_it(list: &Node<'_>) -> Result<bool, NotAssessed> {
    let is_browser = |id: Node<'_>| Ok(id.trimmed()?.is_some_and(|id| id.eq_ignore_ascii_case(PLUGIN)));
    any(list.items()?.map(is_browser))
}

/// Nothing switches plugins off, or this one.
fn is_not_off(config: &Node<'_>) -> Result<bool, NotAssessed> {
    let plugins = config.get("plugins");
    let is_not = |node: &Node<'_>| node.is_false().map(|is_off| !is_off);
    all([
        is_not(&plugins.get("enabled")),
        is_not(&plugins.get("entries").get(PLUGIN).get("enabled")),
        names_it(&plugins.get("deny")).map(|is_denied| !is_denied),
    ])
}

/// Agents can control a browser (reference: config-checks 1.4): unless `browser.enabled` says otherwise.
///
/// # Errors
/// Where that is not shown.
pub fn is_enabled(config: &Node<'_>) -> Result<bool, NotAssessed> {
    let enabled = config.at("browser.enabled");
    Ok(enabled.is_nullish()? || enabled.is_truthy()?)
}

/// The browser is a plugin, and the config of plugins lets it load (reference: 2026.9-delta 4.1). Needs the config values
/// `/plugins/enabled`, `/plugins/allow`, `/plugins/deny` and `/plugins/entries/browser/enabled`.
///
/// # Errors
/// Where what decides it is not shown.
pub fn is_loaded(config: &Node<'_>) -> Result<bool, NotAssessed> {
    let allows_all = has_allowlist(config).map(|has_list| !has_list);
    all([is_not_off(config), any([allows_all, names_it(&config.at("plugins.allow"))])])
}

/// The profiles of the config in its order, and the one that exists without it. Needs the config values
/// `/browser/cdpUrl`, `/browser/profiles/*/cdpUrl`, `/browser/profiles/*/cdpPort`, `/browser/profiles/*/driver` and
/// `/gateway/port`, and the variables [`PORT_VARIABLES`].
///
/// # Errors
/// Where the reference program's browser control does not start at all, or the profiles are not shown.
pub fn profiles<'a>(cx: &'a Context<'_>) -> Result<Vec<Profile<'a>>, Trouble> {
    let base = Endpoint::base(cx)?;
    let section = cx.config().at("browser.profiles");
    let mut profiles = Vec::new();
    for (name, node) in section.entries()? {
        if name != OWN_PROFILE || node.is_truthy()? {
            profiles.push(Profile { name, endpoint: Endpoint::of_profile(cx.release(), &node, &base) });
        }
    }
    if !profiles.iter().any(|profile| profile.name == OWN_PROFILE) {
        profiles.push(Profile { name: OWN_PROFILE, endpoint: Ok(base) });
    }
    Ok(profiles)
}

impl<'a> Endpoint<'a> {
    /// What profiles without a URL of their own use: `browser.cdpUrl`, or this machine.
    ///
    /// # Errors
    /// Where the reference program's browser control does not start at all, or that is not shown.
    pub fn base(cx: &'a Context<'_>) -> Result<Self, Trouble> {
        let node = cx.config().at("browser.cdpUrl");
        if let Some(url) = url(cx.release(), &node)? {
            return Ok(Self { url, nodes: vec![node] });
        }
        let (gateway_port, location) = gateway_port(cx)?;
        let port = control_port(gateway_port) + 1;
        let port = u16::try_from(port).map_err(|_| Defect {
            location,
            reason: format!(
                "the gateway's port {gateway_port} puts the browser's at {port}, beyond the last port"
            ),
            wanted: "a port up to 65532",
        })?;
        let url = HttpUrl { is_encrypted: false, host: Host::V4(Ipv4Addr::LOCALHOST), port };
        Ok(Self { url, nodes: Vec::new() })
    }

    fn of_profile(release: Release, profile: &Node<'a>, base: &Self) -> Result<Self, Trouble> {
        let (at_url, at_port) = (profile.get("cdpUrl"), profile.get("cdpPort"));
        let this_machine = || {
            let url = HttpUrl { is_encrypted: false, host: Host::V4(Ipv4Addr::LOCALHOST), port: 0 };
            Ok(Self { url, nodes: Vec::new() })
        };
        let driver = Driver::of(release, &profile.get("driver"))?;
        if driver == Driver::Extension {
            return this_machine();
        }
        if let Some(url) = url(release, &at_url)? {
            return Ok(Self { url, nodes: vec![at_url] });
        }
        if driver == Driver::ExistingSession {
            return this_machine();
        }
        if !at_port.is_truthy()? {
            return Err(Defect::of_url(&at_url, "the profile has neither cdpUrl nor cdpPort").into());
        }
        let number = at_port.number()?.and_then(|port| port.try_into().ok());
        let port = number.ok_or_else(|| Defect {
            location: at_port.location(),
            reason: "cdpPort is no port number".to_owned(),
            wanted: "a number from 1 to 65535",
        })?;
        let url = HttpUrl { port, ..base.url.clone() };
        Ok(Self { url, nodes: [vec![at_port], base.nodes.clone()].concat() })
    }
}

/// What stands between browser control and the browser.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Driver {
    /// Nothing: the protocol is spoken to it, over a URL or a port.
    Direct,
    /// A helper on this machine that takes over a browser that runs. It needs no URL, and can have one.
    ExistingSession,
    /// An extension of a browser that comes to the gateway itself.
    Extension,
}

impl Driver {
    fn of(release: Release, node: &Node<'_>) -> Result<Self, NotAssessed> {
        if !since(release, KNOWS_EXISTING_SESSIONS) {
            return Ok(Self::Direct);
        }
        Ok(match node.text()? {
            Some("existing-session") => Self::ExistingSession,
            Some("extension") if since(release, KNOWS_RELAYED_EXTENSIONS) => Self::Extension,
            _ => Self::Direct,
        })
    }
}

/// The URL of a value; none where it is absent or blank. What a socket speaks is HTTP at first, and encrypted or not like it.
fn url(release: Release, node: &Node<'_>) -> Result<Option<HttpUrl>, Trouble> {
    let plain = |text: &str| {
        let socket = text.get(..2).filter(|_| since(release, KNOWS_SOCKETS));
        let rest = socket.filter(|scheme| scheme.eq_ignore_ascii_case("ws")).and_then(|_| text.get(2..));
        let is_socket = |rest: &&str| {
            rest.starts_with(':') || rest.get(..2).is_some_and(|rest| rest.eq_ignore_ascii_case("s:"))
        };
        rest.filter(is_socket).map_or_else(|| text.to_owned(), |rest| format!("http{rest}"))
    };
    match node.trimmed()? {
        Some(text) => HttpUrl::parse(&plain(text))
            .map(Some)
            .map_err(|error| Defect::of_url(node, format!("cdpUrl {error}")).into()),
        None if node.is_nullish()? || node.is_text()? => Ok(None),
        None => Err(Defect::of_url(node, "cdpUrl is no string").into()),
    }
}

/// The gateway's port, and where it is said (reference: config-checks 1.3).
fn gateway_port(cx: &Context<'_>) -> Result<(u64, Location), NotAssessed> {
    for name in PORT_VARIABLES {
        let value = cx.environment(name)?.map(js::trim).filter(|value| !value.is_empty());
        let Some(value) = value else { continue };
        if let Some(port) = leading_number(value) {
            return Ok((port, Location::Env(name.to_owned())));
        }
        // The first variable that says anything hides the other, even where it is no number.
        break;
    }
    let node = cx.config().at("gateway.port");
    let port = node.number()?.filter(|port| *port > 0);
    Ok((port.unwrap_or(GATEWAY_PORT), node.location()))
}

/// `65533abc` is 65533; none where there is no number above 0.
fn leading_number(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    // More digits than a number of ours can have are no port either.
    let number = digits.get(..end).filter(|digits| !digits.is_empty())?.parse().unwrap_or(u64::MAX);
    (number > 0).then_some(number)
}

fn control_port(gateway_port: u64) -> u64 {
    let port = gateway_port.saturating_add(CONTROL_PORT_OFFSET);
    if port > u64::from(u16::MAX) { CONTROL_PORT } else { port }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MemoryHost;

    fn show_trouble(trouble: &Trouble) -> String {
        match trouble {
            Trouble::Defect(Defect {
                location: Location::Config(place) | Location::Env(place),
                reason,
                ..
            }) => {
                format!("!{reason} at {place}")
            }
            Trouble::NotAssessed(_) => "?".to_owned(),
            odd @ Trouble::Defect(_) => panic!("{odd:?}"),
        }
    }

    /// `name endpoint` of each profile; `!` stands before what is wrong, `?` for what is not shown.
    fn show(host: &MemoryHost) -> Vec<String> {
        host.with(|cx| {
            let show = |profile: &Profile<'_>| match &profile.endpoint {
                Ok(endpoint) => format!("{} {}", profile.name, endpoint.url),
                Err(trouble) => format!("{} {}", profile.name, show_trouble(trouble)),
            };
            match profiles(cx) {
                Ok(profiles) => profiles.iter().map(show).collect(),
                Err(trouble) => vec![show_trouble(&trouble)],
            }
        })
    }

    fn of(browser: &str) -> Vec<String> {
        show(&MemoryHost::new(&format!("{{browser: {browser}}}")))
    }

    #[test]
    fn a_profile_without_a_url_has_the_host_of_the_section() {
        assert_eq!(of("{}"), ["openclaw http://127.0.0.1:18792"]);
        assert_eq!(
            of(
                r#"{cdpUrl: " https://h:1/x ", profiles: {a: {cdpPort: 9}, b: {cdpPort: 9, cdpUrl: "http://i"}}}"#
            ),
            ["a https://h:9", "b http://i:80", "openclaw https://h:1"]
        );
        assert_eq!(
            of(r#"{cdpUrl: "http://h", profiles: {openclaw: {cdpPort: 9}}}"#),
            ["openclaw http://h:9"]
        );
        assert_eq!(of(r#"{cdpUrl: "http://h", profiles: {openclaw: null}}"#), ["openclaw http://h:80"]);
    }

    #[test]
    fn an_endpoint_names_the_values_that_make_it() {
        let host = MemoryHost::new(r#"{browser: {cdpUrl: "http://h", profiles: {a: {cdpPort: 9}}}}"#);
        host.with(|cx| {
            let profiles = profiles(cx).expect("it resolves");
            let nodes = &profiles[0].endpoint.as_ref().expect("an endpoint").nodes;
            let pointers: Vec<&str> = nodes.iter().map(Node::pointer).collect();
            assert_eq!(pointers, ["/browser/profiles/a/cdpPort", "/browser/cdpUrl"]);
        });
    }

    #[test]
    fn a_defect_of_a_profile_is_its_own() {
        for (profile, defect) in [
            (
                r#"{cdpUrl: "nope"}"#,
                "cdpUrl begins with neither http:// nor https:// at /browser/profiles/x/cdpUrl",
            ),
            ("{cdpUrl: 5}", "cdpUrl is no string at /browser/profiles/x/cdpUrl"),
            ("{cdpPort: 70000}", "cdpPort is no port number at /browser/profiles/x/cdpPort"),
            (r#"{cdpPort: "9"}"#, "cdpPort is no port number at /browser/profiles/x/cdpPort"),
            ("{}", "the profile has neither cdpUrl nor cdpPort at /browser/profiles/x/cdpUrl"),
            ("null", "the profile has neither cdpUrl nor cdpPort at /browser/profiles/x/cdpUrl"),
            (
                r#"{cdpUrl: "  ", cdpPort: 0}"#,
                "the profile has neither cdpUrl nor cdpPort at /browser/profiles/x/cdpUrl",
            ),
        ] {
            let seen = of(&format!("{{profiles: {{x: {profile}}}}}"));
            assert_eq!(
                seen,
                [format!("x !{defect}"), "openclaw http://127.0.0.1:18792".to_owned()],
                "{profile}"
            );
        }
    }

    #[test]
    fn a_defect_of_the_section_is_that_of_all() {
        assert_eq!(of("{cdpUrl: 5}"), ["!cdpUrl is no string at /browser/cdpUrl"]);
        let seen = of(r#"{cdpUrl: "ws://h", profiles: {a: {cdpPort: 9}}}"#);
        assert_eq!(seen, ["!cdpUrl begins with neither http:// nor https:// at /browser/cdpUrl"]);
        for odd in ["null", "5", "[]", r#"{profiles: 5, cdpUrl: " "}"#, "{profiles: [1]}"] {
            assert_eq!(of(odd), ["openclaw http://127.0.0.1:18792"], "{odd}");
        }
    }

    #[test]
    fn the_port_of_the_gateway_decides_the_browsers() {
        let [first, second] = PORT_VARIABLES;
        let last = "!the gateway's port 65533 puts the browser's at 65536, beyond the last port";
        let at_config = format!("{last} at /gateway/port");
        let fallback = "openclaw http://127.0.0.1:18792";
        for (variables, port, expected) in [
            (vec![], "65533", at_config.clone()),
            (vec![], "65532", "openclaw http://127.0.0.1:65535".to_owned()),
            (vec![], "65534", fallback.to_owned()),
            (vec![], "-1", fallback.to_owned()),
            (vec![], "\"65533\"", fallback.to_owned()),
            (vec![(first, "65533abc")], "1", format!("{last} at {first}")),
            (vec![(first, "+65533")], "1", format!("{last} at {first}")),
            (vec![(first, " "), (second, " 65533 ")], "1", format!("{last} at {second}")),
            (vec![(first, "x"), (second, "65533")], "1", "openclaw http://127.0.0.1:4".to_owned()),
            (vec![(first, "0")], "65533", at_config.clone()),
            (vec![(first, "-5")], "65533", at_config),
            (vec![(first, "99999999999999999999")], "65533", fallback.to_owned()),
        ] {
            let start = MemoryHost::new(&format!("{{gateway: {{port: {port}}}}}"));
            let host = variables.iter().fold(start, |host, (name, value)| host.variable(name, value));
            assert_eq!(show(&host), [expected], "{variables:?} {port}");
        }
    }

    #[test]
    fn a_browser_is_controlled_unless_the_config_says_otherwise() {
        for (browser, enabled) in [
            ("{}", true),
            ("null", true),
            ("{enabled: null}", true),
            (r#"{enabled: "false"}"#, true),
            ("{enabled: false}", false),
            ("{enabled: 0}", false),
        ] {
            let host = MemoryHost::new(&format!("{{browser: {browser}}}"));
            assert_eq!(host.with(|cx| is_enabled(&cx.config())), Ok(enabled), "{browser}");
        }
    }

    fn in_release(browser: &str, (year, month, patch): (u16, u8, u16)) -> Vec<String> {
        show(&MemoryHost::new(&format!("{{browser: {browser}}}")).release(year, month, patch))
    }

    #[test]
    fn later_releases_reach_browsers_over_sockets() {
        for (cdp_url, seen) in [
            ("ws://h:9/devtools", "openclaw http://h:9"),
            ("WSS://h", "openclaw https://h:443"),
            ("wss://127.0.0.1", "openclaw https://127.0.0.1:443"),
        ] {
            let browser = format!(r#"{{cdpUrl: "{cdp_url}"}}"#);
            assert_eq!(in_release(&browser, (2026, 3, 8)), [seen], "{cdp_url}");
            assert!(
                in_release(&browser, (2026, 3, 7))[0].starts_with("!cdpUrl begins with neither"),
                "{cdp_url}"
            );
        }
        for odd in ["wsx://h", "ws", "w", "é", "ftp://h"] {
            let browser = format!(r#"{{cdpUrl: "{odd}"}}"#);
            assert!(in_release(&browser, (2026, 9, 6))[0].starts_with('!'), "{odd}");
        }
    }

    #[test]
    fn a_driver_of_later_releases_needs_no_address() {
        let own = "openclaw http://127.0.0.1:18792";
        let profile =
            |profile: &str, release| in_release(&format!("{{profiles: {{x: {profile}}}}}"), release);
        let session = r#"{driver: "existing-session"}"#;
        assert!(profile(session, (2026, 3, 12))[0].starts_with("x !the profile has neither"));
        assert_eq!(profile(session, (2026, 3, 13)), ["x http://127.0.0.1:0", own]);
        let there = r#"{driver: "existing-session", cdpUrl: "http://h:9"}"#;
        assert_eq!(profile(there, (2026, 9, 6)), ["x http://h:9", own]);
        let extension = r#"{driver: "extension", cdpUrl: "http://h:9"}"#;
        assert_eq!(profile(extension, (2026, 6, 11)), ["x http://h:9", own]);
        assert_eq!(profile(extension, (2026, 7, 1)), ["x http://127.0.0.1:0", own]);
        for driver in ["5", "null", r#""clawd""#] {
            assert_eq!(
                profile(&format!("{{driver: {driver}, cdpPort: 9}}"), (2026, 9, 6)),
                ["x http://127.0.0.1:9", own]
            );
        }
        let hidden = r#"{driver: {"$hidden": "variable"}, cdpPort: 9}"#;
        assert_eq!(profile(hidden, (2026, 9, 6)), ["x ?", own]);
        assert_eq!(profile(hidden, (2026, 2, 19)), ["x http://127.0.0.1:9", own]);
    }

    #[test]
    fn the_browser_is_a_plugin_that_can_be_kept_out() {
        let host = |patch| MemoryHost::new("{plugins: {enabled: false}}").release(2026, 4, patch);
        assert_eq!((host(4).with(is_on), host(5).with(is_on)), (Ok(true), Ok(false)));
        for (plugins, loaded) in [
            ("{}", Ok(true)),
            ("5", Ok(true)),
            ("{enabled: false}", Ok(false)),
            ("{entries: {browser: {enabled: false}}}", Ok(false)),
            (r#"{deny: [" Browser "]}"#, Ok(false)),
            (r#"{deny: ["other"]}"#, Ok(true)),
            ("{allow: []}", Ok(true)),
            (r#"{allow: ["other"]}"#, Ok(false)),
            (r#"{allow: ["other", "BROWSER"]}"#, Ok(true)),
            (r#"{allow: ["browser"], deny: ["browser"]}"#, Ok(false)),
            ("{allow: [HIDDEN]}", Err(())),
            (r#"{allow: [HIDDEN, "browser"]}"#, Ok(true)),
            (r#"{allow: [HIDDEN], deny: ["browser"]}"#, Ok(false)),
        ] {
            let host = MemoryHost::new(&format!("{{plugins: {plugins}}}").replace("HIDDEN", HIDDEN));
            assert_eq!(host.with(|cx| is_loaded(&cx.config())).map_err(|_| ()), loaded, "{plugins}");
        }
        let withheld = MemoryHost::new("{plugins: {}}").withhold("/plugins");
        assert!(withheld.with(|cx| is_loaded(&cx.config())).is_err());
    }

    const HIDDEN: &str = r#"{"$hidden": "variable"}"#;

    #[test]
    fn an_address_that_is_not_shown_is_not_guessed() {
        let own = "openclaw http://127.0.0.1:18792";
        for (browser, expected) in [
            ("{cdpUrl: HIDDEN}", ["?"].as_slice()),
            ("{profiles: {a: {cdpUrl: HIDDEN}}}", &["a ?", own]),
            (r#"{profiles: {a: {cdpUrl: "http://h", cdpPort: HIDDEN}}}"#, &["a http://h:80", own]),
            (r#"{profiles: {a: {cdpPort: {"$hidden": "secret"}}}}"#, &["a ?", own]),
            (
                "{profiles: {a: HIDDEN}}",
                &["a !the profile has neither cdpUrl nor cdpPort at /browser/profiles/a/cdpUrl", own],
            ),
        ] {
            assert_eq!(of(&browser.replace("HIDDEN", HIDDEN)), expected, "{browser}");
        }
    }

    #[test]
    fn what_is_withheld_is_neither_a_default_nor_a_defect() {
        let host = MemoryHost::new("{browser: {profiles: {a: {cdpPort: 9}}}, gateway: {port: 1}}");
        for (pointer, expected) in [
            ("/browser", ["?"].as_slice()),
            ("/browser/cdpUrl", &["?"]),
            ("/browser/profiles", &["?"]),
            ("/gateway/port", &["?"]),
            ("/browser/profiles/a/cdpUrl", &["a ?", "openclaw http://127.0.0.1:4"]),
            ("/browser/profiles/a/cdpPort", &["a ?", "openclaw http://127.0.0.1:4"]),
            ("/browser/enabled", &["a http://127.0.0.1:9", "openclaw http://127.0.0.1:4"]),
        ] {
            assert_eq!(show(&host.clone().withhold(pointer)), expected, "{pointer}");
        }
        let enabled = |pointer| host.clone().withhold(pointer).with(|cx| is_enabled(&cx.config()));
        assert!(enabled("/browser/enabled").is_err() && enabled("/browser").is_err());
        assert_eq!(enabled("/gateway/port"), Ok(true));
    }

    #[test]
    fn the_port_is_asked_for_only_where_it_counts() {
        let host = MemoryHost::new(r#"{browser: {cdpUrl: "http://h"}}"#).withhold("/gateway");
        assert_eq!(show(&host), ["openclaw http://h:80"]);
        let variable = MemoryHost::new("{}").withhold("/gateway").variable(PORT_VARIABLES[0], "5");
        assert_eq!(show(&variable), ["openclaw http://127.0.0.1:8"]);
    }
}
