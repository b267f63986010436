//! One step of a random walk: a command on what there is, if there is something for it.

use chenu_engine::vocabulary::{
    BudgetPeriod, CheckpointDecision, CheckpointType, QueryState, ViolationType,
};
use chenu_operation::answer::Answer;
use chenu_operation::command::{
    Admit, AttemptEnd, Candidate, Command, Dispatched, HoldBack, HoldFiles, KeepChunk, LetGo,
    Readmit, RecordViolation, Reserve, Resolve, Settle, Validate,
};
use chenu_operation::rows::{
    Attempt, Budget, Checkpoint, FileChunk, Operation, SYSTEM, StoredFile,
};
use chenu_operation::view::Row;

use crate::asks::{self, ACME, ZENITH, bound_of, bytes, candidate};
use crate::slots;
use crate::spends;
use crate::spends::HALF_TTL_US;
use crate::tool_calls;
use crate::walk_step::{Pick, Step};
use crate::world::{LIFETIME_US, SECOND_US, World};

/// A call that was admitted, and how it went once that is known.
#[derive(Debug, Clone)]
struct Run {
    operation: Operation,
    attempt: Attempt,
    chain: Vec<Candidate>,
    end: Option<AttemptEnd>,
}

/// A world, and what its callers know.
pub(crate) struct Walk {
    pub(crate) world: World,
    asks: Vec<Admit>,
    runs: Vec<Run>,
    reserves: Vec<Reserve>,
    owners: usize,
    steps: usize,
}

const PROVIDERS: [&str; 2] = ["first", "second"];
const LIMITS: [i64; 5] = [0, bound_of(1), bound_of(2), 3 * bound_of(2), 100_000];

/// One of them, if there is any.
fn pick<T>(from: &[T], at: Pick) -> Option<&T> {
    from.get(at.checked_rem(from.len())?)
}

fn chain(at: Pick) -> Vec<Candidate> {
    let (first, second) = (candidate("first", 1), candidate("second", 2));
    match at % 5 {
        0 => vec![first, second],
        1 => vec![second, first],
        2 => vec![first.clone(), candidate("second", 0), first],
        3 => vec![candidate("first", 0)],
        _ => Vec::new(),
    }
}

impl Walk {
    /// With a budget over everybody, two of acme, to one of which a person has added, and one of
    /// zenith.
    pub(crate) fn new() -> Self {
        let of_acme = asks::budget("of-acme", ACME, BudgetPeriod::Total, 5 * bound_of(2));
        let budgets = [
            asks::budget("everybody", SYSTEM, BudgetPeriod::Daily, 10 * bound_of(2)),
            asks::budget("day-of-acme", ACME, BudgetPeriod::Daily, 5 * bound_of(2)),
            Budget { granted_nanousd: bound_of(2), ..of_acme },
            asks::budget("of-zenith", ZENITH, BudgetPeriod::Daily, 3 * bound_of(2)),
        ];
        let world = World::new(budgets.map(Row::Budget).to_vec());
        Self {
            world,
            asks: Vec::new(),
            runs: Vec::new(),
            reserves: Vec::new(),
            owners: 1,
            steps: 0,
        }
    }

    /// Take a step. `World::act` checks the laws.
    pub(crate) fn take(&mut self, step: &Step) {
        self.steps += 1;
        match *step {
            Step::Pass(us) => self.world.pass(us),
            Step::Freeze(us) => self.world.true_us += us,
            Step::Restart => {
                self.owners += 1;
                self.world.rules.owner_id = format!("owner-{}", self.owners);
            }
            Step::SlotLimit { provider, requests } => {
                slots::set_limit(&mut self.world, PROVIDERS[provider % 2], requests);
            }
            Step::Ask { .. } | Step::Validate { .. } => self.ask(step),
            Step::Reserve { .. } => self.reserve(step),
            Step::Consume { .. } => self.consume(step),
            Step::Retry { which, bill } => self.retry(which, bill),
            Step::Settle { .. } => self.settle(step),
            Step::Readmit(which) => self.readmit(which),
            _ => {
                if let Some(command) = self.command(step) {
                    self.world.act(&command);
                }
            }
        }
    }

