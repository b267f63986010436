//! Batches on a `SQLite` file: begun, decided, written and committed in one go.
//!
//! The statements are texts that whoever opens a session gives: they are made from the tables'
//! declarations, from which the schema is made too.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use chenu_operation::command::Command;
use chenu_operation::rules::Rules;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, ToSql, params_from_iter};
use thiserror::Error;

use crate::batch::{Batch, Decision, Found, Source, Write, panicked};
use crate::checkpoint::Checkpointer;
use crate::clock::Told;
use crate::column::Value;
use crate::fetch::{Fetch, Lookup};
use crate::seal::{End, Head, Named, ending};

/// As many statements stay prepared: what all tables together ask.
const STATEMENTS_MAX: usize = 2_048;

/// The statements of one table. Lists are of texts for 1, 2, 4 ... rows or keys; how many texts
/// there are says how many rows or keys one statement takes.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// Insert or replace rows.
    pub writes: Vec<String>,
    /// Rows of primary keys.
    pub keyed: Vec<String>,
    /// All rows under keys of a look-up, behind each key's place.
    pub whole: HashMap<String, Vec<String>>,
    /// As many rows as wanted under one key of a look-up: its place, the number, the key's values.
    pub first: HashMap<String, String>,
    /// How many rows there are under one key of a look-up, likewise.
    pub count: HashMap<String, String>,
}

/// Why a batch did not commit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// No lock, or no head to be read; no command is to blame.
    #[error("{0}")]
    CannotBegin(String),
    /// The file holds another ledger, of this number.
    #[error("it holds ledger {0}")]
    OtherLedger(u32),
    /// The file takes no writes, full or broken; nothing happened and no command is to blame.
    #[error("{0}")]
    CannotWrite(String),
    /// A statement failed; nothing happened.
    #[error("{0}")]
    StatementFailed(String),
    /// Something else failed before the commit; nothing happened.
    #[error("{0}")]
    BatchFailed(String),
}

/// What a batch is called, and where it is entered.
#[derive(Debug, Clone)]
pub struct Names {
    /// Which chain it continues.
    pub ledger_number: u32,
    /// What a new chain is called.
    pub origin: String,
    /// Who writes.
    pub writer_id: String,
    /// The batch's own id.
    pub batch_id: String,
}

/// What is to be decided, and by whom it is waited for.
pub struct Asked<'a> {
    /// In order.
    pub commands: &'a [(&'a Command, &'a Rules)],
    /// Whether nobody waits any more for the one at a place: it may have been told meanwhile that
    /// nothing is recorded.
    pub has_left: &'a dyn Fn(usize) -> bool,
    /// The time, once the lock is held, of which the last batch's is given.
    pub time: &'a mut dyn FnMut(i64) -> Told,
    /// Called when all is written and nothing committed.
    pub before_commit: &'a mut dyn FnMut() -> Result<(), String>,
}

/// A batch that was run.
#[derive(Debug)]
pub struct Ran {
    /// What it leaves.
    pub batch: Batch,
    /// What each command came to, by place; none if nobody waited for it.
    pub decisions: Vec<Option<Decision>>,
    /// Its time.
    pub told: Told,
    /// Why COMMIT failed, if it did: only a new session can tell whether the batch happened, and
    /// then these are its answers.
    pub unknown: Option<String>,
}

/// One connection that runs one batch after the other.
#[derive(Debug)]
pub struct Session {
    connection: Connection,
    tables: HashMap<String, Texts>,
    head: String,
    checkpointer: Checkpointer,
}

impl Session {
    /// Open an existing file, with these statements by table, and the one that reads the head.
    ///
    /// # Errors
    /// The library's.
    pub fn open(
        file: &Path,
        pragmas: &[String],
        tables: HashMap<String, Texts>,
        head: String,
    ) -> Result<Self, rusqlite::Error> {
        let connection = open(file, pragmas)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        let checkpointer = Checkpointer::start(&connection, open(file, pragmas)?)?;
        Ok(Self { connection, tables, head, checkpointer })
    }

