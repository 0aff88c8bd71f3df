//! The rules: what each looks for, and what it needs beside it. A place is read to the first byte that does not fit.
//! No byte is read for more than a few places, so that the work grows with the text alone, however hostile it is.

use std::collections::VecDeque;

use super::find::{Word, places};
use super::lines::Lines;
use super::space::{Space, skip, skip_back};
use super::span::{Set, is_in, span};
use crate::Severity;

/// What a hit says of its rule.
pub(super) struct Rule {
    pub id: &'static str,
    pub severity: Severity,
    pub message: &'static str,
    /// It is about the text as a whole: later releases do not count comments for it.
    pub of_source: bool,
}

/// In the order of the hits.
const DANGEROUS_EXEC: Rule = Rule {
    id: "dangerous-exec",
    severity: Severity::Critical,
    message: "starts a program through child_process",
    of_source: false,
};
const DYNAMIC_CODE: Rule = Rule {
    id: "dynamic-code-execution",
    severity: Severity::Critical,
    message: "runs code that it makes at run time",
    of_source: false,
};
const CRYPTO_MINING: Rule = Rule {
    id: "crypto-mining",
    severity: Severity::Critical,
    message: "names a crypto miner or its protocol",
    of_source: false,
};
const SUSPICIOUS_NETWORK: Rule = Rule {
    id: "suspicious-network",
    severity: Severity::Warn,
    message: "opens a WebSocket to an unusual port",
    of_source: false,
};
const EXFILTRATION: Rule = Rule {
    id: "potential-exfiltration",
    severity: Severity::Warn,
    message: "reads files, and sends to the network",
    of_source: true,
};
const HEX: Rule = Rule {
    id: "obfuscated-code",
    severity: Severity::Warn,
    message: "hides text in hexadecimal escapes",
    of_source: true,
};
const BASE64: Rule = Rule {
    id: "obfuscated-code",
    severity: Severity::Warn,
    message: "decodes a long Base64 text",
    of_source: true,
};
const ENV_HARVESTING: Rule = Rule {
    id: "env-harvesting",
    severity: Severity::Critical,
    message: "reads the environment, and sends to the network",
    of_source: true,
};

/// Ports that a WebSocket may go to.
const USUAL_PORTS: [&[u8]; 5] = [b"80", b"443", b"8080", b"8443", b"3000"];
/// Groups in a row from which hexadecimal escapes count as hidden text.
const HEX_GROUPS: usize = 6;
/// Characters from which a Base64 text is long.
const LONG_BASE64: usize = 200;

/// Where a rule matched.
pub(super) struct Match {
    pub rule: &'static Rule,
    /// Offset of the match.
    pub at: usize,
    /// Offset of what the rule needs beside it, where it has two parts.
    pub other: Option<usize>,
    /// It lies on one line.
    pub on_line: bool,
}

/// What counts as sending to the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Network {
    /// A word for it.
    #[default]
    Named,
    /// A call.
    Called,
}

/// All matches, in the order of the rules.
pub(super) fn matches(text: &[u8], network: Network) -> Vec<Match> {
    let mut search = Search { text, sends: network, ..Search::default() };
    places(text, |word, at, text| search.look(word, at, text));
    search.matches()
}

/// The matches of the rules that are about the text as a whole, in a text without comments. The environment has to be read
/// near to the call that sends.
pub(super) fn source_matches(text: &[u8]) -> Vec<Match> {
    let near = Some(Near::new(text));
    let mut search = Search { text, sends: Network::Called, near, ..Search::default() };
    places(text, |word, at, text| search.look(word, at, text));
    let mut matches = search.matches();
    matches.retain(|found| found.rule.of_source);
    matches
}

/// The match of `dangerous-exec` at a place, beside the name of the module.
pub(super) fn exec_match(at: usize, child_process: usize) -> Match {
    Match { rule: &DANGEROUS_EXEC, at, other: Some(child_process), on_line: true }
}

/// The rule that [`exec_match`] is of.
pub(super) fn is_exec(found: &Match) -> bool {
    found.rule.id == DANGEROUS_EXEC.id
}

