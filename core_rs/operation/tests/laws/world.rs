//! A small world: rows, a clock, and commands that run one after another; the laws hold after each.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use chenu_engine::vocabulary::CheckpointState;
use chenu_operation::answer::Answer;
use chenu_operation::command::Command;
use chenu_operation::decide::{Effects, decide, needs, needs_next};
use chenu_operation::entry::EntryDraft;
use chenu_operation::rows::{
    Alias, Attempt, Budget, Checkpoint, HOLD_SLOT, Hold, Operation, Period, RETIRED_US, Segment,
    Slot, ToolCall,
};
use chenu_operation::rules::{ProviderLimit, Rules};
use chenu_operation::view::{Loaded, Need, Row};
use chenu_operation::{Decided, Moment};

use crate::slots::Calls;
use crate::{laws, slots, steps};

pub(crate) const SECOND_US: i64 = 1_000_000;
pub(crate) const DAY_US: i64 = 86_400 * SECOND_US;
/// 2026-01-09, Friday, half a minute before midnight: what begins now ends in another period.
pub(crate) const EVENING_US: i64 = (1_768_003_200 - 30) * SECOND_US;
pub(crate) const LIFETIME_US: i64 = 60 * SECOND_US;
pub(crate) const LIMIT: ProviderLimit = ProviderLimit {
    requests: 2,
    window_us: 10 * SECOND_US,
    guard_us: 250_000,
    dispatch_within_us: SECOND_US,
};

/// Everything that was ever written, and the time.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) rules: Rules,
    /// The batch's clock, which may stand still where the database's has been set back.
    pub(crate) now_us: i64,
    /// The true time, which goes on.
    pub(crate) true_us: i64,
    pub(crate) entries: Vec<Rc<EntryDraft>>,
    pub(crate) calls: Calls,
    rows: BTreeMap<Rc<str>, Rc<Row>>,
}

impl World {
    /// Of one process, with these rows.
    pub(crate) fn new(rows: Vec<Row>) -> Self {
        let rules = Rules {
            expiry_us: LIFETIME_US,
            expiry_by_type_us: BTreeMap::new(),
            // Of the two types that are asked for in here.
            four_eyes: BTreeSet::from(["execution_approval".to_owned()]),
            default_limit: LIMIT,
            limits: BTreeMap::new(),
            ledger_number: 0,
            owner_id: "owner".to_owned(),
            least_cap: 256,
            budget_required: true,
            pending_max: 3,
            policies_revision: "revision".to_owned(),
        };
        let (entries, calls) = (Vec::new(), Calls::default());
        let rows = rows.into_iter().map(|row| (key_of(&row).into(), Rc::new(row))).collect();
        Self { rules, now_us: EVENING_US, true_us: EVENING_US, entries, calls, rows }
    }

    /// The batch's time, and the process's.
    pub(crate) fn moment(&self) -> Moment {
        Moment { now_us: self.now_us, mono_ns: self.true_us * 1_000 }
    }

    /// Time goes by, also on the batch's clock.
    pub(crate) fn pass(&mut self, us: i64) {
        self.now_us += us;
        self.true_us += us;
    }

    /// A command's answer, once what it leaves is committed.
    pub(crate) fn act(&mut self, command: &Command) -> Answer {
        self.take(command).answer
    }

    /// What a command left.
    pub(crate) fn take(&mut self, command: &Command) -> Effects {
        let effects = self.decided(command);
        let after = self.with(&effects);
        steps::check(self, &after, command, &effects);
        *self = after;
        slots::tell(self, command, &effects.answer);
        if !effects.rows.is_empty() {
            laws::check(self);
        }
        effects
    }

