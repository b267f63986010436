//! What a log tells, each event's body made in one place.

use chenu_engine::vocabulary::{EventType, Lane, LaneStatus};
use serde::{Deserialize, Serialize};

use crate::Broken;
use crate::command::Asked;
use crate::refusal::Outcome;
use crate::rows::{Attempt, Checkpoint, DecidedCall, LaneReport, StoredPart, TokenUsage};

/// An event before its command gives it a sequence and the batch's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDraft {
    /// Which it is.
    pub kind: EventType,
    /// What it says, as a JSON object.
    pub body: String,
}

/// An event of a body, whose fields are in the order in which they stand.
fn draft(kind: EventType, body: &impl Serialize) -> Result<EventDraft, Broken> {
    let body = serde_json::to_string(body).map_err(|error| Broken::Text(error.to_string()))?;
    Ok(EventDraft { kind, body })
}

/// An operation was accepted.
///
/// # Errors
/// As for all of these: [`Broken::Text`] for what cannot be JSON.
pub fn pipeline_start(asked: &Asked) -> Result<EventDraft, Broken> {
    #[derive(Serialize)]
    struct Body<'a> {
        sphere: &'a str,
        mode: &'a str,
        intents: &'a [String],
        detected: &'a [String],
        agent_role: &'a str,
    }
    let Asked { sphere, mode, intents, detected_intents: detected, agent_role, .. } = asked;
    draft(EventType::PipelineStart, &Body { sphere, mode, intents, detected, agent_role })
}

/// A lane begins.
///
/// # Errors
/// [`Broken::Text`].
pub fn lane_start(lane: Lane) -> Result<EventDraft, Broken> {
    #[derive(Serialize)]
    struct Body {
        lane: Lane,
    }
    draft(EventType::LaneStart, &Body { lane })
}

/// A lane has ended: an error if it failed, else complete, also where it blocks or was skipped.
///
/// # Errors
/// [`Broken::Text`].
pub fn lane_end(report: &LaneReport) -> Result<EventDraft, Broken> {
    let failed = report.status == LaneStatus::Failed;
    draft(if failed { EventType::LaneError } else { EventType::LaneComplete }, report)
}

/// An attempt was admitted and goes out next.
///
/// # Errors
/// [`Broken::Text`].
pub fn call_start(attempt: &Attempt, output_cap: i64) -> Result<EventDraft, Broken> {
    #[derive(Serialize)]
    struct Body<'a> {
        attempt: i64,
        provider: &'a str,
        model: &'a str,
        output_cap: i64,
    }
    let Attempt { attempt, provider, model, .. } = attempt;
    // Told before the answer comes, because the cap may have been lowered to what the budgets
    // allow.
    draft(EventType::LlmCallStart, &Body { attempt: *attempt, provider, model, output_cap })
}

/// A part of an answer is whole.
///
/// # Errors
/// [`Broken::Text`].
pub fn part_complete(
    attempt: i64,
    part: i64,
    stored: &StoredPart,
    call_id: &str,
) -> Result<EventDraft, Broken> {
    #[derive(Serialize)]
    struct Body<'a> {
        attempt: i64,
        part: i64,
        kind: chenu_engine::vocabulary::PartKind,
        name: &'a str,
        call_id: &'a str,
        length: i64,
    }
    // The text itself is left out: it went out piece by piece or stands in its chunks, so an event
    // is small whatever an answer is.
    let StoredPart { kind, name, length, .. } = stored;
    let (kind, length) = (*kind, *length);
    draft(EventType::PartComplete, &Body { attempt, part, kind, name, call_id, length })
}

/// What was decided of a call that the answer proposed.
///
/// # Errors
/// [`Broken::Text`].
pub fn tool_call(
    kind: EventType,
    part: i64,
    tool: &str,
    call: &DecidedCall,
) -> Result<EventDraft, Broken> {
    #[derive(Serialize)]
    struct Body<'a> {
        part: i64,
        tool: &'a str,
        #[serde(flatten)]
        call: &'a DecidedCall,
    }
    draft(kind, &Body { part, tool, call })
}

/// How an attempt's provider names the call and what answered it, as far as it told so.
#[derive(Debug, Serialize)]
struct Names<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    provider_request_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    answered_model: &'a str,
}

impl<'a> Names<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        Self {
            provider_request_id: &attempt.provider_request_id,
            answered_model: &attempt.answered_model,
        }
    }

    const NONE: Names<'static> = Names { provider_request_id: "", answered_model: "" };
}

