//! Finds the places where a rule may match, in one pass that looks at two of three bytes. It may name a place in vain,
//! but misses none: what follows there is for the rules to read.

use std::sync::LazyLock;

use super::span::{Set, bit, sets};

/// What a place is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Atob,
    Buffer,
    ChildProcess,
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

/// The words, and for each the four letters in a row that are rarest in ordinary code, as measured on 60 MB of it.
const ANCHORS: [Anchor; 18] = [
    // A short word is cheap to repeat in a hostile text, so that a look at what follows pays.
    Anchor { after: bit(Set::Called, true), ..Anchor::new(Word::Exec, b"exec", 0, Case::Exact) },
    Anchor { after: bit(Set::Called, true), ..Anchor::new(Word::Eval, b"eval", 0, Case::Exact) },
    Anchor { after: bit(Set::Called, true), ..Anchor::new(Word::Atob, b"atob", 0, Case::Exact) },
    Anchor::new(Word::Post, b"post", 0, Case::Folded),
    Anchor::new(Word::Spawn, b"spawn", 1, Case::Exact),
    Anchor::new(Word::Function, b"Function", 0, Case::Exact),
    Anchor::new(Word::WebSocket, b"WebSocke", 2, Case::Exact),
    Anchor::new(Word::Stratum, b"stratum+", 4, Case::Folded),
    Anchor::new(Word::Coinhive, b"coinhive", 3, Case::Folded),
    Anchor::new(Word::Cryptonight, b"ptonight", 4, Case::Folded),
    Anchor::new(Word::Xmrig, b"xmrig", 1, Case::Folded),
    Anchor::new(Word::ReadFile, b"readFile", 2, Case::Exact),
    Anchor::new(Word::Process, b"process.", 0, Case::Exact),
    Anchor::new(Word::ChildProcess, b"ld_proce", 3, Case::Exact),
    Anchor::new(Word::Fetch, b"fetch", 0, Case::Folded),
    Anchor::new(Word::Http, b"http.req", 2, Case::Folded),
    Anchor::new(Word::Buffer, b"Buffer.f", 1, Case::Exact),
    // The two letters of each group. A sample falls on them within three groups, and six are looked for.
    Anchor { pairs: 1, ..Anchor::new(Word::Escape, br"\x", 0, Case::Exact) },
];

#[derive(Clone, Copy)]
struct Anchor {
    word: Word,
    letters: &'static [u8],
    /// Where the four letters are.
    start: u8,
    case: Case,
    /// How many pairs of neighbours are looked for. Three, and no occurrence fits between the samples.
    pairs: u8,
    /// Sets of which one must have the fifth byte. There is none that is in no set.
    after: u8,
}

/// Whether capitals and small letters are the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Exact,
    Folded,
}

/// What sets a small letter off from its capital.
const CASE: u8 = 0x20;

impl Anchor {
    const fn new(word: Word, letters: &'static [u8], start: u8, case: Case) -> Self {
        Self { word, letters, start, case, pairs: 3, after: u8::MAX }
    }

    /// The letters as a number, and which bits of the text to compare with it.
    fn number(&self) -> (u64, u64) {
        let (mut letters, mut kept) = ([0; 8], [0; 8]);
        for ((byte, letter), bits) in self.letters.iter().zip(&mut letters).zip(&mut kept) {
            *bits = if self.case == Case::Folded && byte.is_ascii_alphabetic() { !CASE } else { u8::MAX };
            *letter = *byte & *bits;
        }
        (u64::from_le_bytes(letters), u64::from_le_bytes(kept))
    }

    /// The byte, and its capital where case does not count.
    fn cases(&self, byte: u8) -> Vec<u8> {
        let both = self.case == Case::Folded && byte.is_ascii_lowercase();
        if both { vec![byte, byte & !CASE] } else { vec![byte] }
    }
}

/// What to compare where a pair was seen.
#[derive(Clone, Copy)]
struct Probe {
    letters: u64,
    kept: u64,
    /// How far the word's start lies before the pair.
    back: u8,
    after: u8,
    word: Word,
    /// Another probe for the same pair.
    next: u8,
}

/// The probe that stands for none. Its letters can never be seen in what it keeps.
const NONE: Probe = Probe { letters: 1, kept: 0, back: 0, after: 0, word: Word::Escape, next: 0 };

/// One table for the pairs and one for the probes, each as large as its index may grow, so that no bound needs a check.
/// The first is made at run time: as data it would make a component larger by half.
struct Probes {
    /// For each pair of bytes its first probe; 0 for none.
    first: Box<Pairs>,
    all: [Probe; 1 << 8],
}

type Pairs = [u8; 1 << 16];

