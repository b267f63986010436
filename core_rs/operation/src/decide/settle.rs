//! Lane G in one command: the money, the output, the end of the operation.

use chenu_engine::canonical;
use chenu_engine::vocabulary::{
    Lane, LaneStatus, LedgerAction, LedgerDecision, PartKind, QueryState,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{attempts, budgets, log, tool_calls};
use crate::answer::Answer;
use crate::command::{AttemptEnd, Part, Settle};
use crate::entry::{self, EntryDraft, Payload};
use crate::event::{self, CallError, EventDraft};
use crate::rows::{
    Attempt, AttemptState, Bytes, HoldState, LaneReport, Operation, OperationKey, TokenUsage,
};
use crate::rules::Rules;
use crate::view::{Need, Row, View};
use crate::{Broken, Decided, Moment};

const NOT_DISPATCHED: &str = "not_dispatched";

fn key(asked: &Settle) -> OperationKey {
    (asked.identity_id.clone(), asked.request_id.clone())
}

/// The operation as it stands, and its money.
pub(crate) fn needs(asked: &Settle) -> Vec<Need> {
    let mut needs = vec![Need::Operation(key(asked)), Need::Hold(key(asked))];
    if !asked.calls.is_empty() {
        needs.push(Need::Pending(asked.identity_id.clone()));
    }
    needs
}

/// The budgets that the money is held in, and an attempt that may have been left open.
pub(crate) fn needs_next(asked: &Settle, view: &View<'_>) -> Vec<Need> {
    let mut needs = budgets::needs_for_legs(view.hold(&key(asked)));
    let stored = view.operation(&key(asked));
    let left = stored.and_then(|stored| may_be_open(asked, stored));
    needs.extend(left.map(|number| Need::Attempt(key(asked), number)));
    needs
}

/// The operation as it ended; if it was ended before, only its money is posted late.
pub(crate) fn decide(
    asked: &Settle,
    view: &mut View<'_>,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    // Verdicts of other policies than those that are entered as having given them are nobody's.
    if !asked.calls.is_empty() && asked.policies_revision != rules.policies_revision {
        return Ok(Answer::Outdated);
    }
    let stored = view.operation(&key(asked)).cloned();
    let mut operation = stored.ok_or(Broken::Missing("only what was admitted is settled"))?;
    // Also where the query is final: its late attempt is still open then, and would stay so for
    // ever.
    let left_open = close_left_open(asked, view, &operation, now)?;
    if operation.is_final() {
        return Ok(Answer::Settled(Box::new(post_late(asked, view, operation, now)?)));
    }
    // A retry that committed late has recorded an earlier attempt's end already.
    let ended = asked.ended.as_ref();
    let ended = ended.filter(|ended| ended.attempt.attempt == operation.query.attempts);
    post(asked, view, ended, now)?;
    let (execution, audit) = (execution(asked, &operation), audit(asked, now));
    let (output, stored_parts) = tool_calls::decide(asked, view, &operation, rules, now)?;
    let mut drafts = parts_complete(&output, ended)?;
    drafts.extend(ended.map(|ended| attempts::end_event(ended, false)).transpose()?);
    drafts.extend(left_open);
    drafts.extend(tool_calls::events(&stored_parts)?);
    drafts.extend([
        event::lane_end(&execution)?,
        event::lane_start(Lane::GAudit)?,
        event::lane_end(&audit)?,
    ]);
    if let Some(ended) = ended {
        attempts::end(view, &mut operation, ended, &ended.stop_reason, now);
    }
    log::report(&mut operation.query.lanes, execution);
    log::report(&mut operation.query.lanes, audit);
    operation.query.output_length = stored_parts.iter().map(|part| part.length).sum();
    operation.query.output_parts = stored_parts;
    // Before the events: what is committed reaches the log in this order.
    log::put_output(view, &operation, &output);
    log::close(view, &mut operation, asked.status, asked.outcome.clone(), drafts, now)?;
    let entry = entry_of(&output, &operation, ended)?;
    view.record(entry);
    Ok(Answer::Settled(Box::new(operation)))
}

/// The attempt of a retry whose commit came too late for its caller; none ordinarily.
///
/// Its admission was refused to the run, so nothing of it went out. Two settle then, the run and
/// whoever ends the late attempt, and the first ends the operation. Before that, an attempt behind
/// the run's own is the late one. After it, each closes only the attempt that it came for: the
/// operation's row no longer says which of them somebody ran.
fn may_be_open(asked: &Settle, stored: &Operation) -> Option<i64> {
    let ended = asked.ended.as_ref();
    match ended {
        Some(ended) if !stored.is_final() => {
            let last = ended.attempt.attempt == stored.query.attempts;
            (!last).then_some(stored.query.attempts)
        }
        _ => ended.map(|ended| ended.attempt.attempt),
    }
}

/// Its row ends here; so does its call in the log, if that is still open.
fn close_left_open(
    asked: &Settle,
    view: &mut View<'_>,
    stored: &Operation,
    now: &Moment,
) -> Decided<Option<EventDraft>> {
    let number = may_be_open(asked, stored);
    let left = number.and_then(|number| view.attempt(&key(asked), number)).cloned();
    let open = left.filter(|left| left.state == AttemptState::Executing);
    let Some(left) = open else { return Ok(None) };
    let error = CallError {
        kind: NOT_DISPATCHED,
        detail: "it was recorded too late to be run",
        will_retry: false,
        duration_us: 0,
        // Nobody was called, so there is nobody's name for it.
        named: false,
    };
    let draft = event::call_error(&left, error)?;
    // Its cost stays 0: its run was told that it may not call, so no byte of it has left.
    view.put(Row::Attempt(Box::new(Attempt {
        state: AttemptState::Failed,
        failure: NOT_DISPATCHED.to_owned(),
        ended_us: now.now_us,
        ..left
    })));
    Ok(Some(draft))
}

fn post(
    asked: &Settle,
    view: &mut View<'_>,
    ended: Option<&AttemptEnd>,
    now: &Moment,
) -> Decided<()> {
    let Some(hold) = view.hold(&key(asked)).cloned() else { return Ok(()) };
    let charge = ended.map_or(0, |ended| ended.charge_nanousd);
    // Voided says that no provider was paid; a free answer is posted all the same, for something
    // was used.
    if charge == 0 && hold.posted_nanousd == 0 && failed(asked) {
        if hold.state == HoldState::Held {
            budgets::void(view, &hold, now.now_us)?;
        }
        return Ok(());
    }
    let estimated = ended.is_some_and(|ended| ended.estimated);
    budgets::post(view, &hold, charge, estimated, now.now_us)
}

fn failed(asked: &Settle) -> bool {
    asked.status != QueryState::Completed
}

/// Another has ended this operation and charged its bound; what was billed beyond is posted.
///
/// The attempt remembers it: an answer that was lost brings the same settlement again.
fn post_late(
    asked: &Settle,
    view: &mut View<'_>,
    mut stored: Operation,
    now: &Moment,
) -> Decided<Operation> {
    let hold = view.hold(&key(asked)).cloned();
    let attempt = asked
        .ended
        .as_ref()
        .and_then(|ended| view.attempt(&key(asked), ended.attempt.attempt).cloned());
    let (Some(hold), Some(ended), Some(attempt)) = (hold, asked.ended.as_ref(), attempt) else {
        return Ok(stored);
    };
    let beyond = ended.charge_nanousd - attempt.cost_nanousd;
    // Only a recovered query leaves an expired hold beside an attempt; all others were settled with
    // their whole bill.
    if hold.state != HoldState::Expired || beyond <= 0 {
        return Ok(stored);
    }
    budgets::late_post(view, &hold, beyond, ended.estimated, now.now_us)?;
    let cost_nanousd = ended.charge_nanousd;
    view.put(Row::Attempt(Box::new(Attempt { cost_nanousd, ..attempt })));
    stored.cost_nanousd += beyond;
    view.put(Row::Operation(Box::new(stored.clone())));
    Ok(stored)
}

/// A succeeded attempt's parts, in the order in which readers are given them.
fn parts_complete(output: &[Part], ended: Option<&AttemptEnd>) -> Decided<Vec<EventDraft>> {
    let Some(ended) = ended.filter(|ended| ended.failure.is_empty()) else {
        return Ok(Vec::new());
    };
    let mut parts: Vec<(i64, &Part)> = (0..).zip(output).collect();
    // The sort is stable, so among texts and among calls the model's own order stays.
    parts.sort_by_key(|(_, part)| log::is_call(part));
    let complete = |(number, part): (i64, &Part)| {
        let stored = log::stored(std::slice::from_ref(part));
        let stored = stored.first().ok_or(Broken::State("a part is stored as one"))?;
        event::part_complete(ended.attempt.attempt, number, stored, &part.call_id)
    };
    parts.into_iter().map(complete).collect()
}

fn execution(asked: &Settle, operation: &Operation) -> LaneReport {
    LaneReport {
        lane: Lane::FExecution,
        status: if failed(asked) { LaneStatus::Failed } else { LaneStatus::Completed },
        duration_us: asked.execution_us,
        summary: format!("{}/{}", operation.query.provider, operation.query.model),
    }
}

fn audit(asked: &Settle, now: &Moment) -> LaneReport {
    // Called completed before it is: nobody ever reads this unless it commits.
    LaneReport::new(Lane::GAudit, LaneStatus::Completed, now.since(asked.lane_started_ns))
}

fn entry_of(
    output: &[Part],
    operation: &Operation,
    ended: Option<&AttemptEnd>,
) -> Decided<EntryDraft> {
    let query = &operation.query;
    let mut payload = Payload::new()
        .with("action_digest", operation.action_digest.hex())
        .with("attempts", query.attempts)
        .with("cost_nanousd", operation.cost_nanousd)
        .with("estimated", operation.estimated)
        .with("model", query.model.as_str())
        .with("output_sha256", digest_of(output)?)
        .with("provider", query.provider.as_str())
        .with("status", operation.status.wire_name())
        .with("usage", usage(&query.usage));
    if let Some(attempt) = ended.map(|ended| &ended.attempt) {
        for (name, told) in [
            ("provider_request_id", &attempt.provider_request_id),
            ("answered_model", &attempt.answered_model),
        ] {
            if !told.is_empty() {
                payload = payload.with(name, told.as_str());
            }
        }
    }
    let (decision, action) = (LedgerDecision::Settle, LedgerAction::Execute);
    Ok(entry::about(operation, decision, action, operation.outcome.name(), &payload))
}

/// Token counts by sorted name; an hour's writes stand among them only where there are any.
fn usage(usage: &TokenUsage) -> Value {
    // Listed in sorted order by hand, because an object of JSON keeps the order in which it is
    // filled and the payload must be canonical.
    let counts = [
        ("cache_read_tokens", usage.cache_read_tokens),
        ("cache_write_hour_tokens", usage.cache_write_hour_tokens),
        ("cache_write_tokens", usage.cache_write_tokens),
        ("input_tokens", usage.input_tokens),
        ("output_tokens", usage.output_tokens),
    ];
    let told = |&(name, count): &(&str, i64)| count != 0 || name != "cache_write_hour_tokens";
    let pairs = counts.into_iter().filter(told);
    Value::Object(pairs.map(|(name, count)| (name.to_owned(), count.into())).collect())
}

/// The SHA-256 of an answer, in hex: that of its text where it is one text or nothing, else that
/// of `list(list(kind, name, call id, text), ...)` in canonical bytes.
fn digest_of(parts: &[Part]) -> Decided<String> {
    let one_text = match parts {
        [] => Some(""),
        [part] if part.kind == PartKind::Text => Some(part.text.as_str()),
        _ => None,
    };
    // Without an encoding of ours, so that who has an ordinary answer can check it with any tool.
    if let Some(text) = one_text {
        return Ok(hex(Sha256::digest(text.as_bytes()).to_vec()));
    }
    let too_long = |_| Broken::State("a part is longer than canonical bytes can say");
    let encoded = |part: &Part| {
        let fields = [part.kind.wire_name(), &part.name, &part.call_id, &part.text];
        canonical::encode_list(&fields).map_err(too_long)
    };
    let each: Vec<Vec<u8>> = parts.iter().map(encoded).collect::<Decided<_>>()?;
    let whole = canonical::encode_list(&each).map_err(too_long)?;
    Ok(hex(Sha256::digest(whole).to_vec()))
}

fn hex(bytes: Vec<u8>) -> String {
    Bytes(bytes).hex()
}
