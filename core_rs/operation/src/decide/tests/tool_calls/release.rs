//! How a call gets to who executes it.

use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::{
    CheckpointDecision, CheckpointState, CheckpointType, LedgerAction, LedgerDecision, QueryState,
};

use crate::answer::Answer;
use crate::command::{Command, Take};
use crate::decide::Effects;
use crate::rows::ToolCall;

use super::scene::{
    LIFETIME_US, SECOND_US, START_US, Scene, TTL_US, denied, gated, held, passes, take,
};

/// A call's release, if that is what was answered.
fn released(answer: Answer) -> Option<ToolCall> {
    if let Answer::Taken { call, .. } = answer { Some(*call) } else { None }
}

fn act(scene: &mut Scene, asked: Take) -> Effects {
    scene.act(&Command::Take(Box::new(asked)))
}

/// That nothing was written is as much a promise as what was answered.
fn nothing(answer: Answer) -> Effects {
    Effects { rows: vec![], entries: vec![], answer }
}

// --- taking -------------------------------------------------------------------------------------

/// The claims tell whole seconds: rounded up, a release would be good for longer than allowed.
#[test]
fn a_release_ends_at_a_whole_second_and_never_later_than_its_time() {
    let mut scene = Scene::of(passes());
    let call = released(scene.take(take(passes()))).unwrap();

    assert_eq!((START_US, START_US + TTL_US - SECOND_US / 4), (call.taken_us, call.expires_us));
    assert_eq!("key", call.key_id);
}

/// What a person approved may be used for a time, and no release makes that longer.
#[test]
fn a_release_ends_no_later_than_its_approval() {
    let mut scene = Scene::approved();
    let last_us = START_US + LIFETIME_US - SECOND_US / 4;
    scene.now_us = last_us - SECOND_US;
    let call = released(scene.take(take(held()))).unwrap();

    assert_eq!(last_us, call.expires_us);
    assert_eq!(QueryState::Completed, scene.operation("call-0").status);
}

/// In the last part of a second a release would be over as it is signed: the approval has ended
/// instead, and is not used for nothing.
#[test]
fn an_approval_s_last_part_of_a_second_is_too_late() {
    let mut scene = Scene::approved();
    scene.now_us = START_US + LIFETIME_US - SECOND_US / 4;
    let answer = scene.take(take(held()));

    assert!(matches!(answer, Answer::Closed(_)), "{answer:?}");
    let ended = scene.operation("call-0");
    assert_eq!(
        (QueryState::Expired, Some(ErrorReason::CheckpointExpired)),
        (ended.status, ended.outcome.reason)
    );
    let checkpoint = scene.checkpoint();
    assert_eq!((CheckpointState::Expired, 0), (checkpoint.state, checkpoint.consumed_us));
    assert_eq!(0, scene.call().taken_us);
    assert_eq!(LedgerDecision::Expire, scene.entries.last().unwrap().decision);
}

/// One microsecond before that part there is a release left, of less than a second.
#[test]
fn just_before_it_the_call_is_released() {
    let mut scene = Scene::approved();
    let last_us = START_US + LIFETIME_US - SECOND_US / 4;
    scene.now_us = last_us - 1;

    assert_eq!(Some(last_us), released(scene.take(take(held()))).map(|it| it.expires_us));
}

/// An approval is used once, in the command that writes the entry.
#[test]
fn an_approval_is_used_as_its_call_is_taken() {
    let mut scene = Scene::approved();
    scene.now_us += 5;
    let effects = act(&mut scene, take(held()));

    assert_eq!(START_US + 5, scene.checkpoint().consumed_us);
    let entry = &effects.entries[0];
    assert_eq!((LedgerDecision::Execute, LedgerAction::Execute), (entry.decision, entry.action));
    assert_eq!(("tool.call", "call-0"), (&*entry.resource_kind, &*entry.resource_id));
    assert_eq!(1, effects.entries.len());
}

/// Whoever lost the answer asks again: another release would be executed besides the first.
#[test]
fn who_takes_it_again_is_given_the_same_release() {
    let mut scene = Scene::approved();
    let first = released(scene.take(take(held()))).unwrap();
    scene.now_us += 3 * SECOND_US;
    let again = Take { key_id: "new".to_owned(), ttl_us: 2 * TTL_US, ..take(denied()) };
    let effects = act(&mut scene, Take { policies_revision: "new".to_owned(), ..again });

    assert_eq!((0, 0), (effects.rows.len(), effects.entries.len()));
    assert_eq!(Some(first), released(effects.answer));
}

