//! One conversation with a gateway: connect, upgrade, introduce, ask, close. Whatever the peer does, it ends by the deadline,
//! with one failure that says what happened.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use data_encoding::{BASE64, HEXLOWER};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{HandshakeError, Message, WebSocket};

use super::credentials::Credentials;
use super::listener::{self, Refusal};
use super::mask::mask;
use super::message::{self, CONNECT, Frame, Payload, QUESTIONS};
use super::stream::{Deadline, Stream, TooMuch};
use super::url::Address;
use super::{Close, Gateway, NOTHING_SENT, short, tls};
use crate::config::release::Release;

/// How long a gateway may take to send the text that is signed (the reference's time).
const CHALLENGE: Duration = Duration::from_millis(750);
/// Longest message that is taken (the reference's limit).
const MAX_MESSAGE: usize = 25 << 20;
/// How a gateway begins to refuse a question for which a client has no right.
const MISSING_SCOPE: &str = "missing scope:";
/// The close code where a connection ends without one, and where a close frame has none.
const ABNORMAL: u16 = 1006;
const NO_CODE: u16 = 1005;

/// Why the probe failed.
#[derive(Debug)]
enum Failure {
    /// The time was over.
    Timeout,
    /// In our words: nothing of it comes from the gateway.
    Broken(String),
    /// It may not be shown anything: why, in our words.
    Withheld(String),
    /// The gateway refused, in its words.
    Refused(String),
    /// The gateway closed the connection.
    Closed(u16, String),
}

/// Asks the gateway. `connected_to` is called when the connection stands and its other end is known, before the first byte
/// from there is read.
pub(super) fn run(
    address: &Address,
    credentials: &Credentials,
    owner: u32,
    deadline: Instant,
    connected_to: &dyn Fn(),
) -> Gateway {
    let deadline = Rc::new(Cell::new(deadline));
    let mut connected = None;
    let failure = converse((address, credentials), owner, &deadline, connected_to, &mut connected).err();
    let clean = |text: &str| {
        let text = short(&mask(text, &credentials.hidden));
        // These words are ours.
        if text.starts_with(NOTHING_SENT.trim_end()) { format!("gateway: {text}") } else { text }
    };
    let close = failure.as_ref().and_then(|failure| match failure {
        Failure::Closed(code, reason) => Some(Close { code: *code, reason: clean(reason) }),
        Failure::Broken(_) => Some(Close { code: ABNORMAL, reason: String::new() }),
        // This side closes where it is refused before the session has begun.
        Failure::Refused(_) if connected.is_none() => {
            Some(Close { code: CloseCode::Policy.into(), reason: REFUSED.to_owned() })
        }
        Failure::Refused(_) | Failure::Timeout | Failure::Withheld(_) => None,
    });
    let error = failure.map(|failure| {
        let text = match &failure {
            Failure::Timeout => return "timeout".to_owned(),
            Failure::Withheld(words) => return format!("{NOTHING_SENT}{words}"),
            Failure::Broken(words) => words.clone(),
            Failure::Refused(words) => clean(words),
            Failure::Closed(code, reason) if reason.is_empty() => format!("gateway closed ({code})"),
            Failure::Closed(code, reason) => format!("gateway closed ({code}): {}", clean(reason)),
        };
        if connected.is_some() {
            return text;
        }
        let refused = matches!(failure, Failure::Refused(_) | Failure::Closed(1008, _));
        format!("connect failed: {text}{}", if refused { hint(credentials) } else { "" })
    });
    let release = connected.and_then(|greeting| Release::of_stamp(&greeting.version?));
    Gateway { attempted: true, url: address.shown.clone(), ok: error.is_none(), error, close, release }
}

/// What the gateway said when it let this client in.
struct Greeting {
    /// Its version, where it says one.
    version: Option<String>,
}

/// What the reason of a close says that this side makes (reference: state-checks 9.5).
const REFUSED: &str = "connect failed";

/// What a refusal may be due to.
fn hint(credentials: &Credentials) -> &'static str {
    if credentials.withheld {
        return "; what does not belong to a target that is named with --state-dir or --config is not sent to it, give \
                --token or --password";
    }
    let nothing =
        credentials.token.is_none() && credentials.password.is_none() && credentials.device.is_none();
    if nothing {
        "; there was no token, password or paired device to show, give --token or --password"
    } else {
        ""
    }
}

