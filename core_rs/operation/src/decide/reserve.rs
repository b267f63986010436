//! May this be spent? A service's money is held in every budget that applies, or in none.

use chenu_engine::vocabulary::{
    CheckpointType, LedgerAction, LedgerDecision, OperationKind, QueryState,
};

use super::budgets::{self, Holding, Standing};
use super::questions::{self, Question};
use super::spending::{self, Found, standing};
use super::waiting::{self, Place, Waiting};
use super::{admit, consume, judge, log};
use crate::answer::Answer;
use crate::command::{Caller, Reserve};
use crate::entry::{self, Payload};
use crate::refusal::{Outcome, Refusal};
use crate::rows::{Hold, Operation, Query};
use crate::rules::Rules;
use crate::view::{Need, Row, View};
use crate::{Broken, Decided, Moment};

/// As for its end, the budgets that apply, and how many wait already where this must wait, too.
pub(crate) fn needs(asked: &Reserve, now: &Moment) -> Vec<Need> {
    let identity_id = &asked.caller.identity_id;
    let mut needs = spending::needs(&asked.caller, &asked.request_id);
    needs.extend(budgets::needs_for_reserve(identity_id, now.now_us));
    if !asked.verdict.checkpoints.is_empty() {
        needs.push(Need::Pending(identity_id.clone()));
    }
    needs
}

/// It is held, waits, or is refused; what stands under the id already is told as it stands.
pub(crate) fn decide(
    asked: &Reserve,
    view: &mut View<'_>,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    let content = Some(&asked.content_digest);
    let known = match spending::found(view, &asked.caller, &asked.request_id, content, now)? {
        Found::Nothing => return Ok(claimed(begin(view, asked, rules, now)?)),
        Found::Other => return Ok(Answer::Conflict),
        Found::Own(known) => *known,
    };
    if known.status == QueryState::Approved {
        return consume(view, asked, rules, now);
    }
    Ok(spending::as_it_stands(view, known))
}

fn claimed(answer: Answer) -> Answer {
    match answer {
        Answer::Reservation { operation, checkpoint, expires_us, .. } => {
            Answer::Reservation { operation, checkpoint, expires_us, is_new: true }
        }
        other => other, // nothing was written
    }
}

fn begin(view: &mut View<'_>, asked: &Reserve, rules: &Rules, now: &Moment) -> Decided<Answer> {
    let identity_id = asked.caller.identity_id.as_str();
    // Nobody is called for it, and no agent asked: budgets of those scopes are not for it.
    let facts = budgets::Facts { sphere: &asked.sphere, agent: "", provider: "" };
    let standings = budgets::budgets_for(view, identity_id, &facts, now.now_us);
    if let Some(refusal) = refusal(asked, &standings, &standings, asked.amount_nanousd, rules)? {
        return deny(view, asked, &refusal, rules, now);
    }
    // Behind the budgets: nobody is asked to approve what no money is there for.
    let types = judge::types_of(&asked.verdict);
    if types.is_empty() {
        return hold(view, asked, &standings, rules, now);
    }
    if admit::is_full(view, identity_id, rules) {
        return Ok(Answer::Full { limit: rules.pending_max });
    }
    block(view, asked, &types, &standings, rules, now)
}

/// Why it may not be, if so; `missing` is what has yet to be held, in these standings.
fn refusal(
    asked: &Reserve,
    standings: &[Standing],
    going_on: &[Standing],
    missing: i64,
    rules: &Rules,
) -> Decided<Option<Refusal>> {
    let identity_id = asked.caller.identity_id.as_str();
    // Policies come first: who may not ask at all is told nothing of money.
    let refused = judge::policy_refusal(&asked.verdict);
    if let Some(refusal) = refused.or_else(|| judge::closed(going_on, identity_id, rules)) {
        return Ok(Some(refusal));
    }
    let short = budgets::does_not_fit(standings, missing, identity_id)?;
    Ok(short.map(judge::refusal_of))
}

