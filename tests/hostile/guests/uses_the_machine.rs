//! expect: inconclusive: Err(NotFound) Err(NotFound) Err(NotFound) Err(NotFound) Err(NotFound) Ok(()) 0 variables, 0 arguments, Ok(0)
//!
//! Looks for files, variables, arguments and input behind standard WASI, and writes.

use std::io::Read as _;

use chitin_hostile::{Input, Verdict, got, guest, kept_out};

fn audit(_: Input) -> Verdict {
    let mut text = String::new();
    let tries = [
        std::fs::write("pwned", "x"),
        std::fs::write("/tmp/pwned", "x"),
        std::fs::read_to_string("/etc/passwd").map(drop),
        std::fs::read_dir("/").map(drop),
        std::fs::create_dir("pwned").map(drop),
        std::env::current_dir().map(drop),
    ];
    let (variables, arguments) = (std::env::vars().count(), std::env::args().count());
    let input = std::io::stdin().read_to_string(&mut text);
    let met: Vec<String> =
        tries.iter().map(|tried| format!("{:?}", tried.as_ref().map_err(|error| error.kind()))).collect();
    let seen = format!("{} {variables} variables, {arguments} arguments, {input:?}", met.join(" "));
    if tries.iter().take(5).any(Result::is_ok) || variables + arguments + text.len() > 0 {
        return got(seen);
    }
    kept_out(seen)
}

guest!(audit);