    /// A command that needs nothing to be remembered.
    fn command(&self, step: &Step) -> Option<Command> {
        match *step {
            Step::Resolve { which, by, yes, saw, others } => {
                let decisions = [CheckpointDecision::Reject, CheckpointDecision::Approve];
                let by = ["ann", "ben"][by % 2];
                let count = self.world.checkpoints().count().min(1 + others);
                let named = (which..which + count).filter_map(|which| self.checkpoint(which));
                let decide = |of| asks::resolve(of, by, decisions[usize::from(yes)]);
                let mut all: Vec<Resolve> = named.map(decide).collect();
                if !saw {
                    all.last_mut()?.expected_digest = bytes(0);
                }
                let alone = if others == 0 { all.pop() } else { None };
                Some(alone.map_or_else(|| asks::resolve_all(all), Command::Resolve))
            }
            Step::Expire(which) => Some(asks::expire(self.checkpoint(which)?)),
            Step::Cancel(which) => Some(asks::cancel(self.checkpoint(which)?)),
            Step::Recover { which, owner } => {
                let operations: Vec<&Operation> = self.world.operations().collect();
                let owner = match owner % self.owners {
                    0 => "owner".to_owned(),
                    number => format!("owner-{}", number + 1),
                };
                Some(asks::recover(pick(&operations, which)?, &owner))
            }
            Step::Dispatch { which, after } => self.dispatch(which, after),
            Step::HoldBack { provider, told_ago_us, wait_us } => {
                let told_ns = (self.world.true_us - told_ago_us) * 1_000;
                let provider = PROVIDERS[provider % 2].to_owned();
                Some(Command::HoldBack(HoldBack { provider, told_ns, wait_us }))
            }
            Step::LetGo(provider) => {
                Some(Command::LetGo(LetGo { provider: PROVIDERS[provider % 2].to_owned() }))
            }
            Step::KeepFile { held } => Some(self.keep_file(held)),
            Step::Violation => Some(self.violation()),
            Step::Take { .. } | Step::Redeem(_) => tool_calls::asked(&self.world, step),
            _ => self.of_spending(step).or_else(|| self.of_budget(step)),
        }
    }

    fn of_spending(&self, step: &Step) -> Option<Command> {
        match *step {
            Step::ReserveAgain { which, same } => {
                let mut again = pick(&self.reserves, which)?.clone();
                if !same {
                    again.verdict.checkpoints =
                        vec![(CheckpointType::DestructiveAction, "more".to_owned())];
                }
                Some(Command::Reserve(Box::new(again)))
            }
            Step::Post { which, amount } => {
                let asked = pick(&self.reserves, which)?;
                let spent = [asked.amount_nanousd, 0, asked.amount_nanousd + 1][amount % 3];
                Some(spends::post(asked, spent))
            }
            Step::Void { which, by } => {
                Some(spends::void(&spends::by(by, pick(&self.reserves, which)?.clone())))
            }
            Step::Lapse(which) => Some(spends::lapse(pick(&self.reserves, which)?)),
            _ => None,
        }
    }

    fn of_budget(&self, step: &Step) -> Option<Command> {
        let budgets: Vec<&Budget> = self.world.budgets().collect();
        match *step {
            Step::CreateBudget { of, daily, limit } => {
                let of = [ACME, ZENITH, SYSTEM][of % 3];
                let period = if daily { BudgetPeriod::Daily } else { BudgetPeriod::Total };
                let id = format!("budget-{}", self.steps);
                Some(asks::create_budget(&id, of, period, *pick(&LIMITS, limit)?))
            }
            Step::UpdateBudget { which, limit, stale } => {
                let budget = pick(&budgets, which)?;
                let version = budget.version - i64::from(stale);
                Some(asks::update_budget(budget, *pick(&LIMITS, limit)?, Some(version)))
            }
            Step::Unfreeze(which) => Some(asks::unfreeze_budget(pick(&budgets, which)?)),
            Step::DeleteBudget(which) => Some(asks::delete_budget(pick(&budgets, which)?, None)),
            _ => None,
        }
    }

    fn checkpoint(&self, which: Pick) -> Option<&Checkpoint> {
        pick(&self.world.checkpoints().collect::<Vec<_>>(), which).copied()
    }

    // --- asking -------------------------------------------------------------------------------

