//! How an operation's row and log change.

use chenu_engine::vocabulary::{Lane, LaneStatus, PartKind, QueryState};

use crate::command::Part;
use crate::event::{self, EventDraft};
use crate::refusal::Outcome;
use crate::rows::{Chunk, Event, LaneReport, Operation, Segment, StoredPart};
use crate::view::{Row, View};
use crate::{Decided, Moment};

/// A piece of output has at most this many characters.
const CHUNK_CHARACTERS: usize = 16_384;

/// Put the events behind the log's last one, where there is a log. The operation is not put yet.
pub(crate) fn append(
    view: &mut View<'_>,
    operation: &mut Operation,
    drafts: Vec<EventDraft>,
    now: &Moment,
) {
    operation.updated_us = now.now_us;
    if !operation.has_log() {
        return;
    }
    // Dense from 1: who has seen n events goes on behind n, so a gap would look like a loss.
    let first_sequence = operation.event_count + 1;
    let event = |(sequence, draft): (i64, EventDraft)| Event {
        sequence,
        kind: draft.kind,
        time_us: now.now_us,
        body: draft.body,
    };
    let events: Vec<Event> = (first_sequence..).zip(drafts).map(event).collect();
    operation.event_count += i64::try_from(events.len()).unwrap_or(0);
    view.put(Row::Segment(Segment {
        identity_id: operation.identity_id.clone(),
        request_id: operation.request_id.clone(),
        first_sequence,
        events,
    }));
}

/// End the operation: its last lanes, the one final event, the row.
pub(crate) fn close(
    view: &mut View<'_>,
    operation: &mut Operation,
    status: QueryState,
    outcome: Outcome,
    mut drafts: Vec<EventDraft>,
    now: &Moment,
) -> Decided<()> {
    if operation.has_log() {
        end_lanes(&mut operation.query.lanes, status, &mut drafts)?;
    }
    // The last of the log, behind the lanes that never ran: readers stop at it.
    drafts.push(event::pipeline_end(&outcome, operation.query.output_length)?);
    operation.status = status;
    operation.outcome = outcome;
    // Who looks for what a dead owner left running must pass this by, also if the owner dies right
    // after.
    operation.owner_id = String::new();
    operation.ended_us = now.now_us;
    append(view, operation, drafts, now);
    view.put(Row::Operation(Box::new(operation.clone())));
    Ok(())
}

/// Lanes that never ran are skipped; G runs for every operation that ends.
fn end_lanes(
    reports: &mut Vec<LaneReport>,
    status: QueryState,
    drafts: &mut Vec<EventDraft>,
) -> Decided<()> {
    reports.retain(|report| report.status != LaneStatus::Blocked);
    for lane in Lane::ALL.iter().copied() {
        if reports.iter().any(|report| report.lane == lane) {
            continue;
        }
        let report = LaneReport::new(lane, last_status(lane, status), 0);
        // A skipped lane has an end and no beginning in the log; this one runs, in this very
        // commit.
        if lane == Lane::GAudit {
            drafts.push(event::lane_start(lane)?);
        }
        drafts.push(event::lane_end(&report)?);
        reports.push(report);
    }
    reports.sort_by_key(|report| report.lane);
    Ok(())
}

fn last_status(lane: Lane, status: QueryState) -> LaneStatus {
    let refused =
        matches!(status, QueryState::Rejected | QueryState::Expired | QueryState::Cancelled);
    match lane {
        Lane::GAudit => LaneStatus::Completed,
        Lane::ECheckpoint if refused => LaneStatus::Failed,
        _ => LaneStatus::Skipped,
    }
}

/// Put a report in the place of its lane's earlier one, or where it belongs.
pub(crate) fn report(reports: &mut Vec<LaneReport>, report: LaneReport) {
    reports.retain(|each| each.lane != report.lane);
    reports.push(report);
    reports.sort_by_key(|each| each.lane);
}

/// What the operation's row says of an answer's parts.
pub(crate) fn stored(parts: &[Part]) -> Vec<StoredPart> {
    let each = parts.iter().map(|part| StoredPart {
        kind: part.kind,
        name: part.name.clone(),
        length: i64::try_from(part.text.len()).unwrap_or(i64::MAX),
        call: None,
    });
    each.collect()
}

/// Whether readers get a part behind all others, once the answer is settled.
pub(crate) fn is_call(part: &Part) -> bool {
    part.kind == PartKind::ToolCall
}

/// Put an attempt's output, each piece at its byte offset in its part.
pub(crate) fn put_output(view: &mut View<'_>, operation: &Operation, parts: &[Part]) {
    for (number, part) in (0..).zip(parts) {
        put_part(view, operation, number, part);
    }
}

fn put_part(view: &mut View<'_>, operation: &Operation, number: i64, part: &Part) {
    // Once at least, also for no text: a sealed thought has a proof to store, and a part stands
    // with its first piece.
    let mut rest = part.text.as_str();
    loop {
        // Counted in characters, for a column of text takes no half of one; offsets are bytes, as
        // in readers' cursors.
        let cut = rest.char_indices().nth(CHUNK_CHARACTERS).map_or(rest.len(), |(at, _)| at);
        let (text, behind) = rest.split_at_checked(cut).unwrap_or((rest, ""));
        let offset = part.text.len() - rest.len();
        let first = offset == 0;
        // Proofs may have hundreds of KiB, which each piece of a long thought would repeat.
        let has_proof = first && !(part.signature.is_empty() && part.redacted.is_empty());
        let only_first = |told: &str| if first { told.to_owned() } else { String::new() };
        let proof = [part.signature.clone(), part.redacted.clone()];
        view.put(Row::Chunk(Chunk {
            identity_id: operation.identity_id.clone(),
            request_id: operation.request_id.clone(),
            attempt: operation.query.attempts,
            part: number,
            offset: i64::try_from(offset).unwrap_or(i64::MAX),
            text: text.to_owned(),
            kind: part.kind,
            name: only_first(&part.name),
            call_id: only_first(&part.call_id),
            proof: if has_proof { proof.to_vec() } else { Vec::new() },
        }));
        if behind.is_empty() {
            break;
        }
        rest = behind;
    }
}
