//! An answer that may propose calls, and the rows that are left of them.

use std::collections::BTreeMap;

use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::{
    CheckpointDecision, CheckpointState, CheckpointType, OperationKind, PartKind, PrincipalType,
    QueryState, ToolEffect,
};

use crate::answer::Answer;
use crate::command::{
    AttemptEnd, Caller, Command, Part, Proposal, Redeem, Resolve, Settle, Take, Verdict,
};
use crate::decide::{Effects, decide};
use crate::entry::EntryDraft;
use crate::refusal::{Outcome, Refusal};
use crate::rows::{
    Attempt, AttemptState, Bytes, Checkpoint, Operation, Principal, Query, TokenUsage, ToolCall,
};
use crate::rules::{ProviderLimit, Rules};
use crate::view::{Loaded, Row};
use crate::{Decided, Moment};

pub(super) const ACME: &str = "acme";
pub(super) const SECOND_US: i64 = 1_000_000;
/// A quarter into a second.
pub(super) const START_US: i64 = 1_000 * SECOND_US + SECOND_US / 4;
pub(super) const LIFETIME_US: i64 = 60 * SECOND_US;
pub(super) const TTL_US: i64 = 10 * SECOND_US;

fn backend() -> Principal {
    Principal { kind: PrincipalType::Service, id: "backend".to_owned() }
}

// --- what is asked ------------------------------------------------------------------------------

/// Whoever asked the query.
pub(super) fn asker() -> Caller {
    let acting_for = vec!["user:ann".to_owned()];
    Caller { principal: backend(), identity_id: ACME.to_owned(), acting_for }
}

/// The policies say yes.
pub(super) fn passes() -> Verdict {
    Verdict { allowed: true, denied_by: Vec::new(), checkpoints: Vec::new() }
}

/// A person must look, for this reason.
pub(super) fn gated(kind: CheckpointType) -> Verdict {
    Verdict { checkpoints: vec![(kind, "gate".to_owned())], ..passes() }
}

pub(super) fn held() -> Verdict {
    gated(CheckpointType::DestructiveAction)
}

/// The policies say no.
pub(super) fn denied() -> Verdict {
    Verdict { allowed: false, denied_by: vec!["no".to_owned()], ..passes() }
}

pub(super) fn text(said: &str) -> Part {
    let none = String::new;
    let (name, call_id, signature, redacted) = (none(), none(), none(), none());
    Part { kind: PartKind::Text, text: said.to_owned(), name, call_id, signature, redacted }
}

pub(super) fn call(arguments: &str) -> Part {
    let (name, call_id) = ("mail".to_owned(), "model's".to_owned());
    Part { kind: PartKind::ToolCall, name, call_id, ..text(arguments) }
}

fn proposal(part: usize, verdict: Verdict) -> Proposal {
    Proposal {
        call_id: format!("call-{part}"),
        part: i64::try_from(part).unwrap(),
        effect: ToolEffect::Send,
        audience: "executor".to_owned(),
        schema_sha256: Bytes(vec![4; 32]),
        salt: Bytes(vec![5; 32]),
        verdict,
        checkpoint_id: format!("checkpoint-{part}"),
    }
}

/// The answer is a call for each of these verdicts; part 0 has the arguments `secret-0`.
pub(super) fn answer(verdicts: &[Verdict]) -> Settle {
    let parts = (0..verdicts.len()).map(|part| call(&format!("secret-{part}")));
    let calls = verdicts.iter().enumerate().map(|(part, it)| proposal(part, it.clone()));
    Settle {
        identity_id: ACME.to_owned(),
        request_id: "q".to_owned(),
        status: QueryState::Completed,
        outcome: Outcome::default(),
        ended: Some(ended()),
        output: parts.collect(),
        calls: calls.collect(),
        policies_revision: "now".to_owned(),
        execution_us: 7,
        lane_started_ns: 0,
    }
}

/// The same where the query has failed in the end.
pub(super) fn failed(asked: Settle) -> Settle {
    let outcome = Refusal::new(ErrorReason::ExecutionInterrupted).outcome();
    Settle { status: QueryState::Failed, outcome, ..asked }
}

fn ended() -> AttemptEnd {
    AttemptEnd {
        attempt: attempt(),
        usage: TokenUsage::default(),
        charge_nanousd: 0,
        estimated: false,
        failure: String::new(),
        duration_us: 5,
        stop_reason: "tool_calls".to_owned(),
        detail: String::new(),
    }
}

/// Whoever asked takes the first call, which the policies judge so by now.
pub(super) fn take(verdict: Verdict) -> Take {
    Take {
        caller: asker(),
        call_id: "call-0".to_owned(),
        verdict,
        policies_revision: "now".to_owned(),
        key_id: "key".to_owned(),
        ttl_us: TTL_US,
    }
}

// --- what there is ------------------------------------------------------------------------------

fn attempt() -> Attempt {
    let none = String::new;
    Attempt {
        identity_id: ACME.to_owned(),
        request_id: "q".to_owned(),
        attempt: 1,
        provider: "first".to_owned(),
        model: "model".to_owned(),
        slot: 0,
        state: AttemptState::Executing,
        bound_nanousd: 0,
        cost_nanousd: 0,
        estimated: false,
        usage: TokenUsage::default(),
        failure: none(),
        rates_source: none(),
        provider_request_id: none(),
        answered_model: none(),
        admitted_us: START_US,
        ended_us: 0,
    }
}

