//! Calls that a model proposed: what is asked about them, and what the answers must be.

use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::{CheckpointType, OperationKind, PartKind, QueryState, ToolEffect};
use chenu_operation::answer::Answer;
use chenu_operation::command::{Command, Part, Proposal, Redeem, Settle, Take, Verdict};
use chenu_operation::decide::Effects;
use chenu_operation::rows::{Operation, ToolCall};
use chenu_operation::view::Row;

use crate::asks::{self, bytes};
use crate::walk_step::{Pick, Step};
use crate::world::{SECOND_US, World};

/// What the policies say of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Judged {
    Passes,
    Gated,
    /// Gated, and nobody may approve his own.
    Outward,
    Denied,
}

impl Judged {
    pub(crate) fn verdict(self) -> Verdict {
        let gate = |kind| vec![(kind, "gate".to_owned())];
        let checkpoints = match self {
            Self::Passes | Self::Denied => Vec::new(),
            Self::Gated => gate(CheckpointType::DestructiveAction),
            Self::Outward => gate(CheckpointType::ExecutionApproval),
        };
        let allowed = !matches!(self, Self::Denied);
        let denied_by = if allowed { Vec::new() } else { vec!["no".to_owned()] };
        Verdict { allowed, denied_by, checkpoints }
    }
}

// --- what is asked ------------------------------------------------------------------------------

/// What finds a call's arguments wherever they are. No id holds it.
pub(crate) const ARGUMENTS: &str = "arguments of ";

pub(crate) fn arguments(call_id: &str) -> String {
    format!("{{\"told\":\"{ARGUMENTS}{call_id}.\"}}")
}

/// An answer proposes one call more.
pub(crate) fn propose_one(asked: &mut Settle, call_id: &str, judged: Judged) {
    let number = asked.output.len();
    let none = String::new;
    asked.output.push(Part {
        kind: PartKind::ToolCall,
        text: arguments(call_id),
        name: "mail".to_owned(),
        call_id: format!("model-{number}"),
        signature: none(),
        redacted: none(),
    });
    "revision".clone_into(&mut asked.policies_revision);
    asked.calls.push(Proposal {
        call_id: call_id.to_owned(),
        part: i64::try_from(number).unwrap(),
        effect: ToolEffect::Send,
        audience: "executor".to_owned(),
        schema_sha256: bytes(4),
        salt: bytes(u8::try_from(number).unwrap()),
        verdict: judged.verdict(),
        checkpoint_id: format!("checkpoint-of-{call_id}"),
    });
}

/// As many as these.
pub(crate) fn propose(asked: &mut Settle, all: impl Iterator<Item = Judged>) {
    for (number, judged) in all.enumerate() {
        let call_id = format!("call-{number}-of-{}", asked.request_id);
        propose_one(asked, &call_id, judged);
    }
}

/// A call is taken by who asked the query, by the policies that hold.
pub(crate) fn take(of: &Operation, judged: Judged, ttl_us: i64) -> Take {
    let mut caller = asks::caller(of.subject.clone(), &of.identity_id);
    caller.acting_for.clone_from(&of.acting_for);
    Take {
        caller,
        call_id: of.request_id.clone(),
        verdict: judged.verdict(),
        policies_revision: "revision".to_owned(),
        key_id: "key".to_owned(),
        ttl_us,
    }
}

pub(crate) fn redeem(of: &Operation) -> Command {
    let caller = asks::caller(asks::service("executor"), &of.identity_id);
    let (call_id, policies_revision) = (of.request_id.clone(), "revision".to_owned());
    let verdict = Judged::Passes.verdict();
    Command::Redeem(Box::new(Redeem { caller, call_id, verdict, policies_revision }))
}

