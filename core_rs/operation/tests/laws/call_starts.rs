//! As `starts`, where several find calls that a model proposed.

use chenu_engine::vocabulary::{CheckpointDecision, QueryState};
use chenu_operation::answer::Answer;
use chenu_operation::command::{Command, Settle, Take};
use chenu_operation::rows::{Attempt, Checkpoint, Operation};

use crate::asks::{self, ACME};
use crate::spends::{self, reserve};
use crate::starts::{ENOUGH, Start, admit, world};
use crate::tool_calls::{Judged, in_seconds, propose_one, redeem, take};
use crate::world::{SECOND_US, World};

/// Shorter than an approval may be used.
const TTL_US: i64 = 5 * SECOND_US;

fn taking(asked: Take) -> Command {
    Command::Take(Box::new(asked))
}

/// A world in which r runs, whose answer may propose calls.
fn running() -> (World, Attempt) {
    let mut world = world(ENOUGH);
    let Answer::Admitted { attempt, .. } = world.act(&admit(asks::ask("r"))) else {
        panic!("it may run");
    };
    (world, *attempt)
}

/// The answer of r.
fn answer(attempt: &Attempt, calls: &[(&str, Judged)]) -> Settle {
    let mut asked = asks::settle(asks::ended(attempt, 7, ""));
    for (id, judged) in calls {
        propose_one(&mut asked, id, *judged);
    }
    asked
}

/// A world in which r has proposed q, half a second into another second.
fn proposed(judged: Judged) -> (World, Operation) {
    let (mut world, attempt) = running();
    world.pass(SECOND_US / 2);
    world.act(&Command::Settle(Box::new(answer(&attempt, &[("q", judged)]))));
    let call = world.operation(ACME, "q").unwrap().clone();
    (world, call)
}

/// Who has to do with q, whatever has become of it.
fn calling(start: Start, q: &Operation) -> Start {
    let mut longer = take(q, Judged::Gated, 2 * TTL_US);
    "another key".clone_into(&mut longer.key_id);
    let mut other = take(q, Judged::Gated, TTL_US);
    other.caller.principal = asks::service("other");
    let mut outdated = take(q, Judged::Gated, TTL_US);
    "another".clone_into(&mut outdated.policies_revision);
    start
        .with("take", taking(take(q, Judged::Gated, TTL_US)))
        .with("take it for longer", taking(longer))
        .with("somebody else takes it", taking(other))
        .with("take it by other policies", taking(outdated))
        .with("take what is denied now", taking(take(q, Judged::Denied, TTL_US)))
        .with("redeem", redeem(q))
}

/// Who comes by the id of q for something else.
fn coming_by(start: Start, q: &Operation) -> Start {
    let of = reserve("q", 1, false);
    start
        .with("recover what has no owner", asks::recover(q, ""))
        .with("ask under its id", admit(asks::ask("q")))
        .with("reserve under its id", Command::Reserve(Box::new(of.clone())))
        .with("post under its id", spends::post(&of, 1))
        .with("void under its id", spends::void(&of))
}

fn checkpoint(world: &World) -> Checkpoint {
    world.checkpoints().next().unwrap().clone()
}

fn held() -> Start {
    use CheckpointDecision::{Approve, Reject};
    let (world, q) = proposed(Judged::Gated);
    let (it, now_us) = (checkpoint(&world), world.now_us);
    let resolve = |by, decision| Command::Resolve(asks::resolve(&it, by, decision));
    let late = taking(take(&q, Judged::Gated, TTL_US));
    calling(Start::new("a call is held", world), &q)
        .deciding("approve", now_us, resolve("ann", Approve))
        .deciding("reject", now_us, resolve("ben", Reject))
        .deciding("cancel", now_us, asks::cancel(&it))
        .deciding("take it in the last instant", it.expires_us, late)
        .expiring(it.expires_us)
}