    /// Decide commands and commit what they leave, or leave nothing.
    ///
    /// # Errors
    /// As named: each says whether the batch happened.
    pub fn run(&mut self, asked: &mut Asked<'_>, names: &Names) -> Result<Ran, Failure> {
        // A bug in here is a batch that failed and no more: the thread that runs it has others.
        let written = catch_unwind(AssertUnwindSafe(|| self.written(asked, names)));
        let written = written
            .unwrap_or_else(|panic| Err(Failure::BatchFailed(panicked(&*panic).to_string())));
        match written {
            Ok(ran) if !ran.batch.has_left_nothing() => {
                let ran = self.committed(ran);
                self.checkpointer.committed();
                Ok(ran)
            }
            // Waits, repeats and conflicts write nothing: they are not worth the disk's time.
            nothing => {
                self.roll_back();
                nothing
            }
        }
    }

    fn committed(&self, ran: Ran) -> Ran {
        // Nothing is rolled back where it fails: it may have happened all the same, which only a
        // new session can tell.
        let commit = self.connection.prepare_cached("COMMIT").and_then(|mut it| it.execute([]));
        Ran { unknown: commit.err().map(|error| error.to_string()), ..ran }
    }

    fn written(&mut self, asked: &mut Asked<'_>, names: &Names) -> Result<Ran, Failure> {
        let (head, last_us) = self.begin(names)?;
        // Read behind the lock, for it may be waited for: before it, the time could be that of an
        // earlier batch.
        let told = (asked.time)(last_us);
        let mut batch = Batch::new(told.now, i64::from(names.ledger_number));
        // Behind the lock as well: whoever was told during that wait that nothing is recorded must
        // not find it recorded.
        let stay: Vec<usize> =
            (0..asked.commands.len()).filter(|place| !(asked.has_left)(*place)).collect();
        let commands: Vec<_> =
            stay.iter().filter_map(|place| asked.commands.get(*place).copied()).collect();
        let decided = batch.decide(&commands, self)?;
        let mut decisions: Vec<Option<Decision>> = vec![None; asked.commands.len()];
        for (place, decision) in stay.into_iter().zip(decided) {
            if let Some(at) = decisions.get_mut(place) {
                *at = Some(decision);
            }
        }
        if !batch.has_left_nothing() {
            for Write { table, rows } in batch.take_writes() {
                self.write(table.name, &rows)?;
            }
            self.enter(&batch, &head, told, names)?;
            // The last thing before COMMIT: what is killed here has run all its statements and
            // leaves nothing.
            (asked.before_commit)().map_err(Failure::BatchFailed)?;
        }
        Ok(Ran { batch, decisions, told, unknown: None })
    }

