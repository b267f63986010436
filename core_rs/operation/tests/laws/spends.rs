//! What services spend themselves: who asks for it, and what its answers say.

use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::{CheckpointType, OperationKind, QueryState};
use chenu_operation::answer::Answer;
use chenu_operation::command::{Caller, Command, Lapse, Post, Reserve, Verdict, Void};
use chenu_operation::decide::Effects;
use chenu_operation::rows::{Content, HoldState, Operation};

use crate::asks::{self, ACME, ZENITH, bytes};
use crate::money::{covering, is_frozen};
use crate::world::{SECOND_US, World};

/// Ten seconds: longer than a step of time, and shorter than a checkpoint waits.
const TTL_MS: i64 = 10_000;

// --- what is asked ------------------------------------------------------------------------------

/// Money for what acme's backend pays for itself.
pub(crate) fn reserve(id: &str, amount_nanousd: i64, gated: bool) -> Reserve {
    let checkpoint = (CheckpointType::ExecutionApproval, "pay".to_owned());
    let number = id.bytes().fold(0_u8, u8::wrapping_add);
    Reserve {
        caller: asks::caller(asks::service("backend"), ACME),
        request_id: id.to_owned(),
        amount_nanousd,
        action: "sms.send".to_owned(),
        target: "campaign/7".to_owned(),
        description: "To everybody".to_owned(),
        sphere: "personal".to_owned(),
        intents: vec!["send".to_owned()],
        run_id: String::new(),
        labels: Vec::new(),
        ttl_ms: TTL_MS,
        content_digest: bytes(u8::try_from(amount_nanousd % 251).unwrap()),
        action_digest: bytes(number),
        content: Content {
            identity_id: ACME.to_owned(),
            request_id: id.to_owned(),
            request: "{}".to_owned(),
            plan: String::new(),
        },
        verdict: Verdict {
            allowed: true,
            denied_by: Vec::new(),
            checkpoints: if gated { vec![checkpoint] } else { Vec::new() },
        },
        checkpoint_id: if gated { format!("checkpoint-of-{id}") } else { String::new() },
    }
}

/// The same by somebody else: another service, another identity's, or for a person.
pub(crate) fn by(who: usize, mut asked: Reserve) -> Reserve {
    asked.caller = match who % 5 {
        0 => asks::caller(asks::service("other"), ACME),
        1 => asks::caller(asks::service("zed"), ZENITH),
        2 => asks::caller(asks::service("backend"), ACME),
        _ => return asked,
    };
    asked.caller.acting_for.extend((who % 5 == 2).then(|| "user:ann".to_owned()));
    asked.content.identity_id.clone_from(&asked.caller.identity_id);
    asked
}

pub(crate) fn post(asked: &Reserve, amount_nanousd: i64) -> Command {
    let (caller, request_id) = (asked.caller.clone(), asked.request_id.clone());
    Command::Post(Post { caller, request_id, amount_nanousd })
}

pub(crate) fn void(asked: &Reserve) -> Command {
    let (caller, request_id) = (asked.caller.clone(), asked.request_id.clone());
    Command::Void(Void { caller, request_id, reason: "nobody answered".to_owned() })
}

pub(crate) fn lapse(asked: &Reserve) -> Command {
    let (identity_id, request_id) = (asked.caller.identity_id.clone(), asked.request_id.clone());
    Command::Lapse(Lapse { identity_id, request_id })
}

// --- what is answered ---------------------------------------------------------------------------

/// Check it.
pub(crate) fn check(before: &World, after: &World, command: &Command, effects: &Effects) {
    match command {
        Command::Reserve(asked) => check_reserve(before, after, asked, effects),
        Command::Post(asked) => {
            let under = before.operation(&asked.caller.identity_id, &asked.request_id);
            check_own(under, &asked.caller, &effects.answer);
            check_claim(under, asked, effects);
            check_posted(before, under, asked.amount_nanousd, &effects.answer);
        }
        Command::Void(asked) => {
            let under = before.operation(&asked.caller.identity_id, &asked.request_id);
            check_own(under, &asked.caller, &effects.answer);
            if let Answer::Reservation { operation, .. } = &effects.answer {
                assert!(operation.is_final(), "nothing is held for it any more: {operation:?}");
            }
        }
        Command::Lapse(asked) => {
            let under = before.operation(&asked.identity_id, &asked.request_id);
            let over = under.is_some_and(|it| is_over(before, it));
            assert_eq!(Answer::Done(over), effects.answer, "{asked:?}");
        }
        _ => {}
    }
}