fn converse(
    (address, credentials): (&Address, &Credentials),
    owner: u32,
    deadline: &Deadline,
    connected_to: &dyn Fn(),
    connected: &mut Option<Greeting>,
) -> Result<(), Failure> {
    let stream =
        Stream::connect(&address.url, Rc::clone(deadline)).map_err(|error| unreachable(address, &error))?;
    if address.local {
        listener::check(&stream, owner, deadline.get()).map_err(|refusal| match refusal {
            Refusal::Stranger(words) => Failure::Withheld(words),
            Refusal::Timeout => Failure::Timeout,
            Refusal::Closed => Failure::Closed(ABNORMAL, String::new()),
            Refusal::Nobody => unreachable(address, &io::ErrorKind::ConnectionRefused.into()),
        })?;
    }
    if address.url.scheme() == "wss" {
        let stream = tls::wrap(&address.url, &address.pins, stream)
            .map_err(|error| Failure::Broken(format!("no TLS: {error}")))?;
        connected_to();
        session(address, credentials, deadline, connected, stream)
    } else {
        connected_to();
        session(address, credentials, deadline, connected, stream)
    }
}

fn session<S: Read + Write>(
    address: &Address,
    credentials: &Credentials,
    deadline: &Deadline,
    connected: &mut Option<Greeting>,
    stream: S,
) -> Result<(), Failure> {
    let mut socket = upgrade(address, stream)?;
    let result = introduce(&mut socket, credentials, deadline).and_then(|greeting| {
        *connected = Some(greeting);
        ask(&mut socket, credentials.device.is_some())
    });
    let (code, reason) = match &result {
        Err(Failure::Closed(..)) => return result,
        Err(Failure::Refused(_)) if connected.is_none() => (CloseCode::Policy, REFUSED),
        _ => (CloseCode::Normal, ""),
    };
    // A courtesy: whether it arrives makes no difference.
    let _ = socket.close(Some(CloseFrame { code, reason: reason.into() }));
    result
}

/// The upgrade from HTTP. No redirect is followed.
fn upgrade<S: Read + Write>(address: &Address, stream: S) -> Result<WebSocket<S>, Failure> {
    let mut request = address.url.as_str().into_client_request().map_err(|error| broken(&error))?;
    if let Some((name, password)) = &address.login {
        let value = format!("Basic {}", BASE64.encode(format!("{name}:{password}").as_bytes()));
        let value = value.parse().map_err(|_| Failure::Broken("the URL's user cannot be sent".to_owned()))?;
        request.headers_mut().insert("authorization", value);
    }
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    match tungstenite::client::client_with_config(request, stream, Some(config)) {
        Ok((socket, _)) => Ok(socket),
        Err(HandshakeError::Failure(error)) => Err(broken(&error)),
        Err(HandshakeError::Interrupted(_)) => Err(Failure::Timeout),
    }
}

/// The first request, after the gateway's challenge where it sends one.
fn introduce<S: Read + Write>(
    socket: &mut WebSocket<S>,
    credentials: &Credentials,
    deadline: &Deadline,
) -> Result<Greeting, Failure> {
    let last = deadline.get();
    deadline.set(last.min(Instant::now() + CHALLENGE));
    let challenge = loop {
        match next(socket) {
            Ok(Frame::Challenge(nonce)) => break Some(nonce),
            Ok(Frame::Answer { .. }) => {}
            Err(Failure::Timeout) => break None,
            Err(failure) => return Err(failure),
        }
    };
    deadline.set(last);
    let mut random = [0; 16];
    crate::random::fill(&mut random).map_err(|error| Failure::Broken(format!("no randomness: {error}")))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    send(socket, message::connect(credentials, now, challenge.as_deref(), &HEXLOWER.encode(&random)))?;
    loop {
        let Frame::Answer { id, result } = next(socket)? else { continue };
        if id == CONNECT {
            return match result {
                Ok(Payload { object: true, server, .. }) => Ok(Greeting { version: server }),
                Ok(_) => Err(Failure::Refused("the gateway's greeting is empty".to_owned())),
                Err(words) => Err(Failure::Refused(words)),
            };
        }
    }
}

