//! A file with all tables, and the ways to it: the session that is tested, and any other.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::LazyLock;

use chenu_engine::canonical::Hash;
use chenu_engine::ledger::{ChainVerifier, Disclosed};
use chenu_operation::Moment;
use chenu_operation::command::Command;
use chenu_operation::rules::Rules;
use chenu_operation::view::Row;
use chenu_shared_sqlite::machine;
use chenu_store::Value;
use chenu_store::clock::Told;
use chenu_store::schema::{self, TABLES, Table};
use chenu_store::sqlite::{Asked, Failure, Names, Ran, Session};
use rusqlite::types::Value as Stored;
use rusqlite::types::Value::{Blob, Text};
use rusqlite::{Connection, params_from_iter};
use tempfile::TempDir;

use super::statements::{head, schema as tables, shapes, texts, upsert};
use crate::memory::Memory;

pub(crate) const LEDGER: u32 = 7;
pub(crate) const WRITER: &str = "writer";
pub(crate) const START: Moment = Moment { now_us: 1_795_003_200_000_000, mono_ns: 5_000_000_000 };

/// Nobody waits here for a lock, nor does anybody pull the plug.
const PRAGMAS: [&str; 3] =
    ["PRAGMA busy_timeout=0", "PRAGMA synchronous=OFF", "PRAGMA foreign_keys=ON"];

/// Once in the process: the functions go to every connection that is opened meanwhile.
static LIBRARY: LazyLock<()> = LazyLock::new(|| machine::take().unwrap());

/// A file that goes with its folder.
pub(crate) struct Database {
    pub(crate) folder: TempDir,
}

impl Database {
    pub(crate) fn new() -> Self {
        LazyLock::force(&LIBRARY);
        let database = Self { folder: tempfile::tempdir().unwrap() };
        File::create(database.file()).unwrap();
        database.connection().execute_batch(&tables()).unwrap();
        database
    }

    pub(crate) fn of(rows: &[Row]) -> Self {
        let database = Self::new();
        database.put(rows.iter().map(schema::put).map(|(table, values)| (table.name, values)));
        database
    }

    /// With what stands in another one.
    pub(crate) fn like(memory: &Memory) -> Self {
        let database = Self::new();
        let tables = memory.tables().iter();
        database.put(tables.flat_map(|(name, rows)| rows.values().map(|row| (*name, row.clone()))));
        database
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("chenu.db")
    }

    /// Another connection to the file.
    pub(crate) fn connection(&self) -> Connection {
        let connection = chenu_shared_sqlite::open(&self.file()).unwrap();
        connection.execute_batch(&PRAGMAS.join(";")).unwrap();
        connection
    }

    pub(crate) fn session(&self) -> Session {
        self.session_with(&[])
    }

    pub(crate) fn session_with(&self, pragmas: &[String]) -> Session {
        let usual = PRAGMAS.iter().map(|pragma| (*pragma).to_owned());
        let pragmas: Vec<String> = usual.chain(pragmas.iter().cloned()).collect();
        Session::open(&self.file(), &pragmas, texts(), head()).unwrap()
    }

    /// Change what is stored, as somebody else would.
    pub(crate) fn change(&self, text: &str) {
        self.connection().execute_batch(text).unwrap();
    }

    fn put(&self, rows: impl Iterator<Item = (&'static str, Vec<Value>)>) {
        let shapes = shapes();
        let mut connection = self.connection();
        let transaction = connection.transaction().unwrap();
        for (table, values) in rows {
            let shape = shapes.iter().find(|shape| shape.name == table).unwrap();
            let values = values.into_iter().map(stored);
            transaction.execute(&upsert(shape, 1), params_from_iter(values)).unwrap();
        }
        transaction.commit().unwrap();
    }

    /// What a query finds, column by column.
    pub(crate) fn found(&self, query: &str) -> Vec<Vec<Stored>> {
        let connection = self.connection();
        let mut statement = connection.prepare(query).unwrap();
        let width = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..width).map(|at| row.get(at)).collect();
        let found = statement.query_map([], row).unwrap();
        found.collect::<Result<_, _>>().unwrap()
    }

