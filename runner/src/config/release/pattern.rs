//! The patterns of the key table: the part of JavaScript's regular expressions that they use. A pattern comes from the table,
//! the text from a config; a budget bounds what their product costs.

/// Most steps of one search. The table's patterns need some ten for each character of an ordinary value.
const MAX_STEPS: usize = 200_000;

/// Most rounds of one repeated group: each takes some stack.
const MAX_ROUNDS: usize = 500;

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) struct Pattern {
    node: Node,
    ignore_case: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// One of these, tried in this order.
    Any(Vec<Node>),
    /// All of these, one behind the other.
    All(Vec<Node>),
    /// From so many to so many, as many as possible.
    Repeat(Box<Node>, usize, usize),
    Class(Class),
    Start,
    End,
    /// What follows does not look like this.
    NotAhead(Box<Node>),
    Ahead(Box<Node>),
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    fn of(ranges: &[(char, char)], negated: bool) -> Self {
        Self { negated, ranges: ranges.to_vec() }
    }

    fn is_single(&self) -> bool {
        !self.negated && matches!(self.ranges.as_slice(), [(low, high)] if low == high)
    }

    fn has(&self, c: char, ignore_case: bool) -> bool {
        let within = |c: char| self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
        let found =
            within(c) || (ignore_case && (within(c.to_ascii_lowercase()) || within(c.to_ascii_uppercase())));
        found != self.negated
    }
}

const DIGIT: [(char, char); 1] = [('0', '9')];
const WORD: [(char, char); 4] = [('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
const SPACE: [(char, char); 10] = [
    ('\t', '\r'),
    (' ', ' '),
    ('\u{a0}', '\u{a0}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{2000}', '\u{200a}'),
    ('\u{2028}', '\u{2029}'),
    ('\u{202f}', '\u{202f}'),
    ('\u{205f}', '\u{205f}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{feff}', '\u{feff}'),
];
/// `.` matches everything but these.
const LINE_ENDS: [(char, char); 3] = [('\n', '\n'), ('\r', '\r'), ('\u{2028}', '\u{2029}')];
const CONTROL: [(char, char); 2] = [('\0', '\u{1f}'), ('\u{7f}', '\u{9f}')];

impl Pattern {
    /// `None` when it holds something that is not known here.
    pub(in crate::config) fn parse(text: &str, flags: &str) -> Option<Self> {
        let mut parser = Parser { rest: text };
        let node = parser.any()?;
        (parser.rest.is_empty() && flags.bytes().all(|flag| b"iu".contains(&flag)))
            .then_some(Self { node, ignore_case: flags.contains('i') })
    }

    /// The pattern occurs in the text. A text that costs too much is taken to fit.
    pub(in crate::config) fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let mut search = Search { text: &text, ignore_case: self.ignore_case, steps: MAX_STEPS, rounds: 0 };
        let anchored = matches!(&self.node, Node::All(nodes) if nodes.first() == Some(&Node::Start));
        let last = if anchored { 0 } else { text.len() };
        (0..=last).any(|at| search.run(&self.node, at, &mut |_, _| true)) || search.steps == 0
    }
}

struct Parser<'t> {
    rest: &'t str,
}

