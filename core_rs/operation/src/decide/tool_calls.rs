//! The calls of an answer, decided in the command that settles it: none reaches anybody before.

use std::borrow::Cow;

use chenu_engine::canonical;
use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::{
    EventType, LedgerAction, LedgerDecision, OperationKind, QueryState, ToolCallState,
};

use super::questions::Question;
use super::{judge, log};
use crate::command::{Caller, Part, Proposal, Settle};
use crate::entry::{self, Payload};
use crate::event::{self, EventDraft};
use crate::refusal::{Outcome, Refusal};
use crate::rows::{
    Bytes, Checkpoint, Content, DecidedCall, Operation, Query, StoredPart, ToolCall,
};
use crate::rules::Rules;
use crate::view::{Row, View};
use crate::{Broken, Decided, Moment};

const ACTION: &str = "tool.call";
const DIGEST_TAG: &str = "chenu.tool_call.v1";

/// What becomes of a call.
enum Fate {
    Passed,
    Held(Box<Checkpoint>),
    Refused(Refusal),
}

/// A call, where it was proposed.
struct Call<'a> {
    parent: &'a Operation,
    proposal: &'a Proposal,
    part: &'a Part,
    action_digest: Bytes,
}

/// Decide every call of an answer: its rows and entry are put. What is left of the answer has the
/// arguments of those that passed, and of no others; the parts say what became of theirs.
pub(crate) fn decide<'a>(
    asked: &'a Settle,
    view: &mut View<'_>,
    parent: &Operation,
    rules: &Rules,
    now: &Moment,
) -> Decided<(Cow<'a, [Part]>, Vec<StoredPart>)> {
    // Lent where nothing is taken out: most answers have no calls, and may have megabytes.
    let mut output = Cow::Borrowed(asked.output.as_slice());
    // What a failed answer proposes has been refused with it: its texts alone are kept.
    if asked.status != QueryState::Completed {
        if output.iter().any(log::is_call) {
            let calls = output.to_mut().iter_mut().filter(|part| log::is_call(part));
            calls.for_each(|part| part.text.clear());
        }
        let stored = log::stored(&output);
        return Ok((output, stored));
    }
    let mut decided: Vec<(i64, DecidedCall)> = Vec::new();
    // Those of this very command stand in no count yet.
    let mut waiting = view.pending(&parent.identity_id);
    for proposal in &asked.calls {
        let call = Call::of(asked, parent, proposal)?;
        // Of two verdicts the last would be told, and both calls could be taken.
        if decided.iter().any(|(part, _)| *part == proposal.part) {
            return Err(Broken::State("each call of an answer is decided on once"));
        }
        let fate = call.fate(waiting, rules, now);
        waiting += i64::from(matches!(fate, Fate::Held(_)));
        decided.push((proposal.part, call.put(view, fate, rules, now)?));
    }
    // Beside the calls that somebody proposes for decision: one that was forgotten would pass.
    let is_decided = |number: i64| decided.iter().any(|(part, _)| *part == number);
    let calls = (0..).zip(&asked.output).filter(|(_, part)| log::is_call(part));
    if calls.map(|(number, _)| number).any(|number| !is_decided(number)) {
        return Err(Broken::State("each call of an answer is decided on"));
    }
    for (part, _) in decided.iter().filter(|(_, call)| call.state != ToolCallState::Passed) {
        let at = usize::try_from(*part).ok().and_then(|at| output.to_mut().get_mut(at));
        at.ok_or(NO_CALL)?.text.clear();
    }
    let mut stored = log::stored(&output);
    for (part, call) in decided {
        let at = usize::try_from(part).ok().and_then(|at| stored.get_mut(at));
        at.ok_or(NO_CALL)?.call = Some(call);
    }
    Ok((output, stored))
}

const NO_CALL: Broken = Broken::State("what is proposed is a call of the answer");

