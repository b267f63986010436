//! How money is held, posted and released.
//!
//! At each commit `posted + reserved <= limit + granted` in every budget and period, and
//! `posted + reserved + overrun <= limit + granted` whenever [`reserve`] or [`top_up`] admits
//! something, which neither does in a frozen budget. All or none: an operation fits in every
//! budget that applies, or in none. Whatever books a bill books its overrun by [`overruns`].

use chenu_engine::budget::{self as engine, Account};
use chenu_engine::vocabulary::BudgetScope;

use super::overruns::{self, Booked};
use crate::periods;
use crate::rows::{Budget, Hold, HoldState, OperationKey, Period, SYSTEM};
use crate::view::{Need, Row, View};
use crate::{Broken, Decided};

/// The largest limit there is, a billion dollars: what fits where no budget applies.
const LIMIT_MAX_NANOUSD: i64 = 1_000_000_000_000_000_000;

/// One budget and what stands against it in one of its periods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) budget: Budget,
    pub(crate) period: Period,
}

impl Standing {
    pub(crate) fn account(&self) -> Account {
        Account {
            limit: self.budget.limit_nanousd,
            granted: self.budget.granted_nanousd,
            posted: self.period.posted_nanousd,
            reserved: self.period.reserved_nanousd,
            overrun: self.period.overrun_nanousd,
        }
    }

    /// The period's row once the account has changed.
    pub(crate) fn after(&self, account: &Account) -> Period {
        Period {
            posted_nanousd: account.posted,
            reserved_nanousd: account.reserved,
            overrun_nanousd: account.overrun,
            ..self.period.clone()
        }
    }

    /// Whether the period goes on. What an ended one forbids binds nobody.
    pub(crate) fn is_current(&self, now_us: i64) -> bool {
        self.period.period_start_us == periods::period_start_us(self.budget.period, now_us)
    }

    /// The budget's id if `identity_id` owns it, for its name is nobody else's to know.
    pub(crate) fn told_to(&self, identity_id: &str) -> String {
        let owned = self.budget.identity_id == identity_id;
        if owned { self.budget.budget_id.clone() } else { String::new() }
    }
}

/// Why money cannot be held. The id is empty unless the asker owns the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Short {
    Exhausted { scope: BudgetScope, budget_id: String },
    Frozen { scope: BudgetScope, budget_id: String },
}

/// What an operation is about, for the scopes that ask.
pub(crate) struct Facts<'a> {
    pub(crate) sphere: &'a str,
    pub(crate) agent: &'a str,
    pub(crate) provider: &'a str,
}

impl Facts<'_> {
    fn covered_by(&self, budget: &Budget) -> bool {
        match budget.scope {
            // Only the identity's own budgets are asked here, so either scope means all that it
            // does.
            BudgetScope::Global | BudgetScope::Identity => true,
            BudgetScope::Sphere => self.sphere == budget.scope_value,
            BudgetScope::Agent => self.agent == budget.scope_value,
            BudgetScope::Provider => self.provider == budget.scope_value,
            BudgetScope::Thread => false, // no budget of this scope can be made yet
        }
    }
}

/// The rows that [`budgets_for`] reads: budgets and current periods, own and global.
pub(crate) fn needs_for_reserve(identity_id: &str, now_us: i64) -> Vec<Need> {
    let mut owners = vec![identity_id.to_owned()];
    if identity_id != SYSTEM {
        owners.push(SYSTEM.to_owned());
    }
    let starts = periods::starts(now_us);
    let budgets = owners.iter().map(|owner| Need::OpenBudgets(owner.clone()));
    let periods = owners
        .iter()
        .flat_map(|owner| starts.iter().map(move |start| Need::PeriodsAt(owner.clone(), *start)));
    budgets.chain(periods).collect()
}

/// The rows that [`budgets_of`] reads: each leg's budget and period.
pub(crate) fn needs_for_legs(hold: Option<&Hold>) -> Vec<Need> {
    let legs = hold.map(|hold| hold.legs.as_slice()).unwrap_or_default();
    let budgets = legs.iter().map(|(budget_id, _)| Need::Budget(budget_id.clone()));
    budgets.chain(legs.iter().map(|leg| Need::Period(leg.clone()))).collect()
}