/// A step of a walk: about a call, or now and then about what is none.
pub(crate) fn asked(world: &World, step: &Step) -> Option<Command> {
    let call = |it: &&Operation| it.kind == OperationKind::ToolCall;
    let calls = world.operations().filter(call);
    let all: Vec<&Operation> = calls.chain(world.operations().find(|it| !call(it))).collect();
    let at = |which: Pick| Some(all[which.checked_rem(all.len())?]);
    match *step {
        Step::Redeem(which) => Some(redeem(at(which)?)),
        Step::Take { which, by, judged, ttl, stale } => {
            let ttl_us = [SECOND_US, 5 * SECOND_US, 3_600 * SECOND_US][ttl % 3];
            let mut asked = take(at(which)?, judged, ttl_us);
            asked.key_id = format!("key-{}", ttl % 2);
            match by % 9 {
                0 => asked.caller.principal = asks::service("other"),
                1 => asked.caller.acting_for.push("user:eve".to_owned()),
                _ => {}
            }
            if stale {
                "another".clone_into(&mut asked.policies_revision);
            }
            Some(Command::Take(Box::new(asked)))
        }
        _ => None,
    }
}

pub(crate) const fn in_seconds(time_us: i64) -> i64 {
    time_us - time_us.rem_euclid(SECOND_US)
}

// --- what is answered ---------------------------------------------------------------------------

/// Check it.
pub(crate) fn check(before: &World, after: &World, command: &Command, effects: &Effects) {
    match command {
        Command::Settle(asked) => check_settled(before, after, asked, effects),
        Command::Take(asked) => check_taken(before, asked, effects),
        Command::Redeem(asked) => check_redeemed(before, asked, effects),
        _ => {
            let none = !effects.rows.iter().any(is_call);
            assert!(none, "no other command writes calls: {command:?}");
        }
    }
}

fn is_call(row: &Row) -> bool {
    matches!(row, Row::ToolCall(_))
}

/// A call as it is decided, in turn: those before it in the answer count against the cap.
fn check_settled(before: &World, after: &World, asked: &Settle, effects: &Effects) {
    let proposed = effects.rows.iter().filter(|row| is_call(row)).count();
    let stood = before.operation(&asked.identity_id, &asked.request_id).unwrap();
    let outdated =
        !asked.calls.is_empty() && asked.policies_revision != before.rules.policies_revision;
    assert_eq!(outdated, effects.answer == Answer::Outdated);
    if outdated || stood.is_final() || asked.status != QueryState::Completed {
        assert_eq!(0, proposed, "only an answer that is settled here has calls: {asked:?}");
        return;
    }
    assert_eq!(asked.calls.len(), proposed);
    let mut waiting = before.pending(&asked.identity_id);
    for proposal in &asked.calls {
        let call = after.operation(&asked.identity_id, &proposal.call_id).unwrap();
        let full = waiting >= before.rules.pending_max;
        let wanted = match &proposal.verdict {
            verdict if !verdict.allowed => (QueryState::Failed, Some(ErrorReason::PolicyDenied)),
            verdict if verdict.checkpoints.is_empty() => (QueryState::Completed, None),
            _ if full => (QueryState::Failed, Some(ErrorReason::CheckpointLimit)),
            _ => (QueryState::Blocked, None),
        };
        waiting += i64::from(wanted.0 == QueryState::Blocked);
        assert_eq!(wanted, (call.status, call.outcome.reason), "{proposal:?}");
        assert_eq!((&stood.subject, &stood.acting_for), (&call.subject, &call.acting_for));
    }
    assert_eq!(waiting, after.pending(&asked.identity_id));
}

/// What stands under an id, if that is a call's.
fn stands<'a>(world: &'a World, of: &str, id: &str) -> Option<(&'a Operation, &'a ToolCall)> {
    let operation = world.operation(of, id)?;
    world.tool_call(operation).map(|call| (operation, call))
}

/// What a take must come to.
#[derive(Debug, PartialEq)]
enum Wanted {
    Absent,
    Conflict,
    Outdated,
    Late,
    Blocked,
    Refused,
    /// With how it ends, and whether by this command.
    Closed(QueryState, bool),
    /// When, until when, and whether by this command.
    Taken(i64, i64, bool),
}

