//! Text as a reader means it: one plain letter per glyph, whatever it is dressed in.
//!
//! Full-width and other compatibility forms become plain (NFKD), accents and strokes are taken off,
//! letters that only look Latin become Latin, invisible characters vanish. A verb cannot be hidden
//! by how it is written.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

const ACUTE: char = '\u{301}';
const GRAVE: char = '\u{300}';

/// One character as it is matched, and where it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Glyph {
    /// Lower case, without accents.
    pub(super) plain: char,
    /// Byte offset of the original character, and of what follows it.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) upper: bool,
    pub(super) acute: bool,
    pub(super) grave: bool,
}

/// All visible characters of `text`.
pub(super) fn fold(text: &str) -> Vec<Glyph> {
    let mut glyphs = Vec::with_capacity(text.len());
    for (start, original) in text.char_indices() {
        // Nearly every character goes this way; tabs and line ends are controls, and are read as
        // spaces and line ends below.
        if original.is_ascii() && !original.is_ascii_control() {
            let plain = original.to_ascii_lowercase();
            push(&mut glyphs, plain, original, start);
        } else if let Some(replacement) = replaced(original) {
            push(&mut glyphs, replacement, original, start);
        } else if !is_invisible(original) {
            decompose(&mut glyphs, original, start);
        }
    }
    glyphs
}

fn decompose(glyphs: &mut Vec<Glyph>, original: char, start: usize) {
    for part in std::iter::once(original).nfkd() {
        if is_combining_mark(part) {
            mark(glyphs, part, start + original.len_utf8());
        } else {
            // Looked at once more: a form may be taken apart into a letter that only looks Latin.
            let part = replaced(part).unwrap_or(part);
            part.to_lowercase().for_each(|plain| push(glyphs, plain, original, start));
        }
    }
}

fn push(glyphs: &mut Vec<Glyph>, plain: char, original: char, start: usize) {
    let (end, upper) = (start + original.len_utf8(), original.is_uppercase());
    for plain in ligature(plain) {
        glyphs.push(Glyph { plain, start, end, upper, acute: false, grave: false });
    }
}

fn mark(glyphs: &mut [Glyph], mark: char, end: usize) {
    if let Some(last) = glyphs.last_mut() {
        last.acute |= mark == ACUTE;
        last.grave |= mark == GRAVE;
        // The mark is part of the letter: cut out of the text, the word would lose its last accent.
        last.end = end;
    }
}

/// The letters that a letter which Unicode does not take apart is written with.
fn ligature(plain: char) -> impl Iterator<Item = char> {
    let (first, second) = match plain {
        'œ' => ('o', Some('e')),
        'æ' => ('a', Some('e')),
        'ß' => ('s', Some('s')),
        plain => (plain, None),
    };
    std::iter::once(first).chain(second)
}

/// What a character is read as, where Unicode's own folding does not say so.
fn replaced(character: char) -> Option<char> {
    Some(match character {
        '\t'
        | '\u{a0}'
        | '\u{1680}'
        | '\u{2000}'..='\u{200a}'
        | '\u{202f}'
        | '\u{205f}'
        | '\u{2800}'
        | '\u{3000}' => ' ',
        '\r' | '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' | '\u{2bc}' | '\u{b4}' | '\u{ff07}' => {
            '\''
        }
        '\u{2010}' | '\u{2011}' | '\u{2212}' | '\u{ff0d}' => '-',
        '\u{3002}' | '\u{ff61}' | '\u{2026}' => '.',
        '\u{3001}' | '\u{60c}' => ',',
        '\u{61f}' => '?',
        'ø' | 'Ø' => 'o',
        'ł' | 'Ł' => 'l',
        'ı' => 'i',
        'đ' | 'Đ' => 'd',
        _ => return lookalike(character),
    })
}

/// Cyrillic and Greek letters that read as Latin ones.
fn lookalike(character: char) -> Option<char> {
    Some(match character {
        'а' | 'А' | 'α' | 'Α' => 'a',
        'в' | 'В' | 'Β' => 'b',
        'с' | 'С' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'Е' | 'ё' | 'є' | 'ε' | 'Ε' => 'e',
        'һ' | 'Н' | 'Η' => 'h',
        'і' | 'І' | 'ι' | 'Ι' => 'i',
        'ј' | 'Ј' => 'j',
        'к' | 'К' | 'κ' | 'Κ' => 'k',
        'ӏ' | 'Ӏ' => 'l',
        'м' | 'М' | 'Μ' => 'm',
        'Ν' => 'n',
        'о' | 'О' | 'ο' | 'Ο' | 'σ' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'ѕ' | 'Ѕ' => 's',
        'т' | 'Т' | 'τ' | 'Τ' => 't',
        'υ' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' => 'w',
        'х' | 'Х' | 'χ' | 'Χ' => 'x',
        'у' | 'У' | 'γ' | 'Υ' => 'y',
        'Ζ' => 'z',
        _ => return None,
    })
}

/// Characters that show nothing: controls, format characters, fillers, selectors, tags.
pub(super) fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
                | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        )
}