impl Parser<'_> {
    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(c)
    }

    fn any(&mut self) -> Option<Node> {
        let mut choices = vec![self.all()?];
        while self.eat("|") {
            choices.push(self.all()?);
        }
        Some(if choices.len() == 1 { choices.pop()? } else { Node::Any(choices) })
    }

    fn all(&mut self) -> Option<Node> {
        let mut parts = Vec::new();
        while !self.rest.is_empty() && !self.rest.starts_with(['|', ')']) {
            let atom = self.atom()?;
            parts.push(self.repeated(atom)?);
        }
        Some(Node::All(parts))
    }

    fn repeated(&mut self, atom: Node) -> Option<Node> {
        let (least, most) = if self.eat("*") {
            (0, usize::MAX)
        } else if self.eat("+") {
            (1, usize::MAX)
        } else if self.eat("?") {
            (0, 1)
        } else if self.eat("{") {
            let (counts, rest) = self.rest.split_once('}')?;
            self.rest = rest;
            let (least, most) = counts.split_once(',').unwrap_or((counts, counts));
            (least.parse().ok()?, if most.is_empty() { usize::MAX } else { most.parse().ok()? })
        } else {
            return Some(atom);
        };
        // Which of the lengths that fit comes first makes no difference to whether one does.
        self.eat("?");
        Some(Node::Repeat(Box::new(atom), least, most))
    }

    fn atom(&mut self) -> Option<Node> {
        let group = if self.eat("(?!") {
            Some(Node::NotAhead as fn(Box<Node>) -> Node)
        } else if self.eat("(?=") {
            Some(Node::Ahead as fn(Box<Node>) -> Node)
        } else if self.rest.starts_with('(') {
            let _ = self.eat("(?:") || self.eat("(");
            None
        } else {
            return self.simple();
        };
        let inner = self.any()?;
        self.eat(")").then(|| group.map_or(inner.clone(), |group| group(Box::new(inner))))
    }

    fn simple(&mut self) -> Option<Node> {
        Some(match self.next()? {
            '^' => Node::Start,
            '$' => Node::End,
            '.' => Node::Class(Class::of(&LINE_ENDS, true)),
            '[' => Node::Class(self.class()?),
            '\\' => Node::Class(self.escape()?),
            '*' | '+' | '?' | '{' | '}' | ')' | ']' => return None,
            c => Node::Class(Class::of(&[(c, c)], false)),
        })
    }

    fn escape(&mut self) -> Option<Class> {
        Some(match self.next()? {
            'd' => Class::of(&DIGIT, false),
            'D' => Class::of(&DIGIT, true),
            'w' => Class::of(&WORD, false),
            'W' => Class::of(&WORD, true),
            's' => Class::of(&SPACE, false),
            'S' => Class::of(&SPACE, true),
            'n' => Class::of(&[('\n', '\n')], false),
            'r' => Class::of(&[('\r', '\r')], false),
            't' => Class::of(&[('\t', '\t')], false),
            '0' => Class::of(&[('\0', '\0')], false),
            'p' if self.eat("{Cc}") => Class::of(&CONTROL, false),
            // Halves of a pair never stand alone in a text here.
            'p' if self.eat("{Cs}") => Class::default(),
            c if c.is_ascii_alphanumeric() => return None,
            c => Class::of(&[(c, c)], false),
        })
    }

    fn class(&mut self) -> Option<Class> {
        let mut class = Class { negated: self.eat("^"), ranges: Vec::new() };
        while !self.eat("]") {
            let low = self.member()?;
            let is_range = low.is_single() && self.rest.starts_with('-') && !self.rest.starts_with("-]");
            if !is_range {
                let complement = complement(&low.ranges);
                class.ranges.extend_from_slice(if low.negated { &complement } else { &low.ranges });
                continue;
            }
            self.next();
            let high = self.member()?;
            match (low.ranges.first(), high.ranges.first()) {
                (Some((low, _)), Some((_, last))) if high.is_single() => class.ranges.push((*low, *last)),
                _ => return None,
            }
        }
        Some(class)
    }

    /// A character, or what stands for several.
    fn member(&mut self) -> Option<Class> {
        let c = self.next()?;
        if c == '\\' { self.escape() } else { Some(Class::of(&[(c, c)], false)) }
    }
}

/// All characters but those of these ranges, which are in order.
fn complement(ranges: &[(char, char)]) -> Vec<(char, char)> {
    let mut others = Vec::new();
    let mut from = '\0';
    for (low, high) in ranges {
        if let Some(to) = before(*low).filter(|to| from <= *to) {
            others.push((from, to));
        }
        from = after(*high);
    }
    others.push((from, char::MAX));
    others
}

fn before(c: char) -> Option<char> {
    ('\0'..c).next_back()
}

fn after(c: char) -> char {
    (c..=char::MAX).nth(1).unwrap_or(char::MAX)
}

struct Search<'t> {
    text: &'t [char],
    ignore_case: bool,
    steps: usize,
    /// Rounds of repeated groups that are under way.
    rounds: usize,
}

type Then<'f, 't> = &'f mut dyn FnMut(&mut Search<'t>, usize) -> bool;

impl<'t> Search<'t> {
    /// The node fits at this place, and so does what comes behind it.
    fn run(&mut self, node: &Node, at: usize, then: Then<'_, 't>) -> bool {
        let Some(steps) = self.steps.checked_sub(1) else { return false };
        self.steps = steps;
        match node {
            Node::Start => at == 0 && then(self, at),
            Node::End => at == self.text.len() && then(self, at),
            Node::Class(class) => {
                self.text.get(at).is_some_and(|c| class.has(*c, self.ignore_case)) && then(self, at + 1)
            }
            Node::Any(nodes) => nodes.iter().any(|node| self.run(node, at, then)),
            Node::All(nodes) => self.all(nodes, at, then),
            Node::NotAhead(node) => !self.run(node, at, &mut |_, _| true) && self.steps > 0 && then(self, at),
            Node::Ahead(node) => self.run(node, at, &mut |_, _| true) && then(self, at),
            Node::Repeat(node, least, most) => match &**node {
                // Most are of one character: without depth.
                Node::Class(class) => {
                    let fits = |c: &char| class.has(*c, self.ignore_case);
                    let run = self.text.iter().skip(at).take(*most).take_while(|c| fits(c)).count();
                    self.steps = self.steps.saturating_sub(run);
                    (*least..=run).rev().any(|count| then(self, at + count))
                }
                node => self.repeat(node, *least, *most, at, then),
            },
        }
    }