/// Lines on either side of a place that are near to it.
const NEAR_LINES: u32 = 8;

/// Where the environment is read near to a call that sends.
struct Near<'t> {
    lines: Lines<'t>,
    at: usize,
    line: u32,
    /// The first place that reads the environment of each line that is still near, with its line.
    reads: VecDeque<(usize, u32)>,
    /// The last call that sends, with its line.
    call: Option<(usize, u32)>,
    found: Option<(usize, usize)>,
}

impl<'t> Near<'t> {
    fn new(text: &'t [u8]) -> Self {
        Self { lines: Lines::new(text), at: 0, line: 1, reads: VecDeque::new(), call: None, found: None }
    }

    /// The line of a place. Places that overlap may come in another order; they are on one line.
    fn line(&mut self, at: usize) -> u32 {
        if at > self.at {
            self.at = at;
            self.line = self.lines.place(at).line;
        }
        self.line
    }

    fn environment(&mut self, at: usize) {
        if self.found.is_some() {
            return;
        }
        let line = self.line(at);
        match self.call.filter(|(_, call)| call + NEAR_LINES >= line) {
            Some((call, _)) => self.found = Some((at, call)),
            None if self.reads.back().is_some_and(|(_, last)| *last == line) => {}
            None => self.reads.push_back((at, line)),
        }
    }

    fn network(&mut self, at: usize) {
        if self.found.is_some() {
            return;
        }
        let line = self.line(at);
        while self.reads.front().is_some_and(|(_, read)| read + NEAR_LINES < line) {
            self.reads.pop_front();
        }
        self.found = self.reads.front().map(|(read, _)| (*read, at));
        self.call = Some((at, line));
    }
}

/// What is known of a text so far. Places are offsets.
#[derive(Default)]
struct Search<'t> {
    text: &'t [u8],
    exec: Option<usize>,
    dynamic: Option<usize>,
    mining: Option<usize>,
    socket: Option<usize>,
    /// End of the line that a usual port has cleared.
    cleared: usize,
    read_file: Option<usize>,
    hex: Option<usize>,
    /// End of the escapes that were counted last.
    counted: usize,
    base64: Option<usize>,
    /// A match that goes over line ends. It counts where there is no other.
    base64_lines: Option<usize>,
    environment: Option<usize>,
    child_process: Option<usize>,
    network: Option<usize>,
    sends: Network,
    /// What is asked of places that are near to each other; none where that does not count.
    near: Option<Near<'t>>,
}