    /// What a command leaves on the rows that it names. On all rows it would leave the same.
    fn decided(&self, command: &Command) -> Effects {
        let named = self.named(std::slice::from_ref(command));
        let effects = self.decide(command, &named).unwrap_or_else(|broken| {
            panic!("nothing that can be asked here breaks the rows: {broken}: {command:?}")
        });

        assert_eq!(Ok(&effects), self.decide(command, &named).as_ref(), "deciding is pure");
        if cfg!(debug_assertions) {
            let all = self.decide(command, &self.all(command));
            assert_eq!(Ok(&effects), all.as_ref(), "it names the rows that it reads: {command:?}");
        }
        effects
    }

    fn decide(&self, command: &Command, loaded: &Loaded) -> Decided<Effects> {
        decide(command, loaded, &self.rules, &self.moment())
    }

    /// What each of these leaves in one batch, all rows loaded before the first is decided.
    pub(crate) fn batch(&self, commands: &[Command]) -> Vec<Effects> {
        let mut loaded = self.named(commands);
        let decide = |command| {
            let effects = self.decide(command, &loaded).unwrap();
            loaded.merge(&effects.rows);
            effects
        };
        commands.iter().map(decide).collect()
    }

    /// The same world once this is committed.
    fn with(&self, effects: &Effects) -> Self {
        let mut after = self.clone();
        for row in &effects.rows {
            let before = after.rows.insert(key_of(row).into(), Rc::new(row.clone()));
            assert!(before.is_none() || changes(row), "it is written once: {row:?}");
        }
        after.entries.extend(effects.entries.iter().cloned().map(Rc::new));
        after
    }

    // --- what a command sees ------------------------------------------------------------------

    fn named(&self, commands: &[Command]) -> Loaded {
        let (mut loaded, now) = (Loaded::new(), self.moment());
        let first: Vec<Need> = commands.iter().flat_map(|each| needs(each, &now)).collect();
        self.load(&mut loaded, &first);
        let next = commands.iter().flat_map(|each| needs_next(each, &loaded, &now));
        let next: Vec<Need> = next.collect();
        self.load(&mut loaded, &next);
        loaded
    }

    /// As the database answers: a provider's counts add up over a batch.
    fn load(&self, loaded: &mut Loaded, needs: &[Need]) {
        let mut oldest: BTreeMap<&str, usize> = BTreeMap::new();
        for need in needs {
            match need {
                Need::Slots(provider, count) => {
                    *oldest.entry(provider).or_insert(0) += usize::try_from(*count).unwrap();
                }
                Need::Pending(of) => loaded.load_pending(of.clone(), self.pending(of)),
                need => {
                    let rows = self.rows().filter(|row| stands_under(need, row));
                    rows.for_each(|row| loaded.load(row.clone()));
                }
            }
        }
        for (provider, count) in oldest {
            let mut slots: Vec<&Slot> = self.slots(provider).collect();
            slots.sort_by_key(|slot| (slot.free_at_us, slot.slot));
            let last = slots.iter().filter(|slot| slot.slot != HOLD_SLOT).max_by_key(|it| it.slot);
            let found = slots.iter().take(count).chain(last);
            found.for_each(|slot| loaded.load(Row::Slot((*slot).clone())));
        }
    }

    /// All rows, named or not.
    fn all(&self, command: &Command) -> Loaded {
        let mut loaded = self.named(std::slice::from_ref(command));
        self.rows().for_each(|row| loaded.load(row.clone()));
        loaded
    }