fn hold(
    view: &mut View<'_>,
    asked: &Reserve,
    standings: &[Standing],
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    let expires_us = now.now_us + asked.ttl_ms * 1_000;
    take(view, asked, standings, expires_us, now)?;
    let operation = operation(asked, QueryState::Running, now);
    let budgets: Vec<&str> = standings.iter().map(|each| each.budget.budget_id.as_str()).collect();
    let payload = payload(asked, rules).with("budgets", budgets).with("expires_us", expires_us);
    let (decision, action) = (LedgerDecision::Allow, LedgerAction::Execute);
    view.record(entry::about(&operation, decision, action, "", &payload));
    put(view, &operation, Some(asked));
    Ok(standing(operation, None, expires_us))
}

fn block(
    view: &mut View<'_>,
    asked: &Reserve,
    types: &[CheckpointType],
    standings: &[Standing],
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    let question = Question {
        caller: &asked.caller,
        kind: OperationKind::Reservation,
        request_id: &asked.request_id,
        checkpoint_id: &asked.checkpoint_id,
        types,
        action: &asked.action,
        target: &asked.target,
        action_digest: &asked.action_digest,
        text: &asked.description,
        called: ("", ""),
        max_cost_nanousd: asked.amount_nanousd,
    };
    let checkpoint = question.asked(rules, now);
    take(view, asked, standings, checkpoint.expires_us, now)?;
    let mut operation = operation(asked, QueryState::Blocked, now);
    operation.checkpoint_id.clone_from(&checkpoint.checkpoint_id);
    let types: Vec<&str> = checkpoint.types.iter().map(|kind| kind.wire_name()).collect();
    let payload = payload(asked, rules)
        .with("checkpoint_id", checkpoint.checkpoint_id.as_str())
        .with("types", types)
        .with("policies", judge::policies_of(&asked.verdict))
        .with("expires_us", checkpoint.expires_us);
    let (decision, action) = (LedgerDecision::Block, LedgerAction::Execute);
    view.record(entry::about(&operation, decision, action, "CHECKPOINT_PENDING", &payload));
    put(view, &operation, Some(asked));
    view.put(Row::Checkpoint(Box::new(checkpoint.clone())));
    let expires_us = checkpoint.expires_us;
    Ok(standing(operation, Some(checkpoint), expires_us))
}

fn deny(
    view: &mut View<'_>,
    asked: &Reserve,
    refusal: &Refusal,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    let mut operation = operation(asked, QueryState::Failed, now);
    // Recorded under its id, so that an id that has failed stays failed, whatever room there is
    // later.
    log::close(view, &mut operation, QueryState::Failed, refusal.outcome(), Vec::new(), now)?;
    put(view, &operation, Some(asked));
    let (decision, action) = (LedgerDecision::Deny, LedgerAction::Execute);
    let reason = refusal.reason.wire_name();
    view.record(entry::about(&operation, decision, action, reason, &payload(asked, rules)));
    Ok(standing(operation, None, 0))
}

/// The approval of exactly this is used; what may have changed since is asked again.
fn consume(view: &mut View<'_>, asked: &Reserve, rules: &Rules, now: &Moment) -> Decided<Answer> {
    let found = waiting_at(view, &asked.caller, &asked.request_id)?;
    if found.checkpoint.has_lapsed(now.now_us) {
        let ended = waiting::expire_waiting(view, waiting::expired(found, now), now)?;
        return Ok(standing(ended, None, 0));
    }
    if let Some(refusal) = refusal_now(view, asked, &found, rules, now)? {
        let refused = consume::refuse(view, found, &refusal, now)?;
        return Ok(standing(refused, None, 0));
    }
    let expires_us = now.now_us + asked.ttl_ms * 1_000;
    // By its own time from now on, which has not begun while a person was asked.
    view.put(Row::Hold(Hold { expires_us, ..found.held()?.clone() }));
    let Waiting { checkpoint, mut operation, .. } = found;
    let payload = Payload::new()
        .with("action_digest", operation.action_digest.hex())
        .with("amount_nanousd", asked.amount_nanousd)
        .with("checkpoint_id", checkpoint.checkpoint_id.as_str())
        .with("expires_us", expires_us);
    consume::use_once(view, checkpoint, now)?;
    operation.status = QueryState::Running;
    operation.updated_us = now.now_us;
    let (decision, action) = (LedgerDecision::Execute, LedgerAction::Execute);
    view.record(entry::about(&operation, decision, action, "", &payload));
    // What was asked is stored already, and never changes.
    put(view, &operation, None);
    Ok(standing(operation, None, expires_us))
}

