//! What each command needs, and what it decides.

mod admit;
mod attach;
mod attempts;
mod budgets;
mod changes;
mod consume;
mod files;
mod judge;
mod log;
mod overruns;
mod questions;
mod recover;
mod release;
mod reserve;
mod resolve_all;
mod retry;
mod settle;
mod slots;
mod spending;
#[cfg(test)]
mod tests;
mod tool_calls;
mod validate;
mod violation;
mod waiting;

use crate::answer::Answer;
use crate::command::Command;
use crate::entry::EntryDraft;
use crate::rules::Rules;
use crate::view::{Loaded, Need, Row, View};
use crate::{Decided, Moment};
use waiting::Place;

/// All that a command leaves: rows and entries, whole or nothing, and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effects {
    /// What is inserted or replaced, in order.
    pub rows: Vec<Row>,
    /// What the ledger gets.
    pub entries: Vec<EntryDraft>,
    /// What the caller is told once that is committed.
    pub answer: Answer,
}

/// Names a command's failpoints (`<name>.before_commit`, `<name>.after_commit`) and metrics.
#[must_use]
pub fn name(command: &Command) -> &'static str {
    match command {
        Command::Admit(_) => "admit",
        Command::Validate(_) => "validate",
        Command::Consume(_) => "consume",
        Command::Retry(_) => "retry",
        Command::Settle(_) => "settle",
        Command::Resolve(_) => "resolve",
        Command::ResolveAll(_) => "resolve_all",
        Command::Expire(_) => "expire",
        Command::Cancel(_) => "cancel",
        Command::Recover(_) => "recover",
        Command::Dispatched(_) => "dispatched",
        Command::HoldBack(_) => "held_back",
        Command::LetGo(_) => "let_go",
        Command::Readmit(_) => "readmitted",
        Command::Reserve(_) => "reserve",
        Command::Post(_) => "post",
        Command::Void(_) => "void",
        Command::Lapse(_) => "lapse",
        Command::Take(_) => "take",
        Command::Redeem(_) => "redeem",
        Command::CreateBudget(_) => "create_budget",
        Command::UpdateBudget(_) => "update_budget",
        Command::UnfreezeBudget(_) => "unfreeze_budget",
        Command::DeleteBudget(_) => "delete_budget",
        Command::RecordViolation(_) => "violation",
        Command::HoldFiles(_) => "hold_files",
        Command::KeepChunk(_) => "keep_chunk",
    }
}

/// The rows that a command reads.
#[must_use]
pub fn needs(command: &Command, now: &Moment) -> Vec<Need> {
    match command {
        Command::Admit(asked) => admit::needs(asked, now),
        Command::Validate(asked) => validate::needs(asked, now),
        Command::Consume(asked) => consume::needs(asked, now),
        Command::Retry(asked) => retry::needs(asked, now),
        Command::Settle(asked) => settle::needs(asked),
        Command::Resolve(asked) => Place::from(asked).needs(),
        Command::ResolveAll(asked) => {
            asked.decisions.iter().flat_map(|each| Place::from(each).needs()).collect()
        }
        Command::Expire(asked) => Place::from(asked).needs(),
        Command::Cancel(asked) => Place::from(asked).needs(),
        Command::Recover(asked) => recover::needs(asked),
        Command::Dispatched(asked) => slots::needs_dispatched(asked),
        Command::HoldBack(asked) => slots::needs_hold(&asked.provider),
        Command::LetGo(asked) => slots::needs_hold(&asked.provider),
        Command::Readmit(asked) => slots::needs_readmit(asked),
        Command::Reserve(asked) => reserve::needs(asked, now),
        Command::Post(asked) => spending::needs(&asked.caller, &asked.request_id),
        Command::Void(asked) => spending::needs(&asked.caller, &asked.request_id),
        Command::Lapse(asked) => spending::needs_lapse(asked),
        Command::Take(asked) => release::needs(&asked.caller, &asked.call_id),
        Command::Redeem(asked) => release::needs(&asked.caller, &asked.call_id),
        Command::CreateBudget(asked) => {
            vec![Need::OpenBudgets(asked.caller.identity_id.clone())]
        }
        Command::UpdateBudget(asked) => changes::needs(&asked.budget_id),
        Command::UnfreezeBudget(asked) => changes::needs(&asked.budget_id),
        Command::DeleteBudget(asked) => changes::needs_delete(&asked.budget_id),
        Command::RecordViolation(_) => Vec::new(),
        Command::HoldFiles(asked) => files::needs_hold(asked),
        Command::KeepChunk(asked) => files::needs_keep(asked),
    }
}

