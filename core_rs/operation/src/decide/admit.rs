//! Lane D in one command: claim, decide, and write all of it, or write nothing.

use chenu_engine::vocabulary::{
    Lane, LaneStatus, LedgerAction, LedgerDecision, OperationKind, QueryState,
};
use serde_json::Value;

use super::budgets::{self, Holding};
use super::judge::{self, Case, Judgement};
use super::questions::{self, Question};
use super::slots::{self, NoSlot};
use super::{attach, attempts, log};
use crate::answer::Answer;
use crate::command::Admit;
use crate::entry::{self, Payload};
use crate::event::{self, EventDraft};
use crate::refusal::{Outcome, Refusal};
use crate::rows::{Checkpoint, LaneReport, Operation, OperationKey, Query, TokenUsage, UsedFile};
use crate::rules::Rules;
use crate::view::{Need, Row, View};
use crate::{Broken, Decided, Moment};

fn key(asked: &Admit) -> OperationKey {
    (asked.caller.identity_id.clone(), asked.asked.request_id.clone())
}

/// The id's rows, the budgets that apply, the first candidate's oldest slots.
///
/// What waits for a person already is looked for only by what must wait, too: the policies do not
/// ask for one where they deny.
pub(crate) fn needs(asked: &Admit, now: &Moment) -> Vec<Need> {
    let identity_id = &asked.caller.identity_id;
    let mut needs = vec![Need::Operation(key(asked)), Need::Alias(key(asked))];
    needs.extend(budgets::needs_for_reserve(identity_id, now.now_us));
    let files = asked.asked.files.iter();
    needs.extend(files.map(|file| Need::File(identity_id.clone(), file.clone())));
    if needs_person(asked) {
        needs.extend(attach::needs(identity_id, &asked.plan.action_digest));
    }
    // Only who may take a slot asks for any: each that asks adds to how many the batch must load.
    if let Some(first) = asked.plan.chain.first().filter(|_| asked.take_slot) {
        needs.push(slots::needs(&first.provider));
    }
    needs
}

/// The operation that the id is another name of, or the one that its action may wait in.
pub(crate) fn needs_next(asked: &Admit, view: &View<'_>, now: &Moment) -> Vec<Need> {
    let named = view.alias(&key(asked)).map(attach::first_key);
    let waiting = waiting(asked, view, now)
        .map(|found| (found.identity_id.clone(), found.request_id.clone()));
    named.into_iter().chain(waiting).map(Need::Operation).collect()
}

/// One of the answers; only `Admitted`, `Blocked`, `Closed` and `Attached` write.
pub(crate) fn decide(
    asked: &Admit,
    view: &mut View<'_>,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    // First of all, so that a repeat is told what was decided then, whatever has become since of
    // policies, money and files.
    if let Some(known) = known(asked, view) {
        return Ok(known);
    }
    let identity_id = asked.caller.identity_id.as_str();
    if !asked.asked.files.iter().all(|file| view.has_file(identity_id, file)) {
        return Ok(Answer::FilesGone); // this process was taken for dead after it had stored them
    }
    // Before the money is looked at: what waits holds it, and the same ask needs no more.
    if let Some(checkpoint) = waiting(asked, view, now).cloned() {
        return attach::attach(view, asked, &checkpoint, rules, now);
    }
    let case = Case {
        verdict: &asked.verdict,
        plan: &asked.plan,
        identity_id,
        standings: judge::standings_of(view, &asked.asked, &asked.plan, identity_id, now.now_us),
        current: None,
        held_nanousd: 0,
    };
    match judge::judge(case, rules)? {
        Err(refusal) => deny(asked, view, &refusal, rules, now),
        Ok(judged) if judged.types.is_empty() => run(asked, view, judged, rules, now),
        // The cap is met only by what must wait: a denial ends here, and what may run asks nobody.
        Ok(_) if is_full(view, identity_id, rules) => Ok(Answer::Full { limit: rules.pending_max }),
        Ok(judged) => block(asked, view, &judged, rules, now),
    }
}

fn needs_person(asked: &Admit) -> bool {
    !asked.verdict.checkpoints.is_empty()
}

