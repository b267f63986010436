//! What can be asked in the small world.

use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::{
    BudgetPeriod, BudgetScope, CheckpointDecision, CheckpointType, Lane, LaneStatus, PartKind,
    PrincipalType, QueryState,
};
use chenu_operation::command::{
    Admit, Asked, AttemptEnd, Caller, Cancel, Candidate, Command, Consume, CreateBudget,
    DeleteBudget, Expire, Part, Plan, Recover, Resolve, ResolveAll, Retry, Settle, UpdateBudget,
    Verdict,
};
use chenu_operation::refusal::{Outcome, Refusal};
use chenu_operation::rows::{
    Attempt, Budget, Bytes, Checkpoint, Content, LaneReport, Operation, Principal, SYSTEM,
    TokenUsage,
};

pub(crate) const ACME: &str = "acme";
pub(crate) const ZENITH: &str = "zenith";
const BODY_BYTES: i64 = 100;
const CAP: i64 = 1_000;

/// What an attempt can cost at most whose input token costs `price` nano-USD, an output one twice.
pub(crate) const fn bound_of(price: i64) -> i64 {
    price * (BODY_BYTES + 2 * CAP)
}

/// The provider's model of this price.
pub(crate) fn candidate(provider: &str, price: i64) -> Candidate {
    Candidate {
        provider: provider.to_owned(),
        model: "model".to_owned(),
        bound_nanousd: bound_of(price),
        body_bytes: BODY_BYTES,
        extra_tokens: 0,
        dearest_input: price * 1_000_000,
        output_rate: 2 * price * 1_000_000,
        rates_source: "test".to_owned(),
    }
}

pub(crate) fn service(id: &str) -> Principal {
    Principal { kind: PrincipalType::Service, id: id.to_owned() }
}

pub(crate) fn user(id: &str) -> Principal {
    Principal { kind: PrincipalType::User, id: id.to_owned() }
}

pub(crate) fn caller(principal: Principal, identity_id: &str) -> Caller {
    Caller { principal, identity_id: identity_id.to_owned(), acting_for: Vec::new() }
}

pub(crate) fn bytes(byte: u8) -> Bytes {
    Bytes(vec![byte; 32])
}

/// An ask of acme's backend that may run at once, at the first provider and then at the second.
pub(crate) fn ask(request_id: &str) -> Admit {
    let chain = vec![candidate("first", 1), candidate("second", 2)];
    Admit {
        caller: caller(service("backend"), ACME),
        asked: asked(request_id),
        content_digest: bytes(1),
        content: content(ACME, request_id),
        plan: plan(chain),
        verdict: Verdict { allowed: true, denied_by: Vec::new(), checkpoints: Vec::new() },
        deadline_ms: 300_000,
        drafts: Vec::new(),
        lanes: [Lane::AIntent, Lane::BContext, Lane::CEncoding]
            .map(|lane| LaneReport::new(lane, LaneStatus::Completed, 1))
            .to_vec(),
        lane_started_ns: 0,
        checkpoint_id: format!("checkpoint-of-{request_id}"),
        take_slot: true,
    }
}

/// The same, but a person must approve.
pub(crate) fn gated(request_id: &str) -> Admit {
    let mut ask = ask(request_id);
    ask.verdict.checkpoints = vec![(CheckpointType::DestructiveAction, "delete".to_owned())];
    ask
}

/// The same by somebody else.
pub(crate) fn by(principal: Principal, identity_id: &str, mut ask: Admit) -> Admit {
    ask.caller = caller(principal, identity_id);
    ask.content = content(identity_id, &ask.asked.request_id);
    ask
}

pub(crate) fn plan(chain: Vec<Candidate>) -> Plan {
    Plan {
        max_cost_nanousd: chain.iter().map(|each| each.bound_nanousd).max().unwrap_or(0),
        chain,
        exclusions: Vec::new(),
        price_unknown: false,
        snapshot: bytes(7),
        output_cap: CAP,
        cap_is_default: false,
        action_digest: bytes(9),
    }
}

fn content(identity_id: &str, request_id: &str) -> Content {
    let (request, plan) = ("{}".to_owned(), "{}".to_owned());
    Content {
        identity_id: identity_id.to_owned(),
        request_id: request_id.to_owned(),
        request,
        plan,
    }
}

fn asked(request_id: &str) -> Asked {
    Asked {
        request_id: request_id.to_owned(),
        action: "nova.query".to_owned(),
        target: String::new(),
        last_text: "Do it".to_owned(),
        sphere: "personal".to_owned(),
        mode: "command".to_owned(),
        intents: vec!["query".to_owned()],
        detected_intents: Vec::new(),
        agent_role: String::new(),
        resume_on_approval: false,
        thread_id: String::new(),
        run_id: String::new(),
        labels: Vec::new(),
        output_format: "text".to_owned(),
        context_hash: bytes(3),
        files: Vec::new(),
    }
}

// --- what waits for a person --------------------------------------------------------------------

pub(crate) fn resolve_all(decisions: impl IntoIterator<Item = Resolve>) -> Command {
    Command::ResolveAll(ResolveAll { decisions: decisions.into_iter().collect() })
}

pub(crate) fn resolve(of: &Checkpoint, by: &str, decision: CheckpointDecision) -> Resolve {
    Resolve {
        identity_id: of.identity_id.clone(),
        request_id: of.request_id.clone(),
        checkpoint_id: of.checkpoint_id.clone(),
        decision_id: format!("{by}-{}", decision.wire_name()),
        decision,
        reason: "why".to_owned(),
        expected_digest: of.action_digest.clone(),
        by: user(by),
        methods: Vec::new(),
        client: String::new(),
    }
}

