//! expect: inconclusive: 2 refused
//!
//! Asks for places whose names break out of a terminal, and out of the command that the report suggests.

use chitin_hostile::{Input, Verdict, guest, kept_out, path, state};

fn audit(_: Input) -> Verdict {
    let names = ["\u{1b}[2J\u{202e}x\n", "x'; touch pwned; '"];
    let refused = names.iter().filter(|name| state::stat(&path("state", name)).is_err()).count();
    kept_out(format!("{refused} refused"))
}

guest!(audit);
