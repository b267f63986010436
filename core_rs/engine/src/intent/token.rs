//! From glyphs to words and signs.

use super::fold::{Glyph, fold};
use super::lexicon::{self, Entry};

/// The words that French shortens before a vowel, and that stay words of their own.
const ELISIONS: [&str; 14] =
    ["c", "d", "j", "l", "m", "n", "s", "t", "qu", "jusqu", "lorsqu", "puisqu", "quoiqu", "presqu"];

/// The accents that tell French words apart which are matched without accents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accent {
    None,
    /// The last letter is acute: `supprimé`, not `supprime`.
    Acute,
    /// Some letter is grave: `où`, not `ou`.
    Grave,
}

/// One word.
#[derive(Debug, Clone)]
pub(super) struct Word {
    /// Lower case, without accents.
    pub(super) plain: Box<str>,
    /// What the lexicon knows about it.
    pub(super) entry: Option<&'static Entry>,
    pub(super) capital: bool,
    pub(super) accent: Accent,
    /// Whether a hyphen joins it to the word before.
    pub(super) joined: bool,
}

/// A word or a sign.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Word(Word),
    /// Punctuation, a symbol, or a line's end.
    Sign(char),
}

/// A word or a sign, where it stands, and whether white space stands on its sides.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) space_before: bool,
    pub(super) space_after: bool,
}

/// All words and signs of a text.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let glyphs = fold(text);
    let mut tokens = Vec::with_capacity(glyphs.len() / 4);
    let mut rest = glyphs.as_slice();
    let mut before: Option<Glyph> = None;
    while let [first, ..] = rest {
        let length = if in_word(first.plain) { word_length(rest) } else { 1 };
        let (head, tail) = rest.split_at(length.min(rest.len()));
        if first.plain != ' ' {
            let joined = joins(before, tokens.last());
            let edge = |glyph: Option<&Glyph>| glyph.is_none_or(|one| is_edge(one.plain));
            let space = (edge(before.as_ref()), edge(tail.first()));
            tokens.extend(token(head, joined, space));
        }
        before = head.last().copied();
        rest = tail;
    }
    tokens
}

fn token(glyphs: &[Glyph], joined: bool, space: (bool, bool)) -> Option<Token> {
    let (first, last) = (glyphs.first()?, glyphs.last()?);
    let (space_before, space_after) = space;
    let kind = if in_word(first.plain) {
        Kind::Word(word(glyphs, joined))
    } else {
        Kind::Sign(first.plain)
    };
    Some(Token { kind, start: first.start, end: last.end, space_before, space_after })
}

fn word(glyphs: &[Glyph], joined: bool) -> Word {
    // Without apostrophes, for many leave them out: `dont` denies as `don't` does.
    let plain: String = glyphs.iter().map(|glyph| glyph.plain).filter(|c| *c != '\'').collect();
    // Underscores around a word are emphasis in Markdown, and would hide the verb between them.
    let plain = plain.trim_matches('_');
    Word {
        plain: plain.into(),
        entry: lexicon::entry(plain),
        capital: glyphs.first().is_some_and(|glyph| glyph.upper),
        accent: accent(glyphs),
        joined,
    }
}

fn accent(glyphs: &[Glyph]) -> Accent {
    match glyphs.last() {
        Some(last) if last.acute => Accent::Acute,
        _ if glyphs.iter().any(|glyph| glyph.grave) => Accent::Grave,
        _ => Accent::None,
    }
}

/// How many glyphs the word takes that starts here. `don't` is one word, `l'ami` two.
fn word_length(glyphs: &[Glyph]) -> usize {
    let letters = |from: &[Glyph]| from.iter().take_while(|glyph| in_word(glyph.plain)).count();
    let mut length = letters(glyphs);
    while let Some([apostrophe, after @ ..]) = glyphs.get(length..) {
        let more = letters(after);
        // In `delete'em` the verb is a word of its own, or nobody would find it.
        let them = reads(after.get(..more), "em");
        if apostrophe.plain != '\'' || more == 0 || them || elided(glyphs.get(..length)) {
            break;
        }
        length += 1 + more;
    }
    length
}

fn elided(word: Option<&[Glyph]>) -> bool {
    ELISIONS.iter().any(|known| reads(word, known))
}

fn reads(word: Option<&[Glyph]>, plain: &str) -> bool {
    word.is_some_and(|word| word.iter().map(|one| one.plain).eq(plain.chars()))
}

/// Whether the sign before is a hyphen between two words.
fn joins(before: Option<Glyph>, last: Option<&Token>) -> bool {
    let hyphen = before.is_some_and(|glyph| glyph.plain == '-');
    hyphen && last.is_some_and(|token| matches!(token.kind, Kind::Sign('-')) && !token.space_before)
}

fn in_word(plain: char) -> bool {
    plain.is_alphanumeric() || plain == '_'
}

/// White space, or a bracket: what can stand before an opening quotation mark.
fn is_edge(plain: char) -> bool {
    matches!(plain, ' ' | '\n' | '(' | '[' | '{')
}

impl Token {
    /// The word, if it is one.
    pub(super) fn word(&self) -> Option<&Word> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            Kind::Sign(_) => None,
        }
    }

    /// Whether it is this sign.
    pub(super) fn is_sign(&self, sign: char) -> bool {
        matches!(self.kind, Kind::Sign(own) if own == sign)
    }
}
