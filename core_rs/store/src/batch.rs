//! One transaction's worth of commands: what they read, what they come to, what they leave.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chenu_operation::answer::Answer;
use chenu_operation::command::Command;
use chenu_operation::decide::{Effects, decide, needs, needs_next};
use chenu_operation::entry::EntryDraft;
use chenu_operation::rows::Operation;
use chenu_operation::rules::Rules;
use chenu_operation::view::{Loaded, Need, Row};
use chenu_operation::{Broken, Moment};
use thiserror::Error;

use crate::column::{Column as _, Unreadable, Value};
use crate::fetch::{Fetch, Lookup, Place, places};
use crate::schema::{self, TABLES, Table};

/// What answers a batch's fetches: a database inside its transaction.
pub trait Source {
    /// Why it does not.
    type Error;

    /// What each fetch finds.
    ///
    /// # Errors
    /// As the source's: nothing of the batch happens.
    fn fetch(&mut self, fetches: &[Fetch]) -> Result<Vec<Found>, Self::Error>;
}

/// What a fetch finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Rows of a primary key, column by column, in any order.
    Keyed(Vec<Vec<Value>>),
    /// Rows, column by column, each behind the place of its key among the fetch's.
    Rows(Vec<(usize, Vec<Value>)>),
    /// Numbers of rows, likewise. A key that is left out has none.
    Counts(Vec<(usize, i64)>),
}

/// Why a command is left out of its batch: nothing of it happens, and the others go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Dropped {
    /// Its rows cannot be decided on.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// A row that it needs is none of this release's.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    /// A bug.
    #[error("it panicked: {0}")]
    Panicked(String),
    /// It writes a row a second time that is written once.
    #[error("a row of {0} is written once and has been written")]
    WrittenTwice(&'static str),
}

/// What a command came to.
pub type Decision = Result<Answer, Dropped>;

/// What is written of a table: each row once, as it stands at the batch's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub table: &'static Table,
    /// Rows, column by column.
    pub rows: Vec<Arc<[Value]>>,
}

/// The rows of one table that a batch has written so far, and where each stands among them.
#[derive(Debug, Clone, Default)]
struct Written {
    rows: Vec<Arc<[Value]>>,
    places: HashMap<Vec<Value>, usize>,
}

/// A command in its place, and what it has named.
struct Seat<'a> {
    command: &'a Command,
    rules: &'a Rules,
    named: HashSet<Need>,
    dropped: Option<Dropped>,
}

