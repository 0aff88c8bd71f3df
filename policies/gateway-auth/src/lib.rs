//! Gateway secrets that can be guessed, that are none, or that another one stands in for.

use chitin_policy_sdk::openclaw::gateway::{Credential, Gateway, MIN_TOKEN_UNITS, TOKEN_VARIABLE};
use chitin_policy_sdk::{
    Answer, Context, Facts, Finding, Location, Measures, NotAssessed, Verdict, all, any, critical, js, warn,
};

/// The variable that says which process it is, and what the gateway's own service has there.
const KIND_VARIABLE: &str = "OPENCLAW_SERVICE_KIND";
const SERVICE: &str = "gateway";

/// One of the two secrets of a login, and what is said of it.
struct Secret {
    name: &'static str,
    variable: &'static str,
    short: &'static str,
    placeholder: &'static str,
}

const TOKEN: Secret = Secret {
    name: "token",
    variable: "OPENCLAW_GATEWAY_TOKEN",
    short: "gateway.token_too_short",
    placeholder: "gateway.token_placeholder_value",
};
const PASSWORD: Secret = Secret {
    name: "password",
    variable: "OPENCLAW_GATEWAY_PASSWORD",
    short: "gateway.password_too_short",
    placeholder: "gateway.password_placeholder_value",
};

impl Secret {
    /// As the gateway takes it.
    fn resolved<'a>(&self, cx: &Context<'_>, gateway: &Gateway<'a>) -> Result<Credential<'a>, NotAssessed> {
        if self.name == "token" { gateway.token(cx) } else { gateway.password(cx) }
    }

    /// As it stands in the config.
    fn own<'a>(&self, cx: &Context<'_>, gateway: &Gateway<'a>) -> Result<Credential<'a>, NotAssessed> {
        if self.name == "token" { gateway.own_token(cx) } else { gateway.own_password(cx) }
    }
}

/// Finds secrets that are short or none, a variable that hides one, and logins that may be tried without end.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let gateway = Gateway::read(cx).with_old_variables();
    let mut answer = Answer::new();
    answer.check("gateway.env_token_overrides_config", env_token(cx, &gateway));
    for secret in [&TOKEN, &PASSWORD] {
        answer.check(secret.placeholder, placeholder(cx, &gateway, secret));
        answer.check(secret.short, too_short(cx, &gateway, secret));
    }
    answer.check("gateway.auth_no_rate_limit", no_rate_limit(cx, &gateway));
    Ok(answer)
}

fn env_token(cx: &Context<'_>, gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let is_service = cx.environment(KIND_VARIABLE).map(|kind| kind.map(js::trim) == Some(SERVICE));
    let is_client = gateway.node.get("mode").text().map(|mode| mode == Some("remote"));
    let mode = gateway.node.at("auth.mode").text();
    let has_no_token = mode.map(|mode| matches!(mode, Some("password" | "none" | "trusted-proxy")));
    let variable = cx.env_secret(TOKEN_VARIABLE);
    let is_unset = variable.clone().map(|facts| !facts.as_ref().is_some_and(Facts::is_set));
    let own = gateway.own_token(cx);
    let has_none = own.clone().map(|own| !own.is_set());
    if any([is_service, is_client, has_no_token, is_unset, has_none])? {
        return Ok(None);
    }
    let own = own?;
    if !own.unset && is_same(&own, variable?.as_ref())? {
        return Ok(None);
    }
    let finding = warn("gateway.env_token_overrides_config", "A variable holds another gateway token than the config")
        .detail(format!(
            "{TOKEN_VARIABLE} is set and gateway.auth.token is another token. The gateway goes by the config, and commands \
             and clients that are started with the variable go by that: they are turned away, or talk to a gateway with a \
             token that was thought to be replaced.",
        ))
        .remediation(format!(
            "Remove {TOKEN_VARIABLE} from the environment and from .env, or set gateway.auth.token to \
             \"${{{TOKEN_VARIABLE}}}\" where the variable is to decide",
        ))
        .at(&gateway.node.at("auth.token"))
        .at_env(TOKEN_VARIABLE);
    Ok(Some(finding))
}

/// The token of the config is that of the variable. What a store gives is not known.
fn is_same(own: &Credential<'_>, variable: Option<&Facts>) -> Result<bool, NotAssessed> {
    let fingerprint = |measures: Option<Measures>| measures.map(|measures| measures.fingerprint);
    let of_variable = variable.and_then(|facts| facts.measures);
    Ok(fingerprint(own.measures()?) == fingerprint(of_variable))
}