/// The provider's own terminator came; this is what it counted.
///
/// # Errors
/// [`Broken::Text`].
pub fn call_complete(
    attempt: &Attempt,
    usage: &TokenUsage,
    cost_nanousd: i64,
    stop_reason: &str,
    duration_us: i64,
) -> Result<EventDraft, Broken> {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(flatten)]
        names: Names<'a>,
        attempt: i64,
        usage: &'a TokenUsage,
        cost_nanousd: i64,
        stop_reason: &'a str,
        duration_us: i64,
    }
    let body = Body {
        names: Names::of(attempt),
        attempt: attempt.attempt,
        usage,
        cost_nanousd,
        stop_reason,
        duration_us,
    };
    draft(EventType::LlmCallComplete, &body)
}

/// How an attempt did not finish.
#[derive(Debug, Clone, Copy)]
pub struct CallError<'a> {
    /// What kind of failure it was.
    pub kind: &'a str,
    /// More of it, for people.
    pub detail: &'a str,
    /// Whether the next candidate is tried.
    pub will_retry: bool,
    /// How long it ran.
    pub duration_us: i64,
    /// Whether the provider's names for the call are told.
    pub named: bool,
}

/// An attempt did not finish.
///
/// # Errors
/// [`Broken::Text`].
pub fn call_error(attempt: &Attempt, error: CallError<'_>) -> Result<EventDraft, Broken> {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(flatten)]
        names: Names<'a>,
        attempt: i64,
        provider: &'a str,
        kind: &'a str,
        detail: &'a str,
        will_retry: bool,
        duration_us: i64,
    }
    let CallError { kind, detail, will_retry, duration_us, named } = error;
    let body = Body {
        names: if named { Names::of(attempt) } else { Names::NONE },
        attempt: attempt.attempt,
        provider: &attempt.provider,
        kind,
        detail,
        will_retry,
        duration_us,
    };
    draft(EventType::LlmCallError, &body)
}

/// A person is asked.
///
/// # Errors
/// [`Broken::Text`].
pub fn checkpoint_created(checkpoint: &Checkpoint) -> Result<EventDraft, Broken> {
    #[derive(Serialize)]
    struct Body<'a> {
        checkpoint_id: &'a str,
        types: &'a [chenu_engine::vocabulary::CheckpointType],
        action: &'a str,
        action_digest: String,
        expires_us: i64,
        question: &'a str,
        question_fr: &'a str,
    }
    let body = Body {
        checkpoint_id: &checkpoint.checkpoint_id,
        types: &checkpoint.types,
        action: &checkpoint.action,
        action_digest: checkpoint.action_digest.hex(),
        expires_us: checkpoint.expires_us,
        question: &checkpoint.question_en,
        question_fr: &checkpoint.question_fr,
    };
    draft(EventType::CheckpointCreated, &body)
}

/// A checkpoint was approved, rejected or has expired.
///
/// # Errors
/// [`Broken::Text`].
pub fn checkpoint_resolved(kind: EventType, checkpoint: &Checkpoint) -> Result<EventDraft, Broken> {
    #[derive(Serialize)]
    struct Body<'a> {
        checkpoint_id: &'a str,
        by: &'a str,
        reason: &'a str,
    }
    let Checkpoint { checkpoint_id, resolved_by, reason, .. } = checkpoint;
    draft(kind, &Body { checkpoint_id, by: resolved_by, reason })
}

/// The operation waits for a person: the 423.
///
/// # Errors
/// [`Broken::Text`].
pub fn pipeline_blocked(checkpoint_id: &str) -> Result<EventDraft, Broken> {
    #[derive(Serialize)]
    struct Body<'a> {
        checkpoint_id: &'a str,
        http_status: u16,
    }
    draft(EventType::PipelineBlocked, &Body { checkpoint_id, http_status: 423 })
}

/// A budget could not cover the operation. No amount is told.
///
/// # Errors
/// [`Broken::Text`].
pub fn budget_exceeded(scope: &str) -> Result<EventDraft, Broken> {
    #[derive(Serialize)]
    struct Body<'a> {
        scope: &'a str,
    }
    // Every member may read a log, and amounts are for a `budget_admin` alone.
    draft(EventType::BudgetExceeded, &Body { scope })
}

/// The one final event; the operation's row beside it holds the outcome.
///
/// # Errors
/// [`Broken::Text`].
pub fn pipeline_end(outcome: &Outcome, output_length: i64) -> Result<EventDraft, Broken> {
    #[derive(Serialize)]
    struct Body {
        output_length: i64,
    }
    // Decided by the reason and not by the state: rejected, expired and cancelled ends have one
    // too, and whoever reads the log must not take them for an answer.
    let failed = outcome.reason.is_some();
    let kind = if failed { EventType::PipelineError } else { EventType::PipelineComplete };
    draft(kind, &Body { output_length })
}
