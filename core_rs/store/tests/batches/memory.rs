//! A database that has its rows as values, and finds them by their look-ups.

use std::collections::BTreeMap;
use std::convert::Infallible;

use chenu_engine::vocabulary::CheckpointState;
use chenu_operation::rows::{HOLD_SLOT, RETIRED_US, Slot};
use chenu_operation::view::Row;
use chenu_store::Value;
use chenu_store::batch::{Batch, Found, Source};
use chenu_store::column::Column as _;
use chenu_store::fetch::{Fetch, Lookup};
use chenu_store::schema::{self, SLOTS, TABLES, Table};

type Rows = BTreeMap<String, Vec<Value>>;

/// The tables by name; a table's rows by what their keys look like.
#[derive(Default)]
pub(crate) struct Memory {
    tables: BTreeMap<&'static str, Rows>,
    pub(crate) fetches: usize,
}

impl Memory {
    pub(crate) fn of(rows: &[Row]) -> Self {
        let mut memory = Self::default();
        for (table, values) in rows.iter().map(schema::put) {
            memory.put(table, values);
        }
        memory
    }

    pub(crate) fn put(&mut self, table: &'static Table, values: Vec<Value>) {
        let key = format!("{:?}", &values[..table.key]);
        let before = self.tables.entry(table.name).or_default().insert(key, values);
        assert!(before.is_none() || !table.append_only, "{} is written once", table.name);
    }

    /// Commit a batch.
    pub(crate) fn take(&mut self, batch: &Batch) {
        for write in batch.writes() {
            for row in write.rows {
                self.put(write.table, row.to_vec());
            }
        }
    }

    pub(crate) fn tables(&self) -> &BTreeMap<&'static str, Rows> {
        &self.tables
    }

    fn rows(&self, table: &str) -> impl Iterator<Item = &Vec<Value>> {
        self.tables.get(table).into_iter().flat_map(BTreeMap::values)
    }

    fn found(&self, fetch: &Fetch, key: &[Value], count: u32) -> Vec<Vec<Value>> {
        let table = TABLES.iter().find(|table| table.name == fetch.table).unwrap();
        let under = |name: &str| {
            let stands = |values: &&Vec<Value>| stands_under(table, name, values, key);
            self.rows(fetch.table).filter(stands).cloned().collect()
        };
        match fetch.lookup {
            Lookup::Key => {
                let is = |values: &&Vec<Value>| values[..table.key] == *key;
                self.rows(fetch.table).filter(is).cloned().collect()
            }
            Lookup::First("oldest_of_provider") => {
                let mut slots = self.slots(key);
                slots.sort_by_key(|slot| (slot.free_at_us, slot.slot));
                slots.truncate(usize::try_from(count).unwrap());
                slots.into_iter().map(|slot| schema::put(&Row::Slot(slot)).1).collect()
            }
            Lookup::All("last_of_provider") => {
                let slots = self.slots(key).into_iter().filter(|slot| slot.slot != HOLD_SLOT);
                let last = slots.max_by_key(|slot| slot.slot);
                last.into_iter().map(|slot| schema::put(&Row::Slot(slot)).1).collect()
            }
            Lookup::All(name) | Lookup::First(name) | Lookup::Count(name) => under(name),
        }
    }

    fn slots(&self, key: &[Value]) -> Vec<Slot> {
        let of_provider = self.rows(SLOTS.name).filter(|values| values[..2] == *key);
        let slots = of_provider.map(|values| match SLOTS.read(values.clone()).unwrap() {
            Row::Slot(slot) => slot,
            row => panic!("{row:?}"),
        });
        slots.filter(|slot| slot.free_at_us < RETIRED_US).collect()
    }
}

fn stands_under(table: &Table, name: &str, values: &[Value], key: &[Value]) -> bool {
    let row = table.read(values.to_vec()).unwrap();
    let stands_there = match (name, row) {
        ("of_query", Row::Attempt(row)) => vec![row.identity_id.put(), row.request_id.put()],
        ("open_of_identity", Row::Budget(row)) if !row.deleted => vec![row.identity_id.put()],
        ("of_identity_at", Row::Period(row)) => {
            vec![row.identity_id.put(), row.period_start_us.put()]
        }
        ("of_budget", Row::Period(row)) => vec![row.budget_id.put()],
        ("open_of_action", Row::Checkpoint(row)) if row.is_open() => {
            vec![row.identity_id.put(), row.action_digest.put()]
        }
        ("pending", Row::Checkpoint(row)) if row.state == CheckpointState::Pending => {
            vec![row.identity_id.put()]
        }
        _ => return false,
    };
    stands_there == key
}

impl Source for Memory {
    type Error = Infallible;

    fn fetch(&mut self, fetches: &[Fetch]) -> Result<Vec<Found>, Infallible> {
        self.fetches += fetches.len();
        let answer = |fetch: &Fetch| {
            let keys = fetch.keys.iter().zip(&fetch.counts).enumerate();
            let found = keys.map(|(at, (key, count))| (at, self.found(fetch, key, *count)));
            if let Lookup::Count(_) = fetch.lookup {
                let counts = found.map(|(at, rows)| (at, i64::try_from(rows.len()).unwrap()));
                return Found::Counts(counts.collect());
            }
            Found::Rows(
                found.flat_map(|(at, rows)| rows.into_iter().map(move |row| (at, row))).collect(),
            )
        };
        Ok(fetches.iter().map(answer).collect())
    }
}
