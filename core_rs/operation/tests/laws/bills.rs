//! What a bill comes to: all of it is counted, in each budget that its money is held in.

use chenu_engine::vocabulary::QueryState;
use chenu_operation::answer::Answer;
use chenu_operation::command::{Command, Settle};
use chenu_operation::decide::Effects;
use chenu_operation::rows::{AttemptState, Hold, HoldState, Operation, Period};
use chenu_operation::view::Row;

use crate::money::{allowed, leg_of};
use crate::world::World;

/// What a command books, and what is held for it.
struct Bill<'a> {
    hold: &'a Hold,
    used_nanousd: i64,
}

impl Bill<'_> {
    /// How much of it is overrun: what goes beyond what is held or, once nothing is, beyond what
    /// has room.
    fn overrun(&self, before: &World, was: &Period) -> i64 {
        let taken = was.posted_nanousd + was.reserved_nanousd + was.overrun_nanousd;
        let covered = match self.hold.state {
            HoldState::Held => self.hold.amount_nanousd,
            _ => (allowed(before, was) - taken).max(0),
        };
        (self.used_nanousd - covered).max(0)
    }
}

/// Check that each period has grown by what was billed, and by nothing else.
pub(crate) fn check(before: &World, after: &World, command: &Command, effects: &Effects) {
    if effects.rows.is_empty() {
        return;
    }
    let bill = bill(before, command, &effects.answer);
    for is in after.periods() {
        let was = match before.same(&Row::Period(is.clone())) {
            Some(Row::Period(was)) => was.clone(),
            _ => {
                Period { posted_nanousd: 0, reserved_nanousd: 0, overrun_nanousd: 0, ..is.clone() }
            }
        };
        let billed = bill.as_ref().filter(|bill| bill.hold.legs.contains(&leg_of(is)));
        let over = billed.map_or(0, |bill| bill.overrun(before, &was));
        let posted = billed.map_or(0, |bill| bill.used_nanousd) - over;
        let counted = (was.posted_nanousd + posted, was.overrun_nanousd + over);
        assert_eq!(counted, (is.posted_nanousd, is.overrun_nanousd), "{command:?}: {was:?}");
    }
}

fn bill<'a>(before: &'a World, command: &Command, answer: &Answer) -> Option<Bill<'a>> {
    let operation = |of: &str, id: &str| before.operation(of, id);
    let (operation, used_nanousd) = match (command, answer) {
        (Command::Retry(asked), Answer::Admitted { .. }) => {
            let (of, id) = asked.operation.key();
            (operation(&of, &id)?, asked.ended.charge_nanousd)
        }
        (Command::Settle(asked), _) => {
            let operation = operation(&asked.identity_id, &asked.request_id)?;
            (operation, settled(before, operation, asked)?)
        }
        (Command::Post(asked), Answer::Reservation { operation: is, .. }) => {
            let was = operation(&asked.caller.identity_id, &asked.request_id)?;
            let posted = !was.is_final() && is.status == QueryState::Completed;
            (was, posted.then_some(asked.amount_nanousd)?)
        }
        (Command::Recover(asked), Answer::Done(true)) => {
            let operation = operation(&asked.identity_id, &asked.request_id)?;
            let open = before.attempts(operation).filter(|it| it.state == AttemptState::Executing);
            (operation, open.map(|attempt| attempt.bound_nanousd).sum())
        }
        _ => return None,
    };
    Some(Bill { hold: before.hold(operation)?, used_nanousd })
}

/// The last attempt's whole bill while its operation runs. After a recovery, which has charged
/// what is known, only what goes beyond that.
fn settled(before: &World, operation: &Operation, asked: &Settle) -> Option<i64> {
    let ended = asked.ended.as_ref()?;
    if !operation.is_final() {
        let is_last = ended.attempt.attempt == operation.query.attempts;
        return is_last.then_some(ended.charge_nanousd);
    }
    let recovered = before.hold(operation)?.state == HoldState::Expired;
    let attempt = before.attempts(operation).find(|it| it.attempt == ended.attempt.attempt)?;
    let beyond = ended.charge_nanousd - attempt.cost_nanousd;
    (recovered && beyond > 0).then_some(beyond)
}
