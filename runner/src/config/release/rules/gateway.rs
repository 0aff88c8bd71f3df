//! The gateway: where it listens, who may come in, and what it is called.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use serde_json::Value;

use crate::config::rules::Judge;
use crate::config::rules::forms::{is_css_width, is_label, is_private, origin, url};
use crate::config::rules::roster::is_id;
use crate::config::rules::spot::Spot;
use crate::target::js_trim;

/// The gateway's port where none is set.
const PORT: u64 = 18789;

/// The mode of Tailscale that leads to the gateway, if any does.
fn tailscale<'a>(judge: &Judge<'a>) -> Option<&'a str> {
    let mode = judge.at("gateway/tailscale/mode")?.text()?;
    ["serve", "funnel"].contains(&mode).then_some(mode)
}

/// Tailscale leads to a gateway that listens to this machine only.
pub(super) fn tailscale_bind(judge: &mut Judge<'_>) {
    let (Some(mode), Some(bind)) = (tailscale(judge), judge.at("gateway/bind")) else { return };
    let host = judge.at("gateway/customBindHost");
    let is_loopback = |host: &Spot<'_>| {
        host.is_unknown()
            || host
                .text()
                .is_some_and(|text| js_trim(text).parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback()))
    };
    let is_wrong = match bind.text() {
        None | Some("loopback") => false,
        Some("custom") => !host.as_ref().is_some_and(is_loopback),
        Some(_) => true,
    };
    if is_wrong {
        let message = format!(
            "With tailscale.mode \"{mode}\" the gateway must listen on loopback: bind \"loopback\", or \"custom\" with a \
             customBindHost of 127.0.0.1."
        );
        judge.refuse(bind.pointer, message);
    }
}

/// Tailscale does not lead to a gateway without a login.
pub(super) fn tailscale_auth(judge: &mut Judge<'_>) {
    let (Some(mode), Some(auth)) = (tailscale(judge), judge.at("gateway/auth/mode")) else { return };
    if auth.text() == Some("none") {
        let message = format!("auth.mode \"none\" and tailscale.mode \"{mode}\" exclude each other.");
        judge.refuse(auth.pointer, message);
    }
}

/// The width of messages in the control UI is one of CSS.
pub(super) fn message_width(judge: &mut Judge<'_>) {
    let Some(spot) = judge.at("gateway/controlUi/chatMessageMaxWidth") else { return };
    if spot.text().is_some_and(|text| !is_css_width(text)) {
        let message = "A width is one of CSS, such as \"960px\", \"82%\" or \"min(1280px, 82%)\".";
        judge.refuse(spot.pointer, message);
    }
}

/// The public address of the gateway is that of a host alone.
pub(super) fn public_origin(judge: &mut Judge<'_>) {
    let Some(spot) = judge.at("gateway/publicOrigin") else { return };
    let fits = |text: &str| origin(text).is_some_and(|url| is_private(&url));
    if spot.text().is_some_and(|text| !fits(text)) {
        judge.refuse(
            spot.pointer,
            "publicOrigin must be https and a host, without a path; http only for this machine.",
        );
    }
}

/// The address of the sandbox for apps is that of a host alone.
pub(super) fn sandbox_origin(judge: &mut Judge<'_>) {
    let Some(spot) = judge.at("mcp/apps/sandboxOrigin") else { return };
    if spot.text().is_some_and(|text| origin(text).is_none()) {
        judge.refuse(spot.pointer, "sandboxOrigin must be http(s) and a host, without a path.");
    }
}

