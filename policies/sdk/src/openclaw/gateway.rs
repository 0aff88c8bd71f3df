//! How the gateway is reached and what protects it (reference: config-checks 1.1 and 1.2, 2026.9-delta 2.4; what differs by
//! release was read in the programs that are named beside it).

use crate::{Context, Facts, Hidden, Location, Measures, Node, NotAssessed, Release, SecretSource, all, any};

/// The environment variable that stands in for `gateway.auth.token`.
pub const TOKEN_VARIABLE: &str = "OPENCLAW_GATEWAY_TOKEN";
/// The environment variable that stands in for `gateway.auth.password`.
pub const PASSWORD_VARIABLE: &str = "OPENCLAW_GATEWAY_PASSWORD";
/// The same two under an earlier name of the program.
const OLD_TOKEN_VARIABLE: &str = "CLAWDBOT_GATEWAY_TOKEN";
const OLD_PASSWORD_VARIABLE: &str = "CLAWDBOT_GATEWAY_PASSWORD";
/// Fewer characters than this make a token guessable (the reference's threshold).
pub const MIN_TOKEN_UNITS: u32 = 24;

/// From this release on a blank credential of the config counts as none, so that the variable stands in for it (2026.2.21
/// and 2026.2.22).
const TRIMMED: (u16, u8, u16) = (2026, 2, 22);
/// From this release on a gateway starts although the config names a variable that is not set, and that counts as a
/// reference (2026.3.2 and 2026.3.7).
const UNSET_ALLOWED: (u16, u8, u16) = (2026, 3, 7);
/// From this release on what is configured counts, and not only what is in force: references, and the token for remote use
/// (2026.2.26 and 2026.3.2).
const CONFIGURED: (u16, u8, u16) = (2026, 3, 2);
/// From this release on a variable that is not set gives nothing, and a proxy that authenticates counts on loopback, too
/// (2026.7.35 and 2026.8.1).
const FACTS: (u16, u8, u16) = (2026, 8, 1);
/// From this release on credentials of `gateway.remote` count, too, where there are no others (2026.7.35 and 2026.8.1).
const REMOTE: (u16, u8, u16) = (2026, 8, 1);

fn since(release: Release, (year, month, patch): (u16, u8, u16)) -> bool {
    release.since(year, month, patch)
}

/// The variables of the earlier name are read by these releases: first by the gateway and the audit alike (programs
/// 2026.2.12 and 2026.2.17), later by the audit alone (2026.2.26, 2026.3.2, 2026.3.13 and 2026.3.22).
fn reads_old_variables(release: Release) -> bool {
    !release.since(2026, 2, 17) || (release.since(2026, 3, 2) && !release.since(2026, 3, 22))
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Token,
    Password,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Password => "password",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Token => TOKEN_VARIABLE,
            Self::Password => PASSWORD_VARIABLE,
        }
    }

    fn old_variable(self) -> &'static str {
        match self {
            Self::Token => OLD_TOKEN_VARIABLE,
            Self::Password => OLD_PASSWORD_VARIABLE,
        }
    }
}

/// A credential as the gateway takes it, with what is known of it.
#[derive(Clone, Debug)]
pub struct Credential<'a> {
    /// The config value, where the config gives it.
    pub node: Option<Node<'a>>,
    /// The environment variable that stands in for it.
    pub variable: &'static str,
    /// None where it is absent or no string.
    pub facts: Option<Facts>,
    /// JavaScript's truth of the value: white space alone counts.
    pub truthy: bool,
    /// The config gives it by a variable that is not set here: no text is known.
    pub unset: bool,
}

impl<'a> Credential<'a> {
    /// What stands in the config.
    fn of(cx: &Context<'_>, node: Node<'a>, variable: &'static str) -> Result<Self, NotAssessed> {
        let facts = if node.is_nullish()? { None } else { cx.config_secret(&node)? };
        let unset = match &facts {
            Some(facts) => is_unset(cx, &node, facts)?,
            None => false,
        };
        let truthy = if let Some(facts) = &facts {
            facts.is_truthy()
        } else {
            // An object of which a part is not shown may be a reference.
            if let Some(reason) = node.entries()?.find_map(|(_, member)| member.hidden()) {
                return Err(reason);
            }
            node.is_truthy()?
        };
        Ok(Self { node: Some(node), variable, facts, truthy, unset })
    }