    /// Take the lock; the chain's head, and the time of the last batch.
    fn begin(&mut self, names: &Names) -> Result<(Head, i64), Failure> {
        let cannot = |error: rusqlite::Error| Failure::CannotBegin(error.to_string());
        // The lock at once and not at the first write: refused in the middle, all that was decided
        // on would have to be read again.
        let mut begin = self.connection.prepare_cached("BEGIN IMMEDIATE").map_err(cannot)?;
        begin.execute([]).map_err(cannot)?;
        let mut head = self.connection.prepare_cached(&self.head).map_err(cannot)?;
        let number = names.ledger_number;
        let found = head.query_row([number], |row| {
            let size: i64 = row.get(2)?;
            let head = Head {
                ledger_number: row.get(0)?,
                origin: row.get(1)?,
                size: u64::try_from(size)
                    .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(2, size))?,
                last_hash: row.get(3)?,
            };
            Ok((head, row.get(4)?))
        });
        // A chain has no row before its first batch, which gives it the name of its origin.
        let new = Head {
            ledger_number: number,
            origin: names.origin.clone(),
            size: 0,
            last_hash: [0; 32],
        };
        let (head, last_us) = found.optional().map_err(cannot)?.unwrap_or((new, 0));
        if head.ledger_number == number {
            Ok((head, last_us))
        } else {
            Err(Failure::OtherLedger(head.ledger_number))
        }
    }

    /// Write the rows that end a batch.
    fn enter(
        &mut self,
        batch: &Batch,
        head: &Head,
        told: Told,
        names: &Names,
    ) -> Result<(), Failure> {
        let failed = |error: &dyn ToString| Failure::BatchFailed(error.to_string());
        let entries = batch.entries();
        let fresh = Named::fresh(entries.len()).map_err(|error| failed(&error))?;
        let (writer_id, batch_id) = (names.writer_id.as_str(), names.batch_id.as_str());
        let end = End { writer_id, batch_id, time_us: told.now.now_us };
        for (table, rows) in ending(head, end, entries, &fresh).map_err(|error| failed(&error))? {
            self.write(table, &rows)?;
        }
        Ok(())
    }

    fn write<R: AsRef<[Value]>>(&self, table: &str, rows: &[R]) -> Result<(), Failure> {
        let texts = self.texts(table)?;
        let mut rest = rows;
        while !rest.is_empty() {
            // As many in one statement as may be: each has a price of its own.
            // A power of two, so that few texts stay prepared whatever a batch leaves.
            let count = most(&texts.writes).min(1 << rest.len().ilog2());
            let (some, behind) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            let text = of_power(&texts.writes, count)?;
            let values = some.iter().flat_map(AsRef::as_ref).map(Param::Value);
            let mut statement = self.connection.prepare_cached(text).map_err(|it| refused(&it))?;
            statement.execute(params_from_iter(values)).map_err(|it| refused(&it))?;
            rest = behind;
        }
        Ok(())
    }

    fn texts(&self, table: &str) -> Result<&Texts, Failure> {
        let missing = || Failure::BatchFailed(format!("there are no statements of {table}"));
        self.tables.get(table).ok_or_else(missing)
    }

    fn fetched(&self, fetch: &Fetch) -> Result<Found, Failure> {
        let texts = self.texts(fetch.table)?;
        match fetch.lookup {
            Lookup::Key => self.keyed(&texts.keyed, &fetch.keys).map(Found::Keyed),
            Lookup::All(name) => self.whole(text_of(&texts.whole, name)?, &fetch.keys),
            Lookup::First(name) => {
                let rows = self.each(text_of(&texts.first, name)?, fetch)?;
                Ok(Found::Rows(rows.into_iter().filter_map(placed).collect()))
            }
            Lookup::Count(name) => {
                let rows = self.each(text_of(&texts.count, name)?, fetch)?;
                Ok(Found::Counts(rows.iter().filter_map(|row| counted(row)).collect()))
            }
        }
    }

    fn keyed(&self, texts: &[String], keys: &[Vec<Value>]) -> Result<Vec<Vec<Value>>, Failure> {
        let mut found = Vec::new();
        for some in keys.chunks(most(texts)) {
            // Rounded up to a power of two, so that few texts stay prepared.
            let (count, width) = (some.len().next_power_of_two(), some.first().map_or(0, Vec::len));
            // NULL equals nothing.
            let padding = std::iter::repeat_n(Param::Null, width * (count - some.len()));
            let values = some.iter().flatten().map(Param::Value).chain(padding);
            self.query(of_power(texts, count)?, values, &mut found)?;
        }
        Ok(found)
    }

    fn whole(&self, texts: &[String], keys: &[Vec<Value>]) -> Result<Found, Failure> {
        let mut found = Vec::new();
        for (start, some) in (0..).step_by(most(texts)).zip(keys.chunks(most(texts))) {
            let (count, width) = (some.len().next_power_of_two(), some.first().map_or(0, Vec::len));
            let padding = std::iter::repeat_n(Param::Null, (width + 1) * (count - some.len()));
            // Each key's place goes along and comes back before its rows, which stand in no order.
            let rows = (start..).zip(some).flat_map(|(place, key)| {
                std::iter::once(Param::Number(place)).chain(key.iter().map(Param::Value))
            });
            self.query(of_power(texts, count)?, rows.chain(padding), &mut found)?;
        }
        Ok(Found::Rows(found.into_iter().filter_map(placed).collect()))
    }

    fn each(&self, text: &str, fetch: &Fetch) -> Result<Vec<Vec<Value>>, Failure> {
        let mut found = Vec::new();
        // One run for each key: a LIMIT holds for all that a statement finds, and not for each
        // key of it.
        for (place, (key, count)) in (0..).zip(fetch.keys.iter().zip(&fetch.counts)) {
            let asked = [Param::Number(place), Param::Number(i64::from(*count))];
            self.query(text, asked.into_iter().chain(key.iter().map(Param::Value)), &mut found)?;
        }
        Ok(found)
    }

    fn query<'a>(
        &self,
        text: &str,
        values: impl Iterator<Item = Param<'a>>,
        found: &mut Vec<Vec<Value>>,
    ) -> Result<(), Failure> {
        let mut statement = self.connection.prepare_cached(text).map_err(|it| refused(&it))?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values)).map_err(|it| refused(&it))?;
        while let Some(row) = rows.next().map_err(|it| refused(&it))? {
            found.push(values_of(row, columns).map_err(|it| refused(&it))?);
        }
        Ok(())
    }

    /// Leave the transaction, if `SQLite` has not left it by itself.
    fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // What cannot be rolled back is what the next BEGIN fails at.
            self.connection.execute_batch("ROLLBACK").unwrap_or(());
        }
    }
}