    // --- what there is ------------------------------------------------------------------------

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().map(|row| &**row)
    }

    /// How a row stood that has this one's key.
    pub(crate) fn same(&self, row: &Row) -> Option<&Row> {
        self.rows.get(&*key_of(row)).map(|row| &**row)
    }

    pub(crate) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.rows().filter_map(|row| if let Row::Operation(it) = row { Some(&**it) } else { None })
    }

    pub(crate) fn operation(&self, identity_id: &str, request_id: &str) -> Option<&Operation> {
        let same = |it: &&Operation| it.identity_id == identity_id && it.request_id == request_id;
        self.operations().find(same)
    }

    pub(crate) fn aliases(&self) -> impl Iterator<Item = &Alias> {
        self.rows().filter_map(|row| if let Row::Alias(it) = row { Some(it) } else { None })
    }

    pub(crate) fn attempts(&self, of: &Operation) -> impl Iterator<Item = &Attempt> {
        self.rows().filter_map(move |row| match row {
            Row::Attempt(it) if it.identity_id == of.identity_id => {
                (it.request_id == of.request_id).then_some(&**it)
            }
            _ => None,
        })
    }

    /// In the order of their sequences.
    pub(crate) fn segments(&self, of: &Operation) -> impl Iterator<Item = &Segment> {
        self.rows().filter_map(move |row| match row {
            Row::Segment(it) if it.identity_id == of.identity_id => {
                (it.request_id == of.request_id).then_some(it)
            }
            _ => None,
        })
    }

    pub(crate) fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.rows().filter_map(|row| if let Row::Hold(it) = row { Some(it) } else { None })
    }

    pub(crate) fn hold(&self, of: &Operation) -> Option<&Hold> {
        let same =
            |it: &&Hold| (&it.identity_id, &it.request_id) == (&of.identity_id, &of.request_id);
        self.holds().find(same)
    }

    pub(crate) fn budgets(&self) -> impl Iterator<Item = &Budget> {
        self.rows().filter_map(|row| if let Row::Budget(it) = row { Some(it) } else { None })
    }

    pub(crate) fn budget(&self, budget_id: &str) -> &Budget {
        self.budgets().find(|budget| budget.budget_id == budget_id).unwrap()
    }

    pub(crate) fn periods(&self) -> impl Iterator<Item = &Period> {
        self.rows().filter_map(|row| if let Row::Period(it) = row { Some(it) } else { None })
    }

    pub(crate) fn checkpoints(&self) -> impl Iterator<Item = &Checkpoint> {
        self.rows().filter_map(|row| if let Row::Checkpoint(it) = row { Some(&**it) } else { None })
    }

    /// The checkpoint at which an operation waits or waited.
    pub(crate) fn checkpoint(&self, of: &Operation) -> Option<&Checkpoint> {
        let same = |it: &&Checkpoint| {
            (&it.identity_id, &it.checkpoint_id) == (&of.identity_id, &of.checkpoint_id)
        };
        self.checkpoints().find(same)
    }

    pub(crate) fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.rows().filter_map(|row| if let Row::ToolCall(it) = row { Some(&**it) } else { None })
    }

    /// What an operation has besides that is a call.
    pub(crate) fn tool_call(&self, of: &Operation) -> Option<&ToolCall> {
        let same =
            |it: &&ToolCall| (&it.identity_id, &it.call_id) == (&of.identity_id, &of.request_id);
        self.tool_calls().find(same)
    }

    pub(crate) fn pending(&self, identity_id: &str) -> i64 {
        let pending = |it: &&Checkpoint| {
            it.identity_id == identity_id && it.state == CheckpointState::Pending
        };
        i64::try_from(self.checkpoints().filter(pending).count()).unwrap()
    }

    /// A provider's slots in use, and its hold if there is one.
    pub(crate) fn slots(&self, provider: &str) -> impl Iterator<Item = &Slot> {
        self.rows().filter_map(move |row| match row {
            Row::Slot(it) => (it.provider == provider && it.free_at_us < RETIRED_US).then_some(it),
            _ => None,
        })
    }
}

