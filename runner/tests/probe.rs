//! The live probe against a gateway that lives in this process: every way in which one can answer, and every way in which a
//! hostile gateway or a hostile config can try to hang it, to flood it, or to get credentials that are not the target's.
//! No test measures time: what must end early is given a minute, and what must run into the timeout a very short one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    clippy::result_large_err,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use chitin::config::release::{Release, Word};
use chitin::config::{SecretString, load_preview};
use chitin::probe::{Gateway, Options, Probe};
use chitin::target::{Environment, Preview, Request, locate};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

/// Long enough for everything that ends by itself, on any machine.
const LONG: Duration = Duration::from_mins(1);
/// For what does not end by itself.
const SHORT: Duration = Duration::from_millis(300);

const TOKEN: &str = "right-token-0123456789";

// ---- a gateway ----

/// Listens on a free port, and lets a function talk to whoever connects first.
fn listen<F: FnOnce(TcpStream) + Send + 'static>(talk: F) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || talk(listener.accept().unwrap().0));
    port
}

/// A gateway that speaks WebSocket; what it got comes out of the receiver.
fn gateway<F>(talk: F) -> (u16, Receiver<Value>)
where
    F: FnOnce(&mut Session<TcpStream>) + Send + 'static,
{
    let (sender, seen) = channel();
    let port = listen(move |tcp| {
        let mut session = Session { socket: tungstenite::accept(tcp).unwrap(), seen: sender };
        talk(&mut session);
        session.hear_out();
    });
    (port, seen)
}

struct Session<S: Read + Write> {
    socket: WebSocket<S>,
    seen: std::sync::mpsc::Sender<Value>,
}

impl<S: Read + Write> Session<S> {
    /// The next request; null where the client is gone.
    fn request(&mut self) -> Value {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let value: Value = serde_json::from_str(&text).unwrap();
                    let _ = self.seen.send(value.clone());
                    return value;
                }
                Ok(Message::Close(frame)) => {
                    let _ = self.seen.send(json!({"close": frame.map(|frame| (u16::from(frame.code), frame.reason.to_string()))}));
                }
                Ok(_) => {}
                Err(_) => return Value::Null,
            }
        }
    }

    /// Reads until the client is gone: a socket that is dropped with something unread takes back what it said last.
    fn hear_out(&mut self) {
        while self.request() != Value::Null {}
    }

    fn say(&mut self, value: Value) {
        let _ = self.socket.send(Message::text(value.to_string()));
    }

    fn answer(&mut self, request: &Value, payload: Value) {
        self.say(json!({"type": "res", "id": request["id"], "ok": true, "payload": payload}));
    }

    fn refuse(&mut self, request: &Value, message: &str) {
        let error = json!({"code": "INVALID_REQUEST", "message": message});
        self.say(json!({"type": "res", "id": request["id"], "ok": false, "error": error}));
    }

    fn challenge(&mut self) {
        self.say(
            json!({"type": "event", "event": "connect.challenge", "payload": {"nonce": "n-1", "ts": 1}}),
        );
    }

    fn close(&mut self, code: u16, reason: &str) {
        let _ = self.socket.close(Some(CloseFrame { code: code.into(), reason: reason.to_owned().into() }));
    }

    fn greet(&mut self) {
        self.challenge();
        let connect = self.request();
        self.answer(&connect, json!({"type": "hello-ok", "protocol": 3}));
    }

    fn answer_all(&mut self) {
        for _ in 0..4 {
            let request = self.request();
            self.answer(&request, json!({"ok": true}));
        }
    }
}

// ---- a target ----

/// A home directory with an installation.
struct Target {
    _keep: tempfile::TempDir,
    home: PathBuf,
    config: Value,
    env: Vec<(String, String)>,
    request: Request,
    options: Options,
    /// The release that it is judged by; none where the target tells it.
    release: Option<Release>,
}

impl Target {
    fn new(config: Value) -> Self {
        let keep = tempfile::tempdir().unwrap();
        let home = keep.path().canonicalize().unwrap();
        fs::create_dir_all(home.join(".openclaw/identity")).unwrap();
        let options = Options { timeout: LONG, ..Options::default() };
        let (env, request) = (Vec::new(), Request::default());
        Self { _keep: keep, home, config, env, request, options, release: None }
    }

    /// The gateway of this machine, with a token.
    fn local(port: u16) -> Self {
        Self::new(json!({"gateway": {"port": port, "auth": {"mode": "token", "token": TOKEN}}}))
    }

    fn remote(url: &str) -> Self {
        Self::new(json!({"gateway": {"mode": "remote", "remote": {"url": url, "token": TOKEN}}}))
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        fs::write(self.home.join(".openclaw").join(name), content).unwrap();
        self
    }

    /// As if it were somebody else's.
    fn named(mut self) -> Self {
        self.request.state_dir = Some(self.home.join(".openclaw"));
        self
    }

    /// The config alone is somebody else's.
    fn config_named(mut self) -> Self {
        self.request.config = Some(self.home.join(".openclaw/openclaw.json"));
        self
    }

    fn probe(self) -> Gateway {
        fs::write(self.home.join(".openclaw/openclaw.json"), self.config.to_string()).unwrap();
        let mut env: Environment = [("HOME".to_owned(), self.home.to_str().unwrap().to_owned())]
            .into_iter()
            .chain(self.env)
            .collect();
        let (located, _) = locate(&self.request, &mut env, &self.home).unwrap();
        let word = Word { asked: self.release, greeted: None };
        let config = load_preview(&located, &mut env, &Preview::default(), word);
        Probe::start(&located, &env, &config, &self.options).within(Duration::MAX).unwrap()
    }
}