/// What the parent's log tells of them, in the order of the parts.
pub(crate) fn events(stored: &[StoredPart]) -> Decided<Vec<EventDraft>> {
    let calls = (0..).zip(stored).filter_map(|(part, it)| Some((part, it, it.call.as_ref()?)));
    let told = calls.map(|(part, it, call)| {
        let kind = match call.state {
            ToolCallState::Passed => EventType::ToolCallPassed,
            ToolCallState::Held => EventType::ToolCallHeld,
            _ => EventType::ToolCallRefused,
        };
        event::tool_call(kind, part, &it.name, call)
    });
    told.collect()
}

impl<'a> Call<'a> {
    fn of(asked: &'a Settle, parent: &'a Operation, proposal: &'a Proposal) -> Decided<Self> {
        let part = usize::try_from(proposal.part).ok().and_then(|at| asked.output.get(at));
        let part = part.filter(|part| log::is_call(part)).ok_or(NO_CALL)?;
        let action_digest = action_digest(parent, proposal, part)?;
        Ok(Self { parent, proposal, part, action_digest })
    }

    fn fate(&self, waiting: i64, rules: &Rules, now: &Moment) -> Fate {
        let verdict = &self.proposal.verdict;
        if let Some(refusal) = judge::policy_refusal(verdict) {
            return Fate::Refused(refusal);
        }
        let types = judge::types_of(verdict);
        if types.is_empty() {
            return Fate::Passed;
        }
        // Refused and not let through: who fills the inbox must not get by it.
        if rules.pending_max > 0 && waiting >= rules.pending_max {
            let full = Refusal::new(ErrorReason::CheckpointLimit);
            return Fate::Refused(full.number("limit", rules.pending_max));
        }
        let parent = self.parent;
        let question = Question {
            caller: &Caller {
                principal: parent.subject.clone(),
                identity_id: parent.identity_id.clone(),
                acting_for: parent.acting_for.clone(),
            },
            kind: OperationKind::ToolCall,
            request_id: &self.proposal.call_id,
            checkpoint_id: &self.proposal.checkpoint_id,
            types: &types,
            action: ACTION,
            target: &format!("tool/{}", self.part.name),
            action_digest: &self.action_digest,
            // Not even their beginning: who asked sees a preview, and sees these once they are
            // approved.
            text: "",
            called: (&parent.query.provider, &parent.query.model),
            max_cost_nanousd: 0,
        };
        Fate::Held(Box::new(question.asked(rules, now)))
    }

    fn put(
        &self,
        view: &mut View<'_>,
        fate: Fate,
        rules: &Rules,
        now: &Moment,
    ) -> Decided<DecidedCall> {
        let mut operation = self.operation(now);
        let payload = self.payload(rules);
        let (told, decision, reason, payload) = match fate {
            Fate::Passed => {
                let (passed, no) = (QueryState::Completed, Outcome::default());
                log::close(view, &mut operation, passed, no, Vec::new(), now)?;
                (self.told(ToolCallState::Passed), LedgerDecision::Allow, "", payload)
            }
            Fate::Refused(refusal) => {
                let (failed, outcome) = (QueryState::Failed, refusal.outcome());
                log::close(view, &mut operation, failed, outcome, Vec::new(), now)?;
                let reason = refusal.reason.wire_name();
                let told = self.told(ToolCallState::Refused);
                let told = DecidedCall { reason: reason.to_owned(), ..told };
                (told, LedgerDecision::Deny, reason, payload)
            }
            Fate::Held(checkpoint) => {
                operation.checkpoint_id.clone_from(&checkpoint.checkpoint_id);
                view.put(Row::Operation(Box::new(operation.clone())));
                let checkpoint_id = checkpoint.checkpoint_id.clone();
                let told = self.told(ToolCallState::Held);
                let told = DecidedCall { checkpoint_id, expires_us: checkpoint.expires_us, ..told };
                let payload = payload.and(self.asked(&checkpoint));
                view.put(Row::Checkpoint(checkpoint));
                (told, LedgerDecision::Block, "CHECKPOINT_PENDING", payload)
            }
        };
        view.record(entry::about(&operation, decision, LedgerAction::Execute, reason, &payload));
        self.put_parts(view, told.state);
        Ok(told)
    }

    fn told(&self, state: ToolCallState) -> DecidedCall {
        DecidedCall {
            call_id: self.proposal.call_id.clone(),
            effect: self.proposal.effect,
            state,
            checkpoint_id: String::new(),
            expires_us: 0,
            reason: String::new(),
        }
    }

