//! What is quoted, and so spoken about rather than asked for.

use super::lexicon::class;
use super::token::{Kind, Token, Word};

/// A quotation longer than this many tokens is not taken for one.
const TOKENS_MAX: usize = 400;
/// How far before a quotation `run` or `execute` makes it an order.
const ORDER_REACH: usize = 8;
/// Words that English writes with an apostrophe before them.
const SHORTENED: [&str; 8] = ["cause", "til", "till", "tis", "twas", "em", "bout", "round"];

/// A run of tokens between quotation marks, the marks included: `first..=last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quotation {
    pub(super) first: usize,
    pub(super) last: usize,
}

/// All quotations, in order. Marks without a partner quote nothing.
pub(super) fn quotations(tokens: &[Token]) -> Vec<Quotation> {
    let mut found = Vec::new();
    let partners = Partners::of(tokens);
    let mut at = 0;
    while at < tokens.len() {
        let last = partners.last_of(tokens, at);
        if let Some(last) = last {
            found.push(Quotation { first: at, last });
        }
        at = last.unwrap_or(at).saturating_add(1);
    }
    found
}

/// How a token belongs to its sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// As it stands.
    Plain,
    /// Only spoken about.
    Mentioned,
    /// A quotation mark around a single word, which stays in the sentence: please "delete" them.
    Mark,
}

/// The role of every token.
///
/// A text that is nothing but a quotation, or one that the words before it order to run, is plain.
pub(super) fn roles(tokens: &[Token], quotations: &[Quotation]) -> Vec<Role> {
    let mut roles = vec![Role::Plain; tokens.len()];
    for quotation in quotations {
        let inside = tokens.get(quotation.first..=quotation.last).unwrap_or_default();
        let before = tokens.get(..quotation.first).unwrap_or_default();
        let marks = roles.get_mut(quotation.first..=quotation.last).unwrap_or_default();
        // A single word between marks is one that is stressed: `please "delete" all files`.
        if words(inside) > 1 && !ordered(before) {
            marks.fill(Role::Mentioned);
        } else if let ([first, .., last], [_, word, _]) = (marks, inside)
            && word.word().is_some()
        {
            (*first, *last) = (Role::Mark, Role::Mark);
        }
    }
    // With nothing else to say the text means what it quotes; quotation marks around all of it must
    // not hide an order.
    if !tokens.iter().zip(&roles).any(|(token, role)| *role != Role::Mentioned && says(token)) {
        roles.fill(Role::Plain);
    }
    roles
}

/// Whether a token outside quotations shows that they are a part of something.
fn says(token: &Token) -> bool {
    token.word().is_some_and(|word| !word.is_skipped())
}

fn words(tokens: &[Token]) -> usize {
    tokens.iter().filter(|token| token.word().is_some()).count()
}

/// "Run ...", "do the following: ..." in the same sentence.
fn ordered(before: &[Token]) -> bool {
    let near = before.iter().rev().take_while(|token| !ends_sentence(token)).take(ORDER_REACH);
    let words: Vec<&Word> = near.filter_map(Token::word).collect();
    let does = words.windows(2).any(|pair| match pair {
        [after, word] => &*word.plain == "do" && ["this", "that", "the"].contains(&&*after.plain),
        _ => false,
    });
    does || words.iter().any(|word| word.has(class::RUN))
}

fn ends_sentence(token: &Token) -> bool {
    matches!(token.kind, Kind::Sign('.' | '!' | '?' | ';'))
}

/// Where the nearest closing marks stand, so that pairing takes one pass.
struct Partners {
    /// For every token: the next token that closes a quotation of its kind, on the same line.
    close: Vec<Option<usize>>,
}

impl Partners {
    fn of(tokens: &[Token]) -> Self {
        let mut close = vec![None; tokens.len()];
        let mut next: [Option<usize>; 5] = [None; 5];
        // Backwards, so that the nearest closing mark of each kind is known where an opening one is
        // met, in one pass.
        for (at, token) in tokens.iter().enumerate().rev() {
            let opens = opening(token).filter(|_| !shortened(tokens, at));
            if let (Some(kind), Some(slot)) = (opens, close.get_mut(at)) {
                *slot = next.get(kind).copied().flatten();
            }
            match closing(token).filter(|_| !possessive(tokens, at)) {
                Some(kind) => set(&mut next, kind, Some(at)),
                // A mark finds no partner on another line: one that stands alone would hide all
                // orders up to the next of its kind.
                None if token.is_sign('\n') => next = [None; 5],
                None => {}
            }
        }
        Self { close }
    }

    fn last_of(&self, tokens: &[Token], at: usize) -> Option<usize> {
        let fenced = fence(tokens, at).then(|| fence_end(tokens, at)).flatten();
        let last = fenced.or_else(|| self.close.get(at).copied().flatten())?;
        // Two stray marks that are far apart quote nothing, or what is ordered between them would
        // run unseen.
        (fenced.is_some() || last - at <= TOKENS_MAX).then_some(last)
    }
}

fn set(next: &mut [Option<usize>; 5], kind: usize, at: Option<usize>) {
    if let Some(slot) = next.get_mut(kind) {
        *slot = at;
    }
}

fn opening(token: &Token) -> Option<usize> {
    // A straight mark says on which side it stands by the spaces alone: `5" wide` opens nothing.
    let starts = token.space_before && !token.space_after;
    match token.kind {
        Kind::Sign('"') if starts => Some(0),
        Kind::Sign('\'') if starts => Some(1),
        Kind::Sign('\u{201c}' | '\u{201e}') => Some(2),
        Kind::Sign('\u{ab}') => Some(3),
        Kind::Sign('`') => Some(4),
        _ => None,
    }
}

fn closing(token: &Token) -> Option<usize> {
    match token.kind {
        Kind::Sign('"') if !token.space_before => Some(0),
        Kind::Sign('\'') if !token.space_before => Some(1),
        Kind::Sign('\u{201d}') => Some(2),
        Kind::Sign('\u{bb}') => Some(3),
        Kind::Sign('`') => Some(4),
        _ => None,
    }
}

/// `the users' files`: an apostrophe that closes nothing.
fn possessive(tokens: &[Token], at: usize) -> bool {
    let word = |at: usize| tokens.get(at).and_then(Token::word);
    let plural = at.checked_sub(1).and_then(word).is_some_and(|word| word.plain.ends_with('s'));
    let space = tokens.get(at).is_some_and(|token| token.is_sign('\'') && token.space_after);
    plural && space && word(at + 1).is_some()
}

/// `'cause`, `'til`: an apostrophe that opens nothing.
fn shortened(tokens: &[Token], at: usize) -> bool {
    let apostrophe = tokens.get(at).is_some_and(|token| token.is_sign('\''));
    let word = tokens.get(at + 1).and_then(Token::word);
    apostrophe && word.is_some_and(|word| SHORTENED.contains(&&*word.plain))
}

/// Whether a code fence of three back-ticks stands here.
fn fence(tokens: &[Token], at: usize) -> bool {
    let three = tokens.get(at..at.saturating_add(3));
    three.is_some_and(|three| three.iter().all(|token| token.is_sign('`')))
}

/// The last token of the fence that closes the one at `at`; an open fence quotes nothing.
fn fence_end(tokens: &[Token], at: usize) -> Option<usize> {
    let inside = at.saturating_add(3);
    let mut later = inside..tokens.len();
    later.find(|next| fence(tokens, *next)).map(|next| next.saturating_add(2))
}
