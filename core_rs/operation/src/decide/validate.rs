//! Lanes D and E without effect: one ledger entry, so marked, and nothing else.

use chenu_engine::vocabulary::{Lane, LaneStatus, LedgerAction, LedgerDecision};

use super::budgets;
use super::judge::{self, Case};
use crate::answer::Answer;
use crate::command::{Admit, Validate};
use crate::entry::{EntryDraft, Payload};
use crate::refusal::Outcome;
use crate::rows::LaneReport;
use crate::rules::Rules;
use crate::view::{Need, View};
use crate::{Decided, Moment};

/// The budgets that apply.
pub(crate) fn needs(asked: &Validate, now: &Moment) -> Vec<Need> {
    budgets::needs_for_reserve(&asked.0.caller.identity_id, now.now_us)
}

/// The judgement, entered as `validate_only`.
pub(crate) fn decide(
    asked: &Validate,
    view: &mut View<'_>,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    let asked = &asked.0;
    let identity_id = asked.caller.identity_id.as_str();
    let case = Case {
        verdict: &asked.verdict,
        plan: &asked.plan,
        identity_id,
        standings: judge::standings_of(view, &asked.asked, &asked.plan, identity_id, now.now_us),
        current: None,
        held_nanousd: 0,
    };
    let (types, denial, status) = match judge::judge(case, rules)? {
        Ok(judged) => (judged.types, Outcome::default(), LaneStatus::Completed),
        Err(refusal) => (Vec::new(), refusal.outcome(), LaneStatus::Failed),
    };
    let denied = denial.reason.is_some();
    let decision = match (denied, types.is_empty()) {
        (true, _) => LedgerDecision::Deny,
        (false, false) => LedgerDecision::Block,
        (false, true) => LedgerDecision::Allow,
    };
    let reason = if denied { denial.name() } else { "VALIDATE_ONLY" };
    view.record(entry(asked, decision, reason, rules));
    let waits = if types.is_empty() { LaneStatus::Skipped } else { LaneStatus::Blocked };
    let governance = LaneReport::new(Lane::DGovernance, status, now.since(asked.lane_started_ns));
    let checkpoint = LaneReport::new(Lane::ECheckpoint, waits, 0);
    let lanes = asked.lanes.iter().cloned().chain([governance, checkpoint]).collect();
    Ok(Answer::Validation { types, denial, lanes })
}

fn entry(asked: &Admit, decision: LedgerDecision, reason: &str, rules: &Rules) -> EntryDraft {
    let payload = Payload::new()
        .with("validate_only", true)
        .with("action_digest", asked.plan.action_digest.hex())
        .with("content_digest", asked.content_digest.hex())
        .with("policies_revision", rules.policies_revision.as_str());
    // Entered as reading: who counts in the ledger what was let run or refused must not count what
    // was only asked.
    EntryDraft {
        decision,
        action: LedgerAction::Read,
        identity_id: asked.caller.identity_id.clone(),
        subject: asked.caller.principal.clone(),
        acting_for: asked.caller.acting_for.clone(),
        resource_kind: "validation".to_owned(),
        resource_id: asked.asked.request_id.clone(),
        reason: reason.to_owned(),
        payload: payload.canonical(),
    }
}
