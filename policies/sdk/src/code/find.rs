//! Finds the places where a rule may match, in one pass that looks at two of three bytes. It may name a place in vain,
//! but misses none: what follows there is for the rules to read.

use std::sync::LazyLock;

/// The four letters that a place is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Atob,
    Buffer,
    Coinhive,
    Cryptonight,
    Escape,
    Eval,
    Exec,
    Fetch,
    Function,
    Http,
    Post,
    Process,
    ReadFile,
    Spawn,
    Stratum,
    WebSocket,
    Xmrig,
}

/// Each word's four letters: those of the pattern that are rarest in ordinary code, as measured on 60 MB of it.
const ANCHORS: [Anchor; 17] = [
    Anchor::exact(Word::Exec, *b"exec"),
    Anchor::exact(Word::Spawn, *b"pawn"),
    Anchor::exact(Word::Eval, *b"eval"),
    Anchor::exact(Word::Function, *b"Func"),
    Anchor::exact(Word::WebSocket, *b"bSoc"),
    Anchor::folded(Word::Stratum, *b"tum+"),
    Anchor::folded(Word::Coinhive, *b"nhiv"),
    Anchor::folded(Word::Cryptonight, *b"ight"),
    Anchor::folded(Word::Xmrig, *b"mrig"),
    Anchor::exact(Word::ReadFile, *b"adFi"),
    Anchor::exact(Word::Process, *b"proc"),
    Anchor::folded(Word::Fetch, *b"fetc"),
    Anchor::folded(Word::Post, *b"post"),
    Anchor::folded(Word::Http, *b"tp.r"),
    Anchor::exact(Word::Atob, *b"atob"),
    Anchor::exact(Word::Buffer, *b"uffe"),
    // The two letters of each group. A sample falls on them within three groups, and six are looked for.
    Anchor { word: Word::Escape, letters: *b"\\x\0\0", kept: [0xff, 0xff, 0, 0], pairs: 1, folded: false },
];

#[derive(Clone, Copy)]
struct Anchor {
    word: Word,
    letters: [u8; 4],
    /// Which bits of the text are compared.
    kept: [u8; 4],
    /// How many pairs of neighbours are looked for. Three, and no occurrence fits between the samples.
    pairs: u8,
    folded: bool,
}

/// What sets a small letter off from its capital.
const CASE: u8 = 0x20;

impl Anchor {
    const fn exact(word: Word, letters: [u8; 4]) -> Self {
        Self { word, letters, kept: [0xff; 4], pairs: 3, folded: false }
    }

    const fn folded(word: Word, letters: [u8; 4]) -> Self {
        let [a, b, c, d] = letters;
        Self { word, letters, kept: [case(a), case(b), case(c), case(d)], pairs: 3, folded: true }
    }
}

/// What is kept of a byte where case does not count.
const fn case(byte: u8) -> u8 {
    if byte.is_ascii_alphabetic() { !CASE } else { 0xff }
}

/// What to compare where a pair was seen.
#[derive(Clone, Copy)]
struct Probe {
    kept: u32,
    letters: u32,
    /// How far the anchor's start lies before the pair.
    back: u8,
    word: Word,
    /// Another probe for the same pair.
    next: u8,
}

/// The probe that stands for none. Its letters can never be seen in what it keeps.
const NONE: Probe = Probe { kept: 0, letters: 1, back: 0, word: Word::Escape, next: 0 };

/// One table for the pairs and one for the probes, each as large as its index may grow, so that no bound needs a check.
struct Probes {
    /// For each pair of bytes its first probe; 0 for none.
    first: [u8; 1 << 16],
    all: [Probe; 1 << 8],
}

static PROBES: LazyLock<Probes> = LazyLock::new(Probes::new);

impl Probes {
    fn new() -> Self {
        let mut probes = Self { first: [0; 1 << 16], all: [NONE; 1 << 8] };
        // At most twelve probes for each of 17 words.
        let mut numbers = 1..=u8::MAX;
        for anchor in &ANCHORS {
            let kept = u32::from_le_bytes(anchor.kept);
            let letters = u32::from_le_bytes(anchor.letters) & kept;
            let pairs = anchor.letters.iter().zip(anchor.letters.iter().skip(1));
            for (back, (one, two)) in (0..anchor.pairs).zip(pairs) {
                let (ones, twos) = (cases(*one, anchor.folded), cases(*two, anchor.folded));
                for pair in ones.iter().flat_map(|one| twos.iter().map(|two| [*one, *two])) {
                    let Some(number) = numbers.next() else { continue };
                    let Some(first) = probes.first.get_mut(index(pair)) else { continue };
                    let Some(probe) = probes.all.get_mut(usize::from(number)) else { continue };
                    *probe = Probe { kept, letters, back, word: anchor.word, next: *first };
                    *first = number;
                }
            }
        }
        probes
    }