/// What stands under the id already, as an operation's own or as another name of one.
fn known(asked: &Admit, view: &View<'_>) -> Option<Answer> {
    let alias = view.alias(&key(asked));
    let first = alias.map_or_else(|| key(asked), attach::first_key);
    let operation = view.operation(&first)?;
    // An alias was bound to its own asker and content: by those of the first query a repeat with
    // other content would pass for the same.
    let of_alias = alias.map(|alias| (&alias.subject, &alias.content_digest));
    let (subject, digest) = of_alias.unwrap_or((&operation.subject, &operation.content_digest));
    // Another principal of the identity gets a conflict and not the query: what came of it is not
    // his to read.
    let same = *subject == asked.caller.principal && *digest == asked.content_digest;
    Some(if same { Answer::Known(Box::new(operation.clone())) } else { Answer::Conflict })
}

fn waiting<'a>(asked: &Admit, view: &'a View<'_>, now: &Moment) -> Option<&'a Checkpoint> {
    let looks = needs_person(asked);
    looks.then(|| attach::waiting(view, &asked.caller, &asked.plan.action_digest, now)).flatten()
}

/// Whether as many of an identity's checkpoints are pending as may.
pub(crate) fn is_full(view: &View<'_>, identity_id: &str, rules: &Rules) -> bool {
    let most = rules.pending_max;
    // More than the cap may be pending, where it was lowered since they were made.
    most > 0 && most <= view.pending(identity_id)
}

// --- no ---------------------------------------------------------------------------------------

fn deny(
    asked: &Admit,
    view: &mut View<'_>,
    refusal: &Refusal,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    let outcome = refusal.outcome();
    let reason = outcome.name();
    let report = report(asked, LaneStatus::Failed, now, reason);
    let mut drafts = told(asked)?;
    if let Some(scope) = judge::scope_refused(refusal) {
        drafts.push(event::budget_exceeded(&scope)?);
    }
    drafts.push(event::lane_end(&report)?);
    let mut operation = operation(asked, QueryState::Failed, vec![report], rules, now);
    // Closed in the commit of the denial itself: no second command is owed, so a crash leaves
    // nothing that is refused by half.
    log::close(view, &mut operation, QueryState::Failed, outcome, drafts, now)?;
    view.put(Row::Content(asked.content.clone())); // nobody reads its files: they are let go of
    let payload = payload(asked, rules);
    let (decision, action) = (LedgerDecision::Deny, LedgerAction::Execute);
    view.record(entry::about(&operation, decision, action, reason, &payload));
    Ok(Answer::Closed(Box::new(operation)))
}

// --- a person must approve --------------------------------------------------------------------

fn block(
    asked: &Admit,
    view: &mut View<'_>,
    judged: &Judgement,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    let checkpoint = checkpoint(asked, judged, rules, now)?;
    // Held by its time and by no owner, for it must outlive the process that was asked.
    hold(asked, view, judged, "", checkpoint.expires_us, now)?;
    let governance = report(asked, LaneStatus::Completed, now, &judged.policies.join(","));
    let blocked = LaneReport::new(Lane::ECheckpoint, LaneStatus::Blocked, 0);
    let mut drafts = told(asked)?;
    drafts.extend([
        event::lane_end(&governance)?,
        event::lane_start(Lane::ECheckpoint)?,
        event::checkpoint_created(&checkpoint)?,
        event::lane_end(&blocked)?,
        event::pipeline_blocked(&checkpoint.checkpoint_id)?,
    ]);
    let reports = vec![governance, blocked];
    let mut operation = operation(asked, QueryState::Blocked, reports, rules, now);
    operation.checkpoint_id.clone_from(&checkpoint.checkpoint_id);
    operation.query.output_cap = judged.output_cap;
    log::append(view, &mut operation, drafts, now);
    view.put(Row::Operation(Box::new(operation.clone())));
    put_content(asked, view);
    view.put(Row::Checkpoint(Box::new(checkpoint.clone())));
    let types: Vec<&str> = checkpoint.types.iter().map(|kind| kind.wire_name()).collect();
    let payload = payload(asked, rules)
        .with("checkpoint_id", checkpoint.checkpoint_id.as_str())
        .with("types", types)
        .with("policies", judged.policies.clone())
        .with("expires_us", checkpoint.expires_us)
        .with("held_nanousd", judged.amount_nanousd);
    let (decision, action) = (LedgerDecision::Block, LedgerAction::Execute);
    view.record(entry::about(&operation, decision, action, "CHECKPOINT_PENDING", &payload));
    Ok(Answer::Blocked { operation: Box::new(operation), checkpoint: Box::new(checkpoint) })
}