/// The secret is what the gateway asks for.
fn is_in_force(cx: &Context<'_>, gateway: &Gateway<'_>, secret: &Secret) -> Result<bool, NotAssessed> {
    Ok(gateway.mode(cx)? == secret.name)
}

/// A value of a secret that is no secret.
enum Placeholder {
    /// White space, in the config.
    Blank,
    /// A text that everybody knows.
    WellKnown(Location),
}

fn placeholder(
    cx: &Context<'_>,
    gateway: &Gateway<'_>,
    secret: &Secret,
) -> Result<Option<Finding>, NotAssessed> {
    let found = find_placeholder(cx, gateway, secret);
    let is_there = found.as_ref().map(Option::is_some).map_err(Clone::clone);
    if !all([is_in_force(cx, gateway, secret), is_there])? {
        return Ok(None);
    }
    let Secret { name, variable, .. } = secret;
    let finding = |title: String| critical(secret.placeholder, &title);
    Ok(found?.map(|found| match found {
        Placeholder::Blank => finding(format!("Gateway {name} is blank"))
            .detail(format!(
                "gateway.auth.{name} is there and holds nothing but white space: whatever was to write the {name} had none. A \
                 gateway does not start with it, and whoever makes it start may do so without any {name}.",
            ))
            .remediation(format!(
                "Set gateway.auth.{name} to the output of: openssl rand -hex 32; or correct what writes it",
            ))
            .at(&gateway.node.at("auth").get(name)),
        Placeholder::WellKnown(place) => finding(format!("Gateway {name} is a placeholder"))
            .detail(format!(
                "The gateway {name} is no secret: it is \"null\" or \"undefined\", which a script writes that has none, or an \
                 example from the documentation. Whoever tries these first is let in.",
            ))
            .remediation(format!(
                "Replace the {name}, in gateway.auth.{name} or {variable}, by the output of: openssl rand -hex 32; and correct \
                 what writes it",
            ))
            .at_location(&place),
    }))
}

/// It is blank in the config and no other place gives it, or what counts is known to everybody.
fn find_placeholder(
    cx: &Context<'_>,
    gateway: &Gateway<'_>,
    secret: &Secret,
) -> Result<Option<Placeholder>, NotAssessed> {
    let own = secret.own(cx, gateway)?;
    if own.unset {
        return Ok(None);
    }
    let resolved = secret.resolved(cx, gateway)?;
    if !resolved.is_set() {
        let is_text = own.node.map_or(Ok(false), |node| node.is_text())?;
        return Ok(is_text.then_some(Placeholder::Blank));
    }
    let is_known = resolved.measures()?.is_some_and(|measures| measures.well_known);
    Ok(is_known.then(|| Placeholder::WellKnown(resolved.location())))
}

fn too_short(
    cx: &Context<'_>,
    gateway: &Gateway<'_>,
    secret: &Secret,
) -> Result<Option<Finding>, NotAssessed> {
    let is_in_force = is_in_force(cx, gateway, secret);
    if is_in_force == Ok(false) {
        return Ok(None);
    }
    let credential = secret.resolved(cx, gateway)?;
    let Some(measures) = credential.measures()? else { return Ok(None) };
    let units = measures.units;
    // From 2026.9.3 on there is a check of what everybody knows.
    let is_placeholder = measures.well_known && cx.release().since(2026, 9, 3);
    if units == 0 || units >= MIN_TOKEN_UNITS || is_placeholder {
        return Ok(None);
    }
    // Report a short secret only where the gateway asks for it.
    is_in_force?;
    let Secret { name, variable, .. } = secret;
    let finding = warn(secret.short, &format!("Gateway {name} is short enough to be guessed"))
        .detail(format!(
            "The gateway {name} has {units} characters, fewer than {MIN_TOKEN_UNITS}: a short {name} falls to guessing, \
             and it is all that the gateway asks for.",
        ))
        .remediation(format!(
            "Replace the {name}, in gateway.auth.{name} or {variable}, by the output of: openssl rand -hex 32",
        ))
        .at_location(&credential.location());
    Ok(Some(finding))
}

