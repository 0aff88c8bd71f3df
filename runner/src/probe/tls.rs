//! TLS to the gateway: certificates that the system trusts; or exactly the one that the installation holds, or that its
//! config names by its fingerprint.

use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, StreamOwned,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::stream::Stream;
use crate::config::Config;
use crate::target::{Located, absolute, expand_home, js_trim};

/// SHA-256 of a certificate.
pub(super) type Pin = [u8; 32];

/// Largest certificate file that is read: a chain has some ten kilobytes.
const MAX_CERTIFICATE_BYTES: u64 = 1 << 20;

/// The certificates that are accepted. None: those that the system trusts.
pub(super) fn pins(located: &Located, config: &Config, remote: bool) -> Result<Vec<Pin>, String> {
    let text = |pointer: &str| {
        let text = js_trim(config.effective.pointer(pointer)?.as_str()?);
        (!text.is_empty()).then_some(text)
    };
    if remote {
        let Some(text) = text("/gateway/remote/tlsFingerprint") else { return Ok(Vec::new()) };
        let pin =
            fingerprint(text).ok_or("gateway.remote.tlsFingerprint is no SHA-256 fingerprint; mend it")?;
        return Ok(vec![pin]);
    }
    if config.effective.pointer("/gateway/tls/enabled") != Some(&Value::Bool(true)) {
        return Ok(Vec::new());
    }
    let own = || located.state_dir.join("gateway/tls/gateway-cert.pem");
    let path = text("/gateway/tls/certPath").map_or_else(own, |path| {
        expand_home(path, &located.home).unwrap_or_else(|| absolute(&located.cwd, &PathBuf::from(path)))
    });
    // What cannot be read is not accepted; then the system's certificates decide.
    let pem = located.territory.read_file(&path, MAX_CERTIFICATE_BYTES).ok();
    let certificate = pem.and_then(|pem| CertificateDer::from_pem_slice(&pem.bytes).ok());
    Ok(certificate.iter().map(|certificate| pin(certificate)).collect())
}

fn pin(certificate: &CertificateDer<'_>) -> Pin {
    Sha256::digest(certificate.as_ref()).into()
}

/// `AB:CD:...`, with or without colons and a leading `sha256:`.
fn fingerprint(text: &str) -> Option<Pin> {
    let lower = text.to_ascii_lowercase();
    let digits = ["sha256:", "sha-256:"].iter().find_map(|start| lower.strip_prefix(start)).unwrap_or(&lower);
    let digits: String = digits.chars().filter(|c| *c != ':' && *c != ' ').collect();
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?.try_into().ok()
}

/// Prepares TLS on a stream; the handshake comes with the first bytes.
pub(super) fn wrap(
    url: &Url,
    pins: &[Pin],
    stream: Stream,
) -> Result<StreamOwned<ClientConnection, Stream>, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let config = if pins.is_empty() {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        let verifier = Arc::new(Pinned { pins: pins.to_vec(), provider });
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    };
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| Error::General("no name for TLS".to_owned()))?;
    Ok(StreamOwned::new(ClientConnection::new(Arc::new(config), name)?, stream))
}

/// Accepts these certificates and no other. Whoever shows one must still prove that it has its key.
#[derive(Debug)]
struct Pinned {
    pins: Vec<Pin>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.pins.contains(&pin(certificate)) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
