//! An action that waits for a person, asked again: the id is another name of the first operation.

use chenu_engine::vocabulary::{LedgerAction, LedgerDecision};

use crate::answer::Answer;
use crate::command::{Admit, Caller};
use crate::entry::{self, Payload};
use crate::rows::{Alias, Bytes, Checkpoint, OperationKey};
use crate::rules::Rules;
use crate::view::{Need, Row, View};
use crate::{Broken, Decided, Moment};

/// The rows that [`waiting`] reads, and how many wait already.
pub(crate) fn needs(identity_id: &str, action_digest: &Bytes) -> [Need; 2] {
    let of_action = Need::OpenOfAction(identity_id.to_owned(), action_digest.clone());
    [of_action, Need::Pending(identity_id.to_owned())]
}

/// The checkpoint at which this caller's very action waits already, if it does.
///
/// The digest binds the caller too; it is compared all the same, for an approval must not pass
/// from one principal to another by an oversight in what is digested.
pub(crate) fn waiting<'a>(
    view: &'a View<'_>,
    caller: &Caller,
    action_digest: &Bytes,
    now: &Moment,
) -> Option<&'a Checkpoint> {
    // One whose time is over waits only for its sweep: an ask attached to it would expire unheard.
    let is_own = |row: &&Checkpoint| {
        row.requested_by_type == caller.principal.kind
            && row.requested_by == caller.principal.id
            && row.acting_for == caller.acting_for
            && !row.has_lapsed(now.now_us)
    };
    let found = view.open_of_action(&caller.identity_id, action_digest).filter(is_own);
    found.min_by_key(|row| (row.created_us, row.checkpoint_id.clone()))
}

/// The operation that another id names.
pub(crate) fn first_key(alias: &Alias) -> OperationKey {
    (alias.identity_id.clone(), alias.first_request_id.clone())
}

/// Make the id another name of what waits. Nothing is held, and nobody asked again.
pub(crate) fn attach(
    view: &mut View<'_>,
    asked: &Admit,
    checkpoint: &Checkpoint,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    let key = (checkpoint.identity_id.clone(), checkpoint.request_id.clone());
    let first = view.operation(&key).cloned();
    let first = first.ok_or(Broken::Missing("a checkpoint is written with its operation"))?;
    view.put(Row::Alias(Alias {
        identity_id: first.identity_id.clone(),
        request_id: asked.asked.request_id.clone(),
        first_request_id: first.request_id.clone(),
        subject: asked.caller.principal.clone(),
        content_digest: asked.content_digest.clone(),
        created_us: now.now_us,
    }));
    let payload = Payload::new()
        .with("action_digest", checkpoint.action_digest.hex())
        .with("checkpoint_id", checkpoint.checkpoint_id.as_str())
        .with("content_digest", asked.content_digest.hex())
        .with("first_request_id", first.request_id.as_str())
        .with("policies_revision", rules.policies_revision.as_str());
    let (decision, action) = (LedgerDecision::Block, LedgerAction::Execute);
    let mut entry = entry::about(&first, decision, action, "CHECKPOINT_PENDING", &payload);
    // A decision was made about this call, so who looks for its id in the ledger finds which query
    // it became.
    entry.resource_id.clone_from(&asked.asked.request_id);
    view.record(entry);
    Ok(Answer::Attached(Box::new(first)))
}
