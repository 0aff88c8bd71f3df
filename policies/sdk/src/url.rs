//! Where an http or https URL leads, read as the WHATWG URL standard says, which the reference program follows:
//! scheme, host and port. What else stands in a URL is dropped, credentials above all. Hosts beyond ASCII are taken as
//! they stand; the standard would turn them into Punycode.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Where an http or https URL leads. It prints as `http://host:port`, without anything secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    /// The scheme is https.
    pub is_encrypted: bool,
    /// The host.
    pub host: Host,
    /// The port; that of the scheme where the URL names none.
    pub port: u16,
}

/// A host of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name in lower case.
    Name(String),
    /// An address that may have been written in one of many forms.
    V4(Ipv4Addr),
    /// An address in brackets.
    V6(Ipv6Addr),
}

/// Why a text is no http URL; prints as the rest of a sentence about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// Another scheme, or none.
    Scheme,
    /// No host, or one that cannot be.
    Host,
    /// A port that is no number up to 65535.
    Port,
}

impl HttpUrl {
    /// Reads a URL (WHATWG URL, section 4.4).
    ///
    /// # Errors
    /// Where it is none, or neither http nor https.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text: String =
            text.trim_matches(|c| c <= ' ').chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
        let (scheme, rest) = text.split_once(':').ok_or(UrlError::Scheme)?;
        let is_encrypted = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(UrlError::Scheme),
        };
        let authority = rest.trim_start_matches(['/', '\\']).split(['/', '\\', '?', '#']).next();
        let authority = authority.unwrap_or_default();
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let (host, port) = if let Some(inner) = place.strip_prefix('[') {
            let (address, after) = inner.split_once(']').ok_or(UrlError::Host)?;
            let host = Host::V6(address.parse().map_err(|_| UrlError::Host)?);
            (host, if after.is_empty() { "" } else { after.strip_prefix(':').ok_or(UrlError::Host)? })
        } else {
            let (name, port) = place.split_once(':').unwrap_or((place, ""));
            (Host::parse(name).ok_or(UrlError::Host)?, port)
        };
        // The reference takes port 0 for none.
        let port = match self::port(port)? {
            0 if is_encrypted => 443,
            0 => 80,
            port => port,
        };
        Ok(Self { is_encrypted, host, port })
    }
}

/// Networks that nobody on the internet has (RFC 6890 and its registry).
fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || first == 0
        || first >= 224
        || (first == 100 && second & 0xc0 == 64)
        || (first, second, third) == (192, 0, 0)
        || (first == 198 && second & 0xfe == 18)
}

/// 0 where there is none.
fn port(text: &str) -> Result<u16, UrlError> {
    match text {
        "" => Ok(0),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_| UrlError::Port)
        }
        _ => Err(UrlError::Port),
    }
}

/// Full-width letters, digits and full stops mean the same as the narrow ones (UTS #46, which WHATWG URL follows).
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3002}' | '\u{ff61}' => '.',
        other => other,
    }
}

impl Host {
    /// Reads a host that stands in no brackets (WHATWG URL, section 3.5).
    fn parse(text: &str) -> Option<Self> {
        let name: String = percent_decode(text)?.chars().map(narrow).collect::<String>().to_ascii_lowercase();
        let forbidden = |c: char| c <= ' ' || c == '\u{7f}' || "#%/:<>?@[\\]^|".contains(c);
        if name.is_empty() || name.contains(forbidden) {
            return None;
        }
        let labels = name.strip_suffix('.').unwrap_or(&name);
        let last = labels.rsplit('.').next().unwrap_or_default();
        let ends_in_number = last.bytes().all(|byte| byte.is_ascii_digit()) || number(last).is_some();
        if !last.is_empty() && ends_in_number { ipv4(labels).map(Self::V4) } else { Some(Self::Name(name)) }
    }

    /// An address that is not for everybody on the internet: of a private network, of this machine, or for a special use.
    #[must_use]
    pub fn is_private(&self) -> bool {
        match self {
            Self::Name(_) => false,
            Self::V4(address) => is_private_v4(*address),
            Self::V6(address) => {
                let [first, second, ..] = address.segments();
                address.to_ipv4_mapped().is_some_and(is_private_v4)
                    || address.is_loopback()
                    || address.is_unspecified()
                    || address.is_multicast()
                    // Unique local, link local and site local addresses, and those of documentation.
                    || first & 0xfe00 == 0xfc00
                    || first & 0xff80 == 0xfe80
                    || (first, second) == (0x2001, 0x0db8)
            }
        }
    }

    /// Connections to it do not leave this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost",
            Self::V4(address) => address.is_loopback(),
            Self::V6(address) => {
                address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
            }
        }
    }
}

/// An address of one to four numbers, of which the last fills what the others leave: `127.1`, `0x7f000001`.
fn ipv4(labels: &str) -> Option<Ipv4Addr> {
    let mut parts = labels.split('.').map(number).collect::<Option<Vec<u64>>>()?;
    let last = parts.pop()?;
    if parts.len() > 3 || parts.iter().any(|part| *part > 255) || last >> (8 * (4 - parts.len())) != 0 {
        return None;
    }
    let address = parts.iter().zip([24, 16, 8]).fold(last, |address, (part, shift)| address | part << shift);
    u32::try_from(address).ok().map(Ipv4Addr::from)
}

/// A decimal, octal (`017`) or hexadecimal (`0xf`) number; one that is too large stays too large.
fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if text.is_empty() => return None,
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    digits.chars().try_fold(0u64, |number, digit| {
        Some(number.saturating_mul(radix.into()).saturating_add(digit.to_digit(radix)?.into()))
    })
}