impl<'t> Search<'t> {
    fn matches(&self) -> Vec<Match> {
        let on_line = |rule, at: Option<usize>| at.map(|at| Match { rule, at, other: None, on_line: true });
        let both = |rule, at: Option<usize>, other: Option<usize>| {
            at.zip(other).map(|(at, other)| Match { rule, at, other: Some(other), on_line: true })
        };
        let (environment, network) = match &self.near {
            Some(near) => near.found.unzip(),
            None => (self.environment, self.network),
        };
        let base64 = || self.base64_lines.map(|at| Match { rule: &BASE64, at, other: None, on_line: false });
        [
            both(&DANGEROUS_EXEC, self.exec, self.child_process),
            on_line(&DYNAMIC_CODE, self.dynamic),
            on_line(&CRYPTO_MINING, self.mining),
            on_line(&SUSPICIOUS_NETWORK, self.socket),
            both(&EXFILTRATION, self.read_file, self.network),
            on_line(&HEX, self.hex),
            on_line(&BASE64, self.base64).or_else(base64),
            both(&ENV_HARVESTING, environment, network),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Reads on at a place. What a rule has found already it does not look for again.
    #[inline]
    fn look(&mut self, word: Word, at: usize, text: &'t [u8]) {
        // What follows the letters that the place was found by.
        let after = |letters: usize| text.get(letters..).unwrap_or_default();
        match word {
            Word::Exec if self.exec.is_none() => self.exec = self.called(at, variant(after(4))),
            Word::Spawn if self.exec.is_none() => self.exec = self.called(at, sync(after(5))),
            Word::ChildProcess if self.child_process.is_none() && after(8).starts_with(b"ss") => {
                let start = at.checked_sub(3);
                self.child_process = start.filter(|_| self.before(at).ends_with(b"chi"));
            }
            Word::Eval if self.dynamic.is_none() => self.dynamic = self.called(at, after(4)),
            Word::Function if self.dynamic.is_none() && is_called(after(8)) => {
                self.dynamic = self.new_before(at);
            }
            Word::Stratum
                if self.mining.is_none() && (starts(after(8), b"tcp") || starts(after(8), b"ssl")) =>
            {
                self.mining = Some(at);
            }
            Word::Coinhive | Word::Xmrig if self.mining.is_none() => self.mining = Some(at),
            Word::Cryptonight if self.mining.is_none() => self.mining = self.folded(at, b"cry"),
            Word::WebSocket if self.socket.is_none() && at >= self.cleared => {
                self.look_at_socket(at, after(8));
            }
            Word::ReadFile if self.read_file.is_none() => self.read_file = Some(at),
            Word::Process if self.near.is_some() && after(8).starts_with(b"env") => {
                self.near.iter_mut().for_each(|near| near.environment(at));
            }
            Word::Process if self.environment.is_none() && after(8).starts_with(b"env") => {
                self.environment = Some(at);
            }
            Word::Fetch if self.wants_network() => {
                self.look_at_network(at, self.is_word(at, after(5)), after(5));
            }
            Word::Post if self.wants_network() => {
                self.look_at_network(at, self.is_word(at, after(4)), after(4));
            }
            Word::Http if self.wants_network() => {
                self.look_at_network(at, starts(after(8), b"uest"), after(12));
            }
            Word::Escape if self.hex.is_none() && at >= self.counted => self.look_at_escape(at),
            Word::Atob if self.base64.is_none() => self.look_at_base64(at, after(4)),
            Word::Buffer if self.base64.is_none() => {
                if let [b'r', b'o', b'm', rest @ ..] = after(8) {
                    self.look_at_base64(at, rest);
                }
            }
            _ => {}
        }
    }

    /// The next call that sends something must still be recorded: the first one, or all where one near a place is looked for.
    fn wants_network(&self) -> bool {
        self.network.is_none() || self.near.is_some()
    }

    fn before(&self, at: usize) -> &'t [u8] {
        self.text.get(..at).unwrap_or_default()
    }

    /// Where the pattern starts that has this head before its letters. The head is in small ones; case does not count.
    fn folded(&self, at: usize, head: &[u8]) -> Option<usize> {
        let before = self.before(at);
        let same = head.iter().rev().zip(before.iter().rev());
        let fits =
            head.len() <= before.len() && same.into_iter().all(|(one, two)| *one == two.to_ascii_lowercase());
        fits.then(|| at - head.len())
    }

    fn is_inside_word(&self, at: usize) -> bool {
        at.checked_sub(1).and_then(|before| self.text.get(before)).copied().is_some_and(is_word)
    }

    /// The word at a place, before this rest, is a whole one.
    fn is_word(&self, at: usize, rest: &[u8]) -> bool {
        !rest.first().copied().is_some_and(is_word) && !self.is_inside_word(at)
    }

    /// The place of a whole name that is called on the same line.
    fn called(&self, at: usize, rest: &[u8]) -> Option<usize> {
        (is_called(rest) && !self.is_inside_word(at)).then_some(at)
    }

    /// Where `new` starts, with white space between it and what follows.
    fn new_before(&self, at: usize) -> Option<usize> {
        let before = self.before(at);
        let head = skip_back(before);
        let start = head.len().checked_sub(3)?;
        (head.len() < before.len() && head.ends_with(b"new")).then_some(start)
    }

    /// A name that sends, if it is one, and what follows it.
    fn look_at_network(&mut self, at: usize, is_name: bool, rest: &[u8]) {
        let is_sent = || self.sends == Network::Named || skip(rest, Space::Any).starts_with(b"(");
        if is_name && is_sent() {
            self.network = self.network.or(Some(at));
            self.near.iter_mut().for_each(|near| near.network(at));
        }
    }

    /// Only the first match of a line counts: a usual port clears the line.
    fn look_at_socket(&mut self, at: usize, rest: &'t [u8]) {
        let [b't', rest @ ..] = rest else { return };
        let Some(url) = strip(skip(rest, Space::Line), b"(")
            .and_then(|rest| quote(skip(rest, Space::Line)))
            .and_then(|rest| strip(rest, b"ws://").or_else(|| strip(rest, b"wss://")))
        else {
            return;
        };
        let Some(start) = self.new_before(at) else { return };
        let (host, after) = url.split_at_checked(span(url, Set::Url)).unwrap_or_default();
        let Some(port) = port(host) else { return };
        if USUAL_PORTS.contains(&port) {
            self.cleared = self.text.len() - after.len() + span(after, Set::Line);
        } else {
            self.socket = Some(start);
        }
    }

    /// Counts the escapes in a row, of which the place may be a later one.
    fn look_at_escape(&mut self, at: usize) {
        let is_escape = |at: usize| self.text.get(at..).is_some_and(is_escape);
        let (mut start, mut end) = (at, at);
        while end - at < 4 * HEX_GROUPS && is_escape(end) {
            end += 4;
        }
        if end > at {
            while let Some(before) = start.checked_sub(4).filter(|before| is_escape(*before)) {
                start = before;
            }
        }
        self.counted = end;
        if end - start >= 4 * HEX_GROUPS {
            self.hex = Some(start);
        }
    }

    fn look_at_base64(&mut self, at: usize, rest: &[u8]) {
        let Some(open) = strip(skip(rest, Space::Any), b"(") else { return };
        let Some(data) = quote(skip(open, Space::Any)) else { return };
        let length = span(data, Set::Base64);
        if length < LONG_BASE64 || data.get(length..).and_then(quote).is_none() {
            return;
        }
        let on_line = strip(skip(rest, Space::Line), b"(").and_then(|rest| quote(skip(rest, Space::Line)));
        if on_line.is_some() {
            self.base64 = Some(at);
        } else {
            self.base64_lines = self.base64_lines.or(Some(at));
        }
    }
}

/// What follows `exec` and the rest of its name.
#[inline]
pub(super) fn variant(rest: &[u8]) -> &[u8] {
    if let [b'F', b'i', b'l', b'e', rest @ ..] = rest { sync(rest) } else { sync(rest) }
}

#[inline]
pub(super) fn sync(rest: &[u8]) -> &[u8] {
    if let [b'S', b'y', b'n', b'c', rest @ ..] = rest { rest } else { rest }
}

/// The text starts with these small letters, whatever their case.
#[inline]
fn starts(text: &[u8], letters: &[u8]) -> bool {
    text.len() >= letters.len() && text.iter().zip(letters).all(|(one, two)| one.to_ascii_lowercase() == *two)
}

fn strip<'t>(text: &'t [u8], start: &[u8]) -> Option<&'t [u8]> {
    text.strip_prefix(start)
}

/// The text after the quote that it begins with.
fn quote(text: &[u8]) -> Option<&[u8]> {
    if let [b'"' | b'\'', rest @ ..] = text { Some(rest) } else { None }
}

/// The name before it is called, on the same line.
pub(super) fn is_called(rest: &[u8]) -> bool {
    skip(rest, Space::Line).starts_with(b"(")
}

pub(super) fn is_word(byte: u8) -> bool {
    is_in(byte, Set::Word)
}

fn is_escape(text: &[u8]) -> bool {
    matches!(text, [b'\\', b'x', one, two, ..] if one.is_ascii_hexdigit() && two.is_ascii_hexdigit())
}

/// The digits after the last colon that has some, without leading zeros.
fn port(host: &[u8]) -> Option<&[u8]> {
    let is_colon = |byte: &u8| *byte == b':';
    let mut colon = host.iter().rposition(is_colon)?;
    while !host.get(colon + 1).is_some_and(u8::is_ascii_digit) {
        colon = host.get(..colon)?.iter().rposition(is_colon)?;
    }
    let digits = host.get(colon + 1..)?;
    let length = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let zeros = digits.iter().position(|byte| *byte != b'0').unwrap_or(digits.len());
    digits.get(zeros.min(length)..length)
}