/// What a probe said: `ok`, or the error and the close code with its reason.
fn verdict(gateway: &Gateway) -> (&str, Option<(u16, &str)>) {
    assert!(gateway.attempted, "{gateway:?}");
    assert_eq!(gateway.ok, gateway.error.is_none());
    let close = gateway.close.as_ref().map(|close| (close.code, close.reason.as_str()));
    (gateway.error.as_deref().unwrap_or("ok"), close)
}

/// What a probe of a local gateway with these manners says.
fn met<F>(timeout: Duration, talk: F) -> Gateway
where
    F: FnOnce(&mut Session<TcpStream>) + Send + 'static,
{
    Target::local(gateway(talk).0).timeout(timeout).probe()
}

// ---- the table of the reference (state-checks 9.5) ----

#[test]
fn a_gateway_that_answers_everything() {
    let (port, seen) = gateway(|session| {
        session.greet();
        session.say(json!({"type": "event", "event": "tick", "payload": {}, "seq": 1}));
        session.answer_all();
    });
    let gateway = Target::local(port).probe();
    assert_eq!(verdict(&gateway), ("ok", None));
    assert_eq!(gateway.url, format!("ws://127.0.0.1:{port}"));
    let connect = seen.recv().unwrap();
    let params = &connect["params"];
    assert_eq!((&connect["type"], &connect["method"]), (&json!("req"), &json!("connect")));
    assert_eq!((&params["minProtocol"], &params["maxProtocol"]), (&json!(3), &json!(3)));
    assert_eq!(params["auth"], json!({"token": TOKEN}));
    assert_eq!(
        (&params["role"], &params["scopes"], &params["caps"]),
        (&json!("operator"), &json!([]), &json!([]))
    );
    assert_eq!((&params["client"]["id"], &params["client"]["mode"]), (&json!("cli"), &json!("probe")));
    assert_eq!(params.get("device"), None, "a shared secret needs no device");
    let methods: Vec<Value> = (0..4).map(|_| seen.recv().unwrap()["method"].clone()).collect();
    assert_eq!(methods, ["health", "status", "system-presence", "config.get"]);
    assert_eq!(seen.recv().unwrap(), json!({"close": [1000, ""]}));
}

#[test]
fn a_gateway_that_sends_no_challenge_or_one_without_a_nonce() {
    for challenge in
        [Value::Null, json!({"type": "event", "event": "connect.challenge", "payload": {"nonce": 5}})]
    {
        let gateway = met(LONG, move |session| {
            session.say(challenge);
            let connect = session.request();
            session.answer(&connect, json!({}));
            session.answer_all();
        });
        assert_eq!(verdict(&gateway), ("ok", None));
    }
}

#[test]
fn a_client_without_rights_is_answered_all_the_same() {
    let gateway = met(LONG, |session| {
        session.greet();
        for _ in 0..4 {
            let request = session.request();
            session.refuse(&request, "missing scope: operator.read");
        }
    });
    assert_eq!(verdict(&gateway), ("ok", None));
}

#[test]
fn nothing_listens() {
    // Port 1 is one that nothing of ours listens on, and no free port that another test could get.
    let gateway = Target::local(1).probe();
    assert_eq!(verdict(&gateway), ("connect failed: nothing listens on 127.0.0.1:1", Some((1006, ""))));
}

#[test]
fn an_error_in_answer_to_connect() {
    let (port, seen) = gateway(|session| {
        session.challenge();
        let connect = session.request();
        session.refuse(&connect, "unauthorized: gateway token mismatch");
    });
    let gateway = Target::local(port).probe();
    let error = "connect failed: unauthorized: gateway token mismatch";
    assert_eq!(verdict(&gateway), (error, Some((1008, "connect failed"))));
    assert_eq!(seen.iter().last().unwrap(), json!({"close": [1008, "connect failed"]}));
}

#[test]
fn a_close_in_answer_to_connect_or_before_it() {
    let closed = met(LONG, |session| {
        session.challenge();
        session.request();
        session.close(1008, "pairing required");
    });
    let error = "connect failed: gateway closed (1008): pairing required";
    assert_eq!(verdict(&closed), (error, Some((1008, "pairing required"))));
    let closed = met(LONG, |session| session.close(1013, "busy"));
    assert_eq!(verdict(&closed), ("connect failed: gateway closed (1013): busy", Some((1013, "busy"))));
    let closed = met(LONG, |session| {
        let _ = session.socket.close(None);
    });
    assert_eq!(verdict(&closed), ("connect failed: gateway closed (1005)", Some((1005, ""))));
}

#[test]
fn no_answer_to_connect() {
    let gateway = met(SHORT, Session::challenge);
    assert_eq!(verdict(&gateway), ("timeout", None));
}

#[test]
fn a_greeting_without_content() {
    for payload in [Value::Null, json!([]), json!("hello-ok")] {
        let gateway = met(LONG, move |session| {
            session.challenge();
            let connect = session.request();
            session.answer(&connect, payload);
        });
        let error = "connect failed: the gateway's greeting is empty";
        assert_eq!(verdict(&gateway), (error, Some((1008, "connect failed"))));
    }
}