    /// An ask under one of few ids: often a repeat, sometimes a conflict, sometimes attached.
    fn ask(&mut self, step: &Step) {
        let (who, id, gated, chain_at, default_cap, file) = match *step {
            Step::Ask { who, id, gated, chain, default_cap, file } => {
                (who, id, gated, chain, default_cap, file)
            }
            Step::Validate { who, gated } => (who, 9, gated, 0, true, false),
            _ => return,
        };
        let name = format!("q{id}");
        let ask = if gated { asks::gated(&name) } else { asks::ask(&name) };
        let mut ask = match who % 5 {
            0 => asks::by(asks::service("other"), ACME, ask),
            1 => asks::by(asks::service("zed"), ZENITH, ask),
            _ => ask,
        };
        ask.caller.acting_for.extend((who == 4).then(|| "user:ann".to_owned()));
        ask.checkpoint_id = format!("checkpoint-{}", self.steps);
        ask.content_digest = bytes(u8::try_from(2 * (chain_at % 5)).unwrap() + u8::from(gated));
        ask.plan = asks::plan(chain(chain_at));
        ask.plan.action_digest = bytes(u8::try_from(9 + id % 3).unwrap());
        ask.plan.cap_is_default = default_cap;
        ask.asked.files = if file { vec![bytes(5)] } else { Vec::new() };
        if let Step::Validate { .. } = step {
            self.world.act(&Command::Validate(Box::new(Validate(ask))));
            return;
        }
        let answer = self.world.act(&Command::Admit(Box::new(ask.clone())));
        if let Answer::Blocked { .. } = answer {
            self.asks.push(ask);
        }
        self.run(answer);
    }

    fn reserve(&mut self, step: &Step) {
        let Step::Reserve { who, id, gated, amount, allowed } = *step else { return };
        let amount = [1, bound_of(1), bound_of(2), 6 * bound_of(2)][amount % 4];
        let mut asked = spends::by(who, spends::reserve(&format!("q{id}"), amount, gated));
        asked.verdict.allowed = allowed;
        self.world.act(&Command::Reserve(Box::new(asked.clone())));
        self.reserves.push(asked);
    }

    fn run(&mut self, answer: Answer) {
        if let Answer::Admitted { operation, attempt, chain, .. } = answer {
            let (operation, attempt) = (*operation, *attempt);
            self.runs.push(Run { operation, attempt, chain, end: None });
        }
    }

    fn consume(&mut self, step: &Step) {
        let Step::Consume { which, chain: at, same, allowed, waits } = *step else { return };
        let Some(ask) = pick(&self.asks, which) else { return };
        let operation = self.world.operation(&ask.caller.identity_id, &ask.asked.request_id);
        let checkpoint = operation.and_then(|it| self.world.checkpoint(it)).unwrap();
        let mut asked = asks::consume(checkpoint, ask);
        asked.plan = asks::plan(chain(at));
        asked.verdict.allowed = allowed;
        asked.take_slot = !waits;
        asked.plan.action_digest = if same { ask.plan.action_digest.clone() } else { bytes(0) };
        let answer = self.world.act(&Command::Consume(Box::new(asked)));
        self.run(answer);
    }

    // --- running ------------------------------------------------------------------------------

    /// How a run's call went: as it was told before, if it was.
    fn end(&mut self, at: usize, bill: Pick, failure: &str) -> AttemptEnd {
        let run = &mut self.runs[at];
        let bound = run.attempt.bound_nanousd;
        let charge = [7, 0, bound, bound + bound / 2 + 1, bound + 20][bill % 5];
        let charge = if failure.is_empty() { charge.min(2 * bound) } else { charge };
        run.end.get_or_insert_with(|| asks::ended(&run.attempt, charge, failure)).clone()
    }

    /// Only the last attempt of an operation is followed by another, and only where it has failed.
    fn retry(&mut self, which: Pick, bill: Pick) {
        let Some(at) = which.checked_rem(self.runs.len()) else { return };
        if self.is_followed(at) || self.runs[at].chain.len() < 2 {
            return;
        }
        let ended = self.end(at, bill, "timeout");
        let run = &self.runs[at];
        if !ended.failure.is_empty() {
            let command = asks::retry(&run.operation, ended, &run.chain[1..]);
            let answer = self.world.act(&command);
            self.run(answer);
        }
    }

