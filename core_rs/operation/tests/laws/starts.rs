//! Where a few callers find an operation, and what each of them makes of it at the same time.

use chenu_engine::vocabulary::{BudgetPeriod, CheckpointDecision, CheckpointState, QueryState};
use chenu_operation::answer::Answer;
use chenu_operation::command::{Admit, Command, Consume, Dispatched, HoldBack, Readmit};
use chenu_operation::rows::{Attempt, Operation, SYSTEM, Slot};
use chenu_operation::view::Row;

use crate::asks::{self, ACME, bound_of, bytes, candidate};
use crate::slots;
use crate::world::{EVENING_US, LIFETIME_US, SECOND_US, World};

/// A command as somebody has made it, and the first instant at which it is decided.
pub(crate) struct Made {
    pub(crate) name: &'static str,
    pub(crate) at_us: i64,
    /// Whether nobody is asked any more once it has been decided.
    pub(crate) decides: bool,
    pub(crate) command: Command,
}

/// Some rows, and the commands that their readers have made.
pub(crate) struct Start {
    pub(crate) name: &'static str,
    pub(crate) world: World,
    pub(crate) made: Vec<Made>,
}

impl Start {
    pub(crate) fn new(name: &'static str, world: World) -> Self {
        Self { name, world, made: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, command: impl Into<Command>) -> Self {
        let (at_us, decides) = (self.world.now_us, false);
        self.made.push(Made { name, at_us, decides, command: command.into() });
        self
    }

    /// With one that comes at a time.
    pub(crate) fn at(mut self, name: &'static str, at_us: i64, command: Command) -> Self {
        self.made.push(Made { name, at_us, decides: false, command });
        self
    }

    /// With one that ends the waiting.
    pub(crate) fn deciding(mut self, name: &'static str, at_us: i64, command: Command) -> Self {
        self.made.push(Made { name, at_us, decides: true, command });
        self
    }

    /// With what a sweep makes of the checkpoint before, at and after its last instant.
    pub(crate) fn expiring(mut self, end_us: i64) -> Self {
        let command = asks::expire(self.world.checkpoints().next().unwrap());
        let (name, at_us, early) = ("expire too early", end_us - 1, command.clone());
        self.made.push(Made { name, at_us, decides: false, command: early });
        self.deciding("expire", end_us, command.clone()).deciding(
            "expire late",
            end_us + 1,
            command,
        )
    }
}

pub(crate) fn admit(ask: Admit) -> Command {
    Command::Admit(Box::new(ask))
}

fn consume(asked: Consume) -> Command {
    Command::Consume(Box::new(asked))
}

fn settle(attempt: &Attempt, charge: i64, failure: &str) -> Command {
    Command::Settle(Box::new(asks::settle(asks::ended(attempt, charge, failure))))
}

/// Acme may spend so much; everybody may spend more.
pub(crate) fn world(limit_nanousd: i64) -> World {
    let everybody = asks::budget("everybody", SYSTEM, BudgetPeriod::Daily, 100_000);
    let own = asks::budget("own", ACME, BudgetPeriod::Total, limit_nanousd);
    let mut world = World::new(vec![Row::Budget(everybody), Row::Budget(own)]);
    world.rules.pending_max = 2;
    world
}

/// Money for two of the dearer attempts.
pub(crate) const ENOUGH: i64 = 2 * bound_of(2);

fn other_content(mut ask: Admit) -> Admit {
    ask.content_digest = bytes(2);
    ask
}

fn cheap(request_id: &str) -> Admit {
    Admit { plan: asks::plan(vec![candidate("first", 1)]), ..asks::ask(request_id) }
}

/// The action of q, as others ask for it and as it is asked for again.
fn asking(start: Start) -> Start {
    let world = &start.world;
    let (own, lower) = (world.budget("own").clone(), bound_of(2));
    let other = |id| asks::by(asks::service("other"), ACME, asks::gated(id));
    let mut action = asks::gated("q3");
    action.plan.action_digest = bytes(8);
    start
        .with("ask again", admit(asks::gated("q")))
        .with("ask for something else under the id", admit(other_content(asks::gated("q"))))
        .with("ask under another id", admit(asks::gated("q2")))
        .with("somebody else asks", admit(other("q2")))
        .with("ask for another action", admit(action))
        .with("compete", admit(cheap("r")))
        .with("lower the limit", asks::update_budget(&own, lower, None))
        .with("delete the budget", asks::delete_budget(&own, None))
}

fn nothing() -> Start {
    let start = asking(Start::new("nothing", world(ENOUGH)));
    let own = start.world.budget("own").clone();
    start
        .with("ask what may run at once", admit(asks::ask("q")))
        .with("compete for the last", admit(asks::ask("s")))
        .with("raise the limit", asks::update_budget(&own, 2 * ENOUGH, Some(1)))
        .with("add a budget", asks::create_budget("day", ACME, BudgetPeriod::Daily, bound_of(2)))
}

/// A world in which an ask has been admitted, and what was answered.
fn run(world: &mut World, ask: Admit) -> (Operation, Attempt, Slot) {
    let Answer::Admitted { operation, attempt, slot_free_at_us, .. } = world.act(&admit(ask))
    else {
        panic!("it may run");
    };
    let (provider, slot) = (attempt.provider.clone(), attempt.slot);
    let slot = Slot { ledger_number: 0, provider, slot, free_at_us: slot_free_at_us };
    (*operation, *attempt, slot)
}

fn running() -> Start {
    let mut world = world(ENOUGH);
    let (operation, attempt, slot) = run(&mut world, asks::ask("q"));
    let own = world.budget("own").clone();
    let bound = bound_of(1);
    let failed = asks::ended(&attempt, bound, "timeout");
    let dispatched_ns = world.true_us * 1_000;
    Start::new("running", world)
        .with("settle", settle(&attempt, 7, ""))
        .with("settle the failed one", settle(&attempt, bound, "timeout"))
        .with("settle with an overrun", settle(&attempt, bound + 500, ""))
        .with("retry", asks::retry(&operation, failed, &[candidate("second", 2)]))
        .with("recover", asks::recover(&operation, "owner"))
        .with("recover another's", asks::recover(&operation, "another"))
        .with("ask again", admit(asks::ask("q")))
        .with("ask for something else under the id", admit(other_content(asks::ask("q"))))
        .with("compete", admit(cheap("r")))
        .with("lower the limit", asks::update_budget(&own, 0, None))
        .with("delete the budget", asks::delete_budget(&own, None))
        .with("dispatched", Command::Dispatched(Dispatched { slot, dispatched_ns }))
}

/// A retry that was recorded after its run was told that it could not be: the run settles the
/// attempt that it knows of, and somebody else the one that nobody runs.
fn retried_too_late() -> Start {
    let mut world = world(ENOUGH);
    let (operation, first, _) = run(&mut world, asks::ask("q"));
    let failed = asks::ended(&first, bound_of(1), "timeout");
    let retry = asks::retry(&operation, failed, &[candidate("second", 2)]);
    let Answer::Admitted { attempt: second, .. } = world.act(&retry) else {
        panic!("there is money and a slot");
    };
    let mut asked = asks::settle(asks::ended(&second, 0, "not_dispatched"));
    asked.status = QueryState::Cancelled;
    let own = world.budget("own").clone();
    Start::new("retried too late", world)
        .with("settle", settle(&first, bound_of(1), "timeout"))
        .with("settle again", settle(&first, bound_of(1), "timeout"))
        .with("settle what nobody runs", Command::Settle(Box::new(asked)))
        .with("recover", asks::recover(&operation, "owner"))
        .with("recover, too", asks::recover(&operation, "owner"))
        .with("ask again", admit(asks::ask("q")))
        .with("compete", admit(cheap("r")))
        .with("lower the limit", asks::update_budget(&own, 0, None))
}

/// A world in which an ask waits for a person.
fn block() -> World {
    let mut world = world(ENOUGH);
    world.act(&admit(asks::gated("q")));
    world
}

fn blocked() -> Start {
    use CheckpointDecision::{Approve, Reject};
    let world = block();
    let it = world.checkpoints().next().unwrap().clone();
    let resolve = |by, decision| Command::Resolve(asks::resolve(&it, by, decision));
    let mut other = asks::resolve(&it, "eve", Approve);
    other.expected_digest = bytes(0);
    let now_us = world.now_us;
    let start = Start::new("blocked", world)
        .deciding("approve", now_us, resolve("ann", Approve))
        .deciding("approve, too", now_us, resolve("ben", Approve))
        .deciding("reject", now_us, resolve("ben", Reject))
        .deciding("cancel", now_us, asks::cancel(&it))
        .deciding(
            "approve among others",
            now_us,
            asks::resolve_all([asks::resolve(&it, "dan", Approve)]),
        )
        .with("approve another action", Command::Resolve(other))
        .with("consume", consume(asks::consume(&it, &asks::gated("q"))))
        .deciding("approve in the last instant", it.expires_us, resolve("cat", Approve))
        .expiring(it.expires_us);
    asking(start)
}

/// A world in which a person has approved it, 7 microseconds later.
fn approve() -> World {
    let mut world = block();
    world.pass(7);
    let it = world.checkpoints().next().unwrap();
    let approve = asks::resolve(it, "ann", CheckpointDecision::Approve);
    world.act(&Command::Resolve(approve));
    assert_eq!(CheckpointState::Approved, world.checkpoints().next().unwrap().state);
    world
}

/// An approval is there to be used.
fn using(name: &'static str, world: World) -> Start {
    let it = world.checkpoints().next().unwrap().clone();
    assert_eq!(EVENING_US + 7 + LIFETIME_US, it.use_before_us);
    let asked = asks::consume(&it, &asks::gated("q"));
    let mut dearer = asked.clone();
    dearer.plan = asks::plan(vec![candidate("second", 3)]);
    let operation = world.operation(ACME, "q").unwrap().clone();
    Start::new(name, world)
        .with("consume", consume(asked.clone()))
        .with("consume, too", consume(asked.clone()))
        .with("consume what is dearer now", consume(dearer))
        .with("cancel", asks::cancel(&it))
        .with("recover", asks::recover(&operation, "owner"))
        .with("compete", admit(cheap("r")))
        .deciding("consume in the last instant", it.use_before_us, consume(asked))
        .expiring(it.use_before_us)
}

fn approved() -> Start {
    use CheckpointDecision::{Approve, Reject};
    let start = using("approved", approve());
    let world = &start.world;
    let (it, own) = (world.checkpoints().next().unwrap().clone(), world.budget("own").clone());
    let mut changed = asks::consume(&it, &asks::gated("q"));
    changed.plan.action_digest = bytes(0);
    let mut denied = asks::consume(&it, &asks::gated("q"));
    denied.verdict.allowed = false;
    let resolve = |by, decision| Command::Resolve(asks::resolve(&it, by, decision));
    start
        .with("consume what has changed", consume(changed))
        .with("consume what is denied now", consume(denied))
        .with("approve again", resolve("ann", Approve))
        .with("reject", resolve("ben", Reject))
        .with("ask under another id", admit(asks::gated("q2")))
        .with("lower the limit", asks::update_budget(&own, bound_of(2), None))
}

fn approved_under_a_lowered_limit() -> Start {
    let mut world = approve();
    world.act(&asks::update_budget(&world.budget("own").clone(), bound_of(1), None));
    let start = using("approved, with a lowered limit", world);
    let own = start.world.budget("own").clone();
    start.with("raise the limit", asks::update_budget(&own, ENOUGH, None))
}

/// The money of the approved is held in yesterday's period; a bill may freeze today's.
fn approved_the_day_before() -> Start {
    let own = asks::budget("own", ACME, BudgetPeriod::Daily, ENOUGH);
    let mut world = World::new(vec![Row::Budget(own.clone())]);
    world.act(&admit(asks::gated("q")));
    let it = world.checkpoints().next().unwrap();
    let approve = asks::resolve(it, "ann", CheckpointDecision::Approve);
    world.act(&Command::Resolve(approve));
    world.pass(40 * SECOND_US);
    let (_, attempt, _) = run(&mut world, cheap("r"));
    let it = world.checkpoints().next().unwrap().clone();
    let asked = asks::consume(&it, &asks::gated("q"));
    Start::new("approved the day before", world)
        .with("consume", consume(asked))
        .with("r overruns", settle(&attempt, 2 * bound_of(1), ""))
        .with("unfreeze", asks::unfreeze_budget(&own))
        .with("compete", admit(cheap("s")))
        .with("cancel", asks::cancel(&it))
        .with("lower the limit", asks::update_budget(&own, bound_of(1), None))
        .with("delete the budget", asks::delete_budget(&own, None))
        .expiring(it.use_before_us)
}

/// q holds money of yesterday, which is frozen since then, and t and u of today. Two budgets are
/// acme's own: for all that is booked in both, the older one answers.
fn running_since_the_day_before() -> Start {
    let day = asks::budget("day", ACME, BudgetPeriod::Daily, 3 * bound_of(2));
    let ever = asks::budget("ever", ACME, BudgetPeriod::Total, 10 * bound_of(2));
    let mut world = World::new(vec![Row::Budget(day.clone()), Row::Budget(ever.clone())]);
    let (q, q_attempt, _) = run(&mut world, asks::ask("q"));
    let (_, r_attempt, _) = run(&mut world, cheap("r"));
    world.act(&settle(&r_attempt, 2 * bound_of(1), ""));
    assert!(world.periods().any(|it| it.budget_id == "day" && it.frozen_us != 0));
    world.pass(40 * SECOND_US);
    let (_, t_attempt, _) = run(&mut world, cheap("t"));
    let (_, u_attempt, _) = run(&mut world, cheap("u"));
    let failed = asks::ended(&q_attempt, bound_of(1), "timeout");
    Start::new("running since the day before", world)
        .with("q retries", asks::retry(&q, failed, &[candidate("second", 2)]))
        .with("q overruns", settle(&q_attempt, 2 * bound_of(2), ""))
        .with("q is recovered", asks::recover(&q, "owner"))
        .with("t overruns", settle(&t_attempt, 2 * bound_of(1), ""))
        .with("t settles", settle(&t_attempt, 7, ""))
        .with("u overruns", settle(&u_attempt, 2 * bound_of(1), ""))
        .with("u overruns by a little", settle(&u_attempt, bound_of(1) + 20, ""))
        .with("unfreeze the day", asks::unfreeze_budget(&day))
        .with("unfreeze the other", asks::unfreeze_budget(&ever))
        .with("compete", admit(cheap("v")))
        .with("lower the limit", asks::update_budget(&day, 1_000, None))
}

/// Two run; there is money for one dearer attempt more, and one slot where both would go next.
fn competing() -> Start {
    let mut world = world(2 * bound_of(2) + bound_of(1));
    slots::set_limit(&mut world, "second", 1);
    let (q, q_attempt, q_slot) = run(&mut world, asks::ask("q"));
    let (r, r_attempt, _) = run(&mut world, asks::ask("r"));
    let second = [candidate("second", 2)];
    let retry = |operation, attempt| {
        asks::retry(operation, asks::ended(attempt, bound_of(1), "timeout"), &second)
    };
    let mut third = cheap("s");
    third.plan = asks::plan(vec![candidate("second", 1)]);
    let (provider, told_ns) = ("second".to_owned(), world.true_us * 1_000);
    let hold = HoldBack { provider, told_ns, wait_us: 5 };
    let own = world.budget("own").clone();
    let (q_retry, r_retry) = (retry(&q, &q_attempt), retry(&r, &r_attempt));
    Start::new("two that compete", world)
        .with("q is readmitted", Command::Readmit(Readmit { slot: q_slot }))
        .with("q retries", q_retry)
        .with("q settles", settle(&q_attempt, 7, ""))
        .with("q fails", settle(&q_attempt, bound_of(1), "timeout"))
        .with("q is recovered", asks::recover(&q, "owner"))
        .with("r retries", r_retry)
        .with("r overruns", settle(&r_attempt, 2 * bound_of(2), ""))
        .with("r never went out", settle(&r_attempt, 0, "connection"))
        .with("r is recovered", asks::recover(&r, "owner"))
        .with("a third one asks", admit(third))
        .with("one waits for a person", admit(asks::gated("t")))
        .with("its provider holds back", Command::HoldBack(hold))
        .with("lower the limit", asks::update_budget(&own, 2 * bound_of(2), None))
}

/// All of them.
pub(crate) fn starts() -> [Start; 9] {
    [
        nothing(),
        running(),
        retried_too_late(),
        blocked(),
        approved(),
        approved_under_a_lowered_limit(),
        approved_the_day_before(),
        running_since_the_day_before(),
        competing(),
    ]
}