/// Every open budget that an operation of this identity must fit in, oldest first: its own ones
/// that cover it, and those over everybody.
pub(crate) fn budgets_for(
    view: &View<'_>,
    identity_id: &str,
    facts: &Facts<'_>,
    now_us: i64,
) -> Vec<Standing> {
    let own = view.open_budgets(identity_id).filter(|budget| facts.covered_by(budget));
    let mut applying: Vec<&Budget> = own.collect();
    // The system's own budgets are the global ones already: added a second time they would be
    // charged twice.
    if identity_id != SYSTEM {
        let shared = view.open_budgets(SYSTEM);
        applying.extend(shared.filter(|budget| budget.scope == BudgetScope::Global));
    }
    // Of budgets that are equally short the first is told, so the order must not hang on how rows
    // were loaded.
    applying.sort_by_key(|budget| (budget.created_us, &budget.budget_id));
    applying.into_iter().map(|budget| current(view, budget, now_us)).collect()
}

/// A budget in the period that goes on now. Without a row it stands at zero.
pub(crate) fn current(view: &View<'_>, budget: &Budget, now_us: i64) -> Standing {
    let start = periods::period_start_us(budget.period, now_us);
    // A period's row is made by the first amount in it, so no job has to open a new day at
    // midnight.
    let stored = view.period(&(budget.budget_id.clone(), start)).cloned();
    let untouched = || Period {
        budget_id: budget.budget_id.clone(),
        period_start_us: start,
        identity_id: budget.identity_id.clone(),
        posted_nanousd: 0,
        reserved_nanousd: 0,
        overrun_nanousd: 0,
        overrun_seen_nanousd: 0,
        frozen_us: 0,
    };
    Standing { budget: budget.clone(), period: stored.unwrap_or_else(untouched) }
}

/// The budgets and periods that money is held in, whatever day it is now.
pub(crate) fn budgets_of(view: &View<'_>, hold: &Hold) -> Decided<Vec<Standing>> {
    let standing = |leg| match (view.budget(&(leg as &(String, i64)).0), view.period(leg)) {
        (Some(budget), Some(period)) => {
            Ok(Standing { budget: budget.clone(), period: period.clone() })
        }
        // A deleted budget keeps its row, so no order of commands leads here.
        _ => Err(Broken::Missing("money is held in a budget or period that has no row")),
    };
    hold.legs.iter().map(standing).collect()
}

/// The same budgets in the periods that go on now; needs what [`needs_for_reserve`] names.
pub(crate) fn current_of(view: &View<'_>, standings: &[Standing], now_us: i64) -> Vec<Standing> {
    standings.iter().map(|each| current(view, &each.budget, now_us)).collect()
}

/// The most that can be held in all of them.
pub(crate) fn available(standings: &[Standing]) -> Decided<i64> {
    least(standings.iter().map(Standing::account))
}

fn least(accounts: impl Iterator<Item = Account>) -> Decided<i64> {
    accounts
        .map(|account| engine::available(&account))
        .try_fold(LIMIT_MAX_NANOUSD, |least, room| Ok(least.min(room?)))
}

/// Which operation money is held for, and who answers for it until when.
pub(crate) struct Holding<'a> {
    pub(crate) key: &'a OperationKey,
    pub(crate) amount_nanousd: i64,
    pub(crate) owner_id: &'a str,
    pub(crate) expires_us: i64,
}

/// Hold the amount in every standing, or in none.
pub(crate) fn reserve(
    view: &mut View<'_>,
    standings: &[Standing],
    holding: &Holding<'_>,
    now_us: i64,
) -> Decided<Result<(), Short>> {
    let (identity_id, request_id) = holding.key;
    // Before the room is looked at: more room would not help, so exhausted would be the wrong thing
    // to tell.
    if let Some(frozen) = overruns::frozen_among(standings, identity_id) {
        return Ok(Err(frozen));
    }
    if let Err(short) = take(view, standings, holding.amount_nanousd, identity_id)? {
        return Ok(Err(short));
    }
    let leg = |each: &Standing| (each.budget.budget_id.clone(), each.period.period_start_us);
    // Also where no budget applies and nothing is held: whoever goes on with the operation or ends
    // it asks this row whether it is still its own to do.
    view.put(Row::Hold(Hold {
        identity_id: identity_id.clone(),
        request_id: request_id.clone(),
        state: HoldState::Held,
        amount_nanousd: holding.amount_nanousd,
        posted_nanousd: 0,
        overrun_nanousd: 0,
        estimated: false,
        // The periods of this moment are kept: a query that runs past midnight is posted where it
        // was reserved, or yesterday's reservation would never be taken back.
        legs: standings.iter().map(leg).collect(),
        owner_id: holding.owner_id.to_owned(),
        expires_us: holding.expires_us,
        created_us: now_us,
        ended_us: 0,
    }));
    Ok(Ok(()))
}