fn checkpoint(
    asked: &Admit,
    judged: &Judgement,
    rules: &Rules,
    now: &Moment,
) -> Decided<Checkpoint> {
    let first = judged.chain.first();
    let first = first.ok_or(Broken::State("what is blocked could be called"))?;
    let question = Question {
        caller: &asked.caller,
        kind: OperationKind::Query,
        request_id: &asked.asked.request_id,
        checkpoint_id: &asked.checkpoint_id,
        types: &judged.types,
        action: &asked.asked.action,
        target: &asked.asked.target,
        action_digest: &asked.plan.action_digest,
        text: &asked.asked.last_text,
        called: (&first.provider, &first.model),
        // What the digest binds, and not the bound that is held today: to this the approver says
        // yes.
        max_cost_nanousd: asked.plan.max_cost_nanousd,
    };
    Ok(question.asked(rules, now))
}

// --- yes --------------------------------------------------------------------------------------

fn run(
    asked: &Admit,
    view: &mut View<'_>,
    judged: Judgement,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    // Who was told not to take a slot stands behind others in the provider's queue, even if one is
    // free at this moment.
    let first = judged.chain.first().filter(|_| asked.take_slot);
    let Some(first) = first else { return Ok(Answer::Wait { free_times_us: Vec::new() }) };
    // Before anything of the query is put: whoever has to wait leaves no trace, so his id stays
    // unused and a restart forgets him.
    let slot = match slots::take(view, rules, &first.provider, now.now_us)? {
        Ok(slot) => slot,
        Err(none) => return Ok(NoSlot::answer(none)),
    };
    // What runs holds its money for as long as its owner lives, whatever time a provider takes.
    hold(asked, view, &judged, &rules.owner_id, 0, now)?;
    let governance = report(asked, LaneStatus::Completed, now, "");
    let skipped = LaneReport::new(Lane::ECheckpoint, LaneStatus::Skipped, 0);
    let mut drafts = told(asked)?;
    drafts.extend([
        event::lane_end(&governance)?,
        event::lane_end(&skipped)?,
        event::lane_start(Lane::FExecution)?,
    ]);
    let reports = vec![governance, skipped];
    let mut operation = operation(asked, QueryState::Running, reports, rules, now);
    operation.query.output_cap = judged.output_cap;
    put_content(asked, view);
    let budgets: Vec<&str> =
        judged.standings.iter().map(|each| each.budget.budget_id.as_str()).collect();
    let payload = payload(asked, rules)
        .with("bound_nanousd", judged.amount_nanousd)
        .with("budgets", budgets)
        .with("output_cap", judged.output_cap);
    let (decision, action) = (LedgerDecision::Allow, LedgerAction::Execute);
    view.record(entry::about(&operation, decision, action, "", &payload));
    attempts::open(view, operation, judged.chain, &slot, drafts, now)
}

// --- what all three write ---------------------------------------------------------------------

fn hold(
    asked: &Admit,
    view: &mut View<'_>,
    judged: &Judgement,
    owner_id: &str,
    expires_us: i64,
    now: &Moment,
) -> Decided<()> {
    let key = key(asked);
    let amount_nanousd = judged.amount_nanousd;
    let holding = Holding { key: &key, amount_nanousd, owner_id, expires_us };
    let held = budgets::reserve(view, &judged.standings, &holding, now.now_us)?;
    // `judge` has tried this amount on the same rows, and only slots were put in between, so a
    // refusal here is a bug and not an answer.
    held.map_err(|_| Broken::State("room was found on these very rows"))
}