/// A person has approved q.
fn approve() -> (World, Operation, Checkpoint) {
    let (mut world, q) = proposed(Judged::Gated);
    let yes = asks::resolve(&checkpoint(&world), "ann", CheckpointDecision::Approve);
    world.act(&Command::Resolve(yes));
    let it = checkpoint(&world);
    (world, q, it)
}

fn approved() -> Start {
    let (world, q, it) = approve();
    let last_us = in_seconds(it.use_before_us);
    assert_ne!(last_us, it.use_before_us);
    let late = || taking(take(&q, Judged::Gated, TTL_US));
    calling(Start::new("a call is approved", world), &q)
        .with("take what another type gates", taking(take(&q, Judged::Outward, TTL_US)))
        .with("cancel", asks::cancel(&it))
        .at("take it in time", last_us - 1, late())
        .at("take it in the last part of a second", last_us, late())
        .at("take it in the last instant", it.use_before_us, late())
        .expiring(it.use_before_us)
}

fn approved_beside_others() -> Start {
    let (world, q, it) = approve();
    let start = Start::new("a call is approved beside others", world);
    let no = asks::resolve(&it, "ben", CheckpointDecision::Reject);
    coming_by(start, &q)
        .with("take", taking(take(&q, Judged::Passes, TTL_US)))
        .with("redeem", redeem(&q))
        .with("reject", Command::Resolve(no))
        .with("cancel", asks::cancel(&it))
}

fn passed() -> Start {
    let (world, q) = proposed(Judged::Passes);
    let now_us = world.now_us;
    let plain = || taking(take(&q, Judged::Passes, TTL_US));
    let start = calling(Start::new("a call has passed", world), &q);
    coming_by(start, &q)
        .with("take what passes", plain())
        .at("take what passes, too", now_us + 1, plain())
        .at("take it again once it is over", now_us + 2 * TTL_US, plain())
}

fn taken() -> Start {
    let (mut world, q) = proposed(Judged::Passes);
    let Answer::Taken { call, .. } = world.act(&taking(take(&q, Judged::Passes, TTL_US))) else {
        panic!("nothing holds it");
    };
    let end_us = call.expires_us;
    calling(Start::new("a call is taken", world), &q)
        .with("redeem, too", redeem(&q))
        .at("redeem in time", end_us - 1, redeem(&q))
        .at("redeem in the last instant", end_us, redeem(&q))
        .at("take it in the last instant", end_us, taking(take(&q, Judged::Passes, TTL_US)))
}

/// Two of acme's may wait: one more query and one of two calls, or both calls.
fn proposing() -> Start {
    let (world, attempt) = running();
    let (r, end) = (world.operation(ACME, "r").unwrap().clone(), asks::ended(&attempt, 7, "x"));
    let calls = [("q", Judged::Gated), ("s", Judged::Gated), ("t", Judged::Denied)];
    let settle = |asked| Command::Settle(Box::new(asked));
    let asked = answer(&attempt, &calls);
    let outdated = Settle { policies_revision: "another".to_owned(), ..asked.clone() };
    let failed = Settle { calls: Vec::new(), output: Vec::new(), ..asks::settle(end) };
    assert_eq!(QueryState::Failed, failed.status);
    let q = Operation { request_id: "q".to_owned(), ..r.clone() };
    let mut other = asks::gated("v");
    other.plan.action_digest = asks::bytes(8);
    Start::new("an answer proposes calls", world)
        .with("settle", settle(asked.clone()))
        .with("settle again", settle(asked))
        .with("settle by other policies", settle(outdated))
        .with("fail", settle(failed))
        .with("recover", asks::recover(&r, "owner"))
        .with("one waits for a person", admit(asks::gated("u")))
        .with("another waits", admit(other))
        .with("take", taking(take(&q, Judged::Gated, TTL_US)))
        .with("redeem", redeem(&q))
}

/// All of them.
pub(crate) fn starts() -> Vec<Start> {
    vec![held(), approved(), approved_beside_others(), passed(), taken(), proposing()]
}