/// Raise what is held to an amount, in every leg or in none; never lowers it.
///
/// Money stays in the periods that it was held in, and who is frozen is a matter of today: this
/// and [`room_after`] need what [`needs_for_reserve`] names, too.
pub(crate) fn top_up(
    view: &mut View<'_>,
    hold: &Hold,
    amount_nanousd: i64,
    now_us: i64,
) -> Decided<Result<(), Short>> {
    must_be_held(hold)?;
    let missing = amount_nanousd - hold.amount_nanousd;
    // Also in a frozen budget: what is held already was admitted, and goes on being used.
    if missing <= 0 {
        return Ok(Ok(()));
    }
    let standings = budgets_of(view, hold)?;
    let today = current_of(view, &standings, now_us);
    if let Some(frozen) = overruns::frozen_among(&today, &hold.identity_id) {
        return Ok(Err(frozen));
    }
    if let Err(short) = take(view, &standings, missing, &hold.identity_id)? {
        return Ok(Err(short));
    }
    view.put(Row::Hold(Hold { amount_nanousd, ..hold.clone() }));
    Ok(Ok(()))
}

fn take(
    view: &mut View<'_>,
    standings: &[Standing],
    amount: i64,
    identity_id: &str,
) -> Decided<Result<(), Short>> {
    let accounts: Vec<Account> = standings.iter().map(Standing::account).collect();
    match engine::reserve(&accounts, amount)? {
        Ok(taken) => {
            // Put only once every account has said yes: money that is held in some budgets only
            // would be lost to them.
            for (standing, account) in standings.iter().zip(&taken) {
                view.put(Row::Period(standing.after(account)));
            }
            Ok(Ok(()))
        }
        Err(short) => Ok(Err(exhausted(standings, short.index, identity_id))),
    }
}

/// Why an amount does not fit, or nothing if it does.
pub(crate) fn does_not_fit(
    standings: &[Standing],
    amount: i64,
    identity_id: &str,
) -> Decided<Option<Short>> {
    let accounts: Vec<Account> = standings.iter().map(Standing::account).collect();
    let fits = engine::reserve(&accounts, amount)?;
    Ok(fits.err().map(|short| exhausted(standings, short.index, identity_id)))
}

fn exhausted(standings: &[Standing], index: usize, identity_id: &str) -> Short {
    let narrowest = standings.get(index);
    Short::Exhausted {
        scope: narrowest.map_or(BudgetScope::Identity, |each| each.budget.scope),
        budget_id: narrowest.map_or_else(String::new, |each| each.told_to(identity_id)),
    }
}

/// The most that [`top_up`] could hold once [`post_part`] has posted what an attempt used.
///
/// No more than what is held still, where a budget is frozen or that very bill freezes it.
pub(crate) fn room_after(view: &View<'_>, hold: &Hold, used: i64, now_us: i64) -> Decided<i64> {
    let leaving = used.min(hold.amount_nanousd);
    let left = hold.amount_nanousd - leaving;
    // The failed attempt's bill comes first: its overrun takes room from the next one, and may
    // freeze the very budget that would be topped up.
    let booked = booked(view, hold, leaving, used)?;
    let standings: Vec<Standing> = booked.iter().map(|each| each.standing.clone()).collect();
    let today = current_of(view, &standings, now_us);
    let frozen = overruns::frozen_among(&today, &hold.identity_id);
    if frozen.is_some() || overruns::freezes(&booked, now_us)? {
        return Ok(left);
    }
    Ok(left + least(booked.iter().map(|each| each.account))?)
}

/// Post what one attempt used and keep the rest held. Beyond what is held: overrun.
pub(crate) fn post_part(
    view: &mut View<'_>,
    hold: &Hold,
    used: i64,
    estimated: bool,
    now_us: i64,
) -> Decided<Hold> {
    must_be_held(hold)?;
    // What was used beyond the hold is overrun; taken out of `reserved` it would be other queries'
    // money.
    let leaving = used.min(hold.amount_nanousd);
    let posted = posted(view, hold, leaving, used, estimated, now_us)?;
    view.put(Row::Hold(posted.clone()));
    Ok(posted)
}

