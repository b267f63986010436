//! A person's decisions on several that wait: all of them, or none.

use std::collections::BTreeSet;

use super::waiting;
use crate::answer::Answer;
use crate::command::ResolveAll;
use crate::rules::Rules;
use crate::view::View;
use crate::{Broken, Decided, Moment};

/// As each would be decided alone; the first that cannot be keeps all from being.
pub(crate) fn decide(
    view: &mut View<'_>,
    asked: &ResolveAll,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    let named: BTreeSet<_> =
        asked.decisions.iter().map(|each| (&each.identity_id, &each.checkpoint_id)).collect();
    // Each is decided on the rows as they were loaded, so the second of two would decide anew.
    if named.len() < asked.decisions.len() {
        return Err(Broken::State("a command decides on a checkpoint once"));
    }
    let (mut checkpoints, mut is_new) = (Vec::new(), Vec::new());
    for each in &asked.decisions {
        match waiting::resolve(view, each, rules, now)? {
            Answer::Resolved(checkpoint) => {
                checkpoints.push(*checkpoint);
                is_new.push(true);
            }
            Answer::Repeated(checkpoint) => {
                checkpoints.push(*checkpoint);
                is_new.push(false);
            }
            because => {
                // With what the earlier ones have put, and the end of one whose time is over: that
                // is the sweep's to write.
                view.forget();
                return Ok(Answer::NoneResolved(Box::new(because)));
            }
        }
    }
    Ok(Answer::AllResolved { checkpoints, is_new })
}