/// All questions at once. Without a device the gateway grants no rights: that it says so is an answer.
fn ask<S: Read + Write>(socket: &mut WebSocket<S>, has_device: bool) -> Result<(), Failure> {
    for method in QUESTIONS {
        send(socket, message::question(method))?;
    }
    let mut open: BTreeSet<&str> = QUESTIONS.into();
    while !open.is_empty() {
        let Frame::Answer { id, result } = next(socket)? else { continue };
        if !open.remove(id.as_str()) {
            continue;
        }
        match result {
            Ok(_) => {}
            Err(words) if !has_device && words.starts_with(MISSING_SCOPE) => {}
            Err(words) => return Err(Failure::Refused(words)),
        }
    }
    Ok(())
}

fn send<S: Read + Write>(socket: &mut WebSocket<S>, text: String) -> Result<(), Failure> {
    socket.send(Message::text(text)).map_err(|error| broken(&error))
}

/// The next frame that says something.
fn next<S: Read + Write>(socket: &mut WebSocket<S>) -> Result<Frame, Failure> {
    loop {
        match socket.read().map_err(|error| broken(&error))? {
            Message::Text(text) => {
                if let Some(frame) = Frame::read(&text) {
                    return Ok(frame);
                }
            }
            Message::Close(frame) => {
                let (code, reason) = frame.map_or((NO_CODE, String::new()), |frame| {
                    (frame.code.into(), frame.reason.as_str().to_owned())
                });
                return Err(Failure::Closed(code, reason));
            }
            _ => {}
        }
    }
}

fn unreachable(address: &Address, error: &io::Error) -> Failure {
    let host = address.url.host_str().unwrap_or_default();
    let port = address.url.port_or_known_default().unwrap_or(0);
    match error.kind() {
        io::ErrorKind::TimedOut => Failure::Timeout,
        io::ErrorKind::ConnectionRefused => Failure::Broken(format!("nothing listens on {host}:{port}")),
        io::ErrorKind::NotFound => Failure::Broken(format!("{host} has no address")),
        kind => Failure::Broken(format!("{host}:{port} cannot be reached: {kind}")),
    }
}

/// What an error of the connection means. Nothing that the peer sent is in the words.
fn broken(error: &tungstenite::Error) -> Failure {
    use tungstenite::Error;
    let words = match error {
        Error::Io(error) => return broken_connection(error),
        Error::ConnectionClosed | Error::AlreadyClosed => return Failure::Closed(NO_CODE, String::new()),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete) => {
            return Failure::Closed(ABNORMAL, String::new());
        }
        Error::Http(response) => {
            format!("it answers HTTP {} where a gateway would open a WebSocket", response.status().as_u16())
        }
        Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            format!("a message of the gateway's has more than {} MiB", MAX_MESSAGE >> 20)
        }
        Error::Capacity(CapacityError::TooManyHeaders) | Error::AttackAttempt => {
            "its HTTP answer has more headers than are read".to_owned()
        }
        Error::Utf8(_) => "it sends text that is not UTF-8".to_owned(),
        _ => "what answers is no WebSocket server".to_owned(),
    };
    Failure::Broken(words)
}

fn broken_connection(error: &io::Error) -> Failure {
    if let Some(inner) = error.get_ref() {
        if let Some(TooMuch) = inner.downcast_ref::<TooMuch>() {
            return Failure::Broken(inner.to_string());
        }
        if let Some(error) = inner.downcast_ref::<rustls::Error>() {
            return Failure::Broken(untrusted(error));
        }
    }
    match error.kind() {
        io::ErrorKind::TimedOut => Failure::Timeout,
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => Failure::Closed(ABNORMAL, String::new()),
        kind => Failure::Broken(format!("the connection broke: {kind}")),
    }
}

fn untrusted(error: &rustls::Error) -> String {
    use rustls::{CertificateError, Error};
    match error {
        Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => {
            "TLS: the gateway shows another certificate than the installation holds or gateway.remote.tlsFingerprint names"
                .to_owned()
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "TLS: the gateway's certificate is not issued by an authority that this system trusts; set \
             gateway.remote.tlsFingerprint to accept exactly this one"
                .to_owned()
        }
        Error::InvalidCertificate(_) => "TLS: the gateway's certificate is not valid for this address".to_owned(),
        _ => "TLS: the handshake failed; does the gateway speak TLS on this port?".to_owned(),
    }
}
