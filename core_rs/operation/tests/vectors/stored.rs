//! A store that loads what is named, as the one does that a server has.

use std::collections::BTreeMap;

use chenu_engine::vocabulary::CheckpointState;
use chenu_operation::rows::{HOLD_SLOT, RETIRED_US, Slot};
use chenu_operation::view::{Loaded, Need, Row};

/// Every row that there is, as a store has them.
#[derive(Default)]
pub(crate) struct Stored(BTreeMap<(u8, String, String, i64), Row>);

impl Stored {
    pub(crate) fn put(&mut self, rows: &[Row]) {
        let keyed = rows.iter().filter_map(|row| Some((key(row)?, row.clone())));
        self.0.extend(keyed);
    }

    /// What these needs name, and nothing else.
    pub(crate) fn named(&self, needs: &[Need]) -> Loaded {
        let mut loaded = Loaded::new();
        for need in needs {
            if let Need::Pending(identity_id) = need {
                loaded.load_pending(identity_id.clone(), self.pending(identity_id));
            }
            for row in self.found(need) {
                loaded.load(row);
            }
        }
        loaded
    }

    fn found(&self, need: &Need) -> Vec<Row> {
        if let Need::Slots(provider, count) = need {
            let slots = self.slots(provider, usize::try_from(*count).unwrap());
            return slots.into_iter().map(Row::Slot).collect();
        }
        self.0.values().filter(|row| is_named(need, row)).cloned().collect()
    }

    fn pending(&self, identity_id: &str) -> i64 {
        let is_pending = |row: &&Row| {
            matches!(row, Row::Checkpoint(row)
            if row.identity_id == identity_id && row.state == CheckpointState::Pending)
        };
        i64::try_from(self.0.values().filter(is_pending).count()).unwrap()
    }

    /// The slots that are free first, before them the row of a hold, and the last one.
    fn slots(&self, provider: &str, count: usize) -> Vec<Slot> {
        let in_use = self.0.values().filter_map(|row| match row {
            Row::Slot(slot) if slot.provider == provider && slot.free_at_us < RETIRED_US => {
                Some(slot.clone())
            }
            _ => None,
        });
        let mut slots: Vec<Slot> = in_use.collect();
        let numbered = slots.iter().filter(|slot| slot.slot != HOLD_SLOT);
        let last = numbered.max_by_key(|slot| slot.slot).cloned();
        slots.sort_by_key(|slot| (slot.free_at_us, slot.slot));
        slots.truncate(count);
        slots.into_iter().chain(last).collect()
    }
}

/// A key for each row that a command reads; none for what is written and never read.
fn key(row: &Row) -> Option<(u8, String, String, i64)> {
    let (kind, one, other, number) = match row {
        Row::Operation(row) => (0, &row.identity_id, row.request_id.clone(), 0),
        Row::Alias(row) => (1, &row.identity_id, row.request_id.clone(), 0),
        Row::Attempt(row) => (2, &row.identity_id, row.request_id.clone(), row.attempt),
        Row::Hold(row) => (3, &row.identity_id, row.request_id.clone(), 0),
        Row::Budget(row) => (4, &row.budget_id, String::new(), 0),
        Row::Period(row) => (5, &row.budget_id, String::new(), row.period_start_us),
        Row::Checkpoint(row) => (6, &row.identity_id, row.checkpoint_id.clone(), 0),
        Row::Slot(row) => (7, &row.provider, String::new(), row.slot),
        Row::StoredFile(row) => (8, &row.identity_id, row.sha256.hex(), 0),
        Row::ToolCall(row) => (10, &row.identity_id, row.call_id.clone(), 0),
        Row::HeldFile(row) => (9, &row.hold_id, row.sha256.hex(), 0),
        _ => return None,
    };
    Some((kind, one.clone(), other, number))
}

fn is_named(need: &Need, row: &Row) -> bool {
    let key = key(row);
    let is = |kind: u8, one: &str, other: &str, number: i64| {
        key == Some((kind, one.to_owned(), other.to_owned(), number))
    };
    match (need, row) {
        (Need::Operation(key), _) => is(0, &key.0, &key.1, 0),
        (Need::Alias(key), _) => is(1, &key.0, &key.1, 0),
        (Need::Attempt(key, number), _) => is(2, &key.0, &key.1, *number),
        (Need::Attempts(key), Row::Attempt(row)) => {
            (&row.identity_id, &row.request_id) == (&key.0, &key.1)
        }
        (Need::Hold(key), _) => is(3, &key.0, &key.1, 0),
        (Need::Budget(budget_id), _) => is(4, budget_id, "", 0),
        (Need::Period(leg), _) => is(5, &leg.0, "", leg.1),
        (Need::OpenBudgets(owner), Row::Budget(row)) => row.identity_id == *owner && !row.deleted,
        (Need::PeriodsAt(owner, start_us), Row::Period(row)) => {
            row.identity_id == *owner && row.period_start_us == *start_us
        }
        (Need::PeriodsOf(budget_id), Row::Period(row)) => row.budget_id == *budget_id,
        (Need::Checkpoint(owner, checkpoint_id), _) => is(6, owner, checkpoint_id, 0),
        (Need::OpenOfAction(owner, digest), Row::Checkpoint(row)) => {
            row.identity_id == *owner && row.action_digest == *digest && row.is_open()
        }
        (Need::Slot(provider, number), _) => is(7, provider, "", *number),
        (Need::File(owner, sha256), _) => is(8, owner, &sha256.hex(), 0),
        (Need::ToolCall(key), _) => is(10, &key.0, &key.1, 0),
        (Need::HeldFile(hold_id, sha256), _) => is(9, hold_id, &sha256.hex(), 0),
        _ => false,
    }
}