#[test]
fn a_close_after_the_greeting() {
    let closed = met(LONG, |session| {
        session.greet();
        session.close(1012, "service restart");
    });
    let error = "gateway closed (1012): service restart";
    assert_eq!(verdict(&closed), (error, Some((1012, "service restart"))));
}

#[test]
fn one_question_is_refused() {
    let gateway = met(LONG, |session| {
        session.greet();
        let health = session.request();
        session.answer(&health, json!({}));
        let status = session.request();
        session.refuse(&status, "not today");
    });
    assert_eq!(verdict(&gateway), ("not today", None));
    let silent = met(LONG, |session| {
        session.greet();
        let health = session.request();
        session.say(json!({"type": "res", "id": health["id"], "ok": false}));
    });
    assert_eq!(verdict(&silent), ("unknown error", None));
}

#[test]
fn one_question_is_never_answered() {
    let gateway = met(SHORT, |session| {
        session.greet();
        for _ in 0..3 {
            let request = session.request();
            session.answer(&request, json!({}));
            session.answer(&request, json!({}));
        }
    });
    assert_eq!(verdict(&gateway), ("timeout", None));
}

#[test]
fn frames_that_are_none_are_passed_over() {
    let gateway = met(LONG, |session| {
        for noise in ["", "nonsense", "[]", "{\"type\":\"res\"}", "{\"type\":\"event\",\"event\":5}"] {
            let _ = session.socket.send(Message::text(noise));
        }
        let _ = session.socket.send(Message::binary(vec![0, 159, 146, 150]));
        session.say(
            json!({"type": "event", "event": "connect.challenge", "payload": {"nonce": "x"}, "more": 1}),
        );
        session.challenge();
        let connect = session.request();
        session.say(json!({"type": "res", "id": "another", "ok": true, "payload": {}}));
        session.say(json!({"type": "res", "id": connect["id"], "ok": "yes", "payload": {}}));
        session.answer(&connect, json!({}));
        session.answer_all();
    });
    assert_eq!(verdict(&gateway), ("ok", None));
}

// ---- TLS ----

struct Certificate {
    pem: String,
    fingerprint: String,
    config: Arc<rustls::ServerConfig>,
}

fn certificate() -> Certificate {
    let made = rcgen::generate_simple_self_signed(["gateway.example".to_owned()]).unwrap();
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let fingerprint = HEXLOWER.encode(&Sha256::digest(&der));
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der], key)
        .unwrap();
    Certificate { pem, fingerprint, config: Arc::new(config) }
}

/// A gateway behind TLS that answers everything.
fn tls_gateway(config: Arc<rustls::ServerConfig>) -> u16 {
    listen(move |tcp| {
        let stream = rustls::StreamOwned::new(rustls::ServerConnection::new(config).unwrap(), tcp);
        let Ok(socket) = tungstenite::accept(stream) else { return };
        let mut session = Session { socket, seen: channel().0 };
        session.greet();
        session.answer_all();
        session.hear_out();
    })
}

#[test]
fn the_certificate_of_the_installation_is_accepted_and_no_other() {
    let (own, other) = (certificate(), certificate());
    let target = |port: u16| {
        Target::new(json!({"gateway": {"port": port, "tls": {"enabled": true}, "auth": {"token": TOKEN}}}))
    };
    let stored = |target: Target, pem: &str| {
        fs::create_dir_all(target.home.join(".openclaw/gateway/tls")).unwrap();
        target.file("gateway/tls/gateway-cert.pem", pem)
    };
    let gateway = stored(target(tls_gateway(Arc::clone(&own.config))), &own.pem).probe();
    assert_eq!(verdict(&gateway), ("ok", None));
    assert!(gateway.url.starts_with("wss://127.0.0.1:"));
    let gateway = stored(target(tls_gateway(Arc::clone(&other.config))), &own.pem).probe();
    let error = "connect failed: TLS: the gateway shows another certificate than the installation holds or \
                 gateway.remote.tlsFingerprint names";
    assert_eq!(verdict(&gateway), (error, Some((1006, ""))));
    let mut elsewhere = target(tls_gateway(Arc::clone(&own.config))).file("cert.pem", &own.pem);
    elsewhere.config["gateway"]["tls"]["certPath"] = json!("~/.openclaw/cert.pem");
    assert_eq!(verdict(&elsewhere.probe()), ("ok", None));
    let gateway = target(tls_gateway(own.config)).probe();
    let error = "connect failed: TLS: the gateway's certificate is not issued by an authority that this system trusts; \
                 set gateway.remote.tlsFingerprint to accept exactly this one";
    assert_eq!(verdict(&gateway), (error, Some((1006, ""))));
}

#[test]
fn a_fingerprint_pins_the_certificate_of_a_remote_gateway() {
    let (own, other) = (certificate(), certificate());
    let with = |port: u16, fingerprint: &str| {
        let mut target = Target::remote(&format!("wss://localhost:{port}/"));
        target.config["gateway"]["remote"]["tlsFingerprint"] = json!(fingerprint);
        target.probe()
    };
    let colons =
        own.fingerprint.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).to_uppercase());
    let colons = colons.collect::<Vec<_>>().join(":");
    for fingerprint in [own.fingerprint.clone(), colons, format!("sha256:{}", own.fingerprint)] {
        assert_eq!(verdict(&with(tls_gateway(Arc::clone(&own.config)), &fingerprint)), ("ok", None));
    }
    let gateway = with(tls_gateway(other.config), &own.fingerprint);
    assert!(gateway.error.unwrap().contains("another certificate"));
    let gateway = with(1, "abc");
    assert!(!gateway.attempted);
    assert_eq!(gateway.error.unwrap(), "gateway.remote.tlsFingerprint is no SHA-256 fingerprint; mend it");
}