impl Source for Session {
    type Error = Failure;

    fn fetch(&mut self, fetches: &[Fetch]) -> Result<Vec<Found>, Failure> {
        fetches.iter().map(|fetch| self.fetched(fetch)).collect()
    }
}

fn open(file: &Path, pragmas: &[String]) -> Result<Connection, rusqlite::Error> {
    let connection = chenu_shared_sqlite::open(file)?;
    for pragma in pragmas {
        // Some of them answer with a row, which nobody wants.
        connection.prepare(pragma)?.query([])?.next()?;
    }
    Ok(connection)
}

/// A statement's parameter.
#[derive(Clone)]
enum Param<'a> {
    Value(&'a Value),
    Number(i64),
    Null,
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Value(Value::Int(number)) | Self::Number(number) => ToSqlOutput::from(*number),
            Self::Value(Value::Bool(truth)) => ToSqlOutput::from(*truth),
            Self::Value(Value::Text(text)) => {
                ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))
            }
            Self::Value(Value::Blob(bytes)) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
        })
    }
}

fn values_of(row: &Row<'_>, columns: usize) -> rusqlite::Result<Vec<Value>> {
    (0..columns).map(|at| value_of(row.get_ref(at)?, at)).collect()
}

fn value_of(value: ValueRef<'_>, at: usize) -> rusqlite::Result<Value> {
    match value {
        ValueRef::Integer(number) => Ok(Value::Int(number)),
        // Bytes that are no text are somebody else's: read as something like them, they would be
        // decided on and written back.
        ValueRef::Text(text) => Ok(Value::Text(str::from_utf8(text)?.to_owned())),
        ValueRef::Blob(bytes) => Ok(Value::Blob(bytes.to_vec())),
        // No column of a governed row is empty, and none is a float: money and times are whole.
        ValueRef::Null | ValueRef::Real(_) => {
            Err(rusqlite::Error::InvalidColumnType(at, String::new(), value.data_type()))
        }
    }
}

/// A row behind its key's place.
fn placed(row: Vec<Value>) -> Option<(usize, Vec<Value>)> {
    let mut values = row.into_iter();
    match values.next() {
        Some(Value::Int(place)) => Some((usize::try_from(place).ok()?, values.collect())),
        _ => None,
    }
}

fn counted(row: &[Value]) -> Option<(usize, i64)> {
    match row {
        [Value::Int(place), Value::Int(number)] => Some((usize::try_from(*place).ok()?, *number)),
        _ => None,
    }
}

/// As many keys or rows as one of these texts takes at most.
fn most(texts: &[String]) -> usize {
    1 << texts.len().saturating_sub(1)
}

/// The text for as many keys or rows, a power of two.
fn of_power(texts: &[String], count: usize) -> Result<&String, Failure> {
    let power = usize::try_from(count.trailing_zeros()).unwrap_or(usize::MAX);
    texts.get(power).ok_or_else(|| Failure::BatchFailed(format!("no statement takes {count}")))
}

fn text_of<'a, T>(texts: &'a HashMap<String, T>, lookup: &str) -> Result<&'a T, Failure> {
    texts.get(lookup).ok_or_else(|| Failure::BatchFailed(format!("there is no look-up {lookup}")))
}

/// Whose fault a failed statement is: locked, full, read-only or broken, a file gives the same
/// answer to whatever is asked.
fn refused(error: &rusqlite::Error) -> Failure {
    let takes_none = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::NotADatabase
                | ErrorCode::ReadOnly
        )
    );
    let why = error.to_string();
    if takes_none { Failure::CannotWrite(why) } else { Failure::StatementFailed(why) }
}