fn no_rate_limit(cx: &Context<'_>, gateway: &Gateway<'_>) -> Result<Option<Finding>, NotAssessed> {
    let limit = gateway.node.at("auth.rateLimit");
    if any([gateway.is_loopback(), limit.is_truthy(), gateway.is_delegated()])? {
        return Ok(None);
    }
    let open = format!("gateway.bind is \"{}\" and gateway.auth.rateLimit is not set", gateway.bind()?);
    // 2026.4.15 has no limit of its own, 2026.5.28 has this one.
    let (title, consequence) = if cx.release().since(2026, 5, 28) {
        (
            "Failed gateway logins are slowed down by the gateway's default alone",
            "the gateway's own limit holds, ten attempts a minute and then a pause of five minutes for one address, and \
             another release may choose another one.",
        )
    } else {
        (
            "Failed gateway logins are not slowed down",
            "whoever reaches the port may try tokens and passwords as fast as the gateway answers.",
        )
    };
    let finding = warn("gateway.auth_no_rate_limit", title)
        .detail(format!("{open}: {consequence}"))
        .remediation(
            "Set gateway.auth.rateLimit, for example to { maxAttempts: 10, windowMs: 60000, lockoutMs: 300000 }",
        )
        .at(&limit)
        .at(&gateway.node.get("bind"));
    Ok(Some(finding))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Hidden;
    use chitin_policy_sdk::openclaw::gateway::{PASSWORD_VARIABLE, TOKEN_VARIABLE};
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const SHORT: [&str; 1] = ["gateway.token_too_short:warn"];
    const NO_LIMIT: [&str; 1] = ["gateway.auth_no_rate_limit:warn"];
    const NOTHING: [&str; 0] = [];

    /// What is said of the two checks that 2026.2.19 has.
    fn old(host: &MemoryHost) -> Vec<String> {
        let mut ids = host.ids(audit);
        ids.retain(|id| id.starts_with("gateway.token_too_short") || id.starts_with("gateway.auth_no_rate"));
        ids
    }

    fn ids(gateway: &str) -> Vec<String> {
        old(&MemoryHost::new(&format!("{{gateway: {gateway}}}")))
    }

    fn token(token: &str) -> Vec<String> {
        ids(&format!(r#"{{auth: {{token: "{token}"}}}}"#))
    }

    #[test]
    fn a_token_of_23_characters_is_short_and_of_24_is_not() {
        assert_eq!(token(&"x".repeat(23)), SHORT);
        assert_eq!(token(&"x".repeat(24)), NOTHING);
    }

    #[test]
    fn the_length_counts_utf16_units_without_white_space_around() {
        assert_eq!(token(&format!("   {}   ", "x".repeat(23))), SHORT);
        assert_eq!(token(&"\u{1f600}".repeat(11)), SHORT);
        assert_eq!(token(&"\u{1f600}".repeat(12)), NOTHING);
    }

    #[test]
    fn an_absent_or_blank_token_is_no_short_one() {
        assert_eq!(ids("{}"), NOTHING);
        assert_eq!(token("  "), NOTHING);
    }

    #[test]
    fn a_token_that_is_not_in_force_is_not_measured() {
        assert_eq!(ids(r#"{auth: {mode: "none", token: "short"}}"#), NOTHING);
        assert_eq!(ids(r#"{auth: {token: "short", password: " "}}"#), NOTHING);
        assert_eq!(ids(r#"{auth: {mode: "", token: "short"}}"#), SHORT);
        let host = MemoryHost::new(r#"{gateway: {auth: {token: "short"}}}"#).variable(PASSWORD_VARIABLE, "p");
        assert_eq!(old(&host), NOTHING);
    }

    #[test]
    fn a_short_token_of_the_environment_is_found_there() {
        let findings = MemoryHost::new("{}").variable(TOKEN_VARIABLE, "short").findings(audit);
        assert_eq!(findings[0].locations, [Location::Env(TOKEN_VARIABLE.to_owned())]);
        assert!(findings[0].detail.contains("has 5 characters"));
    }

    #[test]
    fn any_truthy_rate_limit_silences() {
        for limit in ["{}", "5", "true"] {
            assert_eq!(ids(&format!(r#"{{bind: "lan", auth: {{rateLimit: {limit}}}}}"#)), NOTHING, "{limit}");
        }
        for limit in ["null", "false", "0", r#""""#] {
            assert_eq!(
                ids(&format!(r#"{{bind: "lan", auth: {{rateLimit: {limit}}}}}"#)),
                NO_LIMIT,
                "{limit}"
            );
        }
    }

    #[test]
    fn a_rate_limit_is_missed_beyond_loopback_alone() {
        assert_eq!(ids(r#"{bind: "auto"}"#), NO_LIMIT);
        assert_eq!(ids(r#"{tailscale: {mode: "funnel"}}"#), NOTHING);
        assert_eq!(ids(r#"{bind: "lan", auth: {mode: "none"}}"#), NO_LIMIT);
        assert_eq!(ids(r#"{bind: "lan", auth: {mode: "trusted-proxy"}}"#), NOTHING);
    }

    const SHORT_OPEN: &str = "gateway.token_too_short:not assessed";
    const NO_LIMIT_OPEN: &str = "gateway.auth_no_rate_limit:not assessed";

    #[test]
    fn the_length_of_a_token_that_is_kept_elsewhere_is_not_known() {
        let reference = |auth: &str| {
            MemoryHost::new(&format!(
                r#"{{gateway: {{auth: {{token: {{"$hidden": "reference"}}, {auth}}}}}}}"#
            ))
        };
        let host = reference("x: 1");
        let short = "gateway.token_too_short: hidden reference".to_owned();
        assert!(host.unassessed(audit).contains(&short));
        let open = host.run(audit).expect("an answer").unassessed.remove(0);
        assert_eq!(open.location, Some(Location::Config("/gateway/auth/token".to_owned())));
        assert_eq!(old(&reference(r#"mode: "none""#)), NOTHING, "it is not in force");
        assert_eq!(old(&reference(r#"password: "p""#)), NOTHING, "it is not in force");
    }

    #[test]
    fn a_token_that_a_variable_gives_is_measured() {
        let host = MemoryHost::new(r#"{gateway: {bind: "loopback", auth: {mode: "token", token: "short"}}}"#);
        assert_eq!(old(&host), SHORT);
        assert_eq!(old(&host.hide("/gateway/auth/mode", Hidden::Variable)), [SHORT_OPEN]);
    }

    #[test]
    fn a_token_that_is_long_or_not_in_force_needs_nothing_else() {
        let long = "x".repeat(24);
        let host = |auth: &str| MemoryHost::new(&format!("{{gateway: {{auth: {auth}}}}}"));
        let with_long = host(&format!(r#"{{mode: "x", token: "{long}"}}"#));
        assert_eq!(old(&with_long.hide("/gateway/auth/mode", Hidden::Variable)), NOTHING);
        let unset = host("{}").withhold("/gateway/auth/password");
        assert_eq!(old(&unset), NOTHING);
        let other = host(r#"{mode: "password", token: "short"}"#).withhold("/gateway/auth/token");
        assert_eq!(old(&other), NOTHING);
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        let host = || MemoryHost::new(r#"{gateway: {bind: "lan", auth: {token: "short"}}}"#);
        for (pointer, ids) in [
            ("/gateway", [SHORT_OPEN, NO_LIMIT_OPEN].as_slice()),
            ("/gateway/auth", &[SHORT_OPEN, NO_LIMIT_OPEN]),
            ("/gateway/auth/mode", &[SHORT_OPEN, NO_LIMIT_OPEN]),
            // The password decides between two modes, and neither is that of a proxy.
            ("/gateway/auth/password", &[NO_LIMIT[0], SHORT_OPEN]),
            ("/gateway/auth/token", &[NO_LIMIT[0], SHORT_OPEN]),
            ("/gateway/auth/rateLimit", &[SHORT[0], NO_LIMIT_OPEN]),
            ("/gateway/bind", &[SHORT[0], NO_LIMIT_OPEN]),
        ] {
            assert_eq!(old(&host().withhold(pointer)), ids, "{pointer}");
        }
        let password = host().ungranted("secret:env:OPENCLAW_GATEWAY_PASSWORD");
        assert_eq!(old(&password), [NO_LIMIT[0], SHORT_OPEN]);
        let token = MemoryHost::new("{}").ungranted("secret:env:OPENCLAW_GATEWAY_TOKEN");
        assert_eq!(old(&token), [SHORT_OPEN]);
    }

    #[test]
    fn one_of_three_rules_a_missing_limit_out() {
        for gateway in
            [r#"{bind: "lan", auth: {mode: "trusted-proxy"}}"#, r#"{bind: "lan", auth: {rateLimit: {}}}"#]
        {
            let host = MemoryHost::new(&format!("{{gateway: {gateway}}}"));
            assert_eq!(old(&host.hide("/gateway/bind", Hidden::Variable)), NOTHING, "{gateway}");
        }
        let local = MemoryHost::new(r#"{gateway: {auth: {mode: "password"}}}"#);
        assert_eq!(old(&local.hide("/gateway/auth/mode", Hidden::Variable)), NOTHING);
    }

    /// What is said of the checks that came later.
    fn new(host: &MemoryHost) -> Vec<String> {
        let mut ids = host.clone().release(2026, 9, 6).ids(audit);
        ids.retain(|id| !id.starts_with("gateway.auth_no_rate"));
        ids
    }

    fn auth(auth: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{gateway: {{auth: {auth}}}}}"))
    }

    const LONG: &str = "0123456789abcdef0123456789ABCDEF";
    const OTHER: &str = "fedcba9876543210fedcba9876543210";
    const OVERRIDES: &str = "gateway.env_token_overrides_config:warn";
    const OVERRIDES_OPEN: &str = "gateway.env_token_overrides_config:not assessed";
    const TOKEN_BLANK: &str = "gateway.token_placeholder_value:critical";
    const TOKEN_BLANK_OPEN: &str = "gateway.token_placeholder_value:not assessed";
    const PASSWORD_BLANK: &str = "gateway.password_placeholder_value:critical";
    const PASSWORD_BLANK_OPEN: &str = "gateway.password_placeholder_value:not assessed";
    const PASSWORD_SHORT: &str = "gateway.password_too_short:warn";
    const PASSWORD_SHORT_OPEN: &str = "gateway.password_too_short:not assessed";

    #[test]
    fn a_password_is_measured_like_a_token_where_it_is_in_force() {
        assert_eq!(new(&auth(r#"{mode: "password", password: "Hunter2"}"#)), [PASSWORD_SHORT]);
        assert_eq!(new(&auth(r#"{password: "Hunter2"}"#)), [PASSWORD_SHORT]);
        assert_eq!(new(&auth(r#"{mode: "token", password: "Hunter2"}"#)), NOTHING);
        assert_eq!(new(&auth(&format!(r#"{{password: "{LONG}", token: "short"}}"#))), NOTHING);
        let variable = auth("{}").variable(PASSWORD_VARIABLE, "Hunter2");
        assert_eq!(new(&variable), [PASSWORD_SHORT]);
    }

    #[test]
    fn a_blank_secret_in_the_config_is_none_unless_another_place_gives_it() {
        assert_eq!(new(&auth(r#"{mode: "token", token: "  "}"#)), [TOKEN_BLANK]);
        assert_eq!(new(&auth(r#"{mode: "token", token: ""}"#)), [TOKEN_BLANK]);
        assert_eq!(new(&auth(r#"{mode: "password", password: " "}"#)), [PASSWORD_BLANK]);
        assert_eq!(new(&auth(r#"{mode: "none", token: " "}"#)), NOTHING);
        assert_eq!(new(&auth(r#"{mode: "token", token: 5}"#)), NOTHING);
        assert_eq!(new(&auth(r#"{mode: "token"}"#)), NOTHING);
        assert_eq!(new(&auth(r#"{token: " "}"#).variable(TOKEN_VARIABLE, LONG)), NOTHING);
    }

    #[test]
    fn a_text_that_everybody_knows_is_no_secret() {
        for (token, expected) in [
            ("null", TOKEN_BLANK),
            (" undefined ", TOKEN_BLANK),
            ("change-me-now", TOKEN_BLANK),
            ("undefine", SHORT[0]),
            ("Null", SHORT[0]),
        ] {
            let host = auth(&format!(r#"{{mode: "token", token: "{token}"}}"#));
            assert_eq!(new(&host), [expected], "{token}");
            assert_eq!(old(&host), SHORT, "{token}");
        }
        assert_eq!(new(&auth(r#"{password: "null"}"#)), [PASSWORD_BLANK]);
        assert_eq!(new(&auth(r#"{mode: "none", token: "null"}"#)), NOTHING);
        let variable = auth(r#"{mode: "token"}"#).variable(TOKEN_VARIABLE, "null").release(2026, 9, 6);
        assert_eq!(variable.findings(audit)[0].locations, [Location::Env(TOKEN_VARIABLE.to_owned())]);
    }

    #[test]
    fn a_reference_has_no_length_and_a_variable_that_is_not_set_gives_none() {
        let reference = auth(r#"{mode: "password", password: {"$hidden": "reference"}}"#);
        assert_eq!(new(&reference), [PASSWORD_BLANK_OPEN, PASSWORD_SHORT_OPEN]);
        let unset = auth(r#"{mode: "token", token: "${NONE}"}"#);
        let unset = unset.problem("unset-variable", "NONE", Some("/gateway/auth/token"));
        assert_eq!(new(&unset), NOTHING);
        assert_eq!(old(&unset), [SHORT_OPEN], "2026.2.19 does not start without it");
        let unknown = auth(r#"{mode: "token", token: "${NONE}"}"#).ungranted("problems");
        assert_eq!(new(&unknown), [TOKEN_BLANK_OPEN, SHORT_OPEN]);
    }

    #[test]
    fn the_variable_is_compared_with_the_token_of_the_config() {
        let host = |token: &str, variable: &str| {
            auth(&format!(r#"{{token: "{token}"}}"#)).variable(TOKEN_VARIABLE, variable)
        };
        assert_eq!(new(&host(LONG, OTHER)), [OVERRIDES]);
        assert_eq!(new(&host(LONG, &format!(" {LONG} "))), NOTHING);
        assert_eq!(new(&host(LONG, " ")), NOTHING);
        assert_eq!(new(&host(" ", OTHER)), NOTHING);
        let service = host(LONG, OTHER).variable("OPENCLAW_SERVICE_KIND", " gateway ");
        assert_eq!(new(&service), NOTHING);
        let findings = host(LONG, OTHER).release(2026, 9, 6).findings(audit);
        let places =
            [Location::Config("/gateway/auth/token".to_owned()), Location::Env(TOKEN_VARIABLE.to_owned())];
        assert_eq!(findings[0].locations, places);
    }

    #[test]
    fn a_variable_that_nobody_reads_overrides_nothing() {
        for mode in ["password", "none", "trusted-proxy"] {
            let host = auth(&format!(r#"{{mode: "{mode}", token: "{LONG}", password: "{LONG}"}}"#));
            assert_eq!(new(&host.variable(TOKEN_VARIABLE, OTHER)), NOTHING, "{mode}");
        }
        let remote =
            MemoryHost::new(&format!(r#"{{gateway: {{mode: "remote", auth: {{token: "{LONG}"}}}}}}"#));
        assert_eq!(new(&remote.variable(TOKEN_VARIABLE, OTHER)), NOTHING);
    }

    #[test]
    fn which_variable_a_reference_names_is_not_known() {
        let reference = auth(r#"{mode: "token", token: {"$hidden": "reference"}}"#);
        let with = new(&reference.clone().variable(TOKEN_VARIABLE, LONG));
        assert!(with.contains(&OVERRIDES_OPEN.to_owned()), "{with:?}");
        let without = new(&reference);
        assert!(!without.contains(&OVERRIDES_OPEN.to_owned()), "{without:?}");
        let unset = auth(r#"{token: "${NONE}"}"#)
            .problem("unset-variable", "NONE", Some("/gateway/auth/token"))
            .variable(TOKEN_VARIABLE, LONG);
        assert_eq!(new(&unset), [OVERRIDES], "it names another one, which is not set");
    }

    #[test]
    fn what_decides_and_is_withheld_leaves_the_comparison_open() {
        let host = || auth(&format!(r#"{{mode: "token", token: "{LONG}"}}"#)).variable(TOKEN_VARIABLE, OTHER);
        let open = |host: MemoryHost| new(&host).contains(&OVERRIDES_OPEN.to_owned());
        for pointer in ["/gateway/mode", "/gateway/auth/token", "/gateway/auth/mode", "/gateway"] {
            assert!(open(host().withhold(pointer)), "{pointer}");
        }
        for name in [
            "environment:OPENCLAW_SERVICE_KIND",
            "secret:env:OPENCLAW_GATEWAY_TOKEN",
            "secret:/gateway/auth/token",
            "problems",
        ] {
            assert!(open(host().ungranted(name)), "{name}");
        }
        let none = MemoryHost::new("{}").ungranted("environment:OPENCLAW_SERVICE_KIND");
        assert_eq!(new(&none), NOTHING);
    }

    #[test]
    fn the_variable_of_the_earlier_name_counts_in_the_first_releases() {
        let host = MemoryHost::new("{}").variable("CLAWDBOT_GATEWAY_TOKEN", "short");
        assert_eq!(old(&host.clone().release(2026, 2, 12)), SHORT);
        assert_eq!(old(&host.release(2026, 2, 17)), NOTHING);
    }
}