/// The rows that a need names, but for those that are counted or cut off.
fn stands_under(need: &Need, row: &Row) -> bool {
    match (need, row) {
        (Need::Operation(key), Row::Operation(it)) => *key == it.key(),
        (Need::Alias((of, id)), Row::Alias(it)) => (of, id) == (&it.identity_id, &it.request_id),
        (Need::Attempt((of, id), number), Row::Attempt(it)) => {
            (of, id, number) == (&it.identity_id, &it.request_id, &it.attempt)
        }
        (Need::Attempts((of, id)), Row::Attempt(it)) => {
            (of, id) == (&it.identity_id, &it.request_id)
        }
        (Need::Hold((of, id)), Row::Hold(it)) => (of, id) == (&it.identity_id, &it.request_id),
        (Need::Budget(id), Row::Budget(it)) => *id == it.budget_id,
        (Need::Period((id, start)), Row::Period(it)) => {
            (id, start) == (&it.budget_id, &it.period_start_us)
        }
        (Need::OpenBudgets(of), Row::Budget(it)) => *of == it.identity_id && !it.deleted,
        (Need::PeriodsAt(of, start), Row::Period(it)) => {
            (of, start) == (&it.identity_id, &it.period_start_us)
        }
        (Need::PeriodsOf(id), Row::Period(it)) => *id == it.budget_id,
        (Need::Checkpoint(of, id), Row::Checkpoint(it)) => {
            (of, id) == (&it.identity_id, &it.checkpoint_id)
        }
        (Need::OpenOfAction(of, digest), Row::Checkpoint(it)) => {
            (of, digest) == (&it.identity_id, &it.action_digest) && it.is_open()
        }
        (Need::ToolCall(key), Row::ToolCall(it)) => {
            (&key.0, &key.1) == (&it.identity_id, &it.call_id)
        }
        (Need::Slot(provider, number), Row::Slot(it)) => {
            (provider, number) == (&it.provider, &it.slot)
        }
        (Need::File(of, digest), Row::StoredFile(it)) => {
            (of, digest) == (&it.identity_id, &it.sha256)
        }
        (Need::HeldFile(of, digest), Row::HeldFile(it)) => {
            (of, digest) == (&it.hold_id, &it.sha256)
        }
        _ => false,
    }
}

/// Whether a row may be written again under its key.
fn changes(row: &Row) -> bool {
    !matches!(
        row,
        Row::Alias(_) | Row::Content(_) | Row::Segment(_) | Row::Chunk(_) | Row::Violation(_)
    )
}

/// A row's kind and key, in the order in which a log is read.
fn key_of(row: &Row) -> String {
    match row {
        Row::Operation(it) => format!("operation/{}/{}", it.identity_id, it.request_id),
        Row::Alias(it) => format!("alias/{}/{}", it.identity_id, it.request_id),
        Row::Content(it) => format!("content/{}/{}", it.identity_id, it.request_id),
        Row::Attempt(it) => {
            format!("attempt/{}/{}/{:03}", it.identity_id, it.request_id, it.attempt)
        }
        Row::Segment(it) => {
            format!("segment/{}/{}/{:05}", it.identity_id, it.request_id, it.first_sequence)
        }
        Row::Chunk(it) => {
            let (of, id) = (&it.identity_id, &it.request_id);
            format!("chunk/{of}/{id}/{}/{}/{}", it.attempt, it.part, it.offset)
        }
        Row::Hold(it) => format!("hold/{}/{}", it.identity_id, it.request_id),
        Row::Budget(it) => format!("budget/{}", it.budget_id),
        Row::Period(it) => format!("period/{}/{}", it.budget_id, it.period_start_us),
        Row::Checkpoint(it) => format!("checkpoint/{}/{}", it.identity_id, it.checkpoint_id),
        Row::Slot(it) => format!("slot/{}/{}", it.provider, it.slot),
        Row::StoredFile(it) => format!("stored file/{}/{:?}", it.identity_id, it.sha256),
        Row::UsedFile(it) => {
            format!("used file/{}/{:?}/{}", it.identity_id, it.sha256, it.request_id)
        }
        Row::FileChunk(it) => {
            format!("file chunk/{}/{:?}/{}", it.identity_id, it.sha256, it.offset)
        }
        Row::HeldFile(it) => format!("held file/{}/{:?}", it.hold_id, it.sha256),
        Row::Violation(it) => format!("violation/{}", it.violation_id),
        Row::ToolCall(it) => format!("tool call/{}/{}", it.identity_id, it.call_id),
    }
}
