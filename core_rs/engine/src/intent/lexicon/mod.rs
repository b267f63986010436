//! What the analyzer knows about words: built once from the tables of each language.

mod english;
mod french;
mod words;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Intent;

/// What a word can be in a sentence, as bits.
pub(super) mod class {
    /// Politeness, greetings, names of the assistant, adverbs: may stand before a verb.
    pub(in crate::intent) const SKIP: u32 = 1;
    /// Starts an object: an article, a possessive, a quantifier, a pronoun.
    pub(in crate::intent) const OBJECT: u32 = 1 << 1;
    /// Asks: how, what, comment.
    pub(in crate::intent) const ASKS: u32 = 1 << 2;
    /// A verb that turns a sentence into a question or governs a bare verb: do, can, would.
    pub(in crate::intent) const AUXILIARY: u32 = 1 << 3;
    /// A verb right after it is not an order: to, I, users', pour.
    pub(in crate::intent) const GOVERNS: u32 = 1 << 4;
    /// Denies the verb that follows: not, never, don't, ne.
    pub(in crate::intent) const NEGATES: u32 = 1 << 5;
    /// Denies the French verb that it follows: pas, jamais, rien.
    pub(in crate::intent) const NEGATES_BEFORE: u32 = 1 << 6;
    /// A pronoun as the sentence's subject.
    pub(in crate::intent) const SUBJECT: u32 = 1 << 7;
    /// Starts a clause that tells when, why or under what condition.
    pub(in crate::intent) const ADVERBIAL: u32 = 1 << 8;
    /// A French object pronoun before its verb.
    pub(in crate::intent) const CLITIC: u32 = 1 << 9;
    /// Is left out of keywords.
    pub(in crate::intent) const STOP: u32 = 1 << 10;
    /// Right after a verb form: it was a noun. is, was, means.
    pub(in crate::intent) const COPULA: u32 = 1 << 11;
    /// Orders what is quoted next to be done: run, execute.
    pub(in crate::intent) const RUN: u32 = 1 << 12;
    /// Money.
    pub(in crate::intent) const MONEY: u32 = 1 << 13;
    /// Between a verb and where its object goes: to, into, vers.
    pub(in crate::intent) const TOWARDS: u32 = 1 << 14;
    /// A verb right after it is only mentioned: between, versus, of.
    pub(in crate::intent) const MENTIONS: u32 = 1 << 15;
    /// A verb of wishing, before "que tu".
    pub(in crate::intent) const WISHES: u32 = 1 << 16;
    /// Makes "be deleted" an order: must, should, need.
    pub(in crate::intent) const OBLIGES: u32 = 1 << 17;
    /// May follow an object whose verb is over: please, from, now.
    pub(in crate::intent) const ENDS: u32 = 1 << 18;
    /// it, them, everything: what an order without a comma acts on.
    pub(in crate::intent) const PRONOUN: u32 = 1 << 19;
    /// Passes an order on: ask, tell, have.
    pub(in crate::intent) const DELEGATES: u32 = 1 << 20;
    /// A possessive, a quantifier or a demonstrative.
    pub(in crate::intent) const POSSESSIVE: u32 = 1 << 21;
    /// A French subject after a hyphen, which makes a question of the verb.
    pub(in crate::intent) const INVERTS: u32 = 1 << 22;
    /// be, être: before a participle.
    pub(in crate::intent) const PASSIVE: u32 = 1 << 23;
    /// no, nothing, none: as an object, it denies the verb.
    pub(in crate::intent) const NOTHING: u32 = 1 << 24;
    /// What is paid: an invoice, le loyer.
    pub(in crate::intent) const BILL: u32 = 1 << 25;
}

/// The forms of a verb, as bits.
pub(super) mod form {
    /// English: delete.
    pub(in crate::intent) const BASE: u8 = 1;
    /// English: deleting.
    pub(in crate::intent) const GERUND: u8 = 1 << 1;
    /// deleted, supprimé.
    pub(in crate::intent) const PARTICIPLE: u8 = 1 << 2;
    /// French: supprime, supprimez, supprimons.
    pub(in crate::intent) const IMPERATIVE: u8 = 1 << 3;
    /// French: supprimer.
    pub(in crate::intent) const INFINITIVE: u8 = 1 << 4;
    /// French, second person: supprimes, supprimiez, supprimeras.
    pub(in crate::intent) const SECOND: u8 = 1 << 5;
    /// What can be an order by itself.
    pub(in crate::intent) const ORDER: u8 = BASE | IMPERATIVE | INFINITIVE;
}

/// What must follow a verb for it to be one: many are nouns or mean something else as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing.
    Nothing,
    /// The start of an object: `drop the`, not `drop shadows`.
    Object,
    /// The start of an object that is not money: `vire ces fichiers`.
    Thing,
    /// The start of an object, or a name: `email Bob`.
    Name,
    /// An object, or somewhere to go: `transfer files to`.
    Loose,
    /// Somewhere to go: `move ... to`.
    Towards,
    /// Money: `send 50 euros`.
    Money,
    /// Money, or what is paid: `règle la facture`.
    Bill,
    /// A name, nothing else: `reply to Bob`.
    Person,
}

