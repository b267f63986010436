//! A provider's rows as a database keeps them. What is decided sees those that it names, no others.

use std::collections::{BTreeMap, BTreeSet};

use crate::Moment;
use crate::answer::Answer;
use crate::command::{Dispatched, HoldBack, LetGo, Readmit};
use crate::decide::slots::{self, NoSlot};
use crate::rows::{HOLD_SLOT, RETIRED_US, Slot};
use crate::rules::{ProviderLimit, Rules};
use crate::view::{Loaded, Need, Row, View};

const P: &str = "anthropic";

pub(super) const LIMIT: ProviderLimit =
    ProviderLimit { requests: 2, window_us: 1_000, guard_us: 10, dispatch_within_us: 100 };

/// How long a slot is held whose call went out, and one whose call may yet go out.
pub(super) const FAST_US: i64 = 1_010;
pub(super) const SLOW_US: i64 = 1_110;

/// One of the provider's slots.
pub(super) fn slot(number: i64, free_at_us: i64) -> Slot {
    Slot { ledger_number: 0, provider: P.to_owned(), slot: number, free_at_us }
}

/// A batch whose clock and monotonic clock agree.
pub(super) fn at(now_us: i64) -> Moment {
    Moment { now_us, mono_ns: now_us * 1_000 }
}

/// What a call answers that must wait until then.
pub(super) fn wait(free_at_us: i64) -> Answer {
    Answer::Wait { free_times_us: vec![free_at_us] }
}

fn rules() -> Rules {
    Rules {
        expiry_us: 0,
        expiry_by_type_us: BTreeMap::new(),
        four_eyes: BTreeSet::new(),
        default_limit: LIMIT,
        limits: BTreeMap::new(),
        ledger_number: 0,
        owner_id: "owner".to_owned(),
        least_cap: 0,
        budget_required: true,
        pending_max: 0,
        policies_revision: String::new(),
    }
}

/// What is stored of a provider, and its limit.
#[derive(Debug)]
pub(super) struct Provider {
    rules: Rules,
    rows: BTreeMap<i64, Slot>,
}

impl Provider {
    /// One that takes two requests in any window.
    pub(super) fn new(slots: &[Slot]) -> Self {
        let rows = slots.iter().map(|slot| (slot.slot, slot.clone())).collect();
        Self { rules: rules(), rows }
    }

    /// It takes so many.
    pub(super) fn set_limit(&mut self, requests: i64) {
        self.rules.default_limit.requests = requests;
    }

    /// Every row, by number.
    pub(super) fn rows(&self) -> Vec<Slot> {
        self.rows.values().cloned().collect()
    }

    // --- what is decided ----------------------------------------------------------------------

    /// A call asks for a slot.
    pub(super) fn take(&mut self, now_us: i64) -> Result<Slot, NoSlot> {
        self.take_each(1, now_us).remove(0)
    }

    /// So many calls of one batch do, whose rows are loaded before the first is decided.
    pub(super) fn take_each(&mut self, calls: usize, now_us: i64) -> Vec<Result<Slot, NoSlot>> {
        let mut loaded = self.named(&vec![slots::needs(P); calls]);
        let mut taken = Vec::new();
        for _ in 0..calls {
            let take = |view: &mut View<'_>, rules: &Rules| slots::take(view, rules, P, now_us);
            taken.push(self.decide(&mut loaded, take).unwrap());
        }
        taken
    }

    /// The call of a slot went out.
    pub(super) fn dispatched(&mut self, slot: &Slot, dispatched_ns: i64, now: Moment) -> Answer {
        let asked = Dispatched { slot: slot.clone(), dispatched_ns };
        let mut loaded = self.named(&slots::needs_dispatched(&asked));
        self.decide(&mut loaded, |view, rules| slots::dispatched(view, &asked, rules, &now))
    }

    /// The provider has said when to come back.
    pub(super) fn hold_back(&mut self, wait_us: i64, told_us: i64, now_us: i64) -> Answer {
        let asked = HoldBack { provider: P.to_owned(), told_ns: told_us * 1_000, wait_us };
        let mut loaded = self.named(&slots::needs_hold(P));
        let now = at(now_us);
        self.decide(&mut loaded, |view, rules| slots::hold_back(view, &asked, rules, &now))
    }

    /// It is called in another way.
    pub(super) fn let_go(&mut self) -> Answer {
        let asked = LetGo { provider: P.to_owned() };
        let mut loaded = self.named(&slots::needs_hold(P));
        self.decide(&mut loaded, |view, _| slots::let_go(view, &asked))
    }

    /// A call did not go out in time and asks again.
    pub(super) fn readmit(&mut self, slot: &Slot, now_us: i64) -> Answer {
        let asked = Readmit { slot: slot.clone() };
        let mut loaded = self.named(&slots::needs_readmit(&asked));
        let again =
            |view: &mut View<'_>, rules: &Rules| slots::readmit(view, &asked, rules, now_us);
        self.decide(&mut loaded, again).unwrap()
    }

    /// What one of a batch decides. What it leaves is stored, and seen by those behind it.
    fn decide<T>(
        &mut self,
        loaded: &mut Loaded,
        decision: impl FnOnce(&mut View<'_>, &Rules) -> T,
    ) -> T {
        let mut view = View::new(loaded);
        let decided = decision(&mut view, &self.rules);
        let (rows, entries) = view.done();
        assert!(entries.is_empty(), "slots are no matter of the ledger: {entries:?}");
        loaded.merge(&rows);
        for row in rows {
            let Row::Slot(slot) = row else { panic!("it leaves slots and nothing else: {row:?}") };
            assert_eq!(P, slot.provider);
            self.rows.insert(slot.slot, slot);
        }
        decided
    }

    // --- what it sees -------------------------------------------------------------------------

    /// As a database answers: the counts add up, and one that was taken away is no slot.
    fn named(&self, needs: &[Need]) -> Loaded {
        let (mut loaded, mut count) = (Loaded::new(), 0);
        let mut load = |slot: &Slot| loaded.load(Row::Slot(slot.clone()));
        for need in needs {
            match need {
                Need::Slots(provider, more) if provider == P => {
                    count += usize::try_from(*more).unwrap();
                }
                Need::Slot(provider, number) if provider == P => {
                    self.rows.get(number).into_iter().for_each(&mut load);
                }
                other => panic!("a slot's rows are its provider's: {other:?}"),
            }
        }
        if count != 0 {
            let used = self.rows.values().filter(|slot| slot.free_at_us < RETIRED_US);
            let mut used: Vec<&Slot> = used.collect();
            used.sort_by_key(|slot| (slot.free_at_us, slot.slot));
            let last = used.iter().filter(|slot| slot.slot != HOLD_SLOT).max_by_key(|it| it.slot);
            used.iter().take(count).chain(last).for_each(|slot| load(slot));
        }
        loaded
    }
}