/// Post what the last attempt used, release the rest, and end the hold.
///
/// One that was released already is posted late: what fits, the rest is overrun. Money that was
/// spent is never dropped.
pub(crate) fn post(
    view: &mut View<'_>,
    hold: &Hold,
    used: i64,
    estimated: bool,
    now_us: i64,
) -> Decided<()> {
    if hold.state != HoldState::Held {
        return late_post(view, hold, used, estimated, now_us);
    }
    let posted = posted(view, hold, hold.amount_nanousd, used, estimated, now_us)?;
    view.put(Row::Hold(Hold { state: HoldState::Posted, ended_us: now_us, ..posted }));
    Ok(())
}

/// `leaving` is how much is held no longer; of it `used` is posted, as far as it goes.
fn posted(
    view: &mut View<'_>,
    hold: &Hold,
    leaving: i64,
    used: i64,
    estimated: bool,
    now_us: i64,
) -> Decided<Hold> {
    // A free call moves no money, and its periods' rows need not be written anew for that.
    if leaving != 0 || used != 0 {
        let booked = booked(view, hold, leaving, used)?;
        overruns::book(view, &hold.request_id, &booked, now_us)?;
    }
    let posted = used.min(leaving);
    Ok(Hold {
        amount_nanousd: hold.amount_nanousd - leaving,
        posted_nanousd: hold.posted_nanousd + posted,
        overrun_nanousd: hold.overrun_nanousd + used - posted,
        estimated: hold.estimated || estimated,
        ..hold.clone()
    })
}

/// Each leg with its account as it is once `used` is posted of what leaves the hold.
fn booked(view: &View<'_>, hold: &Hold, leaving: i64, used: i64) -> Decided<Vec<Booked>> {
    let book = |standing: Standing| {
        let account = engine::post(&standing.account(), leaving, used)?;
        Ok(Booked { standing, account })
    };
    budgets_of(view, hold)?.into_iter().map(book).collect()
}

/// Post what fits in each leg of what is held no more; the rest is overrun.
pub(crate) fn late_post(
    view: &mut View<'_>,
    hold: &Hold,
    used: i64,
    estimated: bool,
    now_us: i64,
) -> Decided<()> {
    // A posted hold is final: a settlement that comes again must find that it has been paid.
    if matches!(hold.state, HoldState::Held | HoldState::Posted) {
        return Err(Broken::State("what is held, or was posted, is not posted late"));
    }
    let book = |standing: Standing| {
        let account = engine::late_post(&standing.account(), used)?;
        Ok(Booked { standing, account })
    };
    let booked: Vec<Booked> =
        budgets_of(view, hold)?.into_iter().map(book).collect::<Decided<_>>()?;
    overruns::book(view, &hold.request_id, &booked, now_us)?;
    // The bill may fit in one budget and not in another; the hold, which is one row for all, tells
    // the worst of them.
    let over = booked.iter().map(Booked::growth).max().unwrap_or(0);
    view.put(Row::Hold(Hold {
        posted_nanousd: hold.posted_nanousd + used - over,
        overrun_nanousd: hold.overrun_nanousd + over,
        estimated: hold.estimated || estimated,
        ..hold.clone()
    }));
    Ok(())
}

/// Release all that is held: nothing was dispatched.
pub(crate) fn void(view: &mut View<'_>, hold: &Hold, now_us: i64) -> Decided<()> {
    release(view, hold, HoldState::Voided, now_us)
}

/// Release what its time, or its owner's, was over for. It may still be posted late.
pub(crate) fn expire(view: &mut View<'_>, hold: &Hold, now_us: i64) -> Decided<()> {
    release(view, hold, HoldState::Expired, now_us)
}

fn release(view: &mut View<'_>, hold: &Hold, state: HoldState, now_us: i64) -> Decided<()> {
    must_be_held(hold)?;
    let amount = hold.amount_nanousd;
    // Nothing is left where a bill took all of it, and the periods stand as that bill has put them.
    if amount != 0 {
        for standing in budgets_of(view, hold)? {
            let account = engine::void(&standing.account(), amount)?;
            view.put(Row::Period(standing.after(&account)));
        }
    }
    view.put(Row::Hold(Hold { state, amount_nanousd: 0, ended_us: now_us, ..hold.clone() }));
    Ok(())
}

fn must_be_held(hold: &Hold) -> Decided<()> {
    match hold.state {
        HoldState::Held => Ok(()),
        _ => Err(Broken::State("what is not held cannot be released or topped up")),
    }
}
