//! May it run, within which bounds, and after which approvals?

use chenu_engine::budget::{self as engine, CapQuery, Worst};
use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::{BudgetScope, CheckpointType};

use super::budgets::{self, Short, Standing};
use super::overruns;
use crate::Decided;
use crate::command::{Asked, Candidate, Exclusion, Plan, Verdict};
use crate::refusal::Refusal;
use crate::rules::Rules;
use crate::view::View;

/// As many exclusions are told.
const EXCLUSIONS_TOLD: usize = 8;

/// It may run within these bounds, once a person has approved `types`, if there are any.
#[derive(Debug, Clone)]
pub(crate) struct Judgement {
    pub(crate) types: Vec<CheckpointType>,
    pub(crate) policies: Vec<String>,
    pub(crate) chain: Vec<Candidate>,
    pub(crate) output_cap: i64,
    pub(crate) amount_nanousd: i64,
    pub(crate) standings: Vec<Standing>,
}

/// What is judged: what the policies said, who may be called, and which money there is.
pub(crate) struct Case<'a> {
    pub(crate) verdict: &'a Verdict,
    pub(crate) plan: &'a Plan,
    pub(crate) identity_id: &'a str,
    /// Where the money is held, or would be.
    pub(crate) standings: Vec<Standing>,
    /// The same budgets in the periods that go on, where those may have ended.
    pub(crate) current: Option<Vec<Standing>>,
    /// What is held already.
    pub(crate) held_nanousd: i64,
}

/// Every budget that a new operation must fit in.
pub(crate) fn standings_of(
    view: &View<'_>,
    asked: &Asked,
    plan: &Plan,
    identity_id: &str,
    now_us: i64,
) -> Vec<Standing> {
    let facts = budgets::Facts {
        sphere: &asked.sphere,
        agent: &asked.agent_role,
        provider: plan.chain.first().map_or("", |first| &first.provider),
    };
    budgets::budgets_for(view, identity_id, &facts, now_us)
}

/// Yes with its bounds, or the refusal.
pub(crate) fn judge(case: Case<'_>, rules: &Rules) -> Decided<Result<Judgement, Refusal>> {
    let Case { verdict, plan, identity_id, standings, current, held_nanousd } = case;
    // Policies come first: who may not ask at all is told nothing of models and money.
    if let Some(refusal) = policy_refusal(verdict).or_else(|| route_refusal(plan)) {
        return Ok(Err(refusal));
    }
    let going_on = current.as_deref().unwrap_or(&standings);
    if let Some(refusal) = closed(going_on, identity_id, rules) {
        return Ok(Err(refusal));
    }
    // What this query holds already is missing from what is available, and is there for nobody
    // else.
    let room = budgets::available(&standings)? + held_nanousd;
    let (chain, output_cap) = fit(plan, room, rules.least_cap)?;
    // The dearest of the chain: whichever candidate is called first, its call is covered.
    let amount_nanousd = chain.iter().map(|each| each.bound_nanousd).max().unwrap_or(0);
    let missing = (amount_nanousd - held_nanousd).max(0);
    // Asked also where nothing is missing: an overdrawn budget lets nothing new begin, not even
    // with money that is held in it.
    if let Some(short) = budgets::does_not_fit(&standings, missing, identity_id)? {
        return Ok(Err(refusal_of(short)));
    }
    let (types, policies) = (types_of(verdict), policies_of(verdict));
    Ok(Ok(Judgement { types, policies, chain, output_cap, amount_nanousd, standings }))
}

/// Why nothing may begin with the money of these budgets, whatever it costs.
pub(crate) fn closed(going_on: &[Standing], identity_id: &str, rules: &Rules) -> Option<Refusal> {
    if going_on.is_empty() && rules.budget_required {
        return Some(Refusal::new(ErrorReason::BudgetRequired));
    }
    overruns::frozen_among(going_on, identity_id).map(refusal_of)
}

/// Why a person must look, each type once.
pub(crate) fn types_of(verdict: &Verdict) -> Vec<CheckpointType> {
    let mut types = Vec::new();
    for (kind, _) in &verdict.checkpoints {
        if !types.contains(kind) {
            types.push(*kind);
        }
    }
    types
}

/// The policies that say so.
pub(crate) fn policies_of(verdict: &Verdict) -> Vec<String> {
    verdict.checkpoints.iter().map(|(_, policy)| policy.clone()).collect()
}