    pub(crate) fn count(&self, table: &str) -> usize {
        self.found(&format!("SELECT * FROM {table}")).len()
    }

    /// Whether a row stands there as it is.
    pub(crate) fn has(&self, table: &Table, values: Vec<Value>) -> bool {
        let is = |(column, at)| format!("\"{column}\" IS ?{at}");
        let whole: Vec<String> = table.columns.iter().zip(1..).map(is).collect();
        let query = format!("SELECT 1 FROM {} WHERE {}", table.name, whole.join(" AND "));
        let values = params_from_iter(values.into_iter().map(stored));
        self.connection().prepare(&query).unwrap().exists(values).unwrap()
    }

    /// The chain from its first entry: how long it is, and where it ends.
    pub(crate) fn chain(&self) -> (u64, Hash) {
        let mut verifier = ChainVerifier::new(Some("origin".to_owned()), LEDGER);
        let entries = self.found(
            "SELECT canonical, entry_hash, salt, payload
            FROM ledger_entries JOIN ledger_payloads USING (entry_id) ORDER BY sequence",
        );
        for entry in entries {
            let [Blob(canonical), Blob(hash), Blob(salt), Text(payload)] = &entry[..] else {
                panic!("{entry:?}");
            };
            let salt = salt.as_slice().try_into().unwrap();
            let disclosed = Disclosed { salt: &salt, payload: payload.as_bytes() };
            verifier.entry(canonical, hash, Some(disclosed)).unwrap();
        }
        verifier.finish().unwrap();
        (verifier.size(), *verifier.head())
    }

    /// The governed tables that hold anything, in the order of their rows' values.
    pub(crate) fn tables(&self) -> BTreeMap<&'static str, Vec<String>> {
        let rows = |table: &str| told(&self.found(&format!("SELECT * FROM {table}")));
        let tables = TABLES.iter().map(|table| (table.name, rows(table.name)));
        tables.filter(|(_, rows)| !rows.is_empty()).collect()
    }
}

/// What [`Database::tables`] says of a database in memory.
pub(crate) fn tables_of(memory: &Memory) -> BTreeMap<&'static str, Vec<String>> {
    let rows = memory.tables().iter().map(|(name, rows)| {
        let rows = rows.values().map(|row| row.iter().cloned().map(stored).collect());
        (*name, told(&rows.collect::<Vec<_>>()))
    });
    rows.collect()
}

fn told(rows: &[Vec<Stored>]) -> Vec<String> {
    let mut told: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
    told.sort();
    told
}

/// A value as the library has it.
pub(crate) fn stored(value: Value) -> Stored {
    match value {
        Value::Int(number) => Stored::Integer(number),
        Value::Bool(truth) => Stored::Integer(truth.into()),
        Value::Text(text) => Stored::Text(text),
        Value::Blob(bytes) => Stored::Blob(bytes),
    }
}

/// What a test's batches are called.
pub(crate) fn names(batch_id: &str) -> Names {
    Names {
        ledger_number: LEDGER,
        origin: "origin".to_owned(),
        writer_id: WRITER.to_owned(),
        batch_id: batch_id.to_owned(),
    }
}

/// A clock that is right.
pub(crate) fn right(now: Moment) -> Told {
    Told { now, behind_us: 0, jumped_us: 0 }
}

/// Commands in one batch, for each of which somebody waits to the end.
pub(crate) fn ran(
    session: &mut Session,
    batch_id: &str,
    now: Moment,
    commands: &[(&Command, &Rules)],
) -> Result<Ran, Failure> {
    let mut asked = Asked {
        commands,
        has_left: &|_| false,
        time: &mut |_| right(now),
        before_commit: &mut || Ok(()),
    };
    session.run(&mut asked, &names(batch_id))
}