/// A second release may meet an executor that has executed the first.
#[test]
fn a_release_that_is_over_is_not_made_again() {
    let mut scene = Scene::of(passes());
    let call = released(scene.take(take(passes()))).unwrap();
    scene.now_us = call.expires_us - 1;
    assert_eq!(Some(call.clone()), released(scene.take(take(passes()))));
    scene.now_us = call.expires_us;
    let operation = Box::new(scene.operation("call-0"));

    assert_eq!(nothing(Answer::Late(operation)), act(&mut scene, take(passes())));
    assert_eq!(call, scene.call());
}

/// It was decided for one who asks, on behalf of some: nobody else has it.
#[test]
fn nobody_else_takes_it() {
    let change = |change: fn(&mut Take)| {
        let (mut scene, mut asked) = (Scene::of(passes()), take(passes()));
        change(&mut asked);
        act(&mut scene, asked)
    };

    let conflict = nothing(Answer::Conflict);
    assert_eq!(conflict, change(|it| it.caller.principal.id.push('2')));
    assert_eq!(conflict, change(|it| it.caller.acting_for.clear()));
    assert_eq!(conflict, change(|it| it.caller.acting_for.push("user:eve".to_owned())));
    assert_eq!(nothing(Answer::Absent), change(|it| it.caller.identity_id.push('2')));
    assert_eq!(nothing(Answer::Absent), change(|it| "q".clone_into(&mut it.call_id)));
}

/// Also not whoever takes it a second time.
#[test]
fn nobody_else_is_given_what_was_taken() {
    let mut scene = Scene::of(passes());
    scene.take(take(passes()));
    let mut asked = take(passes());
    asked.caller.acting_for.clear();

    assert_eq!(nothing(Answer::Conflict), act(&mut scene, asked));
}

#[test]
fn what_waits_for_a_person_is_told_to_wait() {
    let mut scene = Scene::of(held());
    let operation = Box::new(scene.operation("call-0"));
    let checkpoint = Box::new(scene.checkpoint());

    let waits = nothing(Answer::Blocked { operation, checkpoint });
    assert_eq!(waits, act(&mut scene, take(held())));
    // Not ended by what the policies say: a person has yet to decide.
    assert_eq!(waits, act(&mut scene, take(denied())));
}

#[test]
fn what_a_person_rejected_is_told_so() {
    let mut scene = Scene::of(held());
    scene.decide_on_it(CheckpointDecision::Reject);
    let rejected = Box::new(scene.operation("call-0"));

    assert_eq!(nothing(Answer::Closed(rejected)), act(&mut scene, take(held())));
}

// --- what the policies say by then --------------------------------------------------------------

/// An approval is for what the policies asked for then: more of it is another question.
#[test]
fn an_approved_call_that_the_policies_forbid_by_now_has_failed() {
    for verdict in [denied(), gated(CheckpointType::ExecutionApproval)] {
        let mut scene = Scene::approved();
        let effects = act(&mut scene, take(verdict));
        let (ended, checkpoint) = (scene.operation("call-0"), scene.checkpoint());

        assert_eq!(Answer::Closed(Box::new(ended.clone())), effects.answer);
        let failed = (QueryState::Failed, Some(ErrorReason::PolicyDenied));
        assert_eq!(failed, (ended.status, ended.outcome.reason));
        let withdrawn = (CheckpointState::Cancelled, "service:system", 0);
        let found = (checkpoint.state, &*checkpoint.resolved_by, checkpoint.consumed_us);
        assert_eq!(withdrawn, found);
        let entries: Vec<_> = effects.entries.iter().map(|it| (it.decision, &*it.reason)).collect();
        assert_eq!(vec![(LedgerDecision::Deny, "POLICY_DENIED")], entries);
    }
}

/// Policies that no longer ask for a person take nothing from what one has approved.
#[test]
fn an_approved_call_that_passes_by_now_is_released() {
    let mut scene = Scene::approved();

    assert!(released(scene.take(take(passes()))).is_some());
}

