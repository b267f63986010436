//! What one clause asks for.

use super::clause::{Clause, Item};
use super::indirect;
use super::lexicon::{Asks, Need, Verb, class, form};
use super::phrase::{frame_at, is, reads, starts_object, verbs_at, word_at};

/// How many polite words and frames may stand before a verb.
const STEPS_MAX: usize = 16;
/// How far "pas" may stand from its "ne".
const DENIAL_REACH: usize = 8;

/// How the sentence so far lets a clause be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mood {
    /// The forms that are orders without a frame: none where a question governs the clause.
    pub(super) forms: u8,
    /// Whether a verb stands without its object, as part of a series.
    pub(super) lenient: bool,
    /// Whether the sentence ends in a question mark.
    pub(super) question: bool,
}

/// What one clause asks for.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    /// The verbs that are orders or requests.
    pub(super) verbs: Vec<Verb>,
    /// Whether it asks for something, known or not.
    pub(super) framed: bool,
    /// Whether it asks for something not to be done.
    pub(super) denied: bool,
    /// Where the last such verb ends.
    pub(super) end: usize,
}

enum Attempt {
    Order(Vec<Verb>, usize),
    Denied,
    Framed,
    Nothing,
}

/// Reads a clause.
pub(super) fn read(clause: &Clause<'_>, mood: Mood) -> Reading {
    let items = clause.items.as_slice();
    let mut reading = Reading::default();
    if !clause.glued || glued_order(items) {
        reading.take(attempt(items, 0, mood));
    }
    frames_inside(items, mood, &mut reading);
    clitics(items, &mut reading);
    indirect::read(items, mood, &mut reading);
    reading
}

impl Reading {
    fn take(&mut self, attempt: Attempt) {
        match attempt {
            Attempt::Order(verbs, end) => self.order(verbs, end),
            Attempt::Denied => self.denied = true,
            Attempt::Framed => self.framed = true,
            Attempt::Nothing => {}
        }
    }

    /// Adds verbs that end at `end`.
    pub(super) fn order(&mut self, verbs: impl IntoIterator<Item = Verb>, end: usize) {
        self.verbs.extend(verbs);
        self.end = end;
    }
}