/// The rows whose keys stand in the first ones, as those are now.
#[must_use]
pub fn needs_next(command: &Command, loaded: &Loaded, now: &Moment) -> Vec<Need> {
    // Asked again just before the command decides: an earlier one of the batch may have written the
    // row that leads to these keys.
    let view = View::new(loaded);
    match command {
        Command::Admit(asked) => admit::needs_next(asked, &view, now),
        Command::Consume(asked) => consume::needs_next(asked, &view),
        Command::Retry(asked) => retry::needs_next(asked, &view),
        Command::Settle(asked) => settle::needs_next(asked, &view),
        Command::Resolve(asked) => Place::from(asked).needs_next(&view),
        Command::ResolveAll(asked) => {
            asked.decisions.iter().flat_map(|each| Place::from(each).needs_next(&view)).collect()
        }
        Command::Expire(asked) => Place::from(asked).needs_next(&view),
        Command::Cancel(asked) => Place::from(asked).needs_next(&view),
        Command::Recover(asked) => recover::needs_next(asked, &view),
        Command::Reserve(asked) => {
            spending::needs_next(&asked.caller.identity_id, &asked.request_id, &view)
        }
        Command::Post(asked) => {
            spending::needs_next(&asked.caller.identity_id, &asked.request_id, &view)
        }
        Command::Void(asked) => {
            spending::needs_next(&asked.caller.identity_id, &asked.request_id, &view)
        }
        Command::Lapse(asked) => spending::needs_next(&asked.identity_id, &asked.request_id, &view),
        Command::Take(asked) => release::needs_next(&asked.caller, &asked.call_id, &view),
        Command::Redeem(asked) => release::needs_next(&asked.caller, &asked.call_id, &view),
        Command::UpdateBudget(asked) => changes::needs_next(&asked.budget_id, &view, now),
        Command::UnfreezeBudget(asked) => changes::needs_next(&asked.budget_id, &view, now),
        _ => Vec::new(),
    }
}

/// What a command comes to on the rows as they are now. Those are not changed: what it leaves is
/// merged by who called it.
///
/// # Errors
/// [`crate::Broken`]: the rows cannot be decided on. Nothing of the command happens.
pub fn decide(command: &Command, loaded: &Loaded, rules: &Rules, now: &Moment) -> Decided<Effects> {
    let mut view = View::new(loaded);
    let answer = match command {
        Command::Admit(asked) => admit::decide(asked, &mut view, rules, now)?,
        Command::Validate(asked) => validate::decide(asked, &mut view, rules, now)?,
        Command::Consume(asked) => consume::decide(asked, &mut view, rules, now)?,
        Command::Retry(asked) => retry::decide(asked, &mut view, rules, now)?,
        Command::Settle(asked) => settle::decide(asked, &mut view, rules, now)?,
        Command::Resolve(asked) => waiting::resolve(&mut view, asked, rules, now)?,
        Command::ResolveAll(asked) => resolve_all::decide(&mut view, asked, rules, now)?,
        Command::Expire(asked) => waiting::expire(&mut view, asked, now)?,
        Command::Cancel(asked) => waiting::cancel(&mut view, asked, now)?,
        Command::Recover(asked) => recover::decide(asked, &mut view, now)?,
        Command::Dispatched(asked) => slots::dispatched(&mut view, asked, rules, now),
        Command::HoldBack(asked) => slots::hold_back(&mut view, asked, rules, now),
        Command::LetGo(asked) => slots::let_go(&mut view, asked),
        Command::Readmit(asked) => slots::readmit(&mut view, asked, rules, now.now_us)?,
        Command::Reserve(asked) => reserve::decide(asked, &mut view, rules, now)?,
        Command::Post(asked) => spending::post(&mut view, asked, now)?,
        Command::Void(asked) => spending::void(&mut view, asked, now)?,
        Command::Lapse(asked) => spending::lapse(&mut view, asked, now)?,
        Command::Take(asked) => release::take(&mut view, asked, rules, now)?,
        Command::Redeem(asked) => release::redeem(&mut view, asked, rules, now),
        Command::CreateBudget(asked) => changes::create(&mut view, asked, now),
        Command::UpdateBudget(asked) => changes::update(&mut view, asked, now),
        Command::UnfreezeBudget(asked) => changes::unfreeze(&mut view, asked, now),
        Command::DeleteBudget(asked) => changes::delete(&mut view, asked, now),
        Command::RecordViolation(asked) => violation::record(&mut view, asked, rules, now),
        Command::HoldFiles(asked) => files::hold(&mut view, asked),
        Command::KeepChunk(asked) => files::keep(&mut view, asked),
    };
    // Taken out only here: where the rows are broken, `?` has dropped the view with all that was
    // put.
    let (rows, entries) = view.done();
    Ok(Effects { rows, entries, answer })
}
