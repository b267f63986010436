//! What becomes of the calls of an answer, and of who takes them.

mod release;
mod scene;

use chenu_engine::canonical;
use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::{
    CheckpointDecision, CheckpointType, EventType, LedgerDecision, QueryState, ToolCallState,
};
use sha2::{Digest as _, Sha256};

use crate::Broken;
use crate::answer::Answer;
use crate::command::{Command, Part, Settle};
use crate::decide::Effects;
use crate::rows::{Bytes, Content, DecidedCall, Operation, Segment};
use crate::view::Row;

use scene::{Scene, answer, call, denied, failed, gated, held, passes, text};

fn settle(scene: &mut Scene, asked: Settle) -> Effects {
    scene.act(&Command::Settle(Box::new(asked)))
}

/// What is delivered of each part.
fn delivered(effects: &Effects) -> Vec<&str> {
    let chunks = effects.rows.iter().filter_map(|row| match row {
        Row::Chunk(it) => Some(&*it.text),
        _ => None,
    });
    chunks.collect()
}

fn contents(effects: &Effects) -> Vec<&Content> {
    let rows = effects.rows.iter();
    rows.filter_map(|row| if let Row::Content(it) = row { Some(it) } else { None }).collect()
}

fn segment(effects: &Effects) -> &Segment {
    let rows = effects.rows.iter();
    let mut rows = rows.filter_map(|row| if let Row::Segment(it) = row { Some(it) } else { None });
    rows.next().unwrap()
}

fn calls_of(query: &Operation) -> Vec<Option<DecidedCall>> {
    query.query.output_parts.iter().map(|part| part.call.clone()).collect()
}

fn states(scene: &Scene, calls: usize) -> Vec<(QueryState, Option<ErrorReason>)> {
    let each = (0..calls).map(|part| scene.operation(&format!("call-{part}")));
    each.map(|it| (it.status, it.outcome.reason)).collect()
}

/// Who reads an answer can execute what it says: only what passed may be among that.
#[test]
fn the_answer_has_the_arguments_of_what_passed_and_of_nothing_else() {
    let mut scene = Scene::new();
    let effects = settle(&mut scene, answer(&[held(), passes(), denied()]));

    assert_eq!(vec!["", "secret-1", ""], delivered(&effects));
    let lengths: Vec<i64> =
        scene.operation("q").query.output_parts.iter().map(|part| part.length).collect();
    assert_eq!(vec![0, 8, 0], lengths);
    assert_eq!(8, scene.operation("q").query.output_length);
    let told = format!("{:?} {:?} {:?}", segment(&effects), effects.entries, effects.answer);
    assert!(!told.contains("secret"), "{told}");
}

/// What a person decides on is kept until he has, and what was refused is nobody's any more.
#[test]
fn arguments_are_kept_of_what_passed_or_is_held() {
    let mut scene = Scene::new();
    let effects = settle(&mut scene, answer(&[held(), passes(), denied()]));
    let kept: Vec<(&str, &str)> =
        contents(&effects).iter().map(|it| (&*it.request_id, &*it.request)).collect();

    assert_eq!(vec![("call-0", "secret-0"), ("call-1", "secret-1")], kept);
}

/// The ledger's digest is of what is delivered: with the arguments in it, somebody who knows the
/// rest would try out what they are.
#[test]
fn the_digest_in_the_ledger_is_of_the_answer_as_it_is_delivered() {
    let mut scene = Scene::new();
    let effects = settle(&mut scene, answer(&[held(), passes()]));
    let told = |part: &Part, text| {
        let fields = [part.kind.wire_name(), &part.name, &part.call_id, text];
        canonical::encode_list(&fields).unwrap()
    };
    let parts = [told(&call(""), ""), told(&call(""), "secret-1")];
    let digest = Sha256::digest(canonical::encode_list(&parts).unwrap()).to_vec();

    let payload = &effects.entries.last().unwrap().payload;
    assert!(payload.contains(&format!("\"output_sha256\":\"{}\"", Bytes(digest).hex())));
}