#[test]
fn tls_is_spoken_to_a_gateway_without_it() {
    let port = listen(|mut tcp| {
        let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        while tcp.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
    });
    let error = "connect failed: TLS: the handshake failed; does the gateway speak TLS on this port?";
    assert_eq!(
        verdict(&Target::remote(&format!("wss://localhost:{port}")).probe()),
        (error, Some((1006, "")))
    );
}

// ---- hostile gateways ----

/// What a probe says of a peer that is no WebSocket server.
fn raw<F: FnOnce(TcpStream) + Send + 'static>(timeout: Duration, talk: F) -> Gateway {
    Target::local(listen(talk)).timeout(timeout).probe()
}

/// Reads the request, and says something else.
fn http(answer: &'static str) -> Gateway {
    raw(LONG, move |mut tcp| {
        let _ = tcp.read(&mut [0; 4096]);
        let _ = tcp.write_all(answer.as_bytes());
        while tcp.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
    })
}

/// Opens the WebSocket, and sends bytes for ever. What the client says is read by another thread.
fn flood(timeout: Duration, first: Vec<u8>, then: Vec<u8>) -> Gateway {
    raw(timeout, move |tcp| {
        let mut reader = tcp.try_clone().unwrap();
        let mut socket = tungstenite::accept(tcp).unwrap();
        std::thread::spawn(move || while reader.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {});
        let tcp = socket.get_mut();
        if tcp.write_all(&first).is_ok() {
            while tcp.write_all(&then).is_ok() {}
        }
    })
}

/// The head of a server's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(u8::try_from(short).unwrap()),
        long => {
            bytes.push(127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
    bytes
}

#[test]
fn other_http_answers_are_told_and_no_redirect_is_followed() {
    let elsewhere = listen(|_| panic!("the redirect was followed"));
    let answer: &'static str =
        format!("HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:{elsewhere}/\r\nContent-Length: 0\r\n\r\n")
            .leak();
    for (answer, code) in [(answer, 302), ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200)] {
        let error = format!("connect failed: it answers HTTP {code} where a gateway would open a WebSocket");
        assert_eq!(verdict(&http(answer)), (error.as_str(), Some((1006, ""))));
    }
    for answer in
        ["SSH-2.0-OpenSSH_9.6\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"]
    {
        let error = "connect failed: what answers is no WebSocket server";
        assert_eq!(verdict(&http(answer)), (error, Some((1006, ""))));
    }
}

#[test]
fn megabytes_of_headers() {
    let endless = raw(LONG, |mut tcp| {
        let _ = tcp.write_all(b"HTTP/1.1 101 Switching Protocols\r\n");
        while tcp
            .write_all(b"X-More: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")
            .is_ok()
        {}
    });
    let error = "connect failed: its HTTP answer has more headers than are read";
    assert_eq!(verdict(&endless), (error, Some((1006, ""))));
}

#[test]
fn a_connection_that_ends_in_the_middle() {
    let error = "connect failed: gateway closed (1006)";
    let closed = raw(LONG, |mut tcp| {
        let _ = tcp.read(&mut [0; 4096]);
        let _ = tcp.write_all(b"HTTP/1.1 101 Swit");
    });
    assert_eq!(verdict(&closed), (error, Some((1006, ""))));
    let closed = met(LONG, |session| {
        session.challenge();
        session.request();
        let tcp = session.socket.get_mut();
        tcp.write_all(&[0x81, 20, b'x']).unwrap();
        tcp.shutdown(std::net::Shutdown::Write).unwrap();
    });
    assert_eq!(verdict(&closed), (error, Some((1006, ""))));
}

#[test]
fn a_peer_that_never_answers_or_a_byte_at_a_time() {
    let silent = raw(SHORT, |mut tcp| while tcp.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {});
    assert_eq!(verdict(&silent), ("timeout", None));
    let trickle = raw(SHORT, |mut tcp| {
        for byte in b"HTTP/1.1 101 Switching Protocols\r\nX-Very-Long: aaaaaaaaaaaaaaaaaaaa".iter().cycle() {
            std::thread::sleep(Duration::from_millis(10));
            if tcp.write_all(&[*byte]).is_err() {
                return;
            }
        }
    });
    assert_eq!(verdict(&trickle), ("timeout", None));
    let trickle = flood_slowly(frame(0x81, &[b'x'; 100]));
    assert_eq!(verdict(&trickle), ("timeout", None));
}

/// Sends a frame a byte at a time, over and over.
fn flood_slowly(frame: Vec<u8>) -> Gateway {
    raw(SHORT, move |tcp| {
        let mut socket = tungstenite::accept(tcp).unwrap();
        for byte in frame.iter().cycle() {
            std::thread::sleep(Duration::from_millis(10));
            if socket.get_mut().write_all(&[*byte]).is_err() {
                return;
            }
        }
    })
}

#[test]
fn endless_frames() {
    let too_much = ("connect failed: the gateway sent more than 32 MiB", Some((1006, "")));
    let events = frame(
        0x81,
        json!({"type": "event", "event": "tick", "payload": "x".repeat(2000)}).to_string().as_bytes(),
    );
    let fragments = frame(0x00, b"x").repeat(10_000);
    let nothing = frame(0x00, b"").repeat(10_000);
    let pings = frame(0x89, &[b'p'; 125]);
    let binary = frame(0x82, &[0xff; 2000]);
    for (first, then) in [
        (Vec::new(), events),
        (frame(0x01, b"x"), fragments),
        (frame(0x01, b"x"), nothing),
        (Vec::new(), pings),
        (Vec::new(), binary),
    ] {
        assert_eq!(verdict(&flood(LONG, first, then)), too_much);
    }
}

