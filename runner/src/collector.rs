//! Sends reports to a collector of OpenTelemetry, by OTLP over HTTP. Whom to send to is the operator's word alone; what is sent has gone
//! through the outlet, as in every format.

use std::time::Duration;

use ureq::http::Uri;

use crate::audit::{Report, visible};
use crate::output::otlp;
use crate::web;

/// Says what goes into the headers of each request, as OpenTelemetry has it: `name=value,name=value`, the values percent-encoded.
pub const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// The paths of OTLP over HTTP.
const LOGS: &str = "/v1/logs";
const METRICS: &str = "/v1/metrics";

/// How long a request may take.
const TIME: Duration = Duration::from_secs(10);

/// How often a request is made where the collector is busy, and how long is waited before.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// The longest answer of which something is told, in bytes.
const MAX_ANSWER: u64 = 4 << 10;

/// A collector.
#[derive(Clone, Debug)]
pub struct Collector {
    agent: ureq::Agent,
    /// Without a slash at its end.
    base: String,
    headers: Vec<(String, String)>,
}

/// Why nothing could be sent.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// The address is none.
    #[error("what --otlp names is no address of a collector, such as http://127.0.0.1:4318")]
    Address,
    /// The address has what could be a secret, and would stand in every error and in the list of processes.
    #[error("the address of the collector has {0}")]
    Secret(&'static str),
    /// The address goes on to where the paths of OTLP end already.
    #[error("the address of the collector ends in {0}, which is put behind it")]
    Whole(&'static str),
    /// The variable with the headers is not understood.
    #[error("{HEADERS} is not of the form name=value,name=value")]
    Headers,
    /// The collector did not take it.
    #[error("{address}: {reason}")]
    Refused {
        /// Where it was sent.
        address: String,
        /// What came back.
        reason: String,
    },
}

impl Collector {
    /// The collector at an address, which the paths of OTLP are put behind.
    ///
    /// # Errors
    /// Where address or headers are not understood.
    pub fn new(address: &str, headers: Option<&str>) -> Result<Self, CollectorError> {
        for (mark, what) in [('@', "a login"), ('?', "a query"), ('#', "a fragment")] {
            if address.contains(mark) {
                return Err(CollectorError::Secret(what));
            }
        }
        let uri: Uri = address.parse().map_err(|_| CollectorError::Address)?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        // What stands where a port should, and is none, may be a password whose host was forgotten.
        let is_no_port = uri.authority().is_some_and(|authority| {
            let behind = authority.as_str().rsplit(']').next().unwrap_or_default();
            behind.contains(':') && authority.port_u16().is_none()
        });
        if !is_http || is_no_port || uri.host().is_none_or(str::is_empty) {
            return Err(CollectorError::Address);
        }
        let address = address.trim_end_matches('/');
        if let Some(path) = [LOGS, METRICS].into_iter().find(|path| address.ends_with(path)) {
            return Err(CollectorError::Whole(path));
        }
        let headers =
            headers.unwrap_or_default().split(',').map(str::trim).filter(|header| !header.is_empty());
        let header = |text: &str| {
            let (name, value) = text.split_once('=').ok_or(CollectorError::Headers)?;
            let value = decoded(value.trim()).ok_or(CollectorError::Headers)?;
            let is_name = !name.trim().is_empty() && ureq::http::HeaderName::try_from(name.trim()).is_ok();
            let is_value = ureq::http::HeaderValue::try_from(value.as_str()).is_ok();
            if is_name && is_value {
                Ok((name.trim().to_owned(), value))
            } else {
                Err(CollectorError::Headers)
            }
        };
        let agent = web::agent().timeout_global(Some(TIME)).build().new_agent();
        Ok(Self { agent, base: address.to_owned(), headers: headers.map(header).collect::<Result<_, _>>()? })
    }

    /// Sends logs and metrics of these reports.
    ///
    /// # Errors
    /// Where the collector does not take them.
    pub fn send(&self, reports: &[Report]) -> Result<(), CollectorError> {
        if reports.is_empty() {
            return Ok(());
        }
        self.post(LOGS, &otlp::logs(reports).to_string())?;
        self.post(METRICS, &otlp::metrics(reports).to_string())
    }

    fn post(&self, path: &str, body: &str) -> Result<(), CollectorError> {
        let address = format!("{}{path}", self.base);
        let refused =
            |reason: String| CollectorError::Refused { address: visible(&address), reason: visible(&reason) };
        for tried in 1.. {
            let mut request = self.agent.post(&address).content_type("application/json");
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
            let mut answer = request.send(body).map_err(|error| refused(web::plain(&error)))?;
            let status = answer.status().as_u16();
            // What OTLP calls retryable.
            if matches!(status, 429 | 502 | 503 | 504) && tried < TRIES {
                std::thread::sleep(PAUSE * tried);
                continue;
            }
            if status != 200 {
                let hint = match status {
                    401 | 403 => ", it wants to know who asks: OTEL_EXPORTER_OTLP_HEADERS has the headers",
                    404 | 405 => ", it takes no OTLP over HTTP at this address",
                    300..=399 => ", it is at another address, which is not followed",
                    _ => "",
                };
                return Err(refused(format!("the collector answers {status}{hint}")));
            }
            // It may have taken a part.
            let text = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_string().unwrap_or_default();
            let said: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let lost = ["rejectedLogRecords", "rejectedDataPoints"].iter().find_map(|key| {
                let count = said.pointer("/partialSuccess")?.get(key)?;
                count.as_u64().or_else(|| count.as_str()?.parse().ok()).filter(|count| *count > 0)
            });
            return lost
                .map_or(Ok(()), |count| Err(refused(format!("the collector refused {count} of them"))));
        }
        Ok(())
    }
}

/// A percent-encoded text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_and_has_no_login() {
        for good in
            ["http://127.0.0.1:4318", "http://[::1]:4318", "http://[::1]", "https://collector.example/otlp/"]
        {
            assert!(!Collector::new(good, None).unwrap().base.ends_with('/'));
        }
        for bad in [
            "",
            "127.0.0.1:4318",
            "file:///etc/passwd",
            "http:///x",
            "http://a.example/v1/logs/",
            "http://user:hunter2",
        ] {
            assert!(Collector::new(bad, None).is_err(), "{bad}");
        }
        for bad in [
            "http://user:hunter2@c.example",
            "http://hunter2@c.example",
            "user:hunter2@c.example",
            "http://user:hunter2@[::1",
            "http://user:hun/ter2@c.example",
            "http://a.example/?key=hunter2",
            "http://a.example/#hunter2",
        ] {
            let error = Collector::new(bad, None).unwrap_err();
            assert!(matches!(error, CollectorError::Secret(_)), "{bad}");
            assert!(!error.to_string().contains("hun"), "{error}");
        }
    }

    #[test]
    fn headers_are_those_of_the_variable() {
        let with = |text| Collector::new("http://a.example", Some(text)).map(|collector| collector.headers);
        let one = vec![("authorization".to_owned(), "Bearer a,b".to_owned())];
        assert_eq!(with("authorization=Bearer%20a%2Cb,").unwrap(), one);
        for bad in ["x", "=y", "a b=c", "a=%zz", "a=%0a", "a=%"] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }
}