/// A reader of the log learns of each call where it stands and where a person is asked.
#[test]
fn the_log_tells_what_became_of_each_call() {
    let mut scene = Scene::new();
    let effects = settle(&mut scene, answer(&[passes(), held(), denied()]));
    let kinds = [EventType::ToolCallPassed, EventType::ToolCallHeld, EventType::ToolCallRefused];
    let events = segment(&effects).events.iter().filter(|event| kinds.contains(&event.kind));
    let found: Vec<_> = events.map(|event| (event.kind, event.body.clone())).collect();

    assert_eq!(kinds.to_vec(), found.iter().map(|(kind, _)| *kind).collect::<Vec<_>>());
    assert!(found[1].1.contains("\"checkpoint_id\":\"checkpoint-1\""), "{found:?}");
    assert!(found[2].1.contains("\"reason\":\"POLICY_DENIED\""), "{found:?}");
}

/// Where each stands is told by the answer's row for good, as it was when it was settled.
#[test]
fn the_row_of_an_answer_says_what_was_decided_of_each_call() {
    let mut scene = Scene::new();
    let mut asked = answer(&[held()]);
    asked.output.push(text("so"));
    settle(&mut scene, asked);
    let told = DecidedCall {
        call_id: "call-0".to_owned(),
        effect: chenu_engine::vocabulary::ToolEffect::Send,
        state: ToolCallState::Held,
        checkpoint_id: "checkpoint-0".to_owned(),
        expires_us: scene::START_US + scene::LIFETIME_US,
        reason: String::new(),
    };

    assert_eq!(vec![Some(told.clone()), None], calls_of(&scene.operation("q")));
    scene.decide_on_it(CheckpointDecision::Reject);
    assert_eq!(vec![Some(told), None], calls_of(&scene.operation("q")));
}

/// A held call waits for a person's time alone: no sweep of owners or deadlines may end it.
#[test]
fn a_held_call_costs_nothing_and_nobody_runs_it() {
    let mut scene = Scene::new();
    let effects = settle(&mut scene, answer(&[held()]));
    let it = scene.operation("call-0");

    assert!(!effects.rows.iter().any(|row| matches!(row, Row::Hold(_))));
    assert_eq!((0, "", 0), (it.cost_nanousd, &*it.owner_id, it.deadline_ms));
    assert_eq!(0, scene.checkpoint().max_cost_nanousd);
}

/// One answer must not fill an inbox by itself: its own calls count against each other.
#[test]
fn the_cap_of_what_waits_counts_the_calls_of_the_same_answer() {
    let mut scene = Scene::new();
    (scene.rules.pending_max, scene.others_pending) = (3, 1);
    settle(&mut scene, answer(&[held(), passes(), held(), held(), denied(), passes()]));

    let (blocked, passed) = ((QueryState::Blocked, None), (QueryState::Completed, None));
    let full = (QueryState::Failed, Some(ErrorReason::CheckpointLimit));
    let no = (QueryState::Failed, Some(ErrorReason::PolicyDenied));
    assert_eq!(vec![blocked, passed, blocked, full, no, passed], states(&scene, 6));
}

/// Who forgot to have a call judged would let it pass.
#[test]
fn an_answer_with_a_call_that_nobody_proposed_is_broken() {
    let mut scene = Scene::new();
    let mut asked = answer(&[passes(), held()]);
    asked.calls.pop();
    let left = scene.decided(&Command::Settle(Box::new(asked)));

    assert_eq!(Err(Broken::State("each call of an answer is decided on")), left);
}

/// A verdict is of one call: on a text, on no part, or twice on one it would be on none of them.
#[test]
fn what_is_proposed_is_each_call_once() {
    let broken = |part: i64| {
        let mut asked = answer(&[passes()]);
        asked.output.push(text("so"));
        let mut more = asked.calls[0].clone();
        (more.call_id, more.part) = ("more".to_owned(), part);
        asked.calls.push(more);
        Scene::new().decided(&Command::Settle(Box::new(asked))).is_err()
    };

    assert_eq!([true; 4], [broken(0), broken(1), broken(2), broken(-1)]);
}

/// A reload between the verdicts and the settlement: what is forbidden now would pass.
#[test]
fn an_answer_whose_calls_other_policies_have_judged_writes_nothing() {
    let mut scene = Scene::new();
    let mut asked = answer(&[passes()]);
    "before".clone_into(&mut asked.policies_revision);
    let effects = settle(&mut scene, asked.clone());

    assert_eq!(Effects { rows: vec![], entries: vec![], answer: Answer::Outdated }, effects);
    "now".clone_into(&mut asked.policies_revision);
    settle(&mut scene, asked);
    assert_eq!(QueryState::Completed, scene.operation("q").status);
}