#[test]
fn a_huge_message() {
    let too_long = ("connect failed: a message of the gateway's has more than 25 MiB", Some((1006, "")));
    let claim = [&[0x81, 127][..], &u64::MAX.to_be_bytes()[..]].concat();
    let megabyte = vec![b'x'; 1 << 20];
    let in_parts = (frame(0x01, &megabyte), frame(0x00, &megabyte));
    assert_eq!(
        verdict(&flood(LONG, [&[0x81, 127][..], &(26_u64 << 20).to_be_bytes()[..]].concat(), megabyte)),
        too_long
    );
    assert_eq!(verdict(&flood(LONG, in_parts.0, in_parts.1)), too_long);
    assert_eq!(verdict(&flood(LONG, claim, vec![b'x'; 1000])), too_long);
}

#[test]
fn a_large_answer_is_taken() {
    let gateway = met(LONG, |session| {
        session.greet();
        let request = session.request();
        session.answer(&request, json!(vec![vec![1; 1000]; 4000]));
        for _ in 0..3 {
            let request = session.request();
            session.answer(&request, json!({}));
        }
    });
    assert_eq!(verdict(&gateway), ("ok", None));
}

#[test]
fn text_that_is_not_utf8() {
    let error = "connect failed: it sends text that is not UTF-8";
    let gateway = flood(LONG, frame(0x81, &[b'"', 0xff, 0xfe, b'"']), frame(0x81, b"{}"));
    assert_eq!(verdict(&gateway), (error, Some((1006, ""))));
}

#[test]
fn deep_nesting() {
    let gateway = met(LONG, |session| {
        let depth = 1_000_000;
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        let nonce = format!(
            "{{\"type\":\"event\",\"event\":\"connect.challenge\",\"payload\":{{\"nonce\":{open}{close}}}}}"
        );
        let _ = session.socket.send(Message::text(nonce));
        session.challenge();
        let connect = session.request();
        let id = &connect["id"];
        let answer =
            format!("{{\"type\":\"res\",\"id\":{id},\"ok\":true,\"payload\":{{\"a\":{open}{close}}}}}");
        let _ = session.socket.send(Message::text(answer));
        session.answer_all();
    });
    assert_eq!(verdict(&gateway), ("ok", None));
}

#[test]
fn broken_frames() {
    let error = ("connect failed: what answers is no WebSocket server", Some((1006, "")));
    // Reserved bits, an unknown kind, a continuation of nothing, a ping in parts.
    for bytes in [frame(0xf1, b"x"), frame(0x8b, b""), frame(0x80, b"x"), frame(0x09, b"x")] {
        assert_eq!(verdict(&flood(LONG, bytes, frame(0x81, b"{}"))), error);
    }
}

#[test]
fn what_a_gateway_repeats_is_masked_and_short() {
    let long = "x".repeat(100_000);
    let gateway = met(LONG, move |session| {
        session.challenge();
        let connect = session.request();
        session.refuse(&connect, &format!("no {TOKEN}, API_TOKEN=hunter2 nor sk-0123456789abcdef {long}"));
    });
    let error = gateway.error.unwrap();
    assert!(error.starts_with("connect failed: no ***, API_TOKEN=*** nor *** xxx"), "{error}");
    assert!(error.chars().count() < 400 && error.ends_with('…'));
    let closed = met(LONG, |session| {
        session.challenge();
        session.request();
        session.close(1008, TOKEN);
    });
    assert_eq!(verdict(&closed), ("connect failed: gateway closed (1008): ***", Some((1008, "***"))));
}

// ---- credentials ----

/// What a local gateway is shown, and what the probe says where it is refused.
fn shown(target: impl FnOnce(u16) -> Target) -> (Value, String) {
    let (port, seen) = gateway(|session| {
        session.challenge();
        let connect = session.request();
        session.refuse(&connect, "no");
    });
    let error = target(port).probe().error.unwrap();
    (seen.recv().unwrap()["params"].clone(), error)
}

fn auth(target: impl FnOnce(u16) -> Target) -> Value {
    shown(target).0["auth"].clone()
}

#[test]
fn the_environment_goes_before_the_config_and_flags_before_both() {
    let both = json!({"token": "config-token", "password": "config-password"});
    let target = |port: u16| Target::new(json!({"gateway": {"port": port, "auth": both}}));
    assert_eq!(auth(target), both);
    let env = |port| {
        target(port)
            .env("OPENCLAW_GATEWAY_TOKEN", " env-token ")
            .env("OPENCLAW_GATEWAY_PASSWORD", "env-password")
    };
    assert_eq!(auth(env), json!({"token": "env-token", "password": "env-password"}));
    let flags = |port| {
        let mut target = env(port);
        target.options.token = Some(SecretString::new("flag-token"));
        target.options.password = Some(SecretString::new("flag-password"));
        target
    };
    assert_eq!(auth(flags), json!({"token": "flag-token", "password": "flag-password"}));
    assert_eq!(auth(|port| flags(port).named()), json!({"token": "flag-token", "password": "flag-password"}));
    let (params, error) = shown(|port| Target::new(json!({"gateway": {"port": port}})));
    assert_eq!(params.get("auth"), None);
    assert_eq!(
        error,
        "connect failed: no; there was no token, password or paired device to show, give --token or --password"
    );
}