    fn from_environment(cx: &Context<'_>, variable: &'static str) -> Result<Self, NotAssessed> {
        let facts = cx.env_secret(variable)?;
        let truthy = facts.as_ref().is_some_and(Facts::is_truthy);
        Ok(Self { node: None, variable, facts, truthy, unset: false })
    }

    /// A string with something left of it after trimming, or a reference to a secret store.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.facts.as_ref().is_some_and(Facts::is_set)
    }

    /// Its place: the config value where the config gives it, else the variable.
    #[must_use]
    pub fn location(&self) -> Location {
        let variable = || Location::Env(self.variable.to_owned());
        self.node.as_ref().map_or_else(variable, Node::location)
    }

    /// What is known of its text; none where there is no text.
    ///
    /// # Errors
    /// Where it is kept elsewhere, or a variable gives it that is not set here.
    pub fn measures(&self) -> Result<Option<Measures>, NotAssessed> {
        if self.unset {
            return Err(NotAssessed::hidden(Hidden::Variable, self.location()));
        }
        self.facts.as_ref().map(|facts| facts.measures(&self.location())).transpose()
    }
}

/// The problems that a text is where it names a variable without a value: of an installation, and of a config alone.
const UNSET: [&str; 2] = ["unset-variable", "variable-elsewhere"];

/// The text names a variable that has no value here. Needs `problems`.
///
/// # Errors
/// Where `problems` is not granted, or its list is cut and does not name this text.
pub fn is_unset(cx: &Context<'_>, node: &Node<'_>, facts: &Facts) -> Result<bool, NotAssessed> {
    // Only a literal text can name a variable that is not set.
    if facts.source != SecretSource::Literal {
        return Ok(false);
    }
    cx.granted("problems")?;
    let problems = cx.problems();
    let names = |pointers: &[String]| pointers.iter().any(|pointer| pointer == node.pointer());
    let is_about = |kind: &str| UNSET.contains(&kind);
    let is_named = problems.iter().any(|problem| is_about(&problem.kind) && names(&problem.pointers));
    // It may be among those that are left out.
    if !is_named && problems.iter().any(|problem| problem.kind == "truncated") {
        return Err(NotAssessed::limit("problems of the config that are told").at(node.location()));
    }
    Ok(is_named)
}

/// The gateway section.
#[derive(Clone, Debug)]
pub struct Gateway<'a> {
    /// `gateway`.
    pub node: Node<'a>,
    release: Release,
    old_variables: bool,
}

impl<'a> Gateway<'a> {
    /// Needs of the config subtree `/gateway` what is asked for.
    #[must_use]
    pub fn read(cx: &'a Context<'_>) -> Self {
        let node = cx.config().get("gateway");
        Self { node, release: cx.release(), old_variables: false }
    }

    /// Reads the variables of the earlier name, too, in the releases that do. Needs the secrets `env:CLAWDBOT_GATEWAY_TOKEN`
    /// and `env:CLAWDBOT_GATEWAY_PASSWORD`.
    #[must_use]
    pub fn with_old_variables(self) -> Self {
        Self { old_variables: reads_old_variables(self.release), ..self }
    }

    fn is_since(&self, release: (u16, u8, u16)) -> bool {
        since(self.release, release)
    }