/// A batch at one moment. A copy goes its own way: what it decides is forgotten with it.
#[derive(Debug, Clone)]
pub struct Batch {
    now: Moment,
    ledger_number: i64,
    loaded: Loaded,
    known: HashSet<(&'static str, Lookup, Vec<Value>)>,
    asked: HashMap<(&'static str, Lookup, Vec<Value>), u32>,
    unreadable: HashMap<(&'static str, Lookup, Vec<Value>), Unreadable>,
    written: HashMap<&'static str, Written>,
    published: Vec<(&'static Table, Arc<[Value]>)>,
    /// The operations among them as commands have them, and where each stands.
    operations: Vec<(Box<Operation>, usize)>,
    entries: Vec<EntryDraft>,
    has_written: bool,
}

impl Batch {
    /// An empty one.
    #[must_use]
    pub fn new(now: Moment, ledger_number: i64) -> Self {
        Self {
            now,
            ledger_number,
            loaded: Loaded::new(),
            known: HashSet::new(),
            asked: HashMap::new(),
            unreadable: HashMap::new(),
            written: HashMap::new(),
            published: Vec::new(),
            operations: Vec::new(),
            entries: Vec::new(),
            has_written: false,
        }
    }

    /// Its time.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Decide commands in order, on rows from `source`.
    ///
    /// What all of them name is looked up together, in two rounds: the second one for rows whose
    /// keys stand in the first ones.
    ///
    /// # Errors
    /// As the source's.
    pub fn decide<S: Source>(
        &mut self,
        commands: &[(&Command, &Rules)],
        source: &mut S,
    ) -> Result<Vec<Decision>, S::Error> {
        let seat =
            |&(command, rules)| Seat { command, rules, named: HashSet::new(), dropped: None };
        let mut seats: Vec<Seat<'_>> = commands.iter().map(seat).collect();
        let now = self.now;
        // Round by round over all seats, and not seat by seat: a statement has a price of its own,
        // whoever names its rows.
        self.load_all(&mut seats, source, |seat, _| needs(seat.command, &now))?;
        self.load_all(&mut seats, source, |seat, loaded| needs_next(seat.command, loaded, &now))?;
        let mut decisions = Vec::with_capacity(seats.len());
        for mut seat in seats {
            if !self.written.is_empty() {
                // An earlier command may have written the row that leads to this one's next keys.
                let again = std::slice::from_mut(&mut seat);
                self.load_all(again, source, |seat, loaded| {
                    needs_next(seat.command, loaded, &now)
                })?;
            }
            decisions.push(self.decided(seat));
        }
        Ok(decisions)
    }

    /// What the batch leaves, table by table.
    #[must_use]
    pub fn writes(&self) -> Vec<Write> {
        self.clone().take_writes()
    }

    /// What was decided since this was last called leaves, table by table. For whoever runs a
    /// command's statements before the next one is decided.
    pub fn take_writes(&mut self) -> Vec<Write> {
        let of = |table: &&'static Table| {
            let written = self.written.remove(table.name)?;
            Some(Write { table, rows: written.rows })
        };
        // In the order of the tables and not of the map, or two runs of the same commands would
        // leave other statements.
        TABLES.iter().filter_map(of).collect()
    }

    /// Whether nothing was left at all, so that no commit is worth the disk's time.
    #[must_use]
    pub fn has_left_nothing(&self) -> bool {
        !self.has_written && self.entries.is_empty()
    }

    /// The rows that who follows an operation is given, in the order in which they were put.
    #[must_use]
    pub fn published(&self) -> &[(&'static Table, Arc<[Value]>)] {
        &self.published
    }

    /// Where this very operation stands among the published rows.
    #[must_use]
    pub fn place_of(&self, operation: &Operation) -> Option<usize> {
        // The last one: a batch may change an operation more than once.
        let found = self.operations.iter().rev().find(|(each, _)| **each == *operation);
        found.map(|(_, place)| *place)
    }

    /// What the ledger gets, in order.
    #[must_use]
    pub fn entries(&self) -> &[EntryDraft] {
        &self.entries
    }

    /// Nothing is decided on it any more: all that was held for that goes, in the thread that ran
    /// it and not wherever its answers are given.
    pub fn close(&mut self) {
        let Self { now, ledger_number, published, entries, has_written, .. } = self;
        let (published, entries) = (take(published), take(entries));
        let has_written = *has_written;
        *self = Self { published, entries, has_written, ..Self::new(*now, *ledger_number) };
    }

    fn decided(&mut self, seat: Seat<'_>) -> Decision {
        if let Some(dropped) = seat.dropped {
            return Err(dropped);
        }
        // A panic in one command is a bug of that one: its caller is told so, and 127 others are
        // not made to pay for it. It has no way to what the batch holds but to read it.
        let deciding = || decide(seat.command, &self.loaded, seat.rules, &self.now);
        let effects =
            catch_unwind(AssertUnwindSafe(deciding)).map_err(|panic| panicked(&*panic))??;
        self.merge(effects)
    }

    /// Make what a command leaves part of the batch, all of it or nothing.
    fn merge(&mut self, effects: Effects) -> Decision {
        let Effects { rows, entries, answer } = effects;
        let put: Vec<(&Table, Vec<Value>)> = rows.iter().map(schema::put).collect();
        // All that can refuse a command stands before the first change: behind it every row is
        // merged, so there is no half of one.
        for (table, values) in &put {
            let is_known = |written: &Written| written.places.contains_key(key_of(table, values));
            if table.append_only && self.written.get(table.name).is_some_and(is_known) {
                return Err(Dropped::WrittenTwice(table.name));
            }
        }
        self.loaded.merge(&rows);
        for (row, (table, values)) in rows.into_iter().zip(put) {
            let place = self.write(table, values);
            if let (Row::Operation(operation), Some(place)) = (row, place) {
                self.operations.push((operation, place));
            }
        }
        self.entries.extend(entries);
        Ok(answer)
    }

    /// Where the row stands among the published ones, if it is one of those.
    fn write(&mut self, table: &'static Table, values: Vec<Value>) -> Option<usize> {
        self.has_written = true;
        let values: Arc<[Value]> = values.into();
        let place = table.published.then_some(self.published.len());
        if table.published {
            // Each version of a row, unlike below: an answer shows the row as its own
            // command left it.
            self.published.push((table, Arc::clone(&values)));
        }
        let written = self.written.entry(table.name).or_default();
        let known = written.places.get(key_of(table, &values)).copied();
        // Only its last version is written: PostgreSQL refuses a statement that sets one row twice.
        if let Some(row) = known.and_then(|known| written.rows.get_mut(known)) {
            *row = values;
        } else {
            written.places.insert(key_of(table, &values).to_vec(), written.rows.len());
            written.rows.push(values);
        }
        place
    }

    /// Load what seats name and the batch does not have, with one fetch a table and look-up.
    fn load_all<S: Source>(
        &mut self,
        seats: &mut [Seat<'_>],
        source: &mut S,
        ask: impl Fn(&Seat<'_>, &Loaded) -> Vec<Need>,
    ) -> Result<(), S::Error> {
        let mut wanted: Vec<Place> = Vec::new();
        let mut naming: Vec<Vec<Place>> = Vec::new();
        for seat in &mut *seats {
            let named = if seat.dropped.is_some() { Vec::new() } else { self.named(seat, &ask) };
            wanted.extend(named.iter().cloned());
            naming.push(named);
        }
        let fetches = self.missing(wanted);
        if !fetches.is_empty() {
            let found = source.fetch(&fetches)?;
            for (fetch, found) in fetches.iter().zip(found) {
                self.take_in(fetch, found);
            }
        }
        for (seat, named) in seats.iter_mut().zip(naming) {
            // By who names it, for the fetch was everybody's: a row that cannot be read is the
            // trouble of those who need it, and of no other.
            let broken = named.into_iter().find_map(|place| self.unreadable.get(&where_of(place)));
            seat.dropped = seat.dropped.take().or_else(|| broken.cloned().map(Dropped::from));
        }
        Ok(())
    }

    /// The places of what a seat names for the first time.
    fn named(
        &self,
        seat: &mut Seat<'_>,
        ask: impl Fn(&Seat<'_>, &Loaded) -> Vec<Need>,
    ) -> Vec<Place> {
        let asking = || ask(seat, &self.loaded);
        // To name rows is a command's own code too, so a panic in it drops that one and no more.
        match catch_unwind(AssertUnwindSafe(asking)) {
            Ok(needs) => {
                let new: Vec<Need> =
                    needs.into_iter().filter(|need| seat.named.insert(need.clone())).collect();
                new.iter().flat_map(|need| places(need, self.ledger_number)).collect()
            }
            Err(panic) => {
                seat.dropped = Some(panicked(&*panic));
                Vec::new()
            }
        }
    }

    /// What must be fetched for these places, each once.
    ///
    /// Counts of [`Lookup::First`] add up over the batch, so that each command finds a row of its
    /// own; one that was loaded with fewer is loaded again.
    fn missing(&mut self, wanted: Vec<Place>) -> Vec<Fetch> {
        let mut fetches: Vec<Fetch> = Vec::new();
        // By table and look-up: a batch of 128 commands names hundreds of places, and each fetch is
        // a statement.
        let mut at: HashMap<(&'static str, Lookup), usize> = HashMap::new();
        for place in wanted {
            let count = place.count;
            let (table, lookup, key) = where_of(place);
            let mut total = 1;
            let is_first = matches!(lookup, Lookup::First(_));
            if is_first {
                let asked = self.asked.entry((table, lookup, key.clone())).or_insert(0);
                *asked += count;
                total = *asked;
            // Known from here on, found or not: what is not stored is not looked for again.
            } else if !self.known.insert((table, lookup, key.clone())) {
                continue;
            }
            let place = *at.entry((table, lookup)).or_insert(fetches.len());
            if place == fetches.len() {
                fetches.push(Fetch { table, lookup, keys: Vec::new(), counts: Vec::new() });
            }
            let Some(fetch) = fetches.get_mut(place) else { continue };
            // Only these can stand there already, one for each provider. The others are new, and
            // hundreds: to look for each among all would take their square.
            let known = if is_first { fetch.keys.iter().position(|it| *it == key) } else { None };
            if let Some(count) = known.and_then(|known| fetch.counts.get_mut(known)) {
                *count = total;
            } else {
                fetch.keys.push(key);
                fetch.counts.push(total);
            }
        }
        fetches
    }

    fn take_in(&mut self, fetch: &Fetch, found: Found) {
        match found {
            Found::Keyed(rows) => {
                for values in rows {
                    // These rows come without their key's place, in any order; but a primary key
                    // stands in the first columns of its row.
                    let length = fetch.keys.first().map_or(0, Vec::len);
                    let key = values.get(..length).unwrap_or(&values).to_vec();
                    self.take_row(fetch, key, values);
                }
            }
            Found::Rows(rows) => {
                for (place, values) in rows {
                    let key = fetch.keys.get(place).cloned().unwrap_or_default();
                    self.take_row(fetch, key, values);
                }
            }
            Found::Counts(counts) => {
                // By the keys and not by what was found: a key without a count has no row, and that
                // is known now as well.
                let counted: HashMap<usize, i64> = counts.into_iter().collect();
                for (place, key) in fetch.keys.iter().enumerate() {
                    let stored = counted.get(&place).copied().unwrap_or(0);
                    if let Some(Ok(identity)) = key.first().cloned().map(String::take) {
                        self.loaded.load_pending(identity, stored);
                    }
                }
            }
        }
    }

    fn take_row(&mut self, fetch: &Fetch, key: Vec<Value>, values: Vec<Value>) {
        match table_of(fetch.table).map(|table| table.read(values)) {
            Some(Ok(row)) => self.loaded.load(row),
            Some(Err(error)) => {
                // Noted and not raised: who needs it is told when all fetches have come.
                self.unreadable.insert((fetch.table, fetch.lookup, key), error);
            }
            None => {}
        }
    }
}

/// The table of this name.
#[must_use]
pub fn table_of(name: &str) -> Option<&'static Table> {
    TABLES.into_iter().find(|table| table.name == name)
}

fn where_of(place: Place) -> (&'static str, Lookup, Vec<Value>) {
    (place.table, place.lookup, place.key)
}

fn key_of<'a>(table: &Table, values: &'a [Value]) -> &'a [Value] {
    values.get(..table.key).unwrap_or(values)
}

pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Dropped {
    // `panic!` carries a `String` where it formats something, and else the literal itself.
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Dropped::Panicked(text.unwrap_or_default())
}
