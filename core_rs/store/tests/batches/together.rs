//! What commands of one batch have of each other.

use chenu_engine::vocabulary::{BudgetPeriod, BudgetScope, PrincipalType};
use chenu_operation::Moment;
use chenu_operation::answer::Answer;
use chenu_operation::command::{Admit, Caller, Command, CreateBudget, UpdateBudget};
use chenu_operation::rows::{Period, Principal, Slot};
use chenu_operation::rules::{ProviderLimit, Rules};
use chenu_operation::view::Row;
use chenu_store::batch::{Batch, Decision};

use crate::memory::Memory;
use crate::walk::{Walk, walks};

const CALLS: i64 = 6;

fn decided(memory: &mut Memory, now: Moment, rules: &Rules, commands: &[Command]) -> Vec<Decision> {
    let commands: Vec<(&Command, &Rules)> = commands.iter().map(|it| (it, rules)).collect();
    let mut batch = Batch::new(now, rules.ledger_number);
    let Ok(decisions) = batch.decide(&commands, memory);
    memory.take(&batch);
    decisions
}

/// An admission that a walk came to, with what there was before it.
pub(crate) fn admission() -> (Memory, Moment, Rules, Admit) {
    ask_of(|answer| matches!(answer, Answer::Admitted { .. }))
}

/// The first ask of all walks that was answered so, with what there was before it.
pub(crate) fn ask_of(is_answered: fn(&Answer) -> bool) -> (Memory, Moment, Rules, Admit) {
    for Walk { rows, steps, .. } in walks() {
        let mut memory = Memory::of(&rows);
        for (rules, step) in steps {
            match &step.command {
                Command::Admit(asked) if is_answered(&step.answer) => {
                    return (memory, step.now, rules, (**asked).clone());
                }
                _ => {}
            }
            decided(&mut memory, step.now, &rules, std::slice::from_ref(&step.command));
        }
    }
    panic!("no walk comes to that");
}

/// Six calls of a provider with seven free slots.
pub(crate) fn crowd() -> (Memory, Moment, Rules, Vec<Command>) {
    let (mut memory, now, rules, asked) = admission();
    let provider = asked.plan.chain[0].provider.clone();
    let limit = ProviderLimit { requests: CALLS + 1, ..rules.limit_of(&provider) };
    let rules =
        Rules { limits: [(provider.clone(), limit)].into(), budget_required: false, ..rules };
    for number in 0..=CALLS {
        let free_at_us = now.now_us - number - 1;
        let ledger_number = rules.ledger_number;
        let slot = Slot { ledger_number, provider: provider.clone(), slot: number, free_at_us };
        let (table, values) = chenu_store::schema::put(&Row::Slot(slot));
        memory.put(table, values);
    }
    let ask = |number| {
        let mut asked = asked.clone();
        asked.caller.identity_id = format!("identity {number}");
        asked.asked.request_id = format!("call {number}");
        Command::Admit(Box::new(asked))
    };
    let commands = (0..CALLS).map(ask).collect();
    (memory, now, rules, commands)
}

/// Each gets one that is there, the longest free first.
pub(crate) fn assert_served(decisions: &[Decision]) {
    let taken = |decision: &Decision| match decision {
        Ok(Answer::Admitted { attempt, .. }) => Some(attempt.slot),
        _ => None,
    };
    let slots: Vec<Option<i64>> = decisions.iter().map(taken).collect();

    assert_eq!((1..=CALLS).rev().map(Some).collect::<Vec<_>>(), slots, "{decisions:?}");
}

/// None is made for them, and none is given twice.
#[test]
fn each_command_of_a_batch_finds_a_slot_of_its_own() {
    let (mut memory, now, rules, commands) = crowd();

    assert_served(&decided(&mut memory, now, &rules, &commands));
}

/// The period that a budget stands in is known once the budget is, which the batch itself made.
#[test]
fn a_command_finds_what_an_earlier_one_led_to() {
    let (_, now, rules, _) = admission();
    let midnight_us = now.now_us - now.now_us % 86_400_000_000;
    let spent = Period {
        budget_id: "new".to_owned(),
        period_start_us: midnight_us,
        identity_id: "acme".to_owned(),
        posted_nanousd: 7,
        reserved_nanousd: 0,
        overrun_nanousd: 0,
        overrun_seen_nanousd: 0,
        frozen_us: 0,
    };
    let caller = Caller {
        identity_id: "acme".to_owned(),
        principal: Principal { kind: PrincipalType::User, id: "ann".to_owned() },
        acting_for: Vec::new(),
    };
    let budget_id = "new".to_owned();
    let create = CreateBudget {
        caller: caller.clone(),
        budget_id: budget_id.clone(),
        scope: BudgetScope::Identity,
        period: BudgetPeriod::Daily,
        limit_nanousd: 10,
    };
    let update = UpdateBudget { caller, budget_id, limit_nanousd: 20, version: None };
    let mut memory = Memory::of(&[Row::Period(spent.clone())]);
    let commands = [Command::CreateBudget(create), Command::UpdateBudget(update)];
    let decisions = decided(&mut memory, now, &rules, &commands);
    let standing = match &decisions[1] {
        Ok(Answer::Standing(standing)) => standing.1.clone(),
        other => panic!("{other:?}"),
    };

    assert_eq!(spent, standing);
}
