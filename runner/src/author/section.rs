//! Custom sections at the top of a component, by the binary format alone: a section is one byte, a length, and so many bytes; that
//! of a custom section begins with a counted name. Lengths are LEB128.

/// The mark and the version that stand before the first section, in bytes.
const PREAMBLE: usize = 8;

/// The number of custom sections.
const CUSTOM: u8 = 0;

/// It cannot be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its sections are damaged: {0}")]
pub struct Damaged(&'static str);

/// The bytes are those of a core module, not of a component.
#[must_use]
pub fn is_module(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm\x01\0\0\0")
}

/// The same component with these custom sections at its end. Those of the same names that it has at its top are taken away.
///
/// # Errors
/// Where its sections cannot be told apart.
pub fn with(bytes: &[u8], sections: &[(&str, &[u8])]) -> Result<Vec<u8>, Damaged> {
    let mut out = bytes.get(..PREAMBLE).ok_or(Damaged("it ends before the first one"))?.to_vec();
    let mut rest = bytes.get(PREAMBLE..).unwrap_or_default();
    while !rest.is_empty() {
        let one = Section::first(rest)?;
        if !sections.iter().any(|(name, _)| one.name == Some(name.as_bytes())) {
            out.extend_from_slice(one.whole);
        }
        rest = one.rest;
    }
    for (name, content) in sections {
        let mut body = Vec::new();
        write_number(&mut body, name.len());
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(content);
        out.push(CUSTOM);
        write_number(&mut out, body.len());
        out.extend_from_slice(&body);
    }
    Ok(out)
}

/// What a custom section at the top of a component or a module holds; the first one where there are several of that name.
#[must_use]
pub fn find<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = bytes.get(PREAMBLE..)?;
    while !rest.is_empty() {
        let one = Section::first(rest).ok()?;
        if one.name == Some(name.as_bytes()) {
            return Some(one.content);
        }
        rest = one.rest;
    }
    None
}

/// One section, and what follows it.
struct Section<'a> {
    whole: &'a [u8],
    /// The name of a custom section.
    name: Option<&'a [u8]>,
    /// What it holds; of a custom section what follows the name.
    content: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Section<'a> {
    fn first(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let (kind, after) = bytes.split_first().ok_or(Damaged("one is missing"))?;
        let (length, after) = number(after)?;
        let (content, rest) = after.split_at_checked(length).ok_or(Damaged("one ends too early"))?;
        let whole = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();
        if *kind != CUSTOM {
            return Ok(Self { whole, name: None, content, rest });
        }
        let (length, after) = number(content)?;
        let (name, content) = after.split_at_checked(length).ok_or(Damaged("a name ends too early"))?;
        Ok(Self { whole, name: Some(name), content, rest })
    }
}

/// A number of at most 32 bits, and what follows it.
fn number(bytes: &[u8]) -> Result<(usize, &[u8]), Damaged> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).map_err(|_| Damaged("a length is too large"))?;
            let rest = bytes.get(place + 1..).unwrap_or_default();
            return Ok((usize::try_from(value).unwrap_or(usize::MAX), rest));
        }
    }
    Err(Damaged("a length has no end"))
}

fn write_number(out: &mut Vec<u8>, mut number: usize) {
    loop {
        let byte = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_section_is_put_in_found_and_replaced() {
        let long = vec![b'x'; 300];
        let one = with(EMPTY, &[("a", b"first"), ("b", &long)]).unwrap();
        assert_eq!(find(&one, "a"), Some(&b"first"[..]));
        assert_eq!(find(&one, "b"), Some(&long[..]));
        let two = with(&one, &[("a", b"second")]).unwrap();
        assert_eq!(find(&two, "a"), Some(&b"second"[..]));
        assert_eq!(find(&two, "b"), Some(&long[..]));
        assert_eq!(two.len(), one.len() + 1, "the old one is gone");
        assert_eq!(with(&two, &[("a", b"second")]).unwrap().len(), two.len());
    }

    #[test]
    fn other_sections_stay_as_they_are() {
        let bytes = [EMPTY, &[7, 2, 9, 9], &[0, 3, 1, b'a', b'x']].concat();
        let changed = with(&bytes, &[("a", b"y")]).unwrap();
        assert_eq!(changed, [EMPTY, &[7, 2, 9, 9], &[0, 3, 1, b'a', b'y']].concat());
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let damaged = |rest: &[u8]| with(&[EMPTY, rest].concat(), &[("a", b"")]).unwrap_err().to_string();
        assert!(with(b"\0asm", &[]).is_err());
        assert!(damaged(&[0, 9, 1]).contains("one ends too early"));
        assert!(damaged(&[0, 1, 9]).contains("a name ends too early"));
        assert!(damaged(&[0]).contains("a length has no end"));
        assert!(damaged(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0]).contains("a length has no end"));
        assert!(damaged(&[0, 0xff, 0xff, 0xff, 0xff, 0x7f]).contains("a length is too large"));
        assert_eq!(find(&[EMPTY, &[0, 9, 1]].concat(), "a"), None);
    }
}