    /// What the ledger says of the question besides.
    fn asked(&self, checkpoint: &Checkpoint) -> Payload {
        let types: Vec<&str> = checkpoint.types.iter().map(|it| it.wire_name()).collect();
        Payload::new()
            .with("checkpoint_id", checkpoint.checkpoint_id.as_str())
            .with("types", types)
            .with("policies", judge::policies_of(&self.proposal.verdict))
            .with("expires_us", checkpoint.expires_us)
    }

    /// What stands beside the operation. What was refused is kept by its digest alone.
    fn put_parts(&self, view: &mut View<'_>, state: ToolCallState) {
        let (identity_id, call_id) = (&self.parent.identity_id, &self.proposal.call_id);
        if state != ToolCallState::Refused {
            view.put(Row::Content(Content {
                identity_id: identity_id.clone(),
                request_id: call_id.clone(),
                request: self.part.text.clone(),
                plan: String::new(),
            }));
        }
        view.put(Row::ToolCall(Box::new(ToolCall {
            identity_id: identity_id.clone(),
            call_id: call_id.clone(),
            query_id: self.parent.request_id.clone(),
            part: self.proposal.part,
            tool: self.part.name.clone(),
            effect: self.proposal.effect,
            audience: self.proposal.audience.clone(),
            schema_sha256: self.proposal.schema_sha256.clone(),
            salt: self.proposal.salt.clone(),
            taken_us: 0,
            expires_us: 0,
            key_id: String::new(),
            redeemed_us: 0,
        })));
    }

    fn payload(&self, rules: &Rules) -> Payload {
        Payload::new()
            .with("action_digest", self.action_digest.hex())
            .with("effect", self.proposal.effect.wire_name())
            .with("part", self.proposal.part)
            .with("policies_revision", rules.policies_revision.as_str())
            .with("query_id", self.parent.request_id.as_str())
            .with("schema_sha256", self.proposal.schema_sha256.hex())
            .with("tool", self.part.name.as_str())
    }

    /// It costs nothing, runs nowhere and has no deadline: a person's time alone ends it.
    fn operation(&self, now: &Moment) -> Operation {
        let parent = self.parent;
        Operation {
            identity_id: parent.identity_id.clone(),
            request_id: self.proposal.call_id.clone(),
            kind: OperationKind::ToolCall,
            subject: parent.subject.clone(),
            acting_for: parent.acting_for.clone(),
            content_digest: self.action_digest.clone(),
            action_digest: self.action_digest.clone(),
            status: QueryState::Blocked,
            owner_id: String::new(),
            deadline_ms: 0,
            resume_on_approval: false,
            sphere: parent.sphere.clone(),
            run_id: parent.run_id.clone(),
            labels: parent.labels.clone(),
            checkpoint_id: String::new(),
            cost_nanousd: 0,
            estimated: false,
            outcome: Outcome::default(),
            event_count: 0,
            created_us: now.now_us,
            updated_us: now.now_us,
            ended_us: 0,
            query: Query::default(),
        }
    }
}

/// All that an approval is for; no id and no time. The salt makes it another for each call, so that
/// nobody tries arguments out on it.
fn action_digest(parent: &Operation, proposal: &Proposal, part: &Part) -> Decided<Bytes> {
    let too_long = |error: canonical::TooLong| Broken::Text(error.to_string());
    let acting_for = canonical::encode_list(&parent.acting_for).map_err(too_long)?;
    let fields: [&[u8]; 11] = [
        parent.identity_id.as_bytes(),
        parent.subject.kind.wire_name().as_bytes(),
        parent.subject.id.as_bytes(),
        &acting_for,
        part.name.as_bytes(),
        proposal.effect.wire_name().as_bytes(),
        proposal.audience.as_bytes(),
        &proposal.schema_sha256.0,
        &proposal.part.to_be_bytes(),
        &proposal.salt.0,
        part.text.as_bytes(),
    ];
    let digest = canonical::digest(DIGEST_TAG, &fields).map_err(too_long)?;
    Ok(Bytes(digest.to_vec()))
}