    fn is_followed(&self, at: usize) -> bool {
        let run = &self.runs[at];
        self.runs[at + 1..].iter().any(|it| it.operation.key() == run.operation.key())
    }

    /// Also of an attempt that a retry has followed whose commit came too late: then nobody has
    /// run the attempts behind it.
    fn settle(&mut self, step: &Step) {
        let Step::Settle { which, bill, fails, cancelled, calls, stale } = *step else { return };
        let Some(at) = which.checked_rem(self.runs.len()) else { return };
        let key = self.runs[at].operation.key();
        for behind in at + 1..self.runs.len() {
            if self.runs[behind].operation.key() == key {
                let end = self.end(behind, 1, "not_dispatched");
                if end.failure != "not_dispatched" {
                    return;
                }
            }
        }
        let ended = self.end(at, bill, if fails { "timeout" } else { "" });
        let mut asked = asks::settle(ended.clone());
        if cancelled && !ended.failure.is_empty() {
            asked = Settle { status: QueryState::Cancelled, ..asked };
        }
        tool_calls::propose(&mut asked, calls.into_iter().flatten());
        if stale {
            "another".clone_into(&mut asked.policies_revision);
        }
        let answer = self.world.act(&Command::Settle(Box::new(asked)));
        if answer == Answer::Outdated {
            return; // it is judged again, and settles after all
        }
        let operation = self.world.operation(&key.0, &key.1).unwrap();
        let mut attempts = self.world.attempts(operation);
        let booked = attempts.find(|it| it.attempt == ended.attempt.attempt).unwrap();
        assert!(operation.is_final() && booked.cost_nanousd >= ended.charge_nanousd);
    }

    fn dispatch(&self, which: Pick, after: i64) -> Option<Command> {
        let calls = self.world.calls.all.iter();
        let waiting: Vec<_> = calls.filter(|call| !call.gone && call.may_go_us.is_some()).collect();
        let call = pick(&waiting, which)?;
        let (from_us, to_us) = call.may_go_us?;
        let went_out_us = (from_us + after).min(to_us).min(self.world.true_us);
        let dispatched_ns = went_out_us * 1_000;
        Some(Command::Dispatched(Dispatched { slot: call.slot.clone(), dispatched_ns }))
    }

    fn readmit(&mut self, which: Pick) {
        let waiting = self.world.calls.all.iter().filter(|call| !call.gone);
        let slots: Vec<_> = waiting.map(|call| call.slot.clone()).collect();
        if let Some(slot) = pick(&slots, which).cloned() {
            self.world.act(&Command::Readmit(Readmit { slot }));
        }
    }

    // --- the rest -----------------------------------------------------------------------------

    fn keep_file(&self, held: bool) -> Command {
        let (identity_id, hold_id, sha256) = (ACME.to_owned(), "hold".to_owned(), bytes(5));
        if held {
            let (owner_id, digests) = (self.world.rules.owner_id.clone(), vec![sha256]);
            return Command::HoldFiles(HoldFiles { identity_id, hold_id, owner_id, digests });
        }
        let whole =
            StoredFile { identity_id: identity_id.clone(), sha256: sha256.clone(), size: 1 };
        let chunk = FileChunk { identity_id, sha256, offset: 0, data: bytes(1) };
        Command::KeepChunk(KeepChunk { hold_id, chunk, whole: Some(whole) })
    }

    fn violation(&self) -> Command {
        Command::RecordViolation(RecordViolation {
            violation_id: format!("violation-{}", self.steps),
            caller: asks::caller(asks::service("backend"), ACME),
            method: "Query".to_owned(),
            peer: "peer".to_owned(),
            kind: ViolationType::CrossIdentityAccess,
            target_kind: "query".to_owned(),
            target_id: "theirs".to_owned(),
        })
    }
}

/// Steps of time, from within a dispatch to the next day.
pub(crate) const TIMES_US: [i64; 7] = [
    1,
    SECOND_US / 4,
    SECOND_US,
    HALF_TTL_US,
    10 * SECOND_US + SECOND_US / 4,
    LIFETIME_US,
    12 * 3_600 * SECOND_US,
];
