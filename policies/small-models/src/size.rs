//! Tells how many parameters a model has, by its id (reference: config-checks 1.9).

/// The largest size in an id, in billions: `llama3.1:8b` says 8, `qwen3-a3b` says 3; none where it says none. Where sizes do
/// not `share` the character between them, the second of two neighbours is not seen.
pub fn billions(id: &str, share: bool) -> Option<f64> {
    // The reference goes by UTF-16 code units, of which each that is no ASCII is one delimiter.
    let units =
        id.to_lowercase().encode_utf16().map(|unit| u8::try_from(unit).unwrap_or(0)).collect::<Vec<u8>>();
    let id: Vec<u8> = units.into_iter().map(|unit| if unit.is_ascii() { unit } else { 0 }).collect();
    let mut sizes = Vec::new();
    let mut at = 0;
    while at < id.len() {
        let here = id.get(at..).unwrap_or_default();
        // A size begins the id, or follows one delimiter.
        let from_start = if at == 0 { size(here, share) } else { None };
        let from_delimiter = || {
            let (first, rest) = here.split_first()?;
            let (value, length) = size(rest, share).filter(|_| is_delimiter(*first))?;
            Some((value, length + 1))
        };
        match from_start.or_else(from_delimiter) {
            Some((value, length)) => {
                sizes.push(value);
                at += length;
            }
            None => at += 1,
        }
    }
    sizes.into_iter().filter(|size| *size > 0.0).reduce(f64::max)
}

/// A size at the beginning of a text, with a delimiter or the end after it: its value, and its length, with that delimiter
/// unless the next size `share`s it.
fn size(text: &[u8], share: bool) -> Option<(f64, usize)> {
    let letter = text.first().is_some_and(u8::is_ascii_lowercase);
    let number = text.get(usize::from(letter)..)?;
    let whole = digits(number);
    let fraction = match number.get(whole..)? {
        [b'.', rest @ ..] if digits(rest) > 0 => 1 + digits(rest),
        _ => 0,
    };
    let (number, rest) = number.split_at_checked(whole + fraction).filter(|_| whole > 0)?;
    let after = match rest {
        [b'b'] => 1,
        [b'b', next, ..] if is_delimiter(*next) => {
            if share {
                1
            } else {
                2
            }
        }
        _ => return None,
    };
    let value = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some((value, usize::from(letter) + number.len() + after))
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn is_delimiter(byte: u8) -> bool {
    !byte.is_ascii_lowercase() && !byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_size_that_stands_alone() {
        for (id, size) in [
            ("ollama/llama3.1:8b", Some(8.0)),
            ("x/phi-3.5b", Some(3.5)),
            ("x/qwen3-a3b", Some(3.0)),
            ("x/Foo-8B_Instruct", Some(8.0)),
            ("70b", Some(70.0)),
            ("a70b", Some(70.0)),
            ("x/gpt-oss-120b", Some(120.0)),
            ("abc2.5b", Some(5.0)),
            ("foo-8b-400b", Some(8.0)),
            ("foo-8b/y-400b-z", Some(400.0)),
            ("foo-400b--8b", Some(400.0)),
            ("foo-0.5b", Some(0.5)),
            ("foo-1.b", None),
            ("mixtral-8x7b", None),
            ("qwen3-ab3b", None),
            ("foo-8bit", None),
            ("foo-8b2", None),
            ("foo-0b", None),
            ("b", None),
            ("", None),
            ("é-8b-é", Some(8.0)),
        ] {
            assert_eq!(billions(id, false), size, "{id}");
            let shared = if id == "foo-8b-400b" { Some(400.0) } else { size };
            assert_eq!(billions(id, true), shared, "{id}");
        }
    }

    #[test]
    fn a_number_without_end_is_large() {
        assert!(billions(&format!("x-{}b", "9".repeat(400)), true).is_some_and(|size| size > 300.0));
    }
}