/// `file.delete all`: after a sign without a space, only a verb with its object is an order.
fn glued_order(items: &[Item<'_>]) -> bool {
    starts_object(items, 1)
}

/// Reads from `start` as if a clause began there.
fn attempt(items: &[Item<'_>], start: usize, mood: Mood) -> Attempt {
    let (mut at, mut forms, mut framed) = (start, mood.forms, false);
    // Bounded, for this is begun anew at each frame of a clause: the time stays in proportion to
    // the text.
    for _ in 0..STEPS_MAX {
        let free = framed || mood.forms == form::ORDER;
        let verb = verbs_at(items, at, forms, mood.lenient || framed);
        let frame =
            frame_at(items, at, free).filter(|(frame, _)| !only_asks(mood, *frame, items, at));
        let length = verb.as_ref().map_or(0, |(_, length)| *length);
        match (verb, frame) {
            (_, Some((frame, frame_length))) if frame_length > length => {
                (at, forms, framed) = (at + frame_length, frame.forms, true);
            }
            (Some((verbs, length)), _) => return order(items, verbs, at + length),
            (None, _) => match step(items, at, forms, framed) {
                Step::Over(count) => at += count,
                Step::Denied => return Attempt::Denied,
                Step::Stop => break,
            },
        }
    }
    if framed { Attempt::Framed } else { Attempt::Nothing }
}

/// "Tu supprimes mes fils ?" asks; without the question mark it orders.
fn only_asks(mood: Mood, frame: super::lexicon::Frame, items: &[Item<'_>], at: usize) -> bool {
    let subject = frame.forms == form::SECOND && reads(items, at, &["tu", "vous"]);
    subject && mood.question
}

enum Step {
    Over(usize),
    Denied,
    Stop,
}

/// What to do with a word that is neither verb nor frame.
fn step(items: &[Item<'_>], at: usize, forms: u8, framed: bool) -> Step {
    let word = match items.get(at) {
        Some(Item::Word(word)) => word,
        // Whoever is spoken to: `@nova delete the thread`.
        Some(Item::Sign('@')) => return Step::Over(2),
        _ => return Step::Stop,
    };
    if word.has(class::NEGATES) {
        return denial(items, at);
    }
    // French puts a pronoun before its verb: `peux-tu me les supprimer`.
    let object =
        framed && forms & (form::INFINITIVE | form::SECOND) != 0 && word.has(class::CLITIC);
    if word.is_skipped() || object { Step::Over(1) } else { Step::Stop }
}

fn denial(items: &[Item<'_>], at: usize) -> Step {
    if reads(items, at + 1, &["only", "just", "merely", "simply", "seulement", "uniquement"]) {
        // "Not only delete the drafts but the notes too" asks for both.
        return Step::Over(2);
    }
    // `Ne supprime que les anciens fils` restricts, and so it orders.
    let near = at + 1..at + DENIAL_REACH;
    let only = |at: usize| reads(items, at, &["que", "qu", "seulement", "uniquement"]);
    let restricts = reads(items, at, &["ne", "n"]) && near.clone().any(only);
    let denied = !restricts || near.into_iter().any(|at| closes_denial(items, at));
    if denied { Step::Denied } else { Step::Over(1) }
}

/// pas, jamais, rien after its verb; not "pas seulement", "pas mal".
fn closes_denial(items: &[Item<'_>], at: usize) -> bool {
    let negates = is(items, at, class::NEGATES_BEFORE) || reads(items, at, &["plus"]);
    negates && !reads(items, at + 1, &["mal", "seulement", "uniquement", "que", "qu"])
}

/// A verb stands; unless what follows takes it back.
fn order(items: &[Item<'_>], verbs: Vec<Verb>, end: usize) -> Attempt {
    let mut next = end;
    while word_at(items, next).is_some_and(|word| word.joined || word.has(class::SKIP)) {
        next += 1;
    }
    // Spoken French leaves its `ne` out: `supprime pas ce fil`.
    let french = is(items, next, class::NEGATES_BEFORE) && closes_denial(items, next);
    // "Delete nothing" asks for nothing, and "remove nothing but the logs" for the logs.
    let nothing = is(items, end, class::NOTHING)
        && !reads(items, end + 1, &["but", "except", "other", "more", "fewer", "less", "later"]);
    if french || nothing { Attempt::Denied } else { Attempt::Order(verbs, end) }
}

/// Frames that ask wherever they stand: "... please delete it", "... could you delete it".
fn frames_inside(items: &[Item<'_>], mood: Mood, reading: &mut Reading) {
    let (mut asked, mut denied, mut wished) = (false, false, false);
    for (at, item) in items.iter().enumerate() {
        let Some(word) = item.word() else { continue };
        // What stands before this was read as an order already, and the first word with the
        // clause's head.
        let frame = frame_at(items, at, false).filter(|_| at >= reading.end.max(1));
        let open = frame.is_some_and(|(frame, _)| match frame.asks {
            Asks::AtHead => false,
            Asks::Anywhere => !asked,
            Asks::AsWish => !asked && !denied && (wished || !word.plain.starts_with("qu")),
            Asks::Politely => true,
        });
        if open {
            reading.take(attempt(items, at, Mood { forms: 0, ..mood }));
        }
        asked |= word.has(class::ASKS);
        denied |= word.has(class::NEGATES);
        wished |= word.has(class::WISHES);
    }
}

/// `supprime-les`: an imperative with its hyphen is one wherever it stands.
fn clitics(items: &[Item<'_>], reading: &mut Reading) {
    for at in reading.end..items.len() {
        let hyphen =
            word_at(items, at + 1).is_some_and(|next| next.joined && next.has(class::OBJECT));
        if !hyphen || (at > 0 && is(items, at - 1, class::NEGATES | class::SUBJECT)) {
            continue;
        }
        if let Some((mut verbs, length)) = verbs_at(items, at, form::IMPERATIVE, true) {
            verbs.retain(|verb| !matches!(verb.need, Need::Money | Need::Bill | Need::Person));
            reading.take(order(items, verbs, at + length));
        }
    }
}