/// Portals have a domain and a port of their own.
pub(super) fn portals(judge: &mut Judge<'_>) {
    let Some(gateway) = judge.at("gateway") else { return };
    let Some(ingress) = gateway.at("portals/ingress") else { return };
    if let Some(domain) = ingress.text_of("domain") {
        let known = gateway.get("publicOrigin").into_iter();
        let allowed = gateway.get("controlUi").map(|ui| ui.items_of("allowedOrigins")).into_iter().flatten();
        let holds = |spot: Spot<'_>| spot.text().is_some_and(|text| is_host_below(text, domain));
        if !is_domain(domain) {
            judge.refuse(
                ingress.below("domain"),
                "The domain of portals must be a DNS name with a dot, and nothing else.",
            );
        } else if known.chain(allowed).any(holds) {
            judge.refuse(
                ingress.below("domain"),
                "Portals need a domain in which neither the gateway nor the Control UI lies.",
            );
        }
    }
    let port = match gateway.get("port") {
        None => Some(PORT),
        Some(port) => port.value.as_u64(),
    };
    if port.is_some() && ingress.value.get("port").and_then(Value::as_u64) == port {
        judge.refuse(ingress.below("port"), "Portals need another port than the gateway's.");
    }
}

fn is_domain(domain: &str) -> bool {
    const MOST: usize = 220;
    domain.len() <= MOST
        && domain.contains('.')
        && domain.parse::<Ipv4Addr>().is_err()
        && domain.split('.').all(is_label)
        && url(&format!("https://portal.{domain}"))
            .is_some_and(|url| url.host_str() == Some(&format!("portal.{}", domain.to_lowercase())))
}

fn is_host_below(text: &str, domain: &str) -> bool {
    let Some(url) = url(text) else { return false };
    let (host, domain) = (url.host_str().unwrap_or_default().to_lowercase(), domain.to_lowercase());
    host == domain || host.ends_with(&format!(".{domain}"))
}

/// The role of everybody else is one of the roles.
pub(super) fn roles(judge: &mut Judge<'_>) {
    let Some(roles) = judge.at("gateway/roles") else { return };
    let Some(definitions) = roles.get("definitions").filter(|spot| spot.value.is_object()) else { return };
    let names: HashSet<&str> = definitions.members().map(|(name, _)| js_trim(name)).collect();
    if names.is_empty() {
        judge.refuse(definitions.pointer.clone(), "Roles need at least one definition.");
    }
    if roles.text_of("default").is_some_and(|name| !names.contains(js_trim(name))) {
        judge.refuse(roles.below("default"), "The default role must be one of definitions.");
    }
    for agent in definitions.members().flat_map(|(_, role)| role.items_of("agents")) {
        if agent.text().is_some_and(|id| !is_id(js_trim(id))) {
            judge.refuse(agent.pointer, "This is not the id of an agent.");
        }
    }
}

/// Files of a certificate have a name.
pub(super) fn tls_files(judge: &mut Judge<'_>) {
    let Some(tls) = judge.at("gateway/tls") else { return };
    for key in ["certPath", "keyPath"] {
        if tls.text_of(key).is_some_and(|path| js_trim(path).is_empty()) {
            judge.refuse(tls.below(key), "The path of a certificate or key must not be blank.");
        }
    }
}

/// Headers of a connection that only its two ends set.
const OWN_HEADERS: [&str; 8] = [
    "host",
    "connection",
    "upgrade",
    "content-length",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
];

/// Headers that the way to a remote gateway asks for.
pub(super) fn edge_auth(judge: &mut Judge<'_>) {
    let Some(headers) = judge.at("gateway/remote/edgeAuth").filter(|spot| spot.value.is_object()) else {
        return;
    };
    let mut known = HashSet::new();
    for (name, header) in headers.members() {
        let lower = name.to_lowercase();
        if !is_header(name) {
            judge.refuse(header.pointer, "This is not the name of a header.");
        } else if OWN_HEADERS.contains(&lower.as_str()) {
            judge.refuse(header.pointer, "This header belongs to the connection itself, and cannot be set.");
        } else if !known.insert(lower) {
            judge.refuse(header.pointer, "This header is there twice, in other letters.");
        }
    }
    if headers.members().next().is_none() {
        judge.refuse(headers.pointer, "edgeAuth needs at least one header.");
    }
}

fn is_header(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