    fn all(&mut self, nodes: &[Node], at: usize, then: Then<'_, 't>) -> bool {
        match nodes.split_first() {
            None => then(self, at),
            Some((first, rest)) => self.run(first, at, &mut |search, at| search.all(rest, at, then)),
        }
    }

    fn repeat(&mut self, node: &Node, least: usize, most: usize, at: usize, then: Then<'_, 't>) -> bool {
        if self.rounds == MAX_ROUNDS {
            self.steps = 0;
        }
        if most > 0 {
            self.rounds += 1;
            let mut again = |search: &mut Self, next: usize| {
                // A round that takes nothing leads nowhere.
                (next > at || least > 0)
                    && search.repeat(node, least.saturating_sub(1), most.saturating_sub(1), next, then)
            };
            let found = self.run(node, at, &mut again);
            self.rounds -= 1;
            if found {
                return true;
            }
        }
        least == 0 && then(self, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_javascript() {
        for (pattern, flags, text, fits) in [
            ("^#?[0-9a-fA-F]{6}$", "", "#aB01c9", true),
            ("^#?[0-9a-fA-F]{6}$", "", "aB01c", false),
            ("^\\+[1-9]\\d{1,14}$", "", "+491", true),
            ("^\\+[1-9]\\d{1,14}$", "", "+091", false),
            ("^(?!\\*$)(?![Gg][Rr][Oo][Uu][Pp]:).+", "", "*", false),
            ("^(?!\\*$)(?![Gg][Rr][Oo][Uu][Pp]:).+", "", "**", true),
            ("^(?!\\*$)(?![Gg][Rr][Oo][Uu][Pp]:).+", "", "grOup:x", false),
            ("\\S", "", " \u{a0}\t", false),
            ("\\S", "", "  x", true),
            ("^[^.[\\]]+$", "", "a]", false),
            ("^[^.[\\]]+$", "", "ab", true),
            ("^[a-z0-9_][a-z0-9_-]{0,63}$", "i", "Ab-", true),
            ("^[a-z0-9_][a-z0-9_-]{0,63}$", "", "Ab-", false),
            ("^(?!\\s)(?![\\s\\S]*\\s$)[^\\p{Cs}]{1,8}$", "", "a b", true),
            ("^(?!\\s)(?![\\s\\S]*\\s$)[^\\p{Cs}]{1,8}$", "", "a ", false),
            ("^(github|profile):[^\\s:]+$", "", "profile:x", true),
            ("^(github|profile):[^\\s:]+$", "", "profile:x:y", false),
            ("^https?:\\/\\/", "", "xhttps://a", false),
            ("^\\d+(?:ms|s|m|h)$", "", "15ms", true),
            ("^(?:[A-Za-z0-9_'+\\-]+\\.)*[a-z]@(?:[a-z]+\\.)+[A-Za-z]{2,}$", "", "a.b.c@x.yz", true),
            ("^(?:[A-Za-z0-9_'+\\-]+\\.)*[a-z]@(?:[a-z]+\\.)+[A-Za-z]{2,}$", "", "a.b.@x.yz", false),
            ("^\\/(?!\\/)[^\\0]*[^/\\0]$", "", "/a/b", true),
            ("^\\/(?!\\/)[^\\0]*[^/\\0]$", "", "//a", false),
            ("a$", "", "a\n", false),
        ] {
            let parsed = Pattern::parse(pattern, flags).unwrap();
            assert_eq!(parsed.fits(text), fits, "{pattern} on {text:?}");
        }
        for unknown in ["(?<=a)b", "\\1", "a**", "\\p{L}", "(a", "[a"] {
            assert_eq!(Pattern::parse(unknown, ""), None, "{unknown}");
        }
        assert_eq!(Pattern::parse("a", "s"), None);
    }

    #[test]
    fn what_costs_too_much_is_taken_to_fit() {
        let pattern = Pattern::parse("^(?:a+)+b$", "").unwrap();
        assert!(pattern.fits(&"a".repeat(5000)) && pattern.fits("aab") && !pattern.fits("aac"));
    }
}