/// An id is its principal's, for one content; an OK says that the money is held, and until when.
fn check_reserve(before: &World, after: &World, asked: &Reserve, effects: &Effects) {
    let (of, id) = (&asked.caller.identity_id, &asked.request_id);
    let under = before.operation(of, id);
    let Answer::Reservation { operation, expires_us, is_new, .. } = &effects.answer else {
        check_no_answer(before, under, asked, &effects.answer);
        return;
    };
    assert_eq!(under.is_none(), *is_new, "{asked:?}");
    assert!(under.is_none_or(|it| it.content_digest == asked.content_digest));
    let hold = after.hold(operation).filter(|hold| hold.state == HoldState::Held);
    assert_eq!(!operation.is_final(), hold.is_some(), "{operation:?}");
    assert_eq!(hold.map_or(0, |hold| hold.expires_us), *expires_us);
    let may_be_spent = operation.status == QueryState::Running;
    assert!(!may_be_spent || *expires_us > before.now_us, "what is over is spent no more");
    if let Some(under) = under.filter(|under| under.status == QueryState::Approved) {
        check_used(before, under, asked, operation);
    } else if under.is_none() && asked.verdict.allowed {
        let gated = !asked.verdict.checkpoints.is_empty();
        let allowed = if gated { QueryState::Blocked } else { QueryState::Running };
        assert!(operation.status == allowed || denied(before, asked, operation));
    } else if under.is_none() {
        assert_eq!(Some(ErrorReason::PolicyDenied), operation.outcome.reason);
    }
}

fn check_no_answer(before: &World, under: Option<&Operation>, asked: &Reserve, answer: &Answer) {
    if let Answer::Full { limit } = answer {
        assert_eq!((None, before.pending(&asked.caller.identity_id)), (under, *limit));
        return;
    }
    let alias = before.aliases().any(|it| it.request_id == asked.request_id);
    let other = under.is_some_and(|it| it.content_digest != asked.content_digest);
    let others = under.is_some_and(|it| !is_own(it, &asked.caller));
    assert_eq!(&Answer::Conflict, answer);
    assert!(alias || other || others, "{asked:?}: {under:?}");
}

fn is_own(it: &Operation, caller: &Caller) -> bool {
    let who = (&it.subject, &it.acting_for);
    it.kind == OperationKind::Reservation && who == (&caller.principal, &caller.acting_for)
}

/// What is refused at first is refused for money, and for the right want of it.
fn denied(before: &World, asked: &Reserve, operation: &Operation) -> bool {
    let of = &asked.caller.identity_id;
    let mut ids = covering(before, of).map(|it| it.budget_id.as_str());
    let reason = if covering(before, of).next().is_none() {
        ErrorReason::BudgetRequired
    } else if ids.any(|id| is_frozen(before, id)) {
        ErrorReason::BudgetFrozen
    } else {
        ErrorReason::BudgetExhausted
    };
    operation.status == QueryState::Failed && operation.outcome.reason == Some(reason)
}

/// What is held after an approval is what was approved, as the policies see it now.
fn check_used(before: &World, under: &Operation, asked: &Reserve, operation: &Operation) {
    let checkpoint = before.checkpoint(under).unwrap();
    let in_time = !checkpoint.has_lapsed(before.now_us);
    assert_eq!(!in_time, operation.status == QueryState::Expired);
    if operation.status == QueryState::Running {
        let covered = |(kind, _): &(CheckpointType, String)| checkpoint.types.contains(kind);
        assert!(asked.verdict.allowed && asked.verdict.checkpoints.iter().all(covered));
        assert_eq!(checkpoint.action_digest, asked.action_digest);
    }
}

/// Who has not reserved it ends nothing.
fn check_own(under: Option<&Operation>, who: &Caller, answer: &Answer) {
    let own = under.filter(|it| is_own(it, who));
    match answer {
        Answer::Absent => assert_eq!(None, under),
        Answer::Conflict => assert_eq!(None, own),
        _ => assert!(own.is_some(), "{under:?}"),
    }
}

/// What is said to be spent is posted, was posted, or stands in the ledger as a claim.
fn check_claim(under: Option<&Operation>, asked: &Post, effects: &Effects) {
    let claims = effects.entries.iter().filter(|entry| entry.resource_kind == "claim").count();
    let posted = match &effects.answer {
        Answer::Reservation { operation, .. } => {
            operation.status == QueryState::Completed
                && operation.cost_nanousd == asked.amount_nanousd
        }
        _ => true, // nothing of this caller's is there
    };
    assert_eq!(usize::from(!posted), claims, "{asked:?}: {under:?}");
}

/// What is held is posted if it suffices and is not over; nothing else ever is.
fn check_posted(before: &World, under: Option<&Operation>, amount: i64, answer: &Answer) {
    let Answer::Reservation { operation, .. } = answer else { return };
    let under = under.unwrap();
    let held = before.hold(under).is_some_and(|hold| amount <= hold.amount_nanousd);
    let runs = under.status == QueryState::Running && !is_over(before, under);
    let posted = operation.status == QueryState::Completed;
    assert_eq!(runs && held || under.status == QueryState::Completed, posted, "{under:?}");
    assert!(!runs || !posted || operation.cost_nanousd == amount);
    assert_eq!(0, if posted { 0 } else { operation.cost_nanousd });
}

fn is_over(before: &World, it: &Operation) -> bool {
    let held = before.hold(it).filter(|hold| hold.state == HoldState::Held);
    let runs = it.kind == OperationKind::Reservation && it.status == QueryState::Running;
    runs && held.is_some_and(|hold| before.now_us >= hold.expires_us)
}

/// Half of what a reservation is held.
pub(crate) const HALF_TTL_US: i64 = 5 * SECOND_US;
