//! A row as it is stored: kinds of cells first, then the cells.

use crate::bytes::{piece, varint_at};
use crate::error::Error;
use crate::pages::Encoding;

/// Most bytes of kinds in a row: those of as many columns as a table can have.
pub(crate) const MAX_KINDS_BYTES: usize = 64 << 10;

/// A cell of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Cell {
    /// What it takes to hold it, in bytes.
    pub(crate) fn size(&self) -> usize {
        let more = match self {
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
            Self::Null | Self::Integer(_) | Self::Real(_) => 0,
        };
        more.saturating_add(16)
    }
}

/// Where a cell lies in its row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    kind: u64,
    offset: usize,
    length: usize,
}

impl Place {
    /// How many bytes it has.
    pub(crate) fn length(self) -> usize {
        self.length
    }

    /// Where it ends.
    pub(crate) fn end(self) -> usize {
        self.offset.saturating_add(self.length)
    }
}

/// How many bytes of a row its kinds take, which are its first; none where the row ends within that number.
pub(crate) fn kinds_end(row: &[u8]) -> Option<usize> {
    usize::try_from(varint_at(row, 0)?.0).ok()
}

/// Where the cells of a row lie, at most `most` of them; the row's kinds are all there.
pub(crate) fn places(row: &[u8], most: usize) -> Result<Vec<Place>, Error> {
    let wrong = || Error::damaged("a row is not right");
    let (length, mut next) = varint_at(row, 0).ok_or_else(wrong)?;
    let end = usize::try_from(length).ok().filter(|end| *end <= row.len()).ok_or_else(wrong)?;
    let kinds = row.get(..end).ok_or_else(wrong)?;
    let (mut places, mut offset) = (Vec::new(), end);
    while next < end && places.len() < most {
        let (kind, length) = varint_at(kinds, next).ok_or_else(wrong)?;
        next += length;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return Err(Error::damaged("a cell is of no kind")),
            _ => (kind - 12) / 2,
        };
        let length = usize::try_from(length).map_err(|_| wrong())?;
        places.push(Place { kind, offset, length });
        offset = offset.checked_add(length).ok_or_else(wrong)?;
    }
    Ok(places)
}

/// A cell, of which all bytes are there.
pub(crate) fn cell(row: &[u8], place: Place, encoding: Encoding, is_real: bool) -> Result<Cell, Error> {
    let bytes = piece(row, place.offset, place.length).ok_or_else(|| Error::damaged("a row is too short"))?;
    let cell = match place.kind {
        0 => Cell::Null,
        1..=6 => Cell::Integer(integer(bytes)),
        7 => match f64::from_be_bytes(bytes.try_into().unwrap_or_default()) {
            number if number.is_nan() => Cell::Null,
            number => Cell::Real(number),
        },
        8 => Cell::Integer(0),
        9 => Cell::Integer(1),
        kind if kind % 2 == 0 => Cell::Blob(bytes.to_vec()),
        _ => Cell::Text(text(bytes, encoding)),
    };
    Ok(match cell {
        // Whole numbers of such a column are stored as such to save place.
        #[allow(clippy::cast_precision_loss, reason = "this is how the number was made")]
        Cell::Integer(number) if is_real => Cell::Real(number as f64),
        other => other,
    })
}

/// A number of up to eight bytes with its sign, the high one first.
fn integer(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |number, byte| number << 8 | i64::from(*byte))
}

/// A text; what is none of its encoding is replaced.
pub(crate) fn text(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
        Encoding::Utf16 { big_endian } => {
            let unit = |pair: &[u8]| {
                let pair = pair.try_into().unwrap_or_default();
                if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
            };
            let units = bytes.chunks_exact(2).map(unit);
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_a_sign() {
        assert_eq!(integer(&[0xff]), -1);
        assert_eq!(integer(&[0x7f, 0xff]), 32767);
        assert_eq!(integer(&[0x80, 0, 0]), -8_388_608);
        assert_eq!(integer(&i64::MIN.to_be_bytes()), i64::MIN);
        assert_eq!(integer(&[]), 0);
    }

    #[test]
    fn texts_are_read_in_all_three_encodings() {
        assert_eq!(text("a\u{1f600}".as_bytes(), Encoding::Utf8), "a\u{1f600}");
        let utf16 = |big_endian| Encoding::Utf16 { big_endian };
        assert_eq!(text(&[0x61, 0, 0x3d, 0xd8, 0, 0xde], utf16(false)), "a\u{1f600}");
        assert_eq!(text(&[0, 0x61, 0xd8, 0x3d, 0xde, 0], utf16(true)), "a\u{1f600}");
        assert_eq!(text(&[0xd8, 0x3d], utf16(true)), "\u{fffd}");
        assert_eq!(text(&[0xff], Encoding::Utf8), "\u{fffd}");
    }

    #[test]
    fn a_row_that_lies_about_itself_is_refused() {
        for row in [
            &[][..],
            &[5, 1],
            &[2, 10],
            &[3, 0x81],
            &[10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            let cells = places(row, 9).and_then(|places| {
                places
                    .iter()
                    .map(|place| cell(row, *place, Encoding::Utf8, false))
                    .collect::<Result<Vec<_>, _>>()
            });
            assert!(matches!(cells, Err(Error::NotUnderstood(_))), "{row:?}");
        }
    }
}
