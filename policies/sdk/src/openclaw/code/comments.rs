//! Takes comments out of a script, as later releases do before they look at it as a whole.

/// What a byte is in.
enum In {
    Code,
    /// A text in these quotes, which goes over line ends like all of them here.
    Text(u8),
    Line,
    Block,
}

/// Overwrites comments by spaces; places and lines stay what they were. It goes by marks alone: a quote in a pattern begins a
/// text, too.
pub(super) fn blank(text: &mut [u8]) {
    let mut state = In::Code;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let next = text.get(at + 1).copied();
        let mut step = 1;
        match state {
            In::Code => match (byte, next) {
                (b'\'' | b'"' | b'`', _) => state = In::Text(byte),
                (b'/', Some(b'/')) => state = In::Line,
                (b'/', Some(b'*')) => {
                    state = In::Block;
                    step = 2;
                }
                _ => {}
            },
            In::Text(_) if byte == b'\\' => step = 2,
            In::Text(quote) if byte == quote => state = In::Code,
            In::Line if byte == b'\n' => state = In::Code,
            In::Block if (byte, next) == (b'*', Some(b'/')) => {
                step = 2;
                blank_at(text, at, step);
                state = In::Code;
            }
            In::Text(_) | In::Line | In::Block => {}
        }
        if matches!(state, In::Line | In::Block) {
            blank_at(text, at, step);
        }
        at += step;
    }
}

fn blank_at(text: &mut [u8], at: usize, length: usize) {
    for byte in text.iter_mut().skip(at).take(length).filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_leave_their_room() {
        for (text, blanked) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b\n*/ c", "a     \n   c"),
            ("'//' x", "'//' x"),
            (r#""\"//" // x"#, r#""\"//"     "#),
            ("`/*\n` /**/y", "`/*\n`     y"),
            ("a / b /", "a / b /"),
            ("/*/ x */y", "        y"),
            ("// '\n' // '", "    \n' // '"),
            ("/* open", "       "),
            ("'open // x\n// y", "'open // x\n// y"),
            ("'\\", "'\\"),
            ("", ""),
        ] {
            let mut bytes = text.as_bytes().to_vec();
            blank(&mut bytes);
            assert_eq!(String::from_utf8_lossy(&bytes), blanked, "{text:?}");
        }
    }
}