fn percent_decode(text: &str) -> Option<String> {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (first, after)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.push(high << 4 | low);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "begins with neither http:// nor https://",
            Self::Host => "has no host, or one that cannot be",
            Self::Port => "has a port that is no number up to 65535",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_address_is_nobodys_on_the_internet() {
        let is_private =
            |host: &str| HttpUrl::parse(&format!("http://{host}")).expect("a URL").host.is_private();
        for host in [
            "10.0.0.5",
            "172.16.0.1",
            "172.31.255.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "127.0.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[fd00::1]",
            "[fe80::1]",
            "[::1]",
            "[::]",
            "[fec0::1]",
            "[::ffff:10.0.0.5]",
            "0xa000005",
        ] {
            assert!(is_private(host), "{host}");
        }
        for host in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "198.20.0.1",
            "[2606:4700::1]",
            "[::ffff:8.8.8.8]",
            "localhost",
            "h",
        ] {
            assert!(!is_private(host), "{host}");
        }
    }

    #[test]
    fn a_url_is_read_down_to_where_it_leads() {
        for (text, shown) in [
            ("http://10.0.0.5:9222", "http://10.0.0.5:9222"),
            ("https://Browser.Example/", "https://browser.example:443"),
            ("HTTP://host", "http://host:80"),
            ("http:example.com", "http://example.com:80"),
            ("http:/\\//example.com\\x:y", "http://example.com:80"),
            (" \u{1}http://ho\n\tst:8\r0/ ", "http://host:80"),
            ("http://host:", "http://host:80"),
            ("http://host:0", "http://host:80"),
            ("http://host:00080?x", "http://host:80"),
            ("http://host#@other", "http://host:80"),
            ("http://user:pa@ss@host:1/?token=abc", "http://host:1"),
            ("http://[secret]@host:1", "http://host:1"),
            ("http://@host", "http://host:80"),
            ("http://%6cocal%48ost", "http://localhost:80"),
            ("http://localhost.:1", "http://localhost.:1"),
            ("http://\u{ff11}\u{ff12}\u{ff17}\u{3002}0\u{ff0e}0.1:1", "http://127.0.0.1:1"),
            ("http://Ünï.Example", "http://Ünï.example:80"),
            ("http://a_b.-c", "http://a_b.-c:80"),
            ("http://1.2.3.4.example", "http://1.2.3.4.example:80"),
            ("http://0x.g", "http://0x.g:80"),
        ] {
            assert_eq!(HttpUrl::parse(text).map(|url| url.to_string()).as_deref(), Ok(shown), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_http_url_says_why() {
        for (text, error) in [
            ("", UrlError::Scheme),
            ("nope", UrlError::Scheme),
            ("localhost:9222", UrlError::Scheme),
            ("ws://10.0.0.5:9222", UrlError::Scheme),
            ("10.0.0.5:9222", UrlError::Scheme),
            ("//host", UrlError::Scheme),
            ("[secret]", UrlError::Scheme),
            ("http:", UrlError::Host),
            ("http://", UrlError::Host),
            ("http:///?x", UrlError::Host),
            ("http://:80", UrlError::Host),
            ("http://user@", UrlError::Host),
            ("http://user@:80", UrlError::Host),
            ("http://a b", UrlError::Host),
            ("http://a%", UrlError::Host),
            ("http://a%00", UrlError::Host),
            ("http://%ff", UrlError::Host),
            ("http://a|b", UrlError::Host),
            ("http://1.2.3.256", UrlError::Host),
            ("http://1.2.3.4.5", UrlError::Host),
            ("http://1..2", UrlError::Host),
            ("http://256.1", UrlError::Host),
            ("http://4294967296", UrlError::Host),
            ("http://0x1ffffffffffffffffffff", UrlError::Host),
            ("http://example.08", UrlError::Host),
            ("http://foo.0x1", UrlError::Host),
            ("http://[::1", UrlError::Host),
            ("http://[::1]x", UrlError::Host),
            ("http://[]", UrlError::Host),
            ("http://[::1%25lo]", UrlError::Host),
            ("http://[1:2:3:4:5:6:7:8:9]", UrlError::Host),
            ("http://host:+80", UrlError::Port),
            ("http://host:8o", UrlError::Port),
            ("http://host:65536", UrlError::Port),
            ("http://host:1:2", UrlError::Port),
        ] {
            assert_eq!(HttpUrl::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn an_address_has_many_forms() {
        for (text, host) in [
            ("127.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0x7f.1", "127.0.0.1"),
            ("0X7F000001", "127.0.0.1"),
            ("0177.0.0.01", "127.0.0.1"),
            ("127.0.0.1.", "127.0.0.1"),
            ("0x", "0.0.0.0"),
            ("0", "0.0.0.0"),
            ("1.2.3", "1.2.0.3"),
            ("255.255.255.255", "255.255.255.255"),
            ("4294967295", "255.255.255.255"),
            ("[0:0:0:0:0:0:0:1]", "[::1]"),
            ("[FD00::00A1]", "[fd00::a1]"),
            ("[::ffff:7f00:1]", "[::ffff:127.0.0.1]"),
        ] {
            let url = HttpUrl::parse(&format!("http://{text}/"));
            assert_eq!(url.map(|url| url.host.to_string()).as_deref(), Ok(host), "{text}");
        }
    }

    #[test]
    fn loopback_is_this_machine_and_nothing_that_looks_like_it() {
        let is_loopback =
            |host: &str| HttpUrl::parse(&format!("http://{host}:1")).is_ok_and(|url| url.host.is_loopback());
        for host in
            ["localhost", "LOCALHOST", "127.0.0.1", "127.1", "127.8.9.10", "[::1]", "[::ffff:127.0.0.1]"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["0.0.0.0", "localhost.", "127.evil.example", "10.0.0.1", "[::]", "[fd00::1]", "x.localhost"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
