//! What a text asks for, in English and French.
//!
//! A text has an intent when a clause of it orders or requests it: `delete all archived items`,
//! `could you please delete ...`, `peux-tu supprimer ...`. To ask about it, to quote it, to deny it
//! or to use the word as a noun is no request: "how do I delete a file?", "the delete button".
//! A person's approval hangs on this, so a doubtful case is a request. One pass, no back-tracking:
//! the time taken is in proportion to the text's length.

mod clause;
mod entity;
mod fold;
mod indirect;
mod lexicon;
mod phrase;
mod quote;
mod request;
mod sentence;
mod token;

use std::collections::BTreeSet;

use crate::vocabulary::Intent;
use lexicon::class;
use quote::{Quotation, Role};
use token::Token;

const KEYWORDS_MAX: usize = 10;
const KEYWORD_LETTERS_MIN: usize = 3;

impl Intent {
    /// Whether the shipped policies ask a person first.
    fn is_sensitive(self) -> bool {
        matches!(self, Self::Delete | Self::Send | Self::Transfer | Self::Payment)
    }
}

/// How much harm the disclosure or the execution of a query could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sensitivity {
    /// Harmless to anybody.
    Public,
    /// Ordinary work.
    Internal,
    /// Deletes or sends.
    Confidential,
    /// Pays or transfers.
    Restricted,
}

impl Sensitivity {
    /// Its name on the wire.
    #[must_use]
    pub fn wire_name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }

    /// That of a query with these intents.
    #[must_use]
    pub fn of(intents: &[Intent]) -> Self {
        let any = |wanted: [Intent; 2]| intents.iter().any(|intent| wanted.contains(intent));
        if any([Intent::Payment, Intent::Transfer]) {
            Self::Restricted
        } else if any([Intent::Delete, Intent::Send]) {
            Self::Confidential
        } else {
            Self::Internal
        }
    }
}

/// What a text asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// In the order of [`Intent`]; `Query` alone when nothing was found.
    pub intents: Vec<Intent>,
    /// 0.3 when nothing was found; else 0.7, and 0.1 more for every further trigger, up to 0.99.
    pub confidence: f64,
    /// (kind, value): `email`, `date`, `number`, `quoted`; at most 32.
    pub entities: Vec<(String, String)>,
    /// At most 10 words of more than two letters, lower case, without stop words.
    pub keywords: Vec<String>,
    /// How sensitive the intents are.
    pub sensitivity: Sensitivity,
}

/// What a text asks for. The same text gives the same answer.
#[must_use]
pub fn analyze(text: &str) -> Analysis {
    analyze_all(&[text])
}

/// What the texts of a request ask for together.
///
/// Each is read by itself: an order does not begin in one and end in the next.
#[must_use]
pub fn analyze_all(texts: &[&str]) -> Analysis {
    let mut found = BTreeSet::new();
    let (mut entities, mut keywords) = (Vec::new(), Vec::with_capacity(KEYWORDS_MAX));
    for text in texts {
        let tokens = token::tokens(text);
        let quotations = quote::quotations(&tokens);
        let roles = quote::roles(&tokens, &quotations);
        found.extend(triggers(&tokens, &roles));
        add_entities(&mut entities, text, &tokens, &quotations);
        add_keywords(&mut keywords, text, &tokens);
    }
    let intents: BTreeSet<Intent> = found.iter().map(|(intent, _)| *intent).collect();
    let mut intents: Vec<Intent> = intents.into_iter().collect();
    if intents.is_empty() {
        intents.push(Intent::Query);
    }
    Analysis {
        confidence: confidence(found.len()),
        entities,
        keywords,
        sensitivity: Sensitivity::of(&intents),
        intents,
    }
}

/// Every intent with the verb that showed it, once; a question shows `Query`.
fn triggers(tokens: &[Token], roles: &[Role]) -> BTreeSet<(Intent, &'static str)> {
    let mut triggers = BTreeSet::new();
    for sentence in clause::sentences(tokens, roles) {
        let asked = sentence::asked(&sentence);
        triggers.extend(asked.verbs.iter().map(|verb| (verb.intent, verb.lemma)));
        if asked.question {
            triggers.insert((Intent::Query, "?"));
        }
    }
    triggers
}

fn confidence(triggers: usize) -> f64 {
    // In whole percents until the end: sums of tenths are no tenths in floating point, and the same
    // text must show the same number.
    let percent = match u8::try_from(triggers.min(4)) {
        Ok(0) => 30,
        Ok(count) => (60 + 10 * count).min(99),
        Err(_) => 99,
    };
    f64::from(percent) / 100.0
}

fn add_entities(
    entities: &mut Vec<(String, String)>,
    text: &str,
    tokens: &[Token],
    quotations: &[Quotation],
) {
    let quoted = quotations.iter().filter_map(|quotation| {
        let marks = (tokens.get(quotation.first)?, tokens.get(quotation.last)?);
        // A fence has three marks at each end, and a quotation takes one of them for its own.
        let inside = text.get(marks.0.end..marks.1.start)?.trim_matches('`').trim();
        (!inside.is_empty()).then(|| ("quoted".to_owned(), inside.to_owned()))
    });
    // Over all texts of a request: each could fill the list by itself.
    let room = entity::ENTITIES_MAX.saturating_sub(entities.len());
    entities.extend(entity::values(text).into_iter().chain(quoted).take(room));
}

fn add_keywords(keywords: &mut Vec<String>, text: &str, tokens: &[Token]) {
    for token in tokens {
        if keywords.len() == KEYWORDS_MAX {
            break;
        }
        let Some(word) = token.word().filter(|word| !word.has(class::STOP)) else { continue };
        let Some(written) = text.get(token.start..token.end) else { continue };
        let lower: String =
            written.to_lowercase().chars().filter(|c| !fold::is_invisible(*c)).collect();
        let letters = word.plain.chars().filter(|c| c.is_alphabetic()).count();
        if letters >= KEYWORD_LETTERS_MIN && !keywords.contains(&lower) {
            keywords.push(lower);
        }
    }
}
