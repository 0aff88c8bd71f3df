//! How the gateway is reached and what protects it (reference: config-checks 1.1 and 1.2).

use crate::{Context, Facts, Location, Node, NotAssessed, all, any};

/// The environment variable that stands in for `gateway.auth.token`.
pub const TOKEN_VARIABLE: &str = "OPENCLAW_GATEWAY_TOKEN";
/// The environment variable that stands in for `gateway.auth.password`.
pub const PASSWORD_VARIABLE: &str = "OPENCLAW_GATEWAY_PASSWORD";
/// Fewer characters than this make a token guessable (the reference's threshold).
pub const MIN_TOKEN_UNITS: u32 = 24;

/// Where a credential comes from, with what is known of it.
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
}

impl<'a> Credential<'a> {
    fn read(cx: &Context<'_>, node: Node<'a>, variable: &'static str) -> Result<Self, NotAssessed> {
        let (node, facts) = if node.is_nullish()? {
            (None, cx.env_secret(variable)?)
        } else {
            let facts = cx.config_secret(&node)?;
            (Some(node), facts)
        };
        let truthy = match (&facts, &node) {
            (Some(facts), _) => facts.is_truthy(),
            (None, Some(node)) => node.is_truthy()?,
            (None, None) => false,
        };
        Ok(Self { node, variable, facts, truthy })
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
}

/// The gateway section.
#[derive(Clone, Debug)]
pub struct Gateway<'a> {
    /// `gateway`.
    pub node: Node<'a>,
}

impl<'a> Gateway<'a> {
    /// Needs of the config subtree `/gateway` what is asked for.
    #[must_use]
    pub fn read(cx: &'a Context<'_>) -> Self {
        Self { node: cx.config().get("gateway") }
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

    /// The shared token. Needs the secrets `/gateway/auth/token` and `env:OPENCLAW_GATEWAY_TOKEN`.
    ///
    /// # Errors
    /// Where they are not granted.
    pub fn token(&self, cx: &Context<'_>) -> Result<Credential<'a>, NotAssessed> {
        Credential::read(cx, self.node.at("auth.token"), TOKEN_VARIABLE)
    }

    /// The shared password. Needs the secrets `/gateway/auth/password` and `env:OPENCLAW_GATEWAY_PASSWORD`.
    ///
    /// # Errors
    /// Where they are not granted.
    pub fn password(&self, cx: &Context<'_>) -> Result<Credential<'a>, NotAssessed> {
        Credential::read(cx, self.node.at("auth.password"), PASSWORD_VARIABLE)
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

    /// A token or a password is in force and set. Needs the secret of the mode in force, and what decides the mode.
    ///
    /// # Errors
    /// Where one of them is not granted or not shown.
    pub fn has_secret(&self, cx: &Context<'_>) -> Result<bool, NotAssessed> {
        match self.mode(cx)? {
            "token" => Ok(self.token(cx)?.is_set()),
            "password" => Ok(self.password(cx)?.is_set()),
            _ => Ok(false),
        }
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
}
