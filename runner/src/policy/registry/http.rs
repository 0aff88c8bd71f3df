//! HTTP to one registry: bounded in size and time, over TLS but for a registry on this machine. Redirects are followed here, so that
//! none leads to a file or out of TLS, and none carries credentials to another host.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::Value;
use ureq::http::{HeaderMap, Method, Request};
use url::Url;

use super::{Credentials, Reference, RegistryError};
use crate::web::{self, plain};

/// Redirects of one request that are followed: registries send to a store of blobs, and no further.
const MAX_REDIRECTS: usize = 5;
/// The largest answer that is read of what answers with a token, or with an error.
const MAX_WORDS: u64 = 64 << 10;
/// The most of what a server says of an error that is told, in characters.
const MAX_REASON: usize = 200;
/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// How long one request may take: a Python policy over a slow line.
const REQUEST: Duration = Duration::from_mins(10);

/// A client of one registry.
pub(super) struct Http {
    agent: ureq::Agent,
    host: String,
    repository: String,
    origin: Url,
    is_local: bool,
    credentials: Credentials,
    /// What goes into the header `Authorization`, once the registry has asked for it.
    authorization: Mutex<Option<String>>,
}

/// An answer, whatever its status.
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    headers: HeaderMap,
}

impl Answer {
    /// A header, where it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A request, as it can be made again.
struct Asked<'a> {
    method: Method,
    url: Url,
    headers: &'a [(&'a str, &'a str)],
    body: Option<&'a [u8]>,
    most: u64,
}