/// One form of a verb that shows an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verb {
    pub(super) lemma: &'static str,
    pub(super) intent: Intent,
    pub(super) forms: u8,
    pub(super) need: Need,
}

/// How a frame asks for the verb that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Only where an order could stand: I want to.
    AtHead,
    /// Anywhere in a clause that is no question word's: can you.
    Anywhere,
    /// Anywhere in a clause that is not denied: want you to.
    AsWish,
    /// Anywhere at all: please.
    Politely,
}

/// Words that make an order of the verb that follows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// The forms that the verb may have.
    pub(super) forms: u8,
    pub(super) asks: Asks,
}

/// What a phrase means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Verb(Verb),
    Frame(Frame),
    /// A verb whose object says what is done: proceed with the deletion. Holds its forms.
    Light(u8),
    /// The object of such a verb.
    Event(Intent, &'static str),
}

/// A phrase by the words after its first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    pub(super) rest: Vec<&'static str>,
    pub(super) meaning: Meaning,
}

/// Everything known about one word.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    classes: u32,
    pub(super) phrases: Vec<Phrase>,
}

impl Entry {
    /// Whether the word can be any of these.
    pub(super) fn has(&self, classes: u32) -> bool {
        self.classes & classes != 0
    }

    /// The verb forms that are this word alone.
    pub(super) fn verbs(&self) -> impl Iterator<Item = Verb> {
        self.phrases.iter().filter(|phrase| phrase.rest.is_empty()).filter_map(
            |phrase| match phrase.meaning {
                Meaning::Verb(verb) => Some(verb),
                _ => None,
            },
        )
    }
}

/// A row of a table of verb forms: intent, need, forms, phrases separated by commas.
type VerbRow = (Intent, Need, u8, &'static str);
/// A row of a table of frames.
type FrameRow = (Asks, u8, &'static str);

static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::build);

/// What is known about a word in its plain form.
pub(super) fn entry(plain: &str) -> Option<&'static Entry> {
    LEXICON.words.get(plain)
}

#[derive(Debug, Default)]
struct Lexicon {
    words: HashMap<String, Entry>,
}

impl Lexicon {
    fn build() -> Self {
        let mut lexicon = Self::default();
        for (classes, words) in words::CLASSES {
            words.split_whitespace().for_each(|word| lexicon.entry(word).classes |= classes);
        }
        for rows in [english::VERBS, french::VERBS] {
            for row in rows {
                lexicon.verbs(*row);
            }
        }
        for (intent, need, infinitives) in french::REGULAR {
            each(infinitives, |verb| lexicon.conjugate(*intent, *need, verb));
        }
        for rows in [english::FRAMES, french::FRAMES] {
            for (asks, forms, phrases) in rows {
                let meaning = Meaning::Frame(Frame { forms: *forms, asks: *asks });
                each(phrases, |phrase| lexicon.add(phrase, meaning));
            }
        }
        for (forms, phrases) in english::LIGHT.iter().chain(french::LIGHT) {
            each(phrases, |phrase| lexicon.add(phrase, Meaning::Light(*forms)));
        }
        for (intent, phrases) in english::EVENTS.iter().chain(french::EVENTS) {
            each(phrases, |phrase| lexicon.add(phrase, Meaning::Event(*intent, phrase)));
        }
        lexicon
    }

    fn entry(&mut self, word: &str) -> &mut Entry {
        self.words.entry(word.to_owned()).or_default()
    }

    fn add(&mut self, phrase: &'static str, meaning: Meaning) {
        let mut words = phrase.split_whitespace();
        if let Some(first) = words.next() {
            let phrase = Phrase { rest: words.collect(), meaning };
            self.entry(first).phrases.push(phrase);
        }
    }

    fn verbs(&mut self, (intent, need, forms, phrases): VerbRow) {
        each(phrases, |lemma| {
            self.add(lemma, Meaning::Verb(Verb { lemma, intent, forms, need }));
        });
    }

    /// The forms of a regular French verb in -er that orders, wishes and the passive use.
    fn conjugate(&mut self, intent: Intent, need: Need, lemma: &'static str) {
        let stem = lemma.strip_suffix("er").unwrap_or(lemma);
        // Before a silent ending French writes `nettoie` for `nettoyer`, and both spellings are in
        // use where it may choose.
        let soft = stem.strip_suffix('y').map(|stem| format!("{stem}i"));
        for stem in std::iter::once(stem).chain(soft.as_deref()) {
            for (forms, endings) in french::ENDINGS {
                for ending in endings.split_whitespace() {
                    let verb = Verb { lemma, intent, forms: *forms, need };
                    let phrase = Phrase { rest: vec![], meaning: Meaning::Verb(verb) };
                    self.entry(&format!("{stem}{ending}")).phrases.push(phrase);
                }
            }
        }
    }
}

fn each(list: &'static str, take: impl FnMut(&'static str)) {
    list.split(',').map(str::trim).filter(|phrase| !phrase.is_empty()).for_each(take);
}