fn refusal_now(
    view: &View<'_>,
    asked: &Reserve,
    found: &Waiting,
    rules: &Rules,
    now: &Moment,
) -> Decided<Option<Refusal>> {
    if asked.action_digest != found.checkpoint.action_digest {
        let changed = vec!["approved_action_changed".to_owned()];
        return Ok(Some(judge::policy_denied(changed)));
    }
    let standings = match consume::money_of(view, found.held()?)? {
        Ok(standings) => standings,
        Err(refusal) => return Ok(Some(refusal)),
    };
    // The money stays in the periods where it is held, but who is frozen is a matter of today. It
    // is all held: but an overdrawn budget lets nothing new begin.
    let going_on = budgets::current_of(view, &standings, now.now_us);
    let refused = refusal(asked, &standings, &going_on, 0, rules)?;
    Ok(refused.or_else(|| consume::covered(&found.checkpoint, &asked.verdict).err()))
}

fn waiting_at(view: &View<'_>, caller: &Caller, request_id: &str) -> Decided<Waiting> {
    let operation = view.operation(&spending::key(&caller.identity_id, request_id));
    let operation = operation.ok_or(Broken::Missing("what waits has its row"))?;
    let checkpoint = operation.checkpoint_id.as_str();
    Place { identity: &caller.identity_id, request: request_id, checkpoint }.loaded(view)
}

// --- what all of them write ---------------------------------------------------------------------

fn take(
    view: &mut View<'_>,
    asked: &Reserve,
    standings: &[Standing],
    expires_us: i64,
    now: &Moment,
) -> Decided<()> {
    let key = spending::key(&asked.caller.identity_id, &asked.request_id);
    let amount_nanousd = asked.amount_nanousd;
    let holding = Holding { key: &key, amount_nanousd, owner_id: "", expires_us };
    let held = budgets::reserve(view, standings, &holding, now.now_us)?;
    held.map_err(|_| Broken::State("room was found on these very rows"))
}

fn operation(asked: &Reserve, status: QueryState, now: &Moment) -> Operation {
    Operation {
        identity_id: asked.caller.identity_id.clone(),
        request_id: asked.request_id.clone(),
        kind: OperationKind::Reservation,
        subject: asked.caller.principal.clone(),
        acting_for: asked.caller.acting_for.clone(),
        content_digest: asked.content_digest.clone(),
        action_digest: asked.action_digest.clone(),
        status,
        // No process of ours runs it, so neither a start nor a takeover ends it: its time alone
        // does.
        owner_id: String::new(),
        deadline_ms: asked.ttl_ms,
        resume_on_approval: false,
        sphere: asked.sphere.clone(),
        run_id: asked.run_id.clone(),
        labels: asked.labels.clone(),
        checkpoint_id: String::new(),
        cost_nanousd: 0,
        estimated: false,
        outcome: Outcome::default(),
        event_count: 0,
        created_us: now.now_us,
        updated_us: now.now_us,
        ended_us: 0,
        query: Query::default(),
    }
}

/// Put its row, and what was asked where that is new.
fn put(view: &mut View<'_>, operation: &Operation, asked: Option<&Reserve>) {
    view.put(Row::Operation(Box::new(operation.clone())));
    if let Some(asked) = asked {
        view.put(Row::Content(asked.content.clone()));
    }
}

fn payload(asked: &Reserve, rules: &Rules) -> Payload {
    Payload::new()
        .with("action_digest", asked.action_digest.hex())
        .with("amount_nanousd", asked.amount_nanousd)
        .with("content_digest", asked.content_digest.hex())
        .with("intents", asked.intents.clone())
        .with("operation", asked.action.as_str())
        .with("policies_revision", rules.policies_revision.as_str())
        .with("sphere", asked.sphere.as_str())
        .with("target", asked.target.as_str())
        .with("text", questions::noted(&asked.description))
}
