//! The operator's credentials for registries, from the file that Docker's and other clients keep.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde_json::Value;

use crate::config::SecretString;
use crate::target::{Environment, ReadError, read_regular};

/// The largest file of credentials that is read.
const MAX_BYTES: u64 = 1 << 20;

/// For each host its `user:password` in base64, as HTTP's basic authentication has it.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, SecretString>);

impl Credentials {
    /// Those of this user: `config.json` in `DOCKER_CONFIG`, by default `~/.docker`. None where there is no such file. Programs that
    /// keep credentials for Docker (`credHelpers`) are not started.
    ///
    /// # Errors
    /// Where the file cannot be read or understood.
    pub fn of(environment: &Environment) -> Result<Self, String> {
        let set = |name: &str| {
            environment.get(name).filter(|value| Path::new(value).is_absolute()).map(PathBuf::from)
        };
        let folder = set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")));
        let Some(path) = folder.map(|folder| folder.join("config.json")) else { return Ok(Self::default()) };
        match read_regular(&path, MAX_BYTES) {
            Ok(bytes) => Self::parse(&bytes).ok_or_else(|| format!("{} is not understood", path.display())),
            Err(ReadError::NotFound(_)) => Ok(Self::default()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(bytes).ok()?;
        let mut hosts = BTreeMap::new();
        for (host, entry) in document.get("auths").and_then(Value::as_object).into_iter().flatten() {
            // Older clients write an address.
            let host = host.trim_start_matches("https://").trim_start_matches("http://");
            let (name, path) = host.split_once('/').unwrap_or((host, ""));
            // Some say which part of a registry they are for.
            let path = path.trim_end_matches('/');
            let place =
                if ["", "v1", "v2"].contains(&path) { name.to_owned() } else { format!("{name}/{path}") };
            let text = |key: &str| entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            let basic = match (text("auth"), text("username"), text("password")) {
                (Some(auth), ..) => auth.to_owned(),
                (None, Some(user), Some(password)) => BASE64.encode(format!("{user}:{password}").as_bytes()),
                _ => continue,
            };
            hosts.insert(place, SecretString::new(&basic));
        }
        Some(Self(hosts))
    }

    /// Those for a repository of a host, with its port where it has one: those for the narrowest part of it.
    pub(super) fn for_repository(&self, host: &str, repository: &str) -> Option<&SecretString> {
        let ends = repository.match_indices('/').map(|(at, _)| at).chain([repository.len()]);
        let mut parts: Vec<&str> = ends.filter_map(|end| repository.get(..end)).collect();
        parts.reverse();
        parts.iter().find_map(|part| self.0.get(&format!("{host}/{part}"))).or_else(|| self.0.get(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_for_their_host_alone() {
        let text = br#"{"auths": {"https://ghcr.io/v2/": {"auth": "YTpi"}, "localhost:5000": {"username": "a", "password": "b"},
            "empty.example": {}, "part.example/a": {"auth": "YTpj"}, "part.example/x": {"auth": "eDp4"}}, "credsStore": "desktop"}"#;
        let credentials = Credentials::parse(text).unwrap();
        let of =
            |host: &str| credentials.for_repository(host, "a/b").map(|secret| secret.expose().to_owned());
        assert_eq!(of("ghcr.io").as_deref(), Some("YTpi"));
        assert_eq!(of("localhost:5000").as_deref(), Some("YTpi"));
        assert_eq!(of("part.example").as_deref(), Some("YTpj"));
        assert!(credentials.for_repository("part.example", "ab").is_none());
        for host in ["localhost", "localhost:5001", "empty.example", "xghcr.io", "ghcr.io.example", ""] {
            assert_eq!(of(host), None, "{host}");
        }
        assert!(Credentials::parse(b"no JSON").is_none());
    }
}
