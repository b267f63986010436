//! As `starts`, where a service finds money that it spends itself.

use chenu_engine::vocabulary::{CheckpointDecision, CheckpointType};
use chenu_operation::command::{Command, Reserve};
use chenu_operation::rows::Checkpoint;

use crate::asks::{self, bound_of};
use crate::spends::{self, reserve};
use crate::starts::{ENOUGH, Start, admit, world};
use crate::world::{SECOND_US, World};

fn asked(asked: Reserve) -> Command {
    Command::Reserve(Box::new(asked))
}

/// What all may do whose reservation is q, and who competes for the money.
fn ending(start: Start, of: &Reserve) -> Start {
    let own = start.world.budget("own").clone();
    let amount = of.amount_nanousd;
    let other = spends::by(0, of.clone());
    let dearer = reserve("q", amount + 1, false);
    start
        .with("reserve again", asked(of.clone()))
        .with("reserve other content", asked(dearer))
        .with("post", spends::post(of, amount))
        .with("post less", spends::post(of, 1))
        .with("post more", spends::post(of, amount + 1))
        .with("void", spends::void(of))
        .with("somebody else posts", spends::post(&other, 1))
        .with("lapse", spends::lapse(of))
        .with("compete", admit(asks::ask("r")))
        .with("ask under its id", admit(asks::ask("q")))
        .with("lower the limit", asks::update_budget(&own, 0, None))
        .with("delete the budget", asks::delete_budget(&own, None))
}

fn held() -> Start {
    let mut world = world(ENOUGH);
    let of = reserve("q", bound_of(2), false);
    world.act(&asked(of.clone()));
    let end_us = world.now_us + of.ttl_ms * 1_000;
    let operation = world.operations().next().unwrap().clone();
    let start = ending(Start::new("money is held", world), &of);
    start
        .with("recover what has no owner", asks::recover(&operation, ""))
        .at("lapse in the last instant", end_us, spends::lapse(&of))
        .at("post too late", end_us + 1, spends::post(&of, 1))
        .at("reserve again too late", end_us + SECOND_US, asked(of.clone()))
}

/// A person is asked about q.
fn waits() -> (World, Reserve, Checkpoint) {
    let mut world = world(ENOUGH);
    let of = reserve("q", bound_of(2), true);
    world.act(&asked(of.clone()));
    let checkpoint = world.checkpoints().next().unwrap().clone();
    (world, of, checkpoint)
}

fn waiting() -> Start {
    let (world, of, checkpoint) = waits();
    let end_us = checkpoint.expires_us;
    let yes = asks::resolve(&checkpoint, "ann", CheckpointDecision::Approve);
    let no = asks::resolve(&checkpoint, "ben", CheckpointDecision::Reject);
    let start = ending(Start::new("money waits for a person", world), &of).expiring(end_us);
    let now_us = start.world.now_us;
    start
        .deciding("approve", now_us, Command::Resolve(yes))
        .deciding("reject", now_us, Command::Resolve(no))
        .with("cancel the checkpoint", asks::cancel(&checkpoint))
}

fn approved() -> Start {
    let (mut world, of, checkpoint) = waits();
    let yes = asks::resolve(&checkpoint, "ann", CheckpointDecision::Approve);
    world.act(&Command::Resolve(yes));
    let end_us = world.checkpoints().next().unwrap().use_before_us;
    let mut more = of.clone();
    more.verdict.checkpoints = vec![(CheckpointType::DestructiveAction, "more".to_owned())];
    let mut forbidden = of.clone();
    forbidden.verdict.allowed = false;
    ending(Start::new("money is approved", world), &of)
        .expiring(end_us)
        .with("the policies ask for more", asked(more))
        .with("the policies forbid it now", asked(forbidden))
        .with("cancel the checkpoint", asks::cancel(&checkpoint))
        .at("use it too late", end_us, asked(of))
}

/// As many wait for a person as may, one of them under two names.
fn beside_queries() -> Start {
    let mut world = world(2 * ENOUGH);
    let mut other = asks::gated("t");
    other.plan.action_digest = asks::bytes(8);
    for ask in [asks::gated("q"), asks::gated("q2"), other] {
        world.act(&admit(ask));
    }
    let mut start = Start::new("money is asked for beside queries", world);
    for (name, id) in [("its own id", "r"), ("a query's id", "q"), ("a query's other id", "q2")] {
        start = start.with(name, asked(reserve(id, 1, false)));
    }
    start
        .with("what a person must approve", asked(reserve("s", 1, true)))
        .with("post under a query's id", spends::post(&reserve("q", 1, false), 1))
        .with("void under a query's other id", spends::void(&reserve("q2", 1, false)))
        .with("ask under its id", admit(asks::ask("r")))
        .with("compete", admit(asks::ask("u")))
}

/// All of them.
pub(crate) fn starts() -> Vec<Start> {
    vec![held(), waiting(), approved(), beside_queries()]
}