#[test]
fn a_remote_gateway_has_credentials_of_its_own() {
    let remote = |port: u16| {
        let mut target = Target::remote(&format!("ws://127.0.0.1:{port}"));
        target.config["gateway"]["auth"] = json!({"token": "local-token"});
        target.env("OPENCLAW_GATEWAY_TOKEN", "env-token").env("OPENCLAW_GATEWAY_PASSWORD", "env-password")
    };
    assert_eq!(auth(remote), json!({"token": TOKEN, "password": "env-password"}));
}

#[test]
fn what_is_not_the_targets_is_not_sent_for_it() {
    let secret = |port: u16| {
        let auth = json!({"token": "${SECRET}", "password": "${SECRET}"});
        Target::new(json!({"gateway": {"port": port, "auth": auth}}))
            .env("SECRET", "of-this-process")
            .env("OPENCLAW_GATEWAY_TOKEN", "env-token")
    };
    assert_eq!(auth(secret), json!({"token": "env-token", "password": "of-this-process"}));
    let withheld = "connect failed: no; what does not belong to a target that is named with --state-dir or --config is not \
                    sent to it, give --token or --password";
    for named in [Target::named, Target::config_named] {
        let (params, error) = shown(|port| named(secret(port)));
        assert_eq!((params.get("auth"), error.as_str()), (None, withheld));
    }
    let literal = |port| Target::local(port).env("OPENCLAW_GATEWAY_TOKEN", "env-token").named();
    assert_eq!(auth(literal), json!({"token": TOKEN}));
}

#[test]
fn what_names_a_variable_without_a_value_is_no_credential() {
    for release in [Release::new(2026, 2, 19), Release::new(2026, 3, 7)] {
        let target = |auth: Value| {
            move |port: u16| Target {
                release: Some(release),
                ..Target::new(json!({"gateway": {"port": port, "auth": auth}}))
            }
        };
        let (params, error) = shown(target(json!({"token": "${NOWHERE}", "password": "x${NOWHERE}"})));
        assert_eq!(params.get("auth"), None, "{release}");
        assert!(error.contains("there was no token, password or paired device to show"), "{error}");
        let written = target(json!({"token": "${NOWHERE}", "password": "$${WRITTEN}"}));
        assert_eq!(auth(written), json!({"password": "${WRITTEN}"}), "{release}");
    }
}

#[test]
fn the_env_file_of_a_state_directory_is_its_own() {
    let dotenv = |port: u16| {
        Target::new(json!({"gateway": {"port": port, "auth": {"password": "${OWN}"}}}))
            .file(".env", "OPENCLAW_GATEWAY_TOKEN=dotenv-token\nOWN=dotenv-password\n")
    };
    let all = json!({"token": "dotenv-token", "password": "dotenv-password"});
    assert_eq!(auth(dotenv), all);
    assert_eq!(auth(|port| dotenv(port).named()), all);
    assert_eq!(auth(|port| dotenv(port).named().config_named()), all);
    assert_eq!(shown(|port| dotenv(port).config_named()).0.get("auth"), None, "it is not the config's");
    let block = |release: Release| {
        move |port: u16| {
            let env = json!({"OPENCLAW_GATEWAY_TOKEN": "block-token", "vars": {"OPENCLAW_GATEWAY_PASSWORD": "${SECRET}"}});
            let target = Target::new(json!({"env": env, "gateway": {"port": port}}));
            Target { release: Some(release), ..target.env("SECRET", "of-this-process").named() }
        }
    };
    let as_written = json!({"token": "block-token", "password": "${SECRET}"});
    assert_eq!(auth(block(Release::new(2026, 2, 19))), as_written);
    let without = json!({"token": "block-token"});
    assert_eq!(auth(block(Release::new(2026, 7, 35))), without, "it sets no variable to such a text");
}

/// RFC 8032, section 7.1, test 1.
const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/// A paired device, as the reference stores it.
fn paired(target: Target) -> Target {
    let public = HEXLOWER.decode(PUBLIC.as_bytes()).unwrap();
    let id = HEXLOWER.encode(&Sha256::digest(&public));
    let der = [
        &HEXLOWER.decode(b"302e020100300506032b657004220420").unwrap()[..],
        &HEXLOWER.decode(SEED.as_bytes()).unwrap(),
    ]
    .concat();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(&der));
    let device = json!({"version": 1, "deviceId": "wrong", "publicKeyPem": "", "privateKeyPem": pem, "createdAtMs": 1});
    let token =
        json!({"token": "device-token", "role": "operator", "scopes": ["operator.admin", "operator.read"]});
    let auth = json!({"version": 1, "deviceId": id, "tokens": {"operator": token}});
    target
        .file("identity/device.json", &device.to_string())
        .file("identity/device-auth.json", &auth.to_string())
}