/// Texts are judged by nobody, so no reload makes them late.
#[test]
fn an_answer_without_calls_is_settled_by_whatever_policies_hold() {
    let mut scene = Scene::new();
    let asked =
        Settle { output: vec![text("so")], policies_revision: String::new(), ..answer(&[]) };
    settle(&mut scene, asked);

    assert_eq!(QueryState::Completed, scene.operation("q").status);
}

/// Nobody is told that the answer is one, so nobody must find calls of it, nor what they would do.
#[test]
fn a_failed_answer_leaves_no_calls() {
    let mut scene = Scene::new();
    let effects = settle(&mut scene, failed(answer(&[passes(), held()])));
    let calls = effects
        .rows
        .iter()
        .filter(|row| matches!(row, Row::ToolCall(_) | Row::Content(_) | Row::Checkpoint(_)));

    assert_eq!(0, calls.count());
    assert_eq!(vec!["", ""], delivered(&effects));
    assert_eq!(vec![None, None], calls_of(&scene.operation("q")));
    assert_eq!(1, effects.entries.len());
}

/// Who guesses the arguments must not be able to check them against what the ledger shows.
#[test]
fn the_digest_of_a_call_is_another_for_another_salt_and_the_same_for_the_same() {
    let digest = |change: fn(&mut Settle)| {
        let (mut scene, mut asked) = (Scene::new(), answer(&[held()]));
        change(&mut asked);
        settle(&mut scene, asked);
        assert_eq!(scene.operation("call-0").action_digest, scene.checkpoint().action_digest);
        scene.checkpoint().action_digest
    };
    let plain = digest(|_| {});
    let others = [
        digest(|asked| asked.calls[0].salt = Bytes(vec![6; 32])),
        digest(|asked| asked.output[0].text.push(' ')),
        digest(|asked| "other".clone_into(&mut asked.output[0].name)),
        digest(|asked| "other".clone_into(&mut asked.calls[0].audience)),
        digest(|asked| asked.calls[0].schema_sha256 = Bytes(vec![6; 32])),
    ];

    assert_eq!(plain, digest(|_| {}));
    assert!(others.iter().all(|other| *other != plain), "{plain:?}: {others:?}");
}

/// The ledger says of each call what was decided, beside the answer's own entry.
#[test]
fn each_call_has_its_entry() {
    let mut scene = Scene::new();
    let effects = settle(&mut scene, answer(&[passes(), held(), denied()]));
    let told: Vec<_> =
        effects.entries.iter().map(|it| (it.decision, &*it.resource_kind, &*it.reason)).collect();

    let wanted = vec![
        (LedgerDecision::Allow, "tool.call", ""),
        (LedgerDecision::Block, "tool.call", "CHECKPOINT_PENDING"),
        (LedgerDecision::Deny, "tool.call", "POLICY_DENIED"),
        (LedgerDecision::Settle, "query", ""),
    ];
    assert_eq!(wanted, told);
}

/// A person is asked about this call, by the type of what gates it, and shown no arguments here.
#[test]
fn a_person_is_asked_about_the_tool_and_not_shown_its_arguments() {
    let mut scene = Scene::new();
    settle(&mut scene, answer(&[gated(CheckpointType::ExecutionApproval)]));
    let it = scene.checkpoint();

    assert_eq!(("tool.call", "tool/mail", ""), (&*it.action, &*it.target, &*it.preview));
    assert_eq!(vec![CheckpointType::ExecutionApproval], it.types);
    assert!(it.question_en.contains("mail") && !it.question_en.contains("secret"));
}

/// One call's end is no other's, and the answer stays as it was told.
#[test]
fn a_rejection_ends_its_own_call_alone() {
    let mut scene = Scene::new();
    settle(&mut scene, answer(&[held(), held()]));
    let before = (scene.operation("call-1"), scene.operation("q"));
    scene.decide_on_it(CheckpointDecision::Reject);

    assert_eq!(QueryState::Rejected, scene.operation("call-0").status);
    assert_eq!(before, (scene.operation("call-1"), scene.operation("q")));
}
