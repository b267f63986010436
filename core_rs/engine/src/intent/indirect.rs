//! Requests that no clause starts with: wedged in, in the passive, passed on.
//!
//! Only for intents that a person must approve: what they miss would run unseen.

use super::clause::Item;
use super::lexicon::{Need, Verb, class, form};
use super::phrase::{event_after, is, reads, starts_object, verbs_at, word_at};
use super::request::{Mood, Reading};
use super::token::Word;

/// How far the verb may stand from what passes it on.
const REACH: usize = 8;
/// How far into a clause "I want" may stand.
const WISH_REACH: usize = 6;
/// Nouns in the plural without an s, whose verb looks like an order.
const PLURALS: [&str; 6] = ["people", "men", "women", "children", "staff", "police"];
/// Words that a noun follows.
const DETERMINERS: [&str; 14] = [
    "the", "a", "an", "my", "our", "your", "his", "her", "its", "their", "no", "any", "every",
    "each",
];

/// Adds what the clause asks for indirectly.
pub(super) fn read(items: &[Item<'_>], mood: Mood, reading: &mut Reading) {
    // Where a question or a subject governs the clause no bare verb of it is an order, however it
    // is wedged in.
    if mood.forms != form::ORDER {
        return;
    }
    let from = reading.end;
    let found = [
        wedged(items, from),
        passive(items, mood),
        wished(items, mood),
        passed_on(items, form::BASE, &["to"]),
        passed_on(items, form::INFINITIVE, &["de", "d"]),
        made_to(items),
        nominal(items),
    ];
    for (verb, end) in found.into_iter().flatten() {
        reading.order([verb], end);
    }
}

type Found = Option<(Verb, usize)>;

fn sensitive(items: &[Item<'_>], at: usize, forms: u8) -> Found {
    let (verbs, length) = verbs_at(items, at, forms, true)?;
    let verb =
        verbs.into_iter().find(|verb| verb.intent.is_sensitive() && verb.need != Need::Money)?;
    Some((verb, at + length))
}

/// "If it is old delete it": a base form that no subject, auxiliary or "to" governs.
fn wedged(items: &[Item<'_>], from: usize) -> Found {
    let conditional = is(items, 0, class::ADVERBIAL);
    for at in 0..items.len() {
        let Some(word) = word_at(items, at) else { continue };
        let bars = class::AUXILIARY | class::ASKS | class::DELEGATES | class::NEGATES;
        let subject = word.has(class::SUBJECT) && !word.has(class::OBJECT) && !conditional;
        if word.has(bars) || subject || reads(items, at, &["to", "let"]) {
            return None;
        }
        if at == 0 || at < from || !follows_a_phrase(items, at, conditional) {
            continue;
        }
        let object = starts_object(items, at + 1);
        let fits = if conditional { is(items, at + 1, class::PRONOUN) } else { object };
        // Only verbs that are nothing else: of those that are nouns as well any statement is full.
        let verb = sensitive(items, at, form::BASE).filter(|(verb, _)| verb.need == Need::Nothing);
        if fits && verb.is_some() {
            return verb;
        }
    }
    None
}

/// Whether the word before can end a phrase, and is no plural that the verb would belong to.
fn follows_a_phrase(items: &[Item<'_>], at: usize, conditional: bool) -> bool {
    let Some(before) = word_at(items, at - 1) else { return true };
    let tied = class::GOVERNS | class::MENTIONS | class::TOWARDS | class::COPULA;
    let plural = before.plain.len() > 3 && before.plain.ends_with('s');
    let subject = !conditional && (plural || PLURALS.contains(&&*before.plain));
    !before.has(tied) && !DETERMINERS.contains(&&*before.plain) && !subject
}

/// "All of them must be deleted."
fn passive(items: &[Item<'_>], mood: Mood) -> Found {
    // `Must they be deleted?` asks, and `if they must be deleted` only supposes.
    if mood.question || is(items, 0, class::ASKS | class::AUXILIARY | class::ADVERBIAL) {
        return None;
    }
    let mut obliged = false;
    for (at, item) in items.iter().enumerate() {
        let Some(word) = item.word() else { continue };
        if word.has(class::ASKS | class::NEGATES) || reads(items, at, &["if"]) {
            return None;
        }
        if obliged && word.has(class::PASSIVE) {
            let after = (at + 1..items.len()).find(|at| !skipped(items, *at))?;
            if let Some(found) = sensitive(items, after, form::PARTICIPLE) {
                return Some(found);
            }
        }
        obliged |= word.has(class::OBLIGES);
    }
    None
}

/// "I want all of them deleted."
fn wished(items: &[Item<'_>], mood: Mood) -> Found {
    let asked = reads(items, 0, &["can", "could", "would"]) && reads(items, 1, &["you", "we", "i"]);
    if (mood.question || is(items, 0, class::ASKS | class::AUXILIARY)) && !asked {
        return None;
    }
    let head = (0..items.len()).find(|at| !skipped(items, *at))?;
    let wish = (head..head + WISH_REACH).find(|at| {
        is(items, *at, class::WISHES)
            || ((asked || *at == head) && reads(items, *at, &["have", "get"]))
    })?;
    for at in head..items.len() {
        let word = word_at(items, at);
        if word.is_some_and(|word| word.has(class::ASKS | class::NEGATES)) {
            return None;
        }
        let over = items.get(at + 1).is_none() || is(items, at + 1, class::ENDS);
        let own = at > wish + 1
            && over
            && !is(items, at - 1, class::COPULA | class::SUBJECT | class::ASKS);
        let that = reads(
            items,
            at.saturating_sub(1),
            &["that", "to", "have", "just", "already", "recently"],
        );
        if own
            && !that
            && let Some(found) = sensitive(items, at, form::PARTICIPLE)
        {
            return Some(found);
        }
    }
    None
}

/// "Ask the agent to delete them", "demande à l'agent de les supprimer".
fn passed_on(items: &[Item<'_>], forms: u8, link: &[&str]) -> Found {
    let head = (0..items.len()).find(|at| !skipped(items, *at))?;
    if !is(items, head, class::DELEGATES) || reads(items, head + 1, &["me", "us", "moi", "nous"]) {
        return None;
    }
    let bars = class::ASKS | class::NEGATES;
    for at in head + 2..head + 2 + REACH {
        if is(items, at, bars) || reads(items, at, &["way", "ways"]) {
            return None;
        }
        if reads(items, at, link) {
            let clitic = |at: &usize| !skipped(items, *at) && !is(items, *at, class::CLITIC);
            let verb = (at + 1..items.len()).find(clitic)?;
            if let Some(found) = sensitive(items, verb, forms) {
                return Some(found);
            }
        }
    }
    None
}

/// "Have the agent delete them."
fn made_to(items: &[Item<'_>]) -> Found {
    let head = (0..items.len()).find(|at| !skipped(items, *at))?;
    if !reads(items, head, &["have", "make", "let"])
        || reads(items, head + 1, &["me", "us", "sure"])
    {
        return None;
    }
    let found = (head + 2..head + REACH).find_map(|at| sensitive(items, at, form::BASE))?;
    (starts_object(items, found.1)).then_some(found)
}

/// "Deletion of all my threads, please."
fn nominal(items: &[Item<'_>]) -> Found {
    let polite = |at: usize| reads(items, at, &["please", "pls", "svp", "stp", "merci", "plait"]);
    let of = reads(items, 1, &["of", "de", "d", "des", "du"]);
    // Without a polite word it names something: `removal of the appendix`.
    if !of || !(2..items.len()).any(polite) {
        return None;
    }
    let (intent, lemma) = event_after(items, 0)?;
    Some((Verb { lemma, intent, forms: form::BASE, need: Need::Nothing }, items.len()))
}

fn skipped(items: &[Item<'_>], at: usize) -> bool {
    word_at(items, at).is_some_and(Word::is_skipped)
}
