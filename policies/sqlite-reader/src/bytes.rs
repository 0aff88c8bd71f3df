//! Numbers in bytes. Whatever lies outside of the bytes is no number.

/// The piece of this length at an offset.
pub(crate) fn piece(bytes: &[u8], offset: usize, length: usize) -> Option<&[u8]> {
    bytes.get(offset..offset.checked_add(length)?)
}

/// A number of one byte.
pub(crate) fn u8_at(bytes: &[u8], offset: usize) -> Option<u8> {
    bytes.get(offset).copied()
}

/// A number of two bytes, the high one first.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_be_bytes(piece(bytes, offset, 2)?.try_into().ok()?))
}

/// A number of four bytes, the high one first.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_be_bytes(piece(bytes, offset, 4)?.try_into().ok()?))
}

/// A number of one to nine bytes, and how many it has.
pub(crate) fn varint_at(bytes: &[u8], offset: usize) -> Option<(u64, usize)> {
    let mut number = 0_u64;
    for length in 1..=8 {
        let byte = u8_at(bytes, offset.checked_add(length - 1)?)?;
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, length));
        }
    }
    let last = u8_at(bytes, offset.checked_add(8)?)?;
    Some((number << 8 | u64::from(last), 9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_takes_one_to_nine_bytes() {
        assert_eq!(varint_at(&[0x7f], 0), Some((127, 1)));
        assert_eq!(varint_at(&[0x81, 0x00], 0), Some((128, 2)));
        assert_eq!(varint_at(&[0xff; 9], 0), Some((u64::MAX, 9)));
        assert_eq!(varint_at(&[0, 0x81], 1), None, "it has no end");
        assert_eq!(varint_at(&[0xff; 8], 0), None, "nor has this");
        assert_eq!(varint_at(&[0], usize::MAX), None);
    }

    #[test]
    fn nothing_lies_outside() {
        assert_eq!((u16_at(&[1, 2], 0), u16_at(&[1, 2], 1)), (Some(258), None));
        assert_eq!((u32_at(&[0, 0, 1, 0], 0), u32_at(&[0; 4], usize::MAX)), (Some(256), None));
    }
}