impl Http {
    /// A registry's words without what it was shown of the operator's credentials.
    pub(super) fn masked(&self, text: &str) -> String {
        let mut shown = Vec::new();
        if let Some(secret) = self.credentials.for_repository(&self.host, &self.repository) {
            let login = BASE64.decode(secret.expose().as_bytes()).ok();
            let login = login.and_then(|login| String::from_utf8(login).ok()).unwrap_or_default();
            let password = login.split_once(':').map_or("", |(_, password)| password).to_owned();
            shown.extend([secret.expose().to_owned(), login, password]);
        }
        let authorization = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
        shown.extend(authorization.iter().filter_map(|header| Some(header.split_once(' ')?.1.to_owned())));
        shown.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let shown = shown.iter().filter(|secret| !secret.is_empty());
        shown.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    /// What a registry says of its own error. It may repeat what it was shown, which is masked.
    pub(super) fn reason(&self, answer: &Answer) -> String {
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let Some(text) = document.pointer("/errors/0/message").and_then(Value::as_str) else {
            return String::new();
        };
        let text = self.masked(text);
        // One line, and no drawing with blanks.
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        format!(" ({})", words.chars().take(MAX_REASON).collect::<String>())
    }

    pub(super) fn new(reference: &Reference, credentials: Credentials) -> Result<Self, RegistryError> {
        let host = reference.host().to_owned();
        let scheme = if reference.is_local() { "http" } else { "https" };
        let origin = Url::parse(&format!("{scheme}://{host}"))
            .map_err(|error| RegistryError::Reference(format!("{host} is no host: {error}")))?;
        let config = web::agent()
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE))
            .timeout_global(Some(REQUEST));
        // What is on this machine is asked without TLS, and by nobody in between.
        let is_local = reference.is_local();
        let config = if is_local { config.proxy(None) } else { config };
        let agent = config.build().new_agent();
        let repository = reference.repository().to_owned();
        Ok(Self { agent, host, repository, origin, is_local, credentials, authorization: Mutex::new(None) })
    }

    /// Asks for a path of the registry. The answer has so many bytes at most.
    pub(super) fn get(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        most: u64,
    ) -> Result<Answer, RegistryError> {
        let url = self.url(path)?;
        self.ask(&Asked { method: Method::GET, url, headers, body: None, most }, "pull")
    }

    /// Puts a document to a path of the registry.
    pub(super) fn put(&self, path: &str, media_type: &str, body: &[u8]) -> Result<Answer, RegistryError> {
        let headers = [("content-type", media_type)];
        let url = self.url(path)?;
        let asked = Asked { method: Method::PUT, url, headers: &headers, body: Some(body), most: MAX_WORDS };
        self.ask(&asked, "pull,push")
    }

    /// Uploads a blob, unless the registry has it.
    pub(super) fn upload(&self, base: &str, digest: &str, bytes: &[u8]) -> Result<(), RegistryError> {
        let known = Asked {
            method: Method::HEAD,
            url: self.url(&format!("{base}/blobs/{digest}"))?,
            headers: &[],
            body: None,
            most: 0,
        };
        if self.ask(&known, "pull,push")?.status == 200 {
            return Ok(());
        }
        let begin = Asked {
            method: Method::POST,
            url: self.url(&format!("{base}/blobs/uploads/"))?,
            headers: &[],
            body: Some(b""),
            most: MAX_WORDS,
        };
        let answer = self.ask(&begin, "pull,push")?;
        let refused = |answer: &Answer| {
            self.wrong(format!("it does not take a blob: status {}{}", answer.status, self.reason(answer)))
        };
        if answer.status != 202 {
            return Err(refused(&answer));
        }
        let location =
            answer.header("location").ok_or_else(|| self.wrong("it says no place to upload to"))?;
        let mut url = self.allowed(&begin.url, location)?;
        if !self.is_own(&url) {
            return Err(self.wrong(format!("it wants an upload to go to another host, {}", shown(&url))));
        }
        url.query_pairs_mut().append_pair("digest", digest);
        let headers = [("content-type", "application/octet-stream")];
        let asked = Asked { method: Method::PUT, url, headers: &headers, body: Some(bytes), most: MAX_WORDS };
        let answer = self.ask(&asked, "pull,push")?;
        if answer.status == 201 { Ok(()) } else { Err(refused(&answer)) }
    }

    /// Asks, and once more with what the registry wants to know of who asks.
    fn ask(&self, asked: &Asked<'_>, actions: &str) -> Result<Answer, RegistryError> {
        let answer = self.follow(asked)?;
        if answer.status != 401 {
            return self.is_allowed(answer);
        }
        let challenge = answer.header("www-authenticate").unwrap_or_default().to_owned();
        let authorization = self.authorize(&challenge, actions)?;
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization);
        self.is_allowed(self.follow(asked)?)
    }

    fn is_allowed(&self, answer: Answer) -> Result<Answer, RegistryError> {
        if !matches!(answer.status, 401 | 403) {
            return Ok(answer);
        }
        let has = self.credentials.for_repository(&self.host, &self.repository).is_some();
        let what = if has {
            "it does not take the credentials that you have for it"
        } else {
            "you have no credentials for it"
        };
        let reason = format!("{what}{}", self.reason(&answer));
        Err(RegistryError::Denied { host: self.host.clone(), reason })
    }

    /// Makes a request, and those that it is sent on to.
    fn follow(&self, asked: &Asked<'_>) -> Result<Answer, RegistryError> {
        let mut url = asked.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let authorization = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
            // On another host, and on another port, nobody is told who asks.
            let authorization = authorization.filter(|_| self.is_own(&url));
            let answer = self.once(asked, &url, authorization.as_deref())?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            if asked.body.is_some() {
                return Err(self.wrong("it sends an upload to another place"));
            }
            let location = answer.header("location").ok_or_else(|| self.wrong("it sends to no place"))?;
            url = self.allowed(&url, location)?;
        }
        Err(self.wrong(format!("it sends from place to place, more than {MAX_REDIRECTS} times")))
    }

    fn once(
        &self,
        asked: &Asked<'_>,
        url: &Url,
        authorization: Option<&str>,
    ) -> Result<Answer, RegistryError> {
        let mut request = Request::builder().method(asked.method.clone()).uri(url.as_str());
        for (name, value) in asked.headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let unreachable = |reason: String| RegistryError::Unreachable { host: shown(url), reason };
        let failed = |error: &ureq::Error| unreachable(plain(error));
        let answer = if let Some(body) = asked.body {
            request.body(body).map(|request| self.agent.run(request))
        } else {
            request.body(()).map(|request| self.agent.run(request))
        };
        let answer = answer.map_err(|error| unreachable(error.to_string()))?;
        let mut answer = answer.map_err(|error| failed(&error))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        // An error has words of its own, which may be more than what was asked for.
        let most = if status == 200 { asked.most } else { MAX_WORDS };
        let body = match answer.body_mut().with_config().limit(most.saturating_add(1)).read_to_vec() {
            Ok(body) if body.len() as u64 <= most => body,
            Ok(_) | Err(ureq::Error::BodyExceedsLimit(_)) => {
                return Err(self.wrong(format!("it gives more than {most} bytes")));
            }
            Err(error) => return Err(failed(&error)),
        };
        Ok(Answer { status, body, headers })
    }

    /// The place that a registry sends to: over TLS, or on this machine where the registry is.
    fn allowed(&self, from: &Url, location: &str) -> Result<Url, RegistryError> {
        let url = from.join(location).map_err(|_| self.wrong("it sends to a place that is none"))?;
        let is_local = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && self.is_local && is_local);
        let is_plain = url.username().is_empty() && url.password().is_none();
        if is_safe && is_plain {
            return Ok(url);
        }
        Err(self.wrong(format!("it sends to {}, and only what is reached over https is asked", shown(&url))))
    }

    /// It is the registry's own host, and its own port.
    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.origin.origin()
    }

    fn url(&self, path: &str) -> Result<Url, RegistryError> {
        self.origin.join(path).map_err(|error| self.wrong(error.to_string()))
    }

    /// What the header `Authorization` must hold, by the registry's challenge.
    fn authorize(&self, challenge: &str, actions: &str) -> Result<String, RegistryError> {
        let denied = |reason: String| RegistryError::Denied { host: self.host.clone(), reason };
        let own = self
            .credentials
            .for_repository(&self.host, &self.repository)
            .map(|secret| format!("Basic {}", secret.expose()));
        let (kind, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
        match kind.to_ascii_lowercase().as_str() {
            "basic" => own.ok_or_else(|| {
                denied(
                    "it wants a user and a password, and you have none for it; `docker login` keeps them"
                        .to_owned(),
                )
            }),
            "bearer" => {
                let realm =
                    parameter(rest, "realm").ok_or_else(|| self.wrong("it wants a token from nowhere"))?;
                let mut url = self.allowed(&self.origin, &realm)?;
                if let Some(service) = parameter(rest, "service") {
                    url.query_pairs_mut().append_pair("service", &service);
                }
                let scope = format!("repository:{}:{actions}", self.repository);
                url.query_pairs_mut().append_pair("scope", &scope);
                // A token is for the registry. Another host's token would be for what that host has, so nobody logs in there.
                let is_own = self.is_own(&url);
                let authorization = own.filter(|_| is_own);
                let asked = Asked {
                    method: Method::GET,
                    url: url.clone(),
                    headers: &[],
                    body: None,
                    most: MAX_WORDS,
                };
                let answer = self.once(&asked, &url, authorization.as_deref())?;
                if answer.status != 200 {
                    let words = if is_own
                        || self.credentials.for_repository(&self.host, &self.repository).is_none()
                    {
                        String::new()
                    } else {
                        format!(
                            "; it lets people log in at {}, and credentials are sent to their own host only",
                            shown(&url)
                        )
                    };
                    return Err(denied(format!(
                        "it gives no token (status {}{}){words}",
                        answer.status,
                        self.reason(&answer)
                    )));
                }
                let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                let token = ["token", "access_token"].iter().find_map(|key| document.get(*key)?.as_str());
                let token = token.filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
                token
                    .map(|token| format!("Bearer {token}"))
                    .ok_or_else(|| denied("it gives no token".to_owned()))
            }
            _ => Err(denied("it asks for something that this program does not know".to_owned())),
        }
    }

    fn wrong(&self, reason: impl Into<String>) -> RegistryError {
        RegistryError::Wrong { host: self.host.clone(), reason: reason.into() }
    }
}

/// Where a request went, without what stands behind the path: that may hold a key.
fn shown(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
        + &url.port().map_or(String::new(), |port| format!(":{port}"))
}

/// A parameter of a challenge: `name="text"`.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let mut rest = challenge;
    while let Some((key, after)) = rest.split_once("=\"") {
        let (text, next) = after.split_once('"')?;
        if key.trim_start_matches([',', ' ']).eq_ignore_ascii_case(name) {
            return Some(text.to_owned());
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_has_parameters() {
        let challenge = r#"realm="https://a.example/token",service="a.example",scope="repository:x/y:pull""#;
        assert_eq!(parameter(challenge, "realm").as_deref(), Some("https://a.example/token"));
        assert_eq!(parameter(challenge, "Scope").as_deref(), Some("repository:x/y:pull"));
        assert_eq!(parameter(challenge, "other"), None);
        for broken in ["", "realm", "realm=\"", "realm=x", "=\"\"", "\"\"\"\""] {
            assert_eq!(parameter(broken, "realm").filter(|text| !text.is_empty()), None, "{broken}");
        }
    }
}
