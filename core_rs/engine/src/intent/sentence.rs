//! What a sentence asks for: clause by clause, each read as the ones before it govern it.

use super::clause::{Clause, Item, Link, Sentence};
use super::lexicon::{Entry, Need, Verb, class, form};
use super::phrase::{is, reads, word_at};
use super::request::{Mood, Reading, read};
use super::token::Word;

/// What a sentence asks for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) verbs: Vec<Verb>,
    /// Whether it asks for an answer and for nothing else.
    pub(super) question: bool,
}

/// What the clause before lets this one be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Governed {
    /// By nothing: an order may start.
    #[default]
    Free,
    /// "How do I open a file and delete a line": a bare verb belongs to the question.
    Question,
    /// "They open files and delete lines": a bare verb belongs to the subject.
    Statement,
    /// "To open a file and delete a line, ...": until the comma.
    Adverbial,
}

/// What a verb at a clause's end hands on to the next verb of a series: "create, edit or delete".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Series {
    Ordered,
    Mentioned,
    Denied,
}

/// Reads a sentence.
pub(super) fn asked(sentence: &Sentence<'_>) -> Asked {
    let mut asked = Asked::default();
    let mut state = State::default();
    // A comma goes on with a list only where an `and` or `or` ends it: `how do I create, update and
    // delete records`, but `when the copy is done, delete the original`.
    let last_link = sentence.clauses.iter().rposition(|clause| joins(clause.link)).unwrap_or(0);
    for (index, clause) in sentence.clauses.iter().enumerate() {
        let series = state.series_of(clause);
        let mood = state.mood(clause, series, index < last_link, sentence.question);
        let reading = read(clause, mood);
        state.advance(clause, &reading, series);
        asked.verbs.extend(reading.verbs);
    }
    let first = sentence.clauses.first().and_then(|clause| head(&clause.items));
    let asks = first.is_some_and(|word| word.has(class::ASKS) && !word.has(class::ADVERBIAL));
    asked.question = asked.verbs.is_empty() && (sentence.question || asks);
    asked
}

#[derive(Default)]
struct State {
    governed: Governed,
    series: Option<Series>,
    denied: bool,
    /// "Do not, under any circumstances, delete": clauses since a denial that lacks its verb.
    suspended: Option<usize>,
}

impl State {
    fn series_of(&self, clause: &Clause<'_>) -> Option<Series> {
        let continues = matches!(clause.link, Link::Comma | Link::And | Link::Or);
        self.series.filter(|_| continues && starts_with_verb(&clause.items))
    }

    fn mood(
        &self,
        clause: &Clause<'_>,
        series: Option<Series>,
        list: bool,
        question: bool,
    ) -> Mood {
        let resumed = clause.link == Link::Comma && self.suspended.is_some_and(|since| since > 0);
        let denied = resumed || (self.denied && clause.link == Link::Or);
        let carried = match clause.link {
            Link::And | Link::Or => true,
            Link::Comma => list && self.governed != Governed::Adverbial,
            // Behind a statement `then` may begin an order, and what is doubtful is a request.
            Link::Then => self.governed == Governed::Question,
            Link::Start | Link::But => false,
        };
        let forms = match (series, self.governed) {
            (Some(Series::Ordered), _) => form::ORDER,
            (Some(Series::Mentioned | Series::Denied), _) => 0,
            _ if denied => 0,
            (None, Governed::Question) if carried => form::IMPERATIVE,
            (None, Governed::Statement | Governed::Adverbial) if carried => 0,
            (None, _) => form::ORDER,
        };
        Mood { forms, lenient: series == Some(Series::Ordered), question }
    }

    fn advance(&mut self, clause: &Clause<'_>, reading: &Reading, series: Option<Series>) {
        let items = clause.items.as_slice();
        let asks = reading.framed || !reading.verbs.is_empty();
        self.denied = reading.denied || (self.denied && clause.link == Link::Or);
        self.suspended = match self.suspended {
            _ if ends_in_denial(items) => Some(0),
            Some(since) if clause.link == Link::Comma && !starts_with_verb(items) => {
                Some(since + 1)
            }
            _ => None,
        };
        self.series = trailing(items, reading, series);
        self.governed = if series.is_some() && !asks {
            self.governed
        } else if asks || reading.denied {
            if asks_how(items) { Governed::Question } else { Governed::Free }
        } else {
            self.governing(clause)
        };
    }