static PROBES: LazyLock<Probes> = LazyLock::new(Probes::new);

impl Probes {
    #[expect(clippy::large_stack_arrays, reason = "64 KiB for a moment, of a stack of at least 1 MiB")]
    fn new() -> Self {
        let mut probes = Self { first: Box::new([0; 1 << 16]), all: [NONE; 1 << 8] };
        // At most twelve probes for each of 18 words.
        let mut numbers = 1..=u8::MAX;
        for anchor in &ANCHORS {
            let (letters, kept) = anchor.number();
            let four = anchor.letters.iter().skip(anchor.start.into());
            for (back, (one, two)) in (0..anchor.pairs).zip(four.clone().zip(four.skip(1))) {
                let (ones, twos) = (anchor.cases(*one), anchor.cases(*two));
                for pair in ones.iter().flat_map(|one| twos.iter().map(|two| [*one, *two])) {
                    let Some(number) = numbers.next() else { continue };
                    let Some(first) = probes.first.get_mut(index(pair)) else { continue };
                    let Some(probe) = probes.all.get_mut(usize::from(number)) else { continue };
                    *probe = Probe {
                        letters,
                        kept,
                        back: anchor.start + back,
                        after: anchor.after,
                        word: anchor.word,
                        next: *first,
                    };
                    *first = number;
                }
            }
        }
        probes
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
            let text = text.get(start..).unwrap_or_default();
            let seen = text.first_chunk().map_or_else(|| last(text), |eight| u64::from_le_bytes(*eight));
            let [_, _, _, _, fifth, ..] = seen.to_le_bytes();
            if seen & probe.kept == probe.letters && sets(fifth) & probe.after != 0 {
                found(probe.word, start, text);
            }
            number = probe.next;
        }
    }
}

/// The first probe for the pair that a text begins with.
#[inline]
fn sample(pairs: &Pairs, text: &[u8]) -> u8 {
    text.first_chunk().and_then(|pair| pairs.get(index(*pair))).copied().unwrap_or(0)
}

#[inline]
fn index(pair: [u8; 2]) -> usize {
    usize::from(u16::from_le_bytes(pair))
}

/// The last bytes of a text, and zeros after them.
#[cold]
fn last(text: &[u8]) -> u64 {
    let mut eight = [0; 8];
    for (to, from) in eight.iter_mut().zip(text) {
        *to = *from;
    }
    u64::from_le_bytes(eight)
}

/// Calls `found` for each anchor in the text, with its place and the text from there on: from the first to the last, but
/// those that overlap may change places. Of escapes in a row every third is named.
#[inline]
pub(super) fn places<'t>(text: &'t [u8], mut found: impl FnMut(Word, usize, &'t [u8])) {
    let probes = &*PROBES;
    let pairs = &*probes.first;
    // Four samples at a time: of ordinary code three blocks of four need no closer look.
    let (blocks, rest) = text.as_chunks::<12>();
    let mut at = 0;
    for block in blocks {
        let (one, two) = (sample(pairs, block), sample(pairs, block.get(3..).unwrap_or_default()));
        let three = sample(pairs, block.get(6..).unwrap_or_default());
        let four = sample(pairs, block.get(9..).unwrap_or_default());
        if one | two | three | four != 0 {
            probes.check(text, at, one, &mut found);
            probes.check(text, at + 3, two, &mut found);
            probes.check(text, at + 6, three, &mut found);
            probes.check(text, at + 9, four, &mut found);
        }
        at += 12;
    }
    for three in rest.chunks(3) {
        probes.check(text, at, sample(pairs, three), &mut found);
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
                // A name is called at once or not at all, so that the end of a text is no place for it.
                let text = [&vec![b'#'; before], anchor.letters, &vec![b'('; after]].concat();
                let found = after > 0 || anchor.after == u8::MAX;
                assert_eq!(seen(&text).len(), usize::from(found), "{text:?}");
                assert!(seen(&text).iter().all(|place| *place == (anchor.word, before)), "{text:?}");
            }
        }
    }

    #[test]
    fn case_counts_only_where_it_should() {
        assert_eq!(seen(b"PoSt xmRIG"), [(Word::Post, 0), (Word::Xmrig, 5)]);
        assert_eq!(seen(b"EXEC( Exec( eVal( fUNCTION"), []);
        // A sign that differs from `+` in the bit of a letter's case.
        assert_eq!(seen(b"#stratum\x0b"), []);
    }

    #[test]
    fn six_escapes_in_a_row_are_always_noticed() {
        for before in 0..12 {
            let text = [vec![b'#'; before], br"\x41\x41\x41\x41\x41\x41".to_vec()].concat();
            assert!(!seen(&text).is_empty(), "{before}");
        }
    }
}