pub(crate) fn expire(of: &Checkpoint) -> Command {
    let Checkpoint { identity_id, request_id, checkpoint_id, .. } = of.clone();
    Command::Expire(Expire { identity_id, request_id, checkpoint_id })
}

pub(crate) fn cancel(of: &Checkpoint) -> Command {
    let Checkpoint { identity_id, request_id, checkpoint_id, .. } = of.clone();
    let (by, reason) = (service("backend"), "no longer wanted".to_owned());
    Command::Cancel(Cancel { identity_id, request_id, checkpoint_id, by, reason })
}

/// An approved operation's question, as it was asked first.
pub(crate) fn consume(of: &Checkpoint, first: &Admit) -> Consume {
    Consume {
        identity_id: of.identity_id.clone(),
        request_id: of.request_id.clone(),
        checkpoint_id: of.checkpoint_id.clone(),
        caller: first.caller.clone(),
        asked: first.asked.clone(),
        plan: first.plan.clone(),
        verdict: first.verdict.clone(),
        deadline_ms: 60_000,
        take_slot: true,
    }
}

// --- what runs ----------------------------------------------------------------------------------

/// How the call of an attempt went: it has failed where a reason is given.
pub(crate) fn ended(attempt: &Attempt, charge_nanousd: i64, failure: &str) -> AttemptEnd {
    AttemptEnd {
        attempt: attempt.clone(),
        usage: TokenUsage { input_tokens: 3, output_tokens: 2, ..TokenUsage::default() },
        charge_nanousd,
        estimated: !failure.is_empty() && charge_nanousd != 0,
        failure: failure.to_owned(),
        duration_us: 5,
        stop_reason: if failure.is_empty() { "stop".to_owned() } else { String::new() },
        detail: String::new(),
    }
}

pub(crate) fn retry(operation: &Operation, ended: AttemptEnd, chain: &[Candidate]) -> Command {
    let (operation, chain) = (operation.clone(), chain.to_vec());
    Command::Retry(Box::new(Retry { operation, ended, chain }))
}

/// The end of an operation: it has completed if its call has succeeded.
pub(crate) fn settle(ended: AttemptEnd) -> Settle {
    let completed = ended.failure.is_empty();
    let failed = Refusal::new(ErrorReason::ExecutionInterrupted).outcome();
    Settle {
        identity_id: ended.attempt.identity_id.clone(),
        request_id: ended.attempt.request_id.clone(),
        status: if completed { QueryState::Completed } else { QueryState::Failed },
        outcome: if completed { Outcome::default() } else { failed },
        output: if completed { vec![text("done")] } else { Vec::new() },
        ended: Some(ended),
        calls: Vec::new(),
        policies_revision: String::new(),
        execution_us: 7,
        lane_started_ns: 0,
    }
}

fn text(text: &str) -> Part {
    let none = String::new;
    let (name, call_id, signature, redacted) = (none(), none(), none(), none());
    Part { kind: PartKind::Text, text: text.to_owned(), name, call_id, signature, redacted }
}

pub(crate) fn recover(of: &Operation, dead_owner_id: &str) -> Command {
    Command::Recover(Recover {
        identity_id: of.identity_id.clone(),
        request_id: of.request_id.clone(),
        dead_owner_id: dead_owner_id.to_owned(),
    })
}

// --- budgets ------------------------------------------------------------------------------------

/// A budget over an identity, or over everybody if it is the system's.
pub(crate) fn budget(id: &str, identity_id: &str, period: BudgetPeriod, limit: i64) -> Budget {
    Budget {
        budget_id: id.to_owned(),
        identity_id: identity_id.to_owned(),
        scope: scope_of(identity_id),
        scope_value: String::new(),
        period,
        limit_nanousd: limit,
        granted_nanousd: 0,
        deleted: false,
        version: 1,
        created_us: 0,
        updated_us: 0,
    }
}

fn scope_of(identity_id: &str) -> BudgetScope {
    if identity_id == SYSTEM { BudgetScope::Global } else { BudgetScope::Identity }
}

fn admin(identity_id: &str) -> Caller {
    caller(user("ada"), identity_id)
}

pub(crate) fn create_budget(id: &str, of: &str, period: BudgetPeriod, limit: i64) -> Command {
    Command::CreateBudget(CreateBudget {
        caller: admin(of),
        budget_id: id.to_owned(),
        scope: scope_of(of),
        period,
        limit_nanousd: limit,
    })
}

pub(crate) fn update_budget(of: &Budget, limit_nanousd: i64, version: Option<i64>) -> Command {
    let (caller, budget_id) = (admin(&of.identity_id), of.budget_id.clone());
    Command::UpdateBudget(UpdateBudget { caller, budget_id, limit_nanousd, version })
}

pub(crate) fn delete_budget(of: &Budget, version: Option<i64>) -> Command {
    let (caller, budget_id) = (admin(&of.identity_id), of.budget_id.clone());
    Command::DeleteBudget(DeleteBudget { caller, budget_id, version })
}

pub(crate) fn unfreeze_budget(of: &Budget) -> Command {
    let (caller, budget_id) = (admin(&of.identity_id), of.budget_id.clone());
    let reason = "it is paid".to_owned();
    Command::UnfreezeBudget(chenu_operation::command::UnfreezeBudget { caller, budget_id, reason })
}