    fn governing(&self, clause: &Clause<'_>) -> Governed {
        let items = clause.items.as_slice();
        let Some(head) = head(items) else { return self.governed };
        if asks_how(items) || is_question(head, items) {
            Governed::Question
        } else if head.has(class::ADVERBIAL) {
            Governed::Adverbial
        } else if head.has(class::SUBJECT) || has_governed_verb(items) {
            Governed::Statement
        } else if matches!(clause.link, Link::Comma | Link::And | Link::Or | Link::Then) {
            self.governed
        } else {
            Governed::Free
        }
    }
}

fn joins(link: Link) -> bool {
    matches!(link, Link::And | Link::Or)
}

fn head<'a>(items: &[Item<'a>]) -> Option<&'a Word> {
    items.iter().filter_map(|item| item.word()).find(|word| !word.is_skipped())
}

fn starts_with_verb(items: &[Item<'_>]) -> bool {
    head(items).is_some_and(|word| order_forms(word).next().is_some())
}

fn order_forms(word: &Word) -> impl Iterator<Item = Verb> + use<> {
    let verbs = word.entry.into_iter().flat_map(Entry::verbs);
    verbs.filter(|verb| verb.forms & form::ORDER != 0)
}

/// "How do I", "what should we", "is there a way to": the question has a bare verb of its own.
fn is_question(head: &Word, items: &[Item<'_>]) -> bool {
    let favour = reads(items, 0, &["do"]) && reads(items, 1, &["me", "us", "this", "that", "it"]);
    let asks = !favour && head.has(class::ASKS | class::AUXILIARY | class::COPULA);
    let governs = |word: &Word| word.has(class::AUXILIARY) || &*word.plain == "to";
    let french = ["comment", "pourquoi", "est", "peut", "puis", "dois", "faut"];
    let bare = french.contains(&&*head.plain);
    // "What time is it and delete all my threads" has no word that governs a bare verb: it orders.
    bare || (asks && items.iter().filter_map(|item| item.word()).any(governs))
}

/// "... how to open a file", "... comment ouvrir un fichier", after an order to explain it.
fn asks_how(items: &[Item<'_>]) -> bool {
    (0..items.len()).any(|at| {
        let governs = is(items, at + 1, class::AUXILIARY | class::SUBJECT)
            || reads(items, at + 1, &["to", "one"]);
        reads(items, at, &["comment"]) || (reads(items, at, &["how"]) && governs)
    })
}

fn ends_in_denial(items: &[Item<'_>]) -> bool {
    let last = items.len().saturating_sub(1);
    let not = reads(items, last, &["not"]) && last > 0 && reads(items, last - 1, &["do"]);
    not || reads(items, last, &["dont", "never"])
}

fn has_governed_verb(items: &[Item<'_>]) -> bool {
    (1..items.len()).any(|at| {
        let verb = word_at(items, at).is_some_and(|word| order_forms(word).next().is_some());
        verb && is(items, at - 1, class::GOVERNS)
    })
}

fn trailing(items: &[Item<'_>], reading: &Reading, series: Option<Series>) -> Option<Series> {
    let last = items.len().checked_sub(1)?;
    let verbs: Vec<_> = order_forms(word_at(items, last)?).collect();
    let first = verbs.first()?;
    if last == 0 && series.is_some() {
        return series;
    }
    if !reading.verbs.is_empty() && reading.end == items.len() {
        return Some(Series::Ordered);
    }
    let before = last.checked_sub(1);
    if reading.denied && before.is_some_and(|at| is(items, at, class::NEGATES)) {
        return Some(Series::Denied);
    }
    let tied = before.is_some_and(|at| {
        let verb = word_at(items, at).is_some_and(|word| order_forms(word).next().is_some());
        verb || is(items, at, class::GOVERNS | class::MENTIONS)
    });
    let mentioned = last > 0 && (first.need == Need::Nothing || tied);
    mentioned.then_some(Series::Mentioned)
}