/// Why money cannot be held, as the asker is told.
pub(crate) fn refusal_of(short: Short) -> Refusal {
    let (reason, scope, budget_id) = match short {
        Short::Exhausted { scope, budget_id } => (ErrorReason::BudgetExhausted, scope, budget_id),
        Short::Frozen { scope, budget_id } => (ErrorReason::BudgetFrozen, scope, budget_id),
    };
    budget_refusal(reason, scope, budget_id)
}

/// A refusal by a budget of this scope.
pub(crate) fn budget_refusal(
    reason: ErrorReason,
    scope: BudgetScope,
    budget_id: String,
) -> Refusal {
    Refusal::new(reason).text("scope", scope.wire_name()).text("budget_id", budget_id)
}

/// The scope of the budget that refuses, for the event that tells of it.
pub(crate) fn scope_refused(refusal: &Refusal) -> Option<String> {
    let by_budget =
        matches!(refusal.reason, ErrorReason::BudgetExhausted | ErrorReason::BudgetFrozen);
    by_budget.then(|| refusal.known("scope"))
}

/// Who may not ask at all.
pub(crate) fn policy_refusal(verdict: &Verdict) -> Option<Refusal> {
    if verdict.allowed {
        return None;
    }
    let denied_by = verdict.denied_by.clone();
    let told = if denied_by.is_empty() { vec!["policy_error".to_owned()] } else { denied_by };
    Some(policy_denied(told))
}

/// A refusal by these policies.
pub(crate) fn policy_denied(policies: Vec<String>) -> Refusal {
    Refusal::new(ErrorReason::PolicyDenied).list("policies", policies)
}

/// Why nothing can be called, if nothing can.
fn route_refusal(plan: &Plan) -> Option<Refusal> {
    if !plan.chain.is_empty() {
        return None;
    }
    // Told apart from a missing route, because an operator can mend it by setting a price.
    if plan.price_unknown {
        let unknown = plan.exclusions.iter().filter(|each| each.reason == "price_unknown");
        let models = unknown.take(EXCLUSIONS_TOLD).map(listed).collect();
        return Some(Refusal::new(ErrorReason::PriceUnknown).list("models", models));
    }
    // A whole catalogue would not fit the 4 KiB of a refusal's details; `count` says how many there
    // are.
    let told = plan.exclusions.iter().take(EXCLUSIONS_TOLD);
    let lines = told.map(|each| format!("{}={}", listed(each), each.reason)).collect();
    let mut missing: Vec<String> = Vec::new();
    for word in plan.exclusions.iter().flat_map(|each| &each.missing) {
        let word = in_lists(word);
        if !word.is_empty() && !missing.contains(&word) {
            missing.push(word);
        }
    }
    let count = i64::try_from(plan.exclusions.len()).unwrap_or(i64::MAX);
    let refusal = Refusal::new(ErrorReason::NoRoute).list("exclusions", lines);
    Some(refusal.number("count", count).list("missing", missing))
}

/// A model as it stands in a list; its name is its provider's, and may hold what parts those.
fn listed(excluded: &Exclusion) -> String {
    format!("{}/{}", excluded.provider, in_lists(&excluded.model))
}

fn in_lists(text: &str) -> String {
    // The sign of an escape first, or those of the other two would be escaped again.
    text.replace('%', "%25").replace(',', "%2C").replace('=', "%3D")
}

/// The chain at the largest output cap whose dearest bound fits, or at the least cap.
///
/// Only a default cap is lowered, never under the least; a caller's own cap stands.
fn fit(plan: &Plan, available_nanousd: i64, least_cap: i64) -> Decided<(Vec<Candidate>, i64)> {
    let wanted = plan.output_cap;
    let mut cap = wanted;
    if plan.cap_is_default {
        let room = plan.max_cost_nanousd.min(available_nanousd);
        let least = least_cap.min(wanted);
        // One cap for the whole chain, for it is told before anybody knows which candidate answers.
        for each in &plan.chain {
            let query = CapQuery { wanted: worst(each, wanted), least, available: room };
            // What does not fit even with the least cap goes on to the budgets, whose refusal names
            // the one that is short.
            cap = cap.min(engine::cap_that_fits(&query)?.unwrap_or(least));
        }
    }
    let at_cap = |each: &Candidate| {
        let bound_nanousd = engine::bound(&worst(each, cap))?;
        Ok(Candidate { bound_nanousd, ..each.clone() })
    };
    Ok((plan.chain.iter().map(at_cap).collect::<Decided<_>>()?, cap))
}

fn worst(candidate: &Candidate, output_cap: i64) -> Worst {
    Worst {
        body_bytes: candidate.body_bytes,
        extra_tokens: candidate.extra_tokens,
        dearest_input_rate: candidate.dearest_input,
        output_cap,
        output_rate: candidate.output_rate,
    }
}