/// It has passed for good, so it may be taken once the policies are mended.
#[test]
fn what_passed_is_refused_while_the_policies_forbid_it_and_no_longer() {
    let mut scene = Scene::of(passes());
    let before = (scene.operation("call-0"), scene.call());
    for verdict in [denied(), held()] {
        let effects = act(&mut scene, take(verdict));

        let Answer::Refused(outcome) = &effects.answer else { panic!("{effects:?}") };
        assert_eq!(Some(ErrorReason::PolicyDenied), outcome.reason);
        let entries: Vec<_> = effects.entries.iter().map(|it| (it.decision, &*it.reason)).collect();
        assert_eq!(vec![(LedgerDecision::Deny, "POLICY_DENIED")], entries);
        assert_eq!(before, (scene.operation("call-0"), scene.call()));
    }

    assert!(released(scene.take(take(passes()))).is_some());
}

/// A reload between the verdict and the command: the verdict is made again by what holds now.
#[test]
fn a_verdict_of_other_policies_releases_and_ends_nothing() {
    for mut scene in [Scene::approved(), Scene::of(passes()), Scene::of(held())] {
        for verdict in [passes(), denied()] {
            let asked = Take { policies_revision: "before".to_owned(), ..take(verdict) };

            assert_eq!(nothing(Answer::Outdated), act(&mut scene, asked));
        }
    }
}

// --- redeeming ----------------------------------------------------------------------------------

/// Of any number who execute a call one alone does.
#[test]
fn a_release_is_redeemed_once() {
    let mut scene = Scene::of(passes());
    let call = released(scene.take(take(passes()))).unwrap();
    scene.now_us = call.expires_us - 1;
    let redeemed = ToolCall { redeemed_us: scene.now_us, ..call };
    let operation = Box::new(scene.operation("call-0"));

    let first = Answer::Redeemed { operation: operation.clone(), call: Box::new(redeemed.clone()) };
    assert_eq!(first, scene.redeem());
    assert_eq!(Answer::Used(operation.clone()), scene.redeem());
    // Also once it is over: whoever executed it must learn that he has.
    scene.now_us += 1;
    assert_eq!(Answer::Used(operation), scene.redeem());
    assert_eq!(redeemed, scene.call());
}

/// The ledger names who executes it, who need not be who took it.
#[test]
fn a_redemption_has_its_entry_by_who_executes_it() {
    let mut scene = Scene::of(passes());
    scene.take(take(passes()));
    scene.redeem();
    let entry = scene.entries.last().unwrap();

    let told = (entry.decision, &*entry.resource_kind, &*entry.resource_id);
    assert_eq!((LedgerDecision::Settle, "release", "call-0"), told);
    assert_eq!(("executor", 0), (&*entry.subject.id, entry.acting_for.len()));
}

/// In the very microsecond of its end it is over, as it is for whoever takes it.
#[test]
fn a_release_is_not_redeemed_once_it_is_over() {
    let mut scene = Scene::of(passes());
    scene.now_us = released(scene.take(take(passes()))).unwrap().expires_us;
    let operation = Box::new(scene.operation("call-0"));

    assert_eq!(Answer::Late(operation), scene.redeem());
    assert_eq!(0, scene.call().redeemed_us);
}

#[test]
fn what_nobody_took_is_not_redeemed() {
    assert_eq!(Answer::Conflict, Scene::of(passes()).redeem());
    assert_eq!(Answer::Conflict, Scene::approved().redeem());
    assert_eq!(Answer::Absent, Scene::new().redeem());
}

/// What policies would not let go any more is stopped by the last who asks, and not used up.
#[test]
fn a_release_is_judged_once_more_where_it_is_redeemed() {
    for (mut scene, verdicts) in [
        (Scene::of(passes()), [denied(), held()]),
        (Scene::approved(), [denied(), gated(CheckpointType::CrossSphere)]),
    ] {
        released(scene.take(take(passes()))).unwrap();
        for verdict in verdicts {
            let answer = scene.redeem_by(verdict);

            assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
            assert_eq!(LedgerDecision::Deny, scene.entries.last().unwrap().decision);
        }
        assert_eq!(0, scene.call().redeemed_us);
        assert!(matches!(scene.redeem(), Answer::Redeemed { .. }));
    }
}

/// What a person has approved covers what the policies ask for then.
#[test]
fn an_approved_release_is_redeemed_by_the_verdict_it_was_approved_for() {
    let mut scene = Scene::approved();
    released(scene.take(take(held()))).unwrap();

    assert!(matches!(scene.redeem_by(held()), Answer::Redeemed { .. }));
}