fn query() -> Operation {
    let none = String::new;
    Operation {
        identity_id: ACME.to_owned(),
        request_id: "q".to_owned(),
        kind: OperationKind::Query,
        subject: backend(),
        acting_for: asker().acting_for,
        content_digest: Bytes(vec![1; 32]),
        action_digest: Bytes(vec![2; 32]),
        status: QueryState::Running,
        owner_id: "owner".to_owned(),
        deadline_ms: 300_000,
        resume_on_approval: false,
        sphere: "personal".to_owned(),
        run_id: none(),
        labels: Vec::new(),
        checkpoint_id: none(),
        cost_nanousd: 0,
        estimated: false,
        outcome: Outcome::default(),
        event_count: 0,
        created_us: START_US,
        updated_us: START_US,
        ended_us: 0,
        query: Query { attempts: 1, provider: "first".to_owned(), ..Query::default() },
    }
}

fn rules() -> Rules {
    Rules {
        expiry_us: LIFETIME_US,
        expiry_by_type_us: BTreeMap::new(),
        four_eyes: std::collections::BTreeSet::new(),
        default_limit: ProviderLimit {
            requests: 1,
            window_us: 1,
            guard_us: 1,
            dispatch_within_us: 1,
        },
        limits: BTreeMap::new(),
        ledger_number: 0,
        owner_id: "owner".to_owned(),
        least_cap: 0,
        budget_required: false,
        pending_max: 0,
        policies_revision: "now".to_owned(),
    }
}

/// Every row that there is, and the time.
pub(super) struct Scene {
    pub(super) now_us: i64,
    pub(super) rules: Rules,
    /// How many checkpoints of other operations wait.
    pub(super) others_pending: i64,
    rows: Loaded,
    pub(super) entries: Vec<EntryDraft>,
}

impl Scene {
    /// A query runs.
    pub(super) fn new() -> Self {
        let mut rows = Loaded::new();
        rows.load(Row::Operation(Box::new(query())));
        rows.load(Row::Attempt(Box::new(attempt())));
        let (now_us, rules) = (START_US, rules());
        Self { now_us, rules, others_pending: 0, rows, entries: Vec::new() }
    }

    /// Its answer has proposed a call that the policies judged so.
    pub(super) fn of(verdict: Verdict) -> Self {
        let mut scene = Self::new();
        scene.act(&Command::Settle(Box::new(answer(&[verdict]))));
        scene
    }

    /// A person has approved the call.
    pub(super) fn approved() -> Self {
        let mut scene = Self::of(held());
        scene.decide_on_it(CheckpointDecision::Approve);
        assert_eq!(CheckpointState::Approved, scene.checkpoint().state);
        scene
    }

    /// A person decides on the call.
    pub(super) fn decide_on_it(&mut self, decision: CheckpointDecision) {
        self.act(&Command::Resolve(Resolve {
            identity_id: ACME.to_owned(),
            request_id: "call-0".to_owned(),
            checkpoint_id: "checkpoint-0".to_owned(),
            decision_id: "d".to_owned(),
            decision,
            reason: "why".to_owned(),
            expected_digest: Bytes::default(),
            by: Principal { kind: PrincipalType::User, id: "ben".to_owned() },
            methods: Vec::new(),
            client: String::new(),
        }));
    }

    /// What a command would leave.
    pub(super) fn decided(&mut self, command: &Command) -> Decided<Effects> {
        self.rows.load_pending(ACME.to_owned(), self.others_pending);
        let now = Moment { now_us: self.now_us, mono_ns: self.now_us * 1_000 };
        decide(command, &self.rows, &self.rules, &now)
    }

    /// What a command leaves.
    pub(super) fn act(&mut self, command: &Command) -> Effects {
        let effects = self.decided(command).unwrap();
        self.rows.merge(&effects.rows);
        self.entries.extend(effects.entries.iter().cloned());
        effects
    }

    pub(super) fn take(&mut self, asked: Take) -> Answer {
        self.act(&Command::Take(Box::new(asked))).answer
    }

    pub(super) fn redeem(&mut self) -> Answer {
        self.redeem_by(passes())
    }

    /// What somebody who executes it is told, where the policies say this by then.
    pub(super) fn redeem_by(&mut self, verdict: Verdict) -> Answer {
        let principal = Principal { kind: PrincipalType::Service, id: "executor".to_owned() };
        let caller = Caller { principal, identity_id: ACME.to_owned(), acting_for: Vec::new() };
        let (call_id, policies_revision) = ("call-0".to_owned(), "now".to_owned());
        let asked = Redeem { caller, call_id, verdict, policies_revision };
        self.act(&Command::Redeem(Box::new(asked))).answer
    }

    pub(super) fn operation(&self, id: &str) -> Operation {
        let view = crate::view::View::new(&self.rows);
        view.operation(&(ACME.to_owned(), id.to_owned())).unwrap().clone()
    }

    /// The first call, and where it waits or waited.
    pub(super) fn call(&self) -> ToolCall {
        let view = crate::view::View::new(&self.rows);
        view.tool_call(&(ACME.to_owned(), "call-0".to_owned())).unwrap().clone()
    }

    pub(super) fn checkpoint(&self) -> Checkpoint {
        let view = crate::view::View::new(&self.rows);
        view.checkpoint(ACME, "checkpoint-0").unwrap().clone()
    }
}