#[test]
fn a_paired_device_signs_where_there_is_no_shared_secret() {
    let empty = |port: u16| paired(Target::new(json!({"gateway": {"port": port}})));
    let (params, _) = shown(empty);
    assert_eq!(params["auth"], json!({"token": "device-token"}));
    assert_eq!(params["scopes"], json!(["operator.admin", "operator.read"]));
    let device = &params["device"];
    let public = HEXLOWER.decode(PUBLIC.as_bytes()).unwrap();
    let id = HEXLOWER.encode(&Sha256::digest(&public));
    assert_eq!((&device["id"], &device["nonce"]), (&json!(id), &json!("n-1")));
    assert_eq!(device["publicKey"], BASE64URL_NOPAD.encode(&public));
    let text = format!(
        "v2|{id}|cli|probe|operator|operator.admin,operator.read|{}|device-token|n-1",
        device["signedAt"].as_u64().unwrap()
    );
    let signature = BASE64URL_NOPAD.decode(device["signature"].as_str().unwrap().as_bytes()).unwrap();
    ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public)
        .verify(text.as_bytes(), &signature)
        .unwrap();
    let (params, _) = shown(|port| paired(Target::local(port)));
    assert_eq!((params.get("device"), &params["auth"]), (None, &json!({"token": TOKEN})));
}

#[test]
fn a_device_of_another_installation_is_not_used() {
    let empty = |port: u16| paired(Target::new(json!({"gateway": {"port": port}})));
    assert!(shown(|port| empty(port).named()).0.get("device").is_some(), "it is the target's own");
    assert_eq!(shown(|port| empty(port).config_named()).0.get("device"), None);
    let linked = |port| {
        let target = empty(port);
        let identity = target.home.join(".openclaw/identity");
        fs::rename(&identity, target.home.join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(target.home.join("elsewhere"), identity).unwrap();
        target
    };
    assert_eq!(shown(linked).0.get("device"), None);
    for broken in ["", "{}", "{\"version\":1,\"privateKeyPem\":\"x\"}", "[[[["] {
        assert_eq!(shown(|port| empty(port).file("identity/device.json", broken)).0.get("device"), None);
    }
}

// ---- hostile configs ----

/// What an address that cannot be used says.
fn refused(url: &str) -> Gateway {
    let gateway = Target::remote(url).probe();
    assert!(!gateway.attempted && !gateway.ok && gateway.close.is_none(), "{gateway:?}");
    gateway
}

#[test]
fn an_address_that_cannot_be_used_is_not_tried() {
    let insecure = "the address is on another machine and not encrypted: the gateway's credentials would cross the network \
                    in clear text; use wss://, or a tunnel to 127.0.0.1";
    for url in [
        "ws://evil.example:18789",
        "ws://127.evil.example",
        "ws://localhost.evil.example",
        "ws://192.0.2.1",
        "ws://[2001:db8::1]:5",
        "ws://0.0.0.0:18789",
        "ws://localhost@evil.example/",
    ] {
        assert_eq!(refused(url).error.unwrap(), insecure, "{url}");
    }
    for scheme in ["http", "https", "file", "ftp"] {
        let error = format!(
            "the address begins with {scheme}:, and a gateway is reached by ws:// or wss://; mend gateway.remote.url"
        );
        assert_eq!(refused(&format!("{scheme}://127.0.0.1/x")).error.unwrap(), error);
    }
    for url in ["garbage", "ws://", "ws://[::1", "ws://127.0.0.1:99999", "//127.0.0.1", "\u{0}"] {
        let error = refused(url).error.unwrap();
        assert!(error.starts_with("the address is no URL ("), "{url}: {error}");
    }
}

#[test]
fn an_address_without_end_or_with_a_password_is_not_shown() {
    let gateway = refused(&format!("wss://{}.example", "a".repeat(10 << 20)));
    let error = "the address has 10485774 bytes, and at most 8192 are tried; mend gateway.remote.url";
    assert_eq!(gateway.error.unwrap(), error);
    assert!(gateway.url.len() < 1000);
    let gateway = refused("ws://user:hunter2@evil.example:1/path?token=hunter3#hunter4");
    assert_eq!(gateway.url, "ws://***@evil.example:1/path?***");
    assert_eq!(refused("ws://user:hunter2@:::/").url, "gateway.remote.url");
}

#[test]
fn a_login_in_the_address_is_sent_as_http_has_it() {
    let (sender, seen) = channel();
    let port = listen(move |tcp| {
        let callback = |request: &tungstenite::handshake::server::Request, response| {
            sender.send(request.headers().get("authorization").cloned()).unwrap();
            Ok(response)
        };
        let _ = tungstenite::accept_hdr(tcp, callback);
    });
    let gateway = Target::remote(&format!("ws://me:s%40crets@127.0.0.1:{port}/")).probe();
    assert_eq!(gateway.url, format!("ws://***@127.0.0.1:{port}/"));
    let expected = format!("Basic {}", BASE64.encode(b"me:s@crets"));
    assert_eq!(seen.recv().unwrap().unwrap().to_str().unwrap(), expected);
}

#[test]
fn an_address_cannot_carry_a_variable_away() {
    let target = |port: u16| {
        Target::remote(&format!("ws://127.0.0.1:{port}/${{SECRET}}")).env("SECRET", "of-this-process")
    };
    let gateway = target(1).named().probe();
    assert!(!gateway.attempted);
    assert_eq!(gateway.url, "gateway.remote.url");
    assert!(
        gateway
            .error
            .unwrap()
            .starts_with("gateway.remote.url holds a variable that is not the target's own")
    );
    let lead = Target::remote("ws://${HOST}:1");
    fs::write(lead.home.join(".env"), "HOST=127.0.0.1\nOPENCLAW_GATEWAY_PORT=1\n").unwrap();
    assert!(!lead.probe().attempted, "nor can the current directory say where it leads");
    let own = target(1).probe();
    assert!(own.attempted);
    assert_eq!(own.url, "ws://127.0.0.1:1/***");
}

#[test]
fn this_machine_by_its_other_names() {
    for host in ["localhost", "127.0.0.2", "[::ffff:127.0.0.1]", "0x7f.1"] {
        let gateway = Target::remote(&format!("ws://{host}:1")).probe();
        assert!(gateway.attempted, "{host}: {gateway:?}");
        assert!(gateway.error.unwrap().starts_with("connect failed: "));
    }
}

#[test]
fn a_port_from_the_environment_is_the_users_own() {
    let target = || Target::local(2).env("OPENCLAW_GATEWAY_PORT", "1abc");
    assert_eq!(target().probe().url, "ws://127.0.0.1:1");
    assert_eq!(target().named().probe().url, "ws://127.0.0.1:2");
    let lead = Target::local(2);
    fs::write(lead.home.join(".env"), "OPENCLAW_GATEWAY_PORT=1\n").unwrap();
    assert_eq!(lead.probe().url, "ws://127.0.0.1:2");
}

#[test]
fn a_config_that_cannot_be_read_names_no_gateway() {
    let mut target = Target::local(1);
    target.config = json!("no object");
    let gateway = target.probe();
    assert!(!gateway.attempted && gateway.url.is_empty());
    assert_eq!(
        gateway.error.unwrap(),
        "the config could not be read, so it is not known where the gateway is"
    );
}

// ---- the command ----

/// What the program says of a target.
fn command(target: &Target, arguments: &[&str]) -> std::process::Output {
    fs::write(target.home.join(".openclaw/openclaw.json"), target.config.to_string()).unwrap();
    std::process::Command::new(env!("CARGO_BIN_EXE_chitin"))
        .args(arguments)
        .env_clear()
        .env("HOME", &target.home)
        .current_dir(&target.home)
        .output()
        .unwrap()
}

#[test]
fn a_deep_report_has_the_gateway_behind_its_findings() {
    let (port, _) = gateway(|session| {
        session.greet();
        session.answer_all();
    });
    let target = Target::local(port);
    let report = command(&target, &["audit", "--deep", "--json", "--timeout", "1m"]).stdout;
    let report: Value = serde_json::from_slice(&report).unwrap();
    let url = format!("ws://127.0.0.1:{port}");
    let expected =
        json!({"gateway": {"attempted": true, "url": url, "ok": true, "error": null, "close": null}});
    assert_eq!(report["deep"], expected);
    let keys: Vec<&String> = report.as_object().unwrap().keys().collect();
    let place = keys.iter().position(|key| *key == "findings").unwrap();
    assert_eq!(keys[place + 1], "deep");
    let check = report["assessment"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["checkId"] == "gateway.probe_failed");
    assert_eq!(check.unwrap()["status"], "clean");
    let report: Value = serde_json::from_slice(&command(&target, &["audit", "--json"]).stdout).unwrap();
    assert_eq!(report.get("deep"), None);
}

#[test]
fn the_greeting_tells_the_release_of_a_config_that_was_read_before() {
    let (sender, place) = channel::<PathBuf>();
    let (port, _) = gateway(move |session| {
        session.challenge();
        let connect = session.request();
        // By now the config was read, and it is not read again.
        fs::write(place.recv().unwrap(), "{ broken").unwrap();
        let server = json!({"version": "2026.8.2"});
        session.answer(&connect, json!({"type": "hello-ok", "protocol": 3, "server": server}));
        session.answer_all();
    });
    let target = Target::local(port);
    sender.send(target.home.join(".openclaw/openclaw.json")).unwrap();
    let report = command(&target, &["audit", "--deep", "--json", "--timeout", "1m"]).stdout;
    let report: Value = serde_json::from_slice(&report).unwrap();
    let release = &report["target"]["release"];
    assert_eq!((&release["version"], &release["source"]), (&json!("2026.8.2"), &json!("gateway")));
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["checkId"] != "config.syntax"), "{report}");
}

