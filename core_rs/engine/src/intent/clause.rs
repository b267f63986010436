//! From tokens to sentences and their clauses.

use super::lexicon::{class, form};
use super::quote::Role;
use super::token::{Accent, Kind, Token, Word};

/// A piece of a clause.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'a> {
    Word(&'a Word),
    /// A quotation: some object.
    Quotation,
    /// A sign that is no punctuation: `$`, `@`, `/`.
    Sign(char),
}

/// What a clause is joined to the one before with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// Nothing: it starts a sentence.
    Start,
    Comma,
    And,
    /// or, nor: carries a denial on.
    Or,
    /// then.
    Then,
    /// but, so: what was before no longer governs.
    But,
}

/// A stretch of words around one verb, roughly.
#[derive(Debug, Clone)]
pub(super) struct Clause<'a> {
    pub(super) link: Link,
    pub(super) items: Vec<Item<'a>>,
    /// Whether it follows its sign without a space, as in `file.delete`.
    pub(super) glued: bool,
}

/// The clauses between two full stops.
#[derive(Debug, Clone)]
pub(super) struct Sentence<'a> {
    pub(super) clauses: Vec<Clause<'a>>,
    pub(super) question: bool,
}

/// All sentences of a text, by the role of each token.
pub(super) fn sentences<'a>(tokens: &'a [Token], roles: &[Role]) -> Vec<Sentence<'a>> {
    let mut builder = Builder::default();
    let mut before: Option<&Token> = None;
    for (at, token) in tokens.iter().enumerate() {
        match &token.kind {
            _ if roles.get(at) == Some(&Role::Mentioned) => builder.quotation(),
            Kind::Sign(_) if roles.get(at) == Some(&Role::Mark) => {}
            Kind::Word(word) => match conjunction(word, before, tokens.get(at + 1)) {
                Some(link) => builder.link(link),
                None => builder.item(Item::Word(word)),
            },
            Kind::Sign(sign) => builder.sign(*sign, token, before),
        }
        before = Some(token);
    }
    builder.end(false, false);
    builder.sentences
}

#[derive(Default)]
struct Builder<'a> {
    sentences: Vec<Sentence<'a>>,
    clauses: Vec<Clause<'a>>,
    items: Vec<Item<'a>>,
    link: Option<Link>,
    glued: bool,
}

impl<'a> Builder<'a> {
    fn item(&mut self, item: Item<'a>) {
        self.items.push(item);
    }

    fn quotation(&mut self) {
        // Its tokens come one by one, and are one object together.
        if !matches!(self.items.last(), Some(Item::Quotation)) {
            self.items.push(Item::Quotation);
        }
    }

    fn link(&mut self, link: Link) {
        self.close();
        // In `, and` the conjunction says how the clauses hang together, on whichever side of the
        // comma it stands.
        if link != Link::Comma || self.link.is_none() {
            self.link = Some(link);
        }
    }

    fn close(&mut self) {
        if !self.items.is_empty() {
            let link = self.link.take().unwrap_or(Link::Start);
            let items = std::mem::take(&mut self.items);
            self.clauses.push(Clause { link, items, glued: std::mem::take(&mut self.glued) });
        }
    }

    fn end(&mut self, question: bool, glued: bool) {
        self.close();
        self.link = None;
        self.glued = glued;
        if !self.clauses.is_empty() {
            let clauses = std::mem::take(&mut self.clauses);
            self.sentences.push(Sentence { clauses, question });
        }
    }

    fn sign(&mut self, sign: char, token: &Token, before: Option<&Token>) {
        let glued = !token.space_before && !token.space_after && matches!(sign, '.' | ':');
        match sign {
            ',' => self.link(Link::Comma),
            '&' => self.link(Link::And),
            '-' => self.dash(token, before),
            // What Markdown is written with parts nothing: `**delete** all files` is an order.
            '*' | '~' | '^' | '_' | '#' | '\'' => {}
            '$' | '€' | '£' | '¥' | '@' | '/' | '\\' | '+' | '=' | '%' => {
                self.item(Item::Sign(sign));
            }
            // Any other sign ends a sentence, whatever it is: an order can then begin behind it,
            // and what is doubtful is a request.
            _ => self.end(sign == '?', glued),
        }
    }

    /// A hyphen inside a word is nothing, `find -delete` an option, any other a full stop.
    fn dash(&mut self, token: &Token, before: Option<&Token>) {
        let bullet = before.is_none_or(|token| token.is_sign('\n') || token.is_sign('-'));
        if bullet || token.space_after {
            self.end(false, false);
        } else if token.space_before {
            self.item(Item::Sign('-'));
        }
    }
}

fn conjunction(word: &Word, before: Option<&Token>, after: Option<&Token>) -> Option<Link> {
    if word.joined {
        return None;
    }
    let is = |token: Option<&Token>, words: &[&str]| {
        token.and_then(Token::word).is_some_and(|word| words.contains(&&*word.plain))
    };
    match &*word.plain {
        "and" | "et" => Some(Link::And),
        "or" | "nor" | "ni" => Some(Link::Or),
        // `où` asks where.
        "ou" if word.accent != Accent::Grave => Some(Link::Or),
        // `puis-je` asks for leave, and in `et puis` the first word links already.
        "puis" if !is(after, &["je"]) && !is(before, &["et"]) => Some(Link::Then),
        "then" | "ensuite" | "puis" => (!is(after, &["je"])).then_some(Link::Then),
        // `nothing but` and `all but` belong to an object; an order behind them is one all the
        // same.
        "but" if is(before, &["nothing", "none", "all", "everything"]) => {
            orders(after).then_some(Link::But)
        }
        // `le but` is the French noun.
        "but" => (!is(before, &["le", "mon", "ton", "son", "notre", "votre"])).then_some(Link::But),
        "so" => {
            // Before these `so` says how much, and joins nothing.
            let degree = ["kind", "many", "much", "good", "nice", "far", "that"];
            (!is(after, &degree)).then_some(Link::But)
        }
        "mais" | "donc" | "alors" => Some(Link::But),
        _ => None,
    }
}

fn orders(token: Option<&Token>) -> bool {
    let entry = token.and_then(Token::word).and_then(|word| word.entry);
    entry.is_some_and(|entry| entry.verbs().any(|verb| verb.forms & form::ORDER != 0))
}

impl<'a> Item<'a> {
    /// The word, if it is one.
    pub(super) fn word(self) -> Option<&'a Word> {
        match self {
            Self::Word(word) => Some(word),
            Self::Quotation | Self::Sign(_) => None,
        }
    }
}

impl Word {
    /// Whether the word can be any of these.
    pub(super) fn has(&self, classes: u32) -> bool {
        self.entry.is_some_and(|entry| entry.has(classes))
    }

    /// Whether the word may stand between the start of a clause and its verb.
    pub(super) fn is_skipped(&self) -> bool {
        self.has(class::SKIP) || (self.plain.len() > 4 && self.plain.ends_with("ly"))
    }
}