    /// The first probe for the pair that a text begins with.
    #[inline]
    fn sample(&self, text: &[u8]) -> u8 {
        text.first_chunk().and_then(|pair| self.first.get(index(*pair))).copied().unwrap_or(0)
    }

    /// Compares the anchors that have this pair.
    #[inline]
    fn check<'t>(&self, text: &'t [u8], at: usize, first: u8, found: &mut impl FnMut(Word, usize, &'t [u8])) {
        if first != 0 {
            self.compare(text, at, first, found);
        }
    }

    /// Not inlined: the loop around it is small, and in need of the registers.
    #[inline(never)]
    fn compare<'t>(
        &self,
        text: &'t [u8],
        at: usize,
        first: u8,
        found: &mut impl FnMut(Word, usize, &'t [u8]),
    ) {
        let mut number = first;
        while number != 0 {
            let probe = self.all.get(usize::from(number)).unwrap_or(&NONE);
            let start = at.wrapping_sub(usize::from(probe.back));
            if let Some((four, rest)) = text.get(start..).and_then(<[u8]>::split_first_chunk)
                && u32::from_le_bytes(*four) & probe.kept == probe.letters
            {
                found(probe.word, start, rest);
            }
            number = probe.next;
        }
    }
}

#[inline]
fn index(pair: [u8; 2]) -> usize {
    usize::from(u16::from_le_bytes(pair))
}

/// The byte, and its capital where case does not count.
fn cases(byte: u8, folded: bool) -> Vec<u8> {
    if folded && byte.is_ascii_lowercase() { vec![byte, byte & !CASE] } else { vec![byte] }
}

/// Calls `found` for each anchor in the text, with its place and the text after it: from the first to the last, but
/// those that overlap may change places. Of escapes in a row every third is named.
#[inline]
pub(super) fn places<'t>(text: &'t [u8], mut found: impl FnMut(Word, usize, &'t [u8])) {
    let probes = &*PROBES;
    // Four samples at a time: of ordinary code three blocks of four need no closer look.
    let (blocks, rest) = text.as_chunks::<12>();
    let mut at = 0;
    for block in blocks {
        let (one, two) = (probes.sample(block), probes.sample(block.get(3..).unwrap_or_default()));
        let three = probes.sample(block.get(6..).unwrap_or_default());
        let four = probes.sample(block.get(9..).unwrap_or_default());
        if one | two | three | four != 0 {
            probes.check(text, at, one, &mut found);
            probes.check(text, at + 3, two, &mut found);
            probes.check(text, at + 6, three, &mut found);
            probes.check(text, at + 9, four, &mut found);
        }
        at += 12;
    }
    for three in rest.chunks(3) {
        probes.check(text, at, probes.sample(three), &mut found);
        at += 3;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &[u8]) -> Vec<(Word, usize)> {
        let mut seen = Vec::new();
        places(text, |word, at, _| seen.push((word, at)));
        seen
    }

    #[test]
    fn an_anchor_is_found_once_wherever_it_lies() {
        for anchor in ANCHORS.iter().filter(|anchor| anchor.pairs == 3) {
            for (before, after) in (0..14).flat_map(|before| (0..8).map(move |after| (before, after))) {
                let text = [&vec![b'#'; before], &anchor.letters[..], &vec![b'#'; after]].concat();
                assert_eq!(seen(&text), [(anchor.word, before)], "{text:?}");
            }
        }
    }

    #[test]
    fn case_counts_only_where_it_should() {
        assert_eq!(seen(b"PoSt mRIG"), [(Word::Post, 0), (Word::Xmrig, 5)]);
        assert_eq!(seen(b"EXEC Exec eVal fUNC"), []);
        // A sign that differs from `+` in the bit of a letter's case.
        assert_eq!(seen(b"#tum\x0b"), []);
    }

    #[test]
    fn six_escapes_in_a_row_are_always_noticed() {
        for before in 0..12 {
            let text = [vec![b'#'; before], br"\x41\x41\x41\x41\x41\x41".to_vec()].concat();
            assert!(!seen(&text).is_empty(), "{before}");
        }
    }
}