fn wanted(before: &World, asked: &Take) -> Wanted {
    let Some((operation, call)) = stands(before, &asked.caller.identity_id, &asked.call_id) else {
        return Wanted::Absent;
    };
    let (now_us, verdict) = (before.now_us, &asked.verdict);
    if (&operation.subject, &operation.acting_for)
        != (&asked.caller.principal, &asked.caller.acting_for)
    {
        return Wanted::Conflict;
    }
    if call.taken_us != 0 {
        let goes_on = now_us < call.expires_us;
        let again = Wanted::Taken(call.taken_us, call.expires_us, false);
        return if goes_on { again } else { Wanted::Late };
    }
    if asked.policies_revision != before.rules.policies_revision {
        return Wanted::Outdated;
    }
    let Some(checkpoint) = before.checkpoint(operation) else {
        let passes = verdict.allowed && verdict.checkpoints.is_empty();
        return match operation.status {
            QueryState::Completed if passes => {
                Wanted::Taken(now_us, in_seconds(now_us + asked.ttl_us), true)
            }
            QueryState::Completed => Wanted::Refused,
            status => Wanted::Closed(status, false),
        };
    };
    let covered = |(kind, _): &(CheckpointType, String)| checkpoint.types.contains(kind);
    match operation.status {
        QueryState::Blocked if now_us < checkpoint.expires_us => Wanted::Blocked,
        QueryState::Blocked => Wanted::Closed(QueryState::Expired, true),
        QueryState::Approved if now_us >= in_seconds(checkpoint.use_before_us) => {
            Wanted::Closed(QueryState::Expired, true)
        }
        QueryState::Approved if verdict.allowed && verdict.checkpoints.iter().all(covered) => {
            let until_us = checkpoint.use_before_us.min(now_us + asked.ttl_us);
            Wanted::Taken(now_us, in_seconds(until_us), true)
        }
        QueryState::Approved => Wanted::Closed(QueryState::Failed, true),
        status => Wanted::Closed(status, false),
    }
}

/// Who takes a call is told what stands and what is written, and nothing else.
fn check_taken(before: &World, asked: &Take, effects: &Effects) {
    let wrote = !effects.rows.is_empty();
    let found = match &effects.answer {
        Answer::Absent => Wanted::Absent,
        Answer::Conflict => Wanted::Conflict,
        Answer::Outdated => Wanted::Outdated,
        Answer::Late(_) => Wanted::Late,
        Answer::Blocked { .. } => Wanted::Blocked,
        Answer::Refused(_) => Wanted::Refused,
        Answer::Closed(it) => Wanted::Closed(it.status, wrote),
        Answer::Taken { call, .. } => Wanted::Taken(call.taken_us, call.expires_us, wrote),
        other => panic!("{asked:?}: {other:?}"),
    };
    assert_eq!(wanted(before, asked), found, "{asked:?}");
    let entries = usize::from(wrote || found == Wanted::Refused);
    assert_eq!(entries, effects.entries.len(), "{asked:?}: {effects:?}");
    if let Answer::Taken { call, .. } = &effects.answer {
        let stood = stands(before, &asked.caller.identity_id, &asked.call_id).unwrap().1;
        let key_id = if wrote { &asked.key_id } else { &stood.key_id };
        assert_eq!(key_id, &call.key_id);
    }
}

/// Of any number who execute a call, the first alone is told so, and in time.
fn check_redeemed(before: &World, asked: &Redeem, effects: &Effects) {
    let now_us = before.now_us;
    let wanted = match stands(before, &asked.caller.identity_id, &asked.call_id) {
        None => "absent",
        Some((_, call)) if call.taken_us == 0 => "conflict",
        Some((_, call)) if call.redeemed_us != 0 => "used",
        Some((_, call)) if now_us >= call.expires_us => "late",
        Some(_) => "redeemed",
    };
    let found = match &effects.answer {
        Answer::Absent => "absent",
        Answer::Conflict => "conflict",
        Answer::Used(_) => "used",
        Answer::Late(_) => "late",
        Answer::Redeemed { .. } => "redeemed",
        other => panic!("{asked:?}: {other:?}"),
    };
    assert_eq!(wanted, found, "{asked:?}");
    let once = usize::from(found == "redeemed");
    assert_eq!((once, once), (effects.rows.len(), effects.entries.len()));
}
