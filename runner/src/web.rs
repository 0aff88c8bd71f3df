//! The client for HTTP: TLS by ring and the certificates of the system, and no redirect that nobody looked at.

use std::sync::Arc;

use ureq::config::ConfigBuilder;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::typestate::AgentScope;

/// What every client has; the caller adds its times.
pub(crate) fn agent() -> ConfigBuilder<AgentScope> {
    let certificates = rustls_native_certs::load_native_certs().certs;
    let certificates: Vec<Certificate<'static>> =
        certificates.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::from(certificates.into_iter()))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("chitin/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .tls_config(tls)
}

/// An error in words that people know.
pub(crate) fn plain(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "nobody knows this host".to_owned(),
        ureq::Error::Timeout(_) => "it took too long".to_owned(),
        error => error.to_string(),
    }
}