#[test]
fn a_fix_probes_once_and_reports_it() {
    let (port, seen) = gateway(|session| {
        session.greet();
        session.answer_all();
    });
    let target = Target::local(port);
    let both = command(&target, &["audit", "--fix", "--deep", "--json", "--timeout", "1m"]).stdout;
    let both: Value = serde_json::from_slice(&both).unwrap();
    assert_eq!(both["report"]["deep"]["gateway"]["ok"], true, "{both}");
    assert_eq!(seen.iter().filter(|frame| frame["method"] == "connect").count(), 1);
}

#[test]
fn what_a_gateway_says_cannot_move_the_terminal() {
    let (port, _) = gateway(|session| {
        session.challenge();
        let connect = session.request();
        session.refuse(&connect, "\u{1b}[2J\u{202e}all is well\n");
    });
    let output = command(&Target::local(port), &["audit", "--deep", "--timeout", "1m"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\\u{1b}[2J\\u{202e}all is well\\u{a}") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_flags_belong_to_deep_audits_and_the_time_has_bounds() {
    let target = Target::local(1);
    for arguments in [&["--token", "x"][..], &["--password", "x"], &["--timeout", "1s"]] {
        let output = command(&target, &[&["audit"], arguments].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains("--deep"));
    }
    for time in ["249ms", "61s", "0s", "5", "soon"] {
        let output = command(&target, &["audit", "--deep", "--timeout", time]);
        assert_eq!(output.status.code(), Some(2), "{time}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("250ms to 1m") || text.contains("for example 5s"), "{text}");
    }
}
