//! expect: no failure
//!
//! Puts into every field what moves a cursor, turns text around, or is not seen.

use chitin_hostile::{Finding, Input, Location, TextPosition, Verdict, harmless, path, say};

const EVIL: &str = "\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\r\u{8}\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}\u{7f}";

fn audit(_: Input) -> Verdict {
    let place = || path("state", &format!("a{EVIL}/%FF{EVIL}"));
    say(vec![Finding {
        check_id: format!("hostile.{EVIL}.name"),
        title: format!("T{EVIL}\nFAKE"),
        detail: format!("D{EVIL}\nexit 0: FAKE"),
        remediation: Some(format!("R{EVIL}\nFAKE")),
        locations: vec![
            Location::Object(place()),
            Location::Text(TextPosition { object: place(), line: 0, column: u32::MAX }),
            Location::Config(format!("/{EVIL}")),
            Location::Env(EVIL.to_owned()),
        ],
        ..harmless()
    }])
}

chitin_hostile::manifest!(
    "[policy]\nid = \"hostile\"\nversion = \"1.0.0\"\nsummary = \"s\"\n\
     [[check]]\nid = \"hostile.*.name\"\nseverity = \"warn\"\nsummary = \"s\"\n\
     [capabilities]\nfiles = [\"stat:state/**\"]\n"
);
chitin_hostile::export!(audit);
