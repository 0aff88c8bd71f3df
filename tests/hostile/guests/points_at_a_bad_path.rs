//! expect: refused: it names the malformed path "state/../\u{1b}[2J"
//!
//! Names an object by a path that breaks the grammar.

use chitin_hostile::{Input, Verdict, guest, harmless, path, say};

fn audit(_: Input) -> Verdict {
    say(vec![harmless().at_object(&path("state", "../\u{1b}[2J"))])
}

guest!(audit, "files = [\"stat:state/**\"]");