fn put_content(asked: &Admit, view: &mut View<'_>) {
    view.put(Row::Content(asked.content.clone()));
    // In the commit that records the query: from here on the sweep spares its files, whatever
    // becomes of the hold that they were stored under.
    for file in &asked.asked.files {
        view.put(Row::UsedFile(UsedFile {
            identity_id: asked.caller.identity_id.clone(),
            sha256: file.clone(),
            request_id: asked.asked.request_id.clone(),
        }));
    }
}

/// What lanes A to C have to tell, and that D begins.
fn told(asked: &Admit) -> Decided<Vec<EventDraft>> {
    if !asked.drafts.is_empty() {
        return Ok(asked.drafts.clone());
    }
    let mut drafts = Vec::with_capacity(16);
    drafts.push(event::pipeline_start(&asked.asked)?);
    for report in &asked.lanes {
        drafts.extend([event::lane_start(report.lane)?, event::lane_end(report)?]);
    }
    drafts.push(event::lane_start(Lane::DGovernance)?);
    Ok(drafts)
}

fn report(asked: &Admit, status: LaneStatus, now: &Moment, summary: &str) -> LaneReport {
    let duration_us = now.since(asked.lane_started_ns);
    LaneReport { lane: Lane::DGovernance, status, duration_us, summary: summary.to_owned() }
}

fn payload(asked: &Admit, rules: &Rules) -> Payload {
    let (query, list) = (&asked.asked, |items: &[String]| Value::from(items.to_vec()));
    Payload::new()
        .with("action_digest", asked.plan.action_digest.hex())
        .with("content_digest", asked.content_digest.hex())
        .with("context_hash", query.context_hash.hex())
        .with("mode", query.mode.as_str())
        .with("intents", list(&query.intents))
        .with("detected_intents", list(&query.detected_intents))
        .with("sphere", query.sphere.as_str())
        .with("policies_revision", rules.policies_revision.as_str())
        .with("text", questions::noted(&query.last_text))
}

fn operation(
    asked: &Admit,
    status: QueryState,
    reports: Vec<LaneReport>,
    rules: &Rules,
    now: &Moment,
) -> Operation {
    let running = status == QueryState::Running;
    Operation {
        identity_id: asked.caller.identity_id.clone(),
        request_id: asked.asked.request_id.clone(),
        kind: OperationKind::Query,
        subject: asked.caller.principal.clone(),
        acting_for: asked.caller.acting_for.clone(),
        content_digest: asked.content_digest.clone(),
        action_digest: asked.plan.action_digest.clone(),
        status,
        // Only what runs is left behind by a crash: what waits for a person needs no process and
        // must not be recovered.
        owner_id: if running { rules.owner_id.clone() } else { String::new() },
        deadline_ms: asked.deadline_ms,
        resume_on_approval: asked.asked.resume_on_approval,
        sphere: asked.asked.sphere.clone(),
        run_id: asked.asked.run_id.clone(),
        labels: asked.asked.labels.clone(),
        checkpoint_id: String::new(),
        cost_nanousd: 0,
        estimated: false,
        outcome: Outcome::default(),
        event_count: 0,
        created_us: now.now_us,
        updated_us: now.now_us,
        ended_us: 0,
        query: query(asked, reports),
    }
}

fn query(asked: &Admit, reports: Vec<LaneReport>) -> Query {
    let query = &asked.asked;
    let names = asked.plan.chain.iter().map(|each| format!("{}/{}", each.provider, each.model));
    Query {
        mode: query.mode.clone(),
        intents: query.intents.clone(),
        detected_intents: query.detected_intents.clone(),
        thread_id: query.thread_id.clone(),
        context_hash: query.context_hash.clone(),
        provider: String::new(),
        model: String::new(),
        chain: names.collect(),
        stop_reason: String::new(),
        output_cap: 0,
        usage: TokenUsage::default(),
        attempts: 0,
        lanes: asked.lanes.iter().cloned().chain(reports).collect(),
        output_length: 0,
        output_parts: Vec::new(),
        output_format: query.output_format.clone(),
        route_snapshot: asked.plan.snapshot.clone(),
    }
}
