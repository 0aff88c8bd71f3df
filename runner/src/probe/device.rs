//! The device that an installation is paired as: its key, and the token that a gateway gave it. Only read: a device that is
//! not paired yet would be paired by the probe, and stay behind in the gateway's list.

use std::path::{Path, PathBuf};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::config::SecretString;
use crate::target::snapshot::{Root, Snapshot};
use crate::target::{Located, Preview};

/// How the command line client of the gateway calls itself when it probes (reference: state-checks 9.4).
pub(super) const CLIENT_ID: &str = "cli";
pub(super) const CLIENT_MODE: &str = "probe";
pub(super) const ROLE: &str = "operator";

/// The version of both files.
const VERSION: u32 = 1;

/// A paired device, as it crosses from one process of this program to another.
#[derive(Deserialize, Serialize)]
pub(super) struct Paired {
    private_key_pem: String,
    token: String,
    scopes: Vec<String>,
}

/// A paired device.
pub(super) struct Device {
    key: Ed25519KeyPair,
    private_key_pem: SecretString,
    id: String,
    /// The token that it was given.
    pub token: SecretString,
    /// What the token is good for. To ask for anything else would ask for another pairing.
    pub scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    version: u32,
    private_key_pem: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    version: u32,
    device_id: String,
    tokens: std::collections::BTreeMap<String, Token>,
}

#[derive(Deserialize)]
struct Token {
    token: String,
    #[serde(default)]
    scopes: Vec<String>,
}

/// What the gateway checks a device by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub id: String,
    pub public_key: String,
    pub signature: String,
}

impl Device {
    /// Reads the device of an installation; none where it has none, or none that is paired.
    pub fn of(located: &Located) -> Option<Self> {
        // Below the state directory and through no link, so that nobody's key is used but this installation's.
        let snapshot = Snapshot::new([Root::chosen(located.state_dir.clone())], &Preview::default());
        let read = |name: &str| snapshot.read(0, &PathBuf::from("identity").join(Path::new(name))).ok();
        let identity: Identity = serde_json::from_slice(&read("device.json")?).ok()?;
        let stored: Stored = serde_json::from_slice(&read("device-auth.json")?).ok()?;
        Self::new(identity, stored)
    }

    fn new(identity: Identity, mut stored: Stored) -> Option<Self> {
        let Token { token, scopes } = stored.tokens.remove(ROLE)?;
        let device = Self::of_paired(Paired { private_key_pem: identity.private_key_pem, token, scopes })?;
        let versions = [identity.version, stored.version];
        (versions == [VERSION; 2] && stored.device_id == device.id).then_some(device)
    }

    /// The same as it crosses.
    pub fn paired(&self) -> Paired {
        let (pem, token) = (self.private_key_pem.expose().to_owned(), self.token.expose().to_owned());
        Paired { private_key_pem: pem, token, scopes: self.scopes.clone() }
    }

    /// The device that crossed; none where its key is none.
    pub fn of_paired(paired: Paired) -> Option<Self> {
        let Paired { private_key_pem, token, scopes } = paired;
        let der = PrivatePkcs8KeyDer::from_pem_slice(private_key_pem.as_bytes()).ok()?;
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).ok()?;
        let id = HEXLOWER.encode(&Sha256::digest(key.public_key().as_ref()));
        let private_key_pem = SecretString::new(private_key_pem);
        Some(Self { key, private_key_pem, id, token: SecretString::new(token), scopes })
    }

    /// Signs what the device asks for.
    pub fn proof(&self, signed_at: u64, nonce: Option<&str>) -> Proof {
        let text = signed_text(&self.id, &self.scopes, signed_at, self.token.expose(), nonce);
        Proof {
            id: self.id.clone(),
            public_key: BASE64URL_NOPAD.encode(self.key.public_key().as_ref()),
            signature: BASE64URL_NOPAD.encode(self.key.sign(text.as_bytes()).as_ref()),
        }
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The text that is signed (reference: state-checks 9.4).
fn signed_text(id: &str, scopes: &[String], signed_at: u64, token: &str, nonce: Option<&str>) -> String {
    let version = if nonce.is_some() { "v2" } else { "v1" };
    let mut text =
        format!("{version}|{id}|{CLIENT_ID}|{CLIENT_MODE}|{ROLE}|{}|{signed_at}|{token}", scopes.join(","));
    if let Some(nonce) = nonce {
        text.push('|');
        text.push_str(nonce);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_text_names_the_nonce_only_where_there_is_one() {
        let scopes = ["a".to_owned(), "b".to_owned()];
        let text = |nonce| signed_text("id", &scopes, 7, "token", nonce);
        assert_eq!(text(Some("n")), "v2|id|cli|probe|operator|a,b|7|token|n");
        assert_eq!(text(None), "v1|id|cli|probe|operator|a,b|7|token");
    }
}