    /// The bind mode; "loopback" where it is absent or no string.
    ///
    /// # Errors
    /// Where it is not shown.
    pub fn bind(&self) -> Result<&'a str, NotAssessed> {
        Ok(self.node.get("bind").text()?.unwrap_or("loopback"))
    }

    /// The Tailscale mode; "off" where it is absent or no string.
    ///
    /// # Errors
    /// Where it is not shown.
    pub fn tailscale(&self) -> Result<&'a str, NotAssessed> {
        Ok(self.node.at("tailscale.mode").text()?.unwrap_or("off"))
    }

    /// Only the machine itself can connect directly.
    ///
    /// # Errors
    /// Where the bind mode is not shown.
    pub fn is_loopback(&self) -> Result<bool, NotAssessed> {
        Ok(self.bind()? == "loopback")
    }

    /// Others can reach the gateway, directly or through Tailscale.
    ///
    /// # Errors
    /// Where the bind mode or the Tailscale mode is not shown.
    pub fn is_remote(&self) -> Result<bool, NotAssessed> {
        let is_published = self.tailscale().map(|mode| matches!(mode, "serve" | "funnel"));
        any([self.is_loopback().map(|is_loopback| !is_loopback), is_published])
    }

    /// The control UI is served.
    ///
    /// # Errors
    /// Where that is not shown.
    pub fn has_control_ui(&self) -> Result<bool, NotAssessed> {
        Ok(!self.node.at("controlUi.enabled").is_false()?)
    }

    /// The shared token. Needs the secrets `/gateway/auth/token` and `env:OPENCLAW_GATEWAY_TOKEN`, and `problems`; and where
    /// `gateway.remote.token` is to count (from 2026.8.1 on), `/gateway/remote/token`.
    ///
    /// # Errors
    /// Where they are not granted.
    pub fn token(&self, cx: &Context<'_>) -> Result<Credential<'a>, NotAssessed> {
        self.credential(cx, Kind::Token)
    }

    /// The shared password. Needs the secrets `/gateway/auth/password` and `env:OPENCLAW_GATEWAY_PASSWORD`, and `problems`; and
    /// where `gateway.remote.password` is to count (from 2026.8.1 on), `/gateway/remote/password`.
    ///
    /// # Errors
    /// Where they are not granted.
    pub fn password(&self, cx: &Context<'_>) -> Result<Credential<'a>, NotAssessed> {
        self.credential(cx, Kind::Password)
    }

    /// What the config itself says of the token. Needs the secret `/gateway/auth/token`, and `problems`.
    ///
    /// # Errors
    /// Where they are not granted.
    pub fn own_token(&self, cx: &Context<'_>) -> Result<Credential<'a>, NotAssessed> {
        Credential::of(cx, self.node.at("auth.token"), TOKEN_VARIABLE)
    }

    /// What the config itself says of the password. Needs the secret `/gateway/auth/password`, and `problems`.
    ///
    /// # Errors
    /// Where they are not granted.
    pub fn own_password(&self, cx: &Context<'_>) -> Result<Credential<'a>, NotAssessed> {
        Credential::of(cx, self.node.at("auth.password"), PASSWORD_VARIABLE)
    }

    fn own(&self, cx: &Context<'_>, kind: Kind) -> Result<Credential<'a>, NotAssessed> {
        Credential::of(cx, self.node.get("auth").get(kind.name()), kind.variable())
    }

    fn credential(&self, cx: &Context<'_>, kind: Kind) -> Result<Credential<'a>, NotAssessed> {
        let own = self.own(cx, kind)?;
        let is_absent = match &own.node {
            Some(node) => node.is_nullish()?,
            None => true,
        };
        if own.unset {
            // Before, no gateway starts without the variable, so that it has a text wherever one runs.
            if !self.is_since(UNSET_ALLOWED) {
                return Ok(own);
            }
        } else if own.is_set() || (!is_absent && !self.is_since(TRIMMED)) {
            return Ok(own);
        }
        let variable = self.variable(cx, kind)?;
        if variable.is_set() || (variable.facts.is_some() && !self.is_since(TRIMMED)) {
            return Ok(variable);
        }
        if let Some(remote) = self.remote(cx, kind)? {
            return Ok(remote);
        }
        // Nothing gives it: point at the config where it has something to mend, else at the variable.
        let nothing = if is_absent { variable } else { own };
        Ok(Credential { facts: None, truthy: false, unset: false, ..nothing })
    }

    fn variable(&self, cx: &Context<'_>, kind: Kind) -> Result<Credential<'a>, NotAssessed> {
        let own = Credential::from_environment(cx, kind.variable())?;
        let is_old = self.old_variables && !self.is_since(CONFIGURED);
        if own.facts.is_some() || !is_old {
            return Ok(own);
        }
        Credential::from_environment(cx, kind.old_variable())
    }

    /// The credential for remote use, where it counts and is set.
    fn remote(&self, cx: &Context<'_>, kind: Kind) -> Result<Option<Credential<'a>>, NotAssessed> {
        let is_delegated = || self.is_delegated();
        if !self.is_since(REMOTE) || (kind == Kind::Password && is_delegated()?) {
            return Ok(None);
        }
        let remote = Credential::of(cx, self.node.get("remote").get(kind.name()), kind.variable())?;
        Ok((remote.is_set() && !remote.unset).then_some(remote))
    }

    /// "none", "token", "password", "trusted-proxy", or whatever the config says; "unknown" where that is no string. Needs
    /// the password where the config names no mode.
    ///
    /// # Errors
    /// Where it is not shown, or the password that decides it is not granted.
    pub fn mode(&self, cx: &Context<'_>) -> Result<&'a str, NotAssessed> {
        let named = self.node.at("auth.mode");
        if named.is_truthy()? {
            return Ok(named.text()?.unwrap_or("unknown"));
        }
        Ok(if self.password(cx)?.truthy { "password" } else { "token" })
    }

    /// The config leaves it to a reverse proxy who gets in. No other mode than a named one does so.
    ///
    /// # Errors
    /// Where the mode is not shown.
    pub fn is_delegated(&self) -> Result<bool, NotAssessed> {
        Ok(self.node.at("auth.mode").text()? == Some("trusted-proxy"))
    }

    /// A token or a password is asked for and set: before 2026.3.2 that of the mode in force, from then on whatever is
    /// configured for the mode that is named, or any where none is. Needs the secrets of both, and `problems`; from 2026.3.2 on
    /// `/gateway/remote/token`, too.
    ///
    /// # Errors
    /// Where one of them that decides is not granted or not shown.
    pub fn has_secret(&self, cx: &Context<'_>) -> Result<bool, NotAssessed> {
        if !self.is_since(CONFIGURED) {
            return self.has_resolved_secret(cx);
        }
        let named = self.node.at("auth.mode");
        let mode = if named.is_truthy()? { named.text()? } else { None };
        match mode {
            Some("token") => self.is_token_configured(cx),
            Some("password") => self.is_configured(cx, Kind::Password),
            Some("none" | "trusted-proxy") => Ok(false),
            _ => any([self.is_token_configured(cx), self.is_configured(cx, Kind::Password)]),
        }
    }

    fn is_token_configured(&self, cx: &Context<'_>) -> Result<bool, NotAssessed> {
        let remote = || {
            let remote = Credential::of(cx, self.node.at("remote.token"), TOKEN_VARIABLE)?;
            Ok(self.counts(&remote))
        };
        any([self.is_configured(cx, Kind::Token), remote()])
    }

    /// A value, a reference or a variable gives the token, and not one for remote use.
    ///
    /// # Errors
    /// Where one of them is not granted.
    pub fn has_own_token(&self, cx: &Context<'_>) -> Result<bool, NotAssessed> {
        self.is_configured(cx, Kind::Token)
    }

    /// The same of the password.
    ///
    /// # Errors
    /// Where one of them is not granted.
    pub fn has_own_password(&self, cx: &Context<'_>) -> Result<bool, NotAssessed> {
        self.is_configured(cx, Kind::Password)
    }

    /// A value, a reference or a variable gives it.
    fn is_configured(&self, cx: &Context<'_>, kind: Kind) -> Result<bool, NotAssessed> {
        let old = || {
            if !self.old_variables {
                return Ok(false);
            }
            Ok(cx.env_secret(kind.old_variable())?.is_some_and(|facts| facts.is_set()))
        };
        let own = self.own(cx, kind).map(|own| self.counts(&own));
        any([self.credential(cx, kind).map(|known| known.is_set()), own, old()])
    }

    /// It is configured, also by a variable that is not set where that counts.
    fn counts(&self, credential: &Credential<'_>) -> bool {
        credential.is_set() && !(credential.unset && self.is_since(FACTS))
    }

    /// The token or the password of the mode in force has a value. A reference has one: no gateway starts without it.
    ///
    /// # Errors
    /// Where one of them is not granted or not shown.
    pub fn has_resolved_secret(&self, cx: &Context<'_>) -> Result<bool, NotAssessed> {
        match self.mode(cx)? {
            "token" => Ok(self.token(cx)?.is_set()),
            "password" => Ok(self.password(cx)?.is_set()),
            _ => Ok(false),
        }
    }

    /// What protects a gateway on loopback: a secret, or from 2026.8.1 on a proxy.
    ///
    /// # Errors
    /// As [`Gateway::has_secret`].
    pub fn has_login_on_loopback(&self, cx: &Context<'_>) -> Result<bool, NotAssessed> {
        let is_delegated = if self.is_since(FACTS) { self.is_delegated() } else { Ok(false) };
        any([is_delegated, self.has_secret(cx)])
    }

    /// An identity of the tailnet is enough to get in through Serve.
    ///
    /// # Errors
    /// Where it is not shown, or what decides it is not.
    pub fn allows_tailscale(&self, cx: &Context<'_>) -> Result<bool, NotAssessed> {
        let allow = self.node.at("auth.allowTailscale");
        if !allow.is_nullish()? {
            return allow.is_truthy();
        }
        let is_served = self.tailscale().map(|mode| mode == "serve");
        all([is_served, self.mode(cx).map(|mode| mode != "password" && mode != "trusted-proxy")])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MemoryHost;
    use crate::{Hidden, SecretSource, info};

    fn mode_and_secret(host: &MemoryHost) -> (String, bool) {
        host.with(|cx| {
            let gateway = Gateway::read(cx);
            let granted = "all secrets are granted";
            (gateway.mode(cx).expect(granted).to_owned(), gateway.has_secret(cx).expect(granted))
        })
    }

    #[test]
    fn a_config_token_hides_the_variable() {
        let host = MemoryHost::new(r#"{gateway: {auth: {token: ""}}}"#).variable(TOKEN_VARIABLE, "from-env");
        assert_eq!(mode_and_secret(&host), ("token".to_owned(), false));
        let host = MemoryHost::new("{}").variable(TOKEN_VARIABLE, "from-env");
        assert_eq!(mode_and_secret(&host), ("token".to_owned(), true));
    }

    #[test]
    fn a_blank_password_takes_the_mode_and_gives_no_secret() {
        let host = MemoryHost::new(r#"{gateway: {auth: {token: "t", password: "  "}}}"#);
        assert_eq!(mode_and_secret(&host), ("password".to_owned(), false));
    }

    #[test]
    fn a_secret_in_a_store_is_set_though_its_length_is_unknown() {
        let blank = MemoryHost::new("{}").variable(TOKEN_VARIABLE, "  ");
        blank.with(|cx| assert!(!Gateway::read(cx).token(cx).expect("it is granted").is_set()));
        let host = MemoryHost::new(r#"{gateway: {auth: {token: {"$hidden": "reference"}}}}"#);
        host.with(|cx| {
            let token = Gateway::read(cx).token(cx).expect("it is granted");
            assert!(token.is_set() && token.truthy);
            let facts = token.facts.as_ref().expect("it is known where it is kept");
            assert_eq!(facts.source, SecretSource::Reference);
            let unknown = facts.measures(&token.location()).map(|measures| measures.units);
            assert_eq!(unknown, Err(NotAssessed::hidden(Hidden::Reference, token.location())));
        });
    }

    #[test]
    fn a_finding_names_the_config_value_or_else_the_variable() {
        let place = |config: &str| {
            MemoryHost::new(config).with(|cx| {
                let token = Gateway::read(cx).token(cx).expect("it is granted");
                info("id", "title").at_location(&token.location()).locations
            })
        };
        let config = Location::Config("/gateway/auth/token".to_owned());
        assert_eq!(place(r#"{gateway: {auth: {token: "t"}}}"#), [config]);
        assert_eq!(place("{}"), [Location::Env(TOKEN_VARIABLE.to_owned())]);
    }

    #[test]
    fn tailscale_serve_counts_as_remote() {
        let host = MemoryHost::new(r#"{gateway: {tailscale: {mode: "serve"}}}"#);
        assert_eq!(host.with(|cx| Gateway::read(cx).is_remote()), Ok(true));
    }

    #[test]
    fn what_is_withheld_is_neither_off_nor_unset() {
        let config = r#"{gateway: {bind: "lan", tailscale: {mode: "off"}, auth: {mode: "token", token: "t", password: "p"}}}"#;
        for pointer in ["/gateway", "/gateway/auth", "/gateway/auth/mode"] {
            let host = MemoryHost::new(config).withhold(pointer);
            assert!(host.with(|cx| Gateway::read(cx).mode(cx).is_err()), "{pointer}");
        }
        let withheld = |pointer| Err(NotAssessed::withheld(format!("config:{pointer}")));
        let host = MemoryHost::new("{gateway: {controlUi: {}}}");
        host.clone().withhold("/gateway/bind").with(|cx| {
            let gateway = Gateway::read(cx);
            assert_eq!(gateway.is_loopback(), withheld("/gateway/bind"));
            assert_eq!(
                (gateway.is_remote(), gateway.has_control_ui()),
                (withheld("/gateway/bind"), Ok(true))
            );
        });
        host.clone().withhold("/gateway/tailscale").with(|cx| {
            let gateway = Gateway::read(cx);
            let seen = (gateway.is_loopback(), gateway.is_remote());
            assert_eq!(seen, (Ok(true), withheld("/gateway/tailscale/mode")));
            assert!(gateway.allows_tailscale(cx).is_err(), "serve would let Tailscale in");
        });
        host.withhold("/gateway/controlUi").with(|cx| assert!(Gateway::read(cx).has_control_ui().is_err()));
    }

    #[test]
    fn a_mode_that_a_variable_gives_is_not_guessed() {
        let config = r#"{gateway: {bind: "loopback", tailscale: {mode: "off"}, auth: {mode: "token"}}}"#;
        for pointer in ["/gateway/bind", "/gateway/tailscale/mode", "/gateway/auth/mode"] {
            let host = MemoryHost::new(config).hide(pointer, Hidden::Variable);
            host.with(|cx| {
                let gateway = Gateway::read(cx);
                let open = NotAssessed::hidden(Hidden::Variable, Location::Config(pointer.to_owned()));
                let is_auth = pointer.contains("auth");
                assert_eq!(gateway.is_remote(), if is_auth { Ok(false) } else { Err(open.clone()) });
                assert_eq!(
                    gateway.mode(cx),
                    if is_auth { Err(open.clone()) } else { Ok("token") },
                    "{pointer}"
                );
                let is_served = pointer.contains("tailscale");
                let expected = if is_served { Err(open) } else { Ok(false) };
                assert_eq!(gateway.allows_tailscale(cx), expected, "{pointer}");
            });
        }
    }

    /// Whether it asks for a secret that is set, in a release.
    fn is_guarded(host: &MemoryHost, (year, month, patch): (u16, u8, u16)) -> bool {
        let host = host.clone().release(year, month, patch);
        host.with(|cx| Gateway::read(cx).with_old_variables().has_secret(cx)).expect("all is granted")
    }

    #[test]
    fn what_is_configured_counts_from_2026_3_2_on() {
        let (before, after, last) = ((2026, 2, 26), (2026, 3, 2), (2026, 9, 6));
        let host = |gateway: &str| MemoryHost::new(&format!("{{gateway: {gateway}}}"));
        let remote = host(r#"{remote: {token: "t"}}"#);
        assert!(!is_guarded(&remote, before) && is_guarded(&remote, after) && is_guarded(&remote, last));
        let both = host(r#"{auth: {token: "t", password: " "}}"#);
        assert!(!is_guarded(&both, (2026, 2, 21)), "a blank password takes the mode");
        assert!(is_guarded(&both, (2026, 2, 22)) && is_guarded(&both, last));
        for mode in ["none", "trusted-proxy"] {
            let named = host(&format!(r#"{{auth: {{mode: "{mode}", token: "t"}}, remote: {{token: "t"}}}}"#));
            assert!(!is_guarded(&named, before) && !is_guarded(&named, after), "{mode}");
        }
        let password = host(r#"{auth: {mode: "password"}, remote: {token: "t"}}"#);
        assert!(!is_guarded(&password, last), "the mode asks for another one");
    }

    #[test]
    fn a_blank_value_hides_the_variable_in_old_releases_alone() {
        let host = MemoryHost::new(r#"{gateway: {auth: {token: "  "}}}"#).variable(TOKEN_VARIABLE, "t");
        assert!(!is_guarded(&host, (2026, 2, 21)) && is_guarded(&host, (2026, 2, 22)));
    }

    #[test]
    fn the_variables_of_the_earlier_name_count_where_they_are_read() {
        for name in [OLD_TOKEN_VARIABLE, OLD_PASSWORD_VARIABLE] {
            let host = MemoryHost::new("{}").variable(name, "t");
            let guarded: Vec<bool> =
                [(2026, 1, 30), (2026, 2, 12), (2026, 2, 17), (2026, 2, 26), (2026, 3, 2), (2026, 3, 13)]
                    .into_iter()
                    .chain([(2026, 3, 22), (2026, 9, 6)])
                    .map(|release| is_guarded(&host, release))
                    .collect();
            assert_eq!(guarded, [true, true, false, false, true, true, false, false], "{name}");
        }
        let unread = MemoryHost::new("{}").variable(OLD_TOKEN_VARIABLE, "t").release(2026, 1, 30);
        assert_eq!(unread.with(|cx| Gateway::read(cx).has_secret(cx)), Ok(false), "nobody asked for it");
    }

    #[test]
    fn what_names_a_variable_is_open_where_not_all_problems_are_told() {
        let host = MemoryHost::new(r#"{gateway: {auth: {token: "${NONE}"}}}"#).release(2026, 9, 6);
        let secret = |host: &MemoryHost| host.with(|cx| Gateway::read(cx).has_secret(cx));
        assert_eq!(secret(&host), Ok(true));
        let cut = host.problem("truncated", "100 more", None);
        assert!(secret(&cut).is_err());
        let named = cut.problem("unset-variable", "it is not set", Some("/gateway/auth/token"));
        assert_eq!(secret(&named), Ok(false));
    }

    #[test]
    fn a_variable_that_is_not_set_is_a_reference_and_later_nothing() {
        let host = MemoryHost::new(r#"{gateway: {auth: {token: "${NONE}"}}}"#).problem(
            "unset-variable",
            "it is not set",
            Some("/gateway/auth/token"),
        );
        let resolved = |(year, month, patch)| {
            let host = host.clone().release(year, month, patch);
            host.with(|cx| Gateway::read(cx).has_resolved_secret(cx)).expect("all is granted")
        };
        for (release, configured, is_resolved) in [
            ((2026, 2, 19), true, true),
            ((2026, 3, 2), true, true),
            ((2026, 3, 7), true, false),
            ((2026, 7, 35), true, false),
            ((2026, 8, 1), false, false),
        ] {
            assert_eq!(
                (is_guarded(&host, release), resolved(release)),
                (configured, is_resolved),
                "{release:?}"
            );
        }
        let fallback = host.clone().variable(TOKEN_VARIABLE, "t");
        assert!(is_guarded(&fallback, (2026, 9, 6)));
        let unknown = host.ungranted("problems").release(2026, 9, 6);
        assert_eq!(
            unknown.with(|cx| Gateway::read(cx).has_secret(cx)),
            Err(NotAssessed::withheld("problems"))
        );
    }

    #[test]
    fn credentials_for_remote_use_come_last() {
        let host = MemoryHost::new(r#"{gateway: {remote: {password: "p"}}}"#);
        let mode = |(year, month, patch)| {
            let host = host.clone().release(year, month, patch);
            host.with(|cx| Gateway::read(cx).mode(cx).map(str::to_owned))
        };
        let text = |text: &str| Ok(text.to_owned());
        assert_eq!(mode((2026, 7, 35)), text("token"));
        assert_eq!(mode((2026, 8, 1)), text("password"));
        assert_eq!(mode((2026, 9, 6)), text("password"));
    }

    #[test]
    fn a_proxy_guards_loopback_from_2026_8_1_on() {
        let host = MemoryHost::new(r#"{gateway: {auth: {mode: "trusted-proxy"}}}"#);
        let login = |host: MemoryHost| host.with(|cx| Gateway::read(cx).has_login_on_loopback(cx));
        assert_eq!(login(host.clone().release(2026, 7, 35)), Ok(false));
        assert_eq!(login(host.release(2026, 8, 1)), Ok(true));
    }
}
