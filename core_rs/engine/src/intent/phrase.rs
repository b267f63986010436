//! What stands at one place of a clause: a frame, or a verb that is one in its surroundings.

use super::clause::Item;
use super::lexicon::{Asks, Frame, Meaning, Need, Phrase, Verb, class, form};
use super::token::{Accent, Word};

/// How far money or a destination may stand from its verb.
const REACH: usize = 24;
const MONEY_REACH: usize = 6;
const EVENT_REACH: usize = 6;

/// What `delete` names rather than orders when a statement follows: "the delete key is".
const PARTS: [&str; 10] = [
    "button",
    "key",
    "command",
    "keyword",
    "option",
    "function",
    "method",
    "operator",
    "statement",
    "icon",
];

/// The word at a place.
pub(super) fn word_at<'a>(items: &[Item<'a>], at: usize) -> Option<&'a Word> {
    items.get(at).copied().and_then(Item::word)
}

/// Whether the word at a place can be any of these.
pub(super) fn is(items: &[Item<'_>], at: usize, classes: u32) -> bool {
    word_at(items, at).is_some_and(|word| word.has(classes))
}

/// Whether the word at a place is this one.
pub(super) fn reads(items: &[Item<'_>], at: usize, plain: &[&str]) -> bool {
    word_at(items, at).is_some_and(|word| plain.contains(&&*word.plain))
}

/// The longest frame that starts here, and its length.
pub(super) fn frame_at(items: &[Item<'_>], at: usize, free: bool) -> Option<(Frame, usize)> {
    let frames = phrases(items, at).filter_map(|(phrase, length)| match phrase.meaning {
        Meaning::Frame(frame) if free || frame.asks != Asks::AtHead => Some((frame, length)),
        _ => None,
    });
    frames.max_by_key(|(_, length)| *length)
}

/// The verbs that start here, all of the same length, and that length.
///
/// `lenient` takes a verb without the object that it needs, as in "copy, move and send these".
pub(super) fn verbs_at(
    items: &[Item<'_>],
    at: usize,
    forms: u8,
    lenient: bool,
) -> Option<(Vec<Verb>, usize)> {
    // Behind a hyphen it is the rest of another word, and nobody's order.
    let word = word_at(items, at).filter(|word| !word.joined)?;
    if let Some(event) = event_at(items, at, forms) {
        return Some(event);
    }
    // Of several the longest, which says the most: in `get rid of` the verb is not `get`.
    let mut longest = 0;
    let mut found = Vec::new();
    for (phrase, length) in phrases(items, at) {
        let Meaning::Verb(verb) = phrase.meaning else { continue };
        let fits = length >= longest && fits(items, at + length, word, verb, forms);
        if !fits || !is_met(items, at + length, verb.need, lenient) {
            continue;
        }
        if length > longest {
            found.clear();
            longest = length;
        }
        found.push(verb);
    }
    let stands = !found.is_empty() && !is_noun(items, at + longest);
    stands.then_some((found, longest))
}

/// Whether something that can be acted on starts here.
pub(super) fn starts_object(items: &[Item<'_>], at: usize) -> bool {
    match items.get(at) {
        Some(Item::Quotation | Item::Sign('@' | '$' | '€' | '£' | '¥')) => true,
        Some(Item::Word(word)) => {
            word.has(class::OBJECT) || word.plain.starts_with(|c: char| c.is_ascii_digit())
        }
        Some(Item::Sign(_)) | None => false,
    }
}

fn phrases<'p>(
    items: &'p [Item<'_>],
    at: usize,
) -> impl Iterator<Item = (&'static Phrase, usize)> + use<'p> {
    let entry = word_at(items, at).and_then(|word| word.entry);
    let phrases = entry.map(|entry| entry.phrases.as_slice()).unwrap_or_default();
    let follows = move |phrase: &Phrase| {
        let mut rest = phrase.rest.iter().zip(at + 1..);
        rest.all(|(plain, at)| word_at(items, at).is_some_and(|word| same(&word.plain, plain)))
    };
    phrases
        .iter()
        .filter(move |phrase| follows(phrase))
        .map(|phrase| (phrase, phrase.rest.len() + 1))
}

/// Whether a word is the one of a phrase, or its shortened form: `d'` for `de`.
fn same(plain: &str, wanted: &str) -> bool {
    let shortened = matches!(wanted, "de" | "que" | "me" | "te" | "je");
    plain == wanted || (shortened && wanted.strip_suffix('e') == Some(plain))
}

/// A verb whose object says what is done: "proceed with the deletion".
fn event_at(items: &[Item<'_>], at: usize, forms: u8) -> Option<(Vec<Verb>, usize)> {
    phrases(items, at).find_map(|(phrase, length)| match phrase.meaning {
        Meaning::Light(own) if own & forms != 0 => {
            let (intent, lemma) = event_after(items, at + length)?;
            Some((vec![Verb { lemma, intent, forms: own, need: Need::Nothing }], length))
        }
        _ => None,
    })
}

/// Whether the verb's form is one that is wanted, as its accents and neighbours say.
fn fits(items: &[Item<'_>], after: usize, word: &Word, verb: Verb, forms: u8) -> bool {
    let participle = verb.forms & form::PARTICIPLE != 0 && word.accent == Accent::Acute;
    if participle && forms & form::INFINITIVE != 0 && forms & form::IMPERATIVE == 0 {
        return true;
    }
    let shared = verb.forms & forms;
    let imperative_only = shared == form::IMPERATIVE;
    shared != 0
        && !(imperative_only
            && word.accent == Accent::Acute
            && !is(items, after, class::POSSESSIVE))
}

fn is_met(items: &[Item<'_>], after: usize, need: Need, lenient: bool) -> bool {
    let address = || matches!(items.get(after + 1), Some(Item::Sign('@')));
    let named =
        || address() || word_at(items, after).is_some_and(|word| word.capital && !word.joined);
    let object = || starts_object(items, after);
    let later =
        |classes: u32, reach: usize| (after..after + reach).any(|at| is(items, at, classes));
    let money = || later(class::MONEY, MONEY_REACH) || sign_of_money(items, after);
    match need {
        Need::Nothing => true,
        Need::Object => lenient || object(),
        Need::Thing => (lenient || object()) && !money(),
        Need::Name => lenient || object() || named() || is(items, after, class::TOWARDS),
        Need::Loose => lenient || object() || later(class::TOWARDS, REACH),
        Need::Towards => {
            // `Move on to the next question` moves nothing.
            !reads(items, after, &["on", "forward", "along"]) && later(class::TOWARDS, REACH)
        }
        Need::Money => money(),
        Need::Bill => money() || later(class::BILL, MONEY_REACH),
        Need::Person => {
            named()
                || matches!(items.get(after), Some(Item::Sign('@')))
                || reads(items, after, &["him", "her", "them"])
        }
    }
}

fn sign_of_money(items: &[Item<'_>], after: usize) -> bool {
    let near = items.get(after..).unwrap_or_default().iter().take(MONEY_REACH);
    near.into_iter().any(|item| matches!(item, Item::Sign('$' | '€' | '£' | '¥')))
}

/// Whether what follows makes a noun or a question of the verb before it.
fn is_noun(items: &[Item<'_>], after: usize) -> bool {
    let Some(next) = word_at(items, after) else {
        return false;
    };
    // `delete-key` is a noun and `supprimes-tu` a question; `supprime-les` is an order.
    if next.joined {
        return next.has(class::INVERTS) || !next.has(class::OBJECT | class::CLITIC);
    }
    // Only before a statement: `delete key not working` names it, and `delete key 5` orders.
    let part = PARTS.contains(&&*next.plain);
    next.has(class::COPULA) || (part && is(items, after + 1, class::COPULA | class::NEGATES))
}

/// The noun that says what a light verb does: at the end of its noun phrase, not inside another.
pub(super) fn event_after(
    items: &[Item<'_>],
    after: usize,
) -> Option<(super::Intent, &'static str)> {
    for at in after..after + EVENT_REACH {
        let word = word_at(items, at)?;
        let event = phrases(items, at).find_map(|(phrase, length)| match phrase.meaning {
            Meaning::Event(intent, lemma) => Some((intent, lemma, length)),
            _ => None,
        });
        if let Some((intent, lemma, length)) = event {
            let next = word_at(items, at + length);
            let over =
                next.is_none_or(|next| next.has(class::ENDS | class::TOWARDS | class::MENTIONS));
            return (over || reads(items, at + length, &["d", "des", "les"]))
                .then_some((intent, lemma));
        }
        if word.has(class::MENTIONS | class::ASKS) || reads(items, at, &["on", "de", "sur", "to"]) {
            return None;
        }
    }
    None
}
