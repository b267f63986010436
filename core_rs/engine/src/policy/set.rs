//! A loaded set of policies, and the verdict it gives.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cedar_policy::{
    AuthorizationError, Authorizer, Decision, Diagnostics, Entities, EvaluationError, Policy,
    PolicyId, PolicySet as CedarSet, Request,
};

use super::arguments;
use super::call::{CallVerdict, ProposedCall};
use super::load::{
    self, Author, DEFAULT_DENY, INVALID_QUERY, PERMIT_ALL, Policies, PolicyError, UNREPRESENTABLE,
};
use super::query::Query;
use super::tools::{ToolDeclaration, Tools};
use super::vocabulary::Vocabulary;
use crate::canonical;
use crate::vocabulary::CheckpointType;

/// The texts that a set of policies is made of; files are (name, text).
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The schema that everything is checked against.
    pub schema: &'a str,
    /// Part of the product: may permit and forbid.
    pub shipped: &'a [(String, String)],
    /// Written by the operator: may only forbid, or demand a checkpoint.
    pub operator: &'a [(String, String)],
    /// Configured by the operator: each has an action of its own, with its arguments.
    pub tools: &'a [ToolDeclaration],
}

/// What the policies say about one query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the query may go on: at once, or after its checkpoints.
    pub allowed: bool,
    /// The ids of the policies that deny, in order; `default_deny` when no permit applied.
    pub denied_by: Vec<String>,
    /// (type, policy id) of what a person must approve first, in order; empty when denied.
    pub checkpoints: Vec<(String, String)>,
    /// Why an evaluation failed. Any failure denies.
    pub errors: Vec<String>,
}

/// Whether a call's arguments are in its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arguments {
    /// They are, or there are none to be told.
    Told,
    /// They are not, though policies may read them.
    Untold,
}

impl Arguments {
    /// Whether a policy could not be evaluated for want of them alone: policies are type-checked,
    /// so they are all that a record can lack.
    fn excuse(self, error: &AuthorizationError) -> bool {
        let AuthorizationError::PolicyEvaluationError(error) = error;
        let lacks = matches!(error.inner(), EvaluationError::RecordAttrDoesNotExist(_));
        self == Self::Untold && lacks
    }
}

/// Validated policies, split once into the two sets that are evaluated.
#[derive(Debug, Clone)]
pub struct PolicySet {
    known: Vocabulary,
    tools: Tools,
    hard: CedarSet,
    gate: CedarSet,
    checkpoints: BTreeMap<String, &'static str>,
    policy_ids: Vec<String>,
    revision: String,
    authorizer: Authorizer,
}

impl PolicySet {
    /// Reads, checks and splits the policies.
    ///
    /// # Errors
    /// [`PolicyError`] naming the file, the policy and what is wrong with it.
    pub fn load(sources: Sources<'_>) -> Result<Self, PolicyError> {
        let known = Vocabulary::new().map_err(|error| load::in_schema(&error))?;
        let tools = Tools::read(sources.tools, &known)?;
        let schema = tools.schema(sources.schema).map_err(|error| load::in_schema(&error))?;
        // At start, and once: a query is built without a check, so a schema that it does not fit
        // would show in every verdict.
        Query::probe(&known, &schema).map_err(|error| load::in_schema(&error))?;
        let mut policies = Policies::new();
        for (author, files) in
            [(Author::Shipped, sources.shipped), (Author::Operator, sources.operator)]
        {
            for (file, text) in files {
                load::read(&mut policies, author, file, text)?;
            }
        }
        load::validate(&policies, schema)?;
        Self::split(known, tools, sources.schema, &policies)
            .map_err(|error| load::in_schema(&error))
    }

    /// The ids of all policies, sorted.
    #[must_use]
    pub fn policy_ids(&self) -> &[String] {
        &self.policy_ids
    }

    /// A hash that changes exactly when the schema, a tool's, or a policy's meaning-bearing text
    /// does: not with order, layout or comments of the policy files. Lower-case hex, 64 characters.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// What the policies say about `query`.
    #[must_use]
    pub fn evaluate(&self, query: &Query) -> Verdict {
        match query.translate(&self.known) {
            Ok((request, entities)) => self.judge(&request, &entities, Arguments::Told),
            // A word that the schema does not know could be one that a forbid is about.
            Err(error) => denied(vec![INVALID_QUERY.to_owned()], vec![error]),
        }
    }

    /// What the policies say about a call that is proposed to `query`, whose amount plays no part.
    ///
    /// Where one argument cannot be told exactly, none is. A policy that reads `arguments` then
    /// cannot be evaluated and `has` finds none; every other policy says what it says. What is
    /// not denied is held: for an `execution_approval`, and for the checkpoint of each policy that
    /// could not be evaluated.
    #[must_use]
    pub fn evaluate_call(&self, query: &Query, call: &ProposedCall<'_>) -> CallVerdict {
        let tool = self.tools.get(call.name);
        let action = tool.map_or(&self.known.call_unlisted, |tool| &tool.action);
        let told = arguments::translate(tool.map(|tool| &tool.arguments), call.arguments);
        let (told, unrepresentable) = match told {
            Ok(told) => (told, None),
            Err(why) => (None, Some(why)),
        };
        let arguments = if unrepresentable.is_some() { Arguments::Untold } else { Arguments::Told };
        let verdict = match query.translate_call(&self.known, action, call, told) {
            Ok((request, entities)) => self.judge(&request, &entities, arguments),
            Err(error) => denied(vec![INVALID_QUERY.to_owned()], vec![error]),
        };
        CallVerdict::new(verdict, unrepresentable)
    }

    fn judge(&self, request: &Request, entities: &Entities, arguments: Arguments) -> Verdict {
        let hard = self.authorizer.is_authorized(request, &self.hard, entities);
        // Before the decision is read, for Cedar has passed over the policy that failed, and that
        // one may have meant to forbid.
        if let Some(verdict) = erred(hard.diagnostics(), arguments) {
            return verdict;
        }
        if hard.decision() == Decision::Deny {
            let mut denied_by = reasons(hard.diagnostics());
            if denied_by.is_empty() {
                denied_by.push(DEFAULT_DENY.to_owned());
            }
            return denied(denied_by, vec![]);
        }
        // Asked only of what is allowed: no approval may lift a denial.
        let gate = self.authorizer.is_authorized(request, &self.gate, entities);
        let erred = erred(gate.diagnostics(), arguments);
        erred.unwrap_or_else(|| self.gated(gate.diagnostics(), arguments))
    }

    fn gated(&self, gate: &Diagnostics, arguments: Arguments) -> Verdict {
        // Where nothing is to be approved the reason is the permit for everything, which has no
        // type and falls out here.
        let typed = |id: String| Some(((*self.checkpoints.get(&id)?).to_owned(), id));
        let mut checkpoints: Vec<_> = reasons(gate).into_iter().filter_map(typed).collect();
        if arguments == Arguments::Untold {
            // What could not be evaluated may have meant to ask: else an argument with a digit too
            // many would get around the person whom a policy names.
            checkpoints.extend(gate.errors().map(id_of).filter_map(typed));
            let kind = CheckpointType::ExecutionApproval.wire_name().to_owned();
            checkpoints.push((kind, UNREPRESENTABLE.to_owned()));
        }
        // In one order for one verdict, for it is stored and compared with that of a later day.
        checkpoints.sort_unstable();
        Verdict { allowed: true, checkpoints, ..Verdict::default() }
    }

    fn split(
        known: Vocabulary,
        tools: Tools,
        schema: &str,
        policies: &Policies,
    ) -> Result<Self, String> {
        let gated = |wanted: bool| {
            let of = policies.values().filter(move |one| one.checkpoint.is_some() == wanted);
            of.map(|one| one.policy.clone())
        };
        let permit_all = "permit (principal, action, resource);";
        let permit_all = Policy::parse(Some(PolicyId::new(PERMIT_ALL)), permit_all);
        let permit_all = permit_all.map_err(|error| error.to_string())?;
        let typed = |(id, one): (&String, &load::Loaded)| Some((id.clone(), one.checkpoint?));
        Ok(Self {
            hard: collected(gated(false))?,
            gate: collected(gated(true).chain([permit_all]))?,
            checkpoints: policies.iter().filter_map(typed).collect(),
            policy_ids: policies.keys().cloned().collect(),
            revision: revision(schema, &tools, policies)?,
            authorizer: Authorizer::new(),
            known,
            tools,
        })
    }
}

fn collected(policies: impl Iterator<Item = Policy>) -> Result<CedarSet, String> {
    CedarSet::from_policies(policies).map_err(|error| error.to_string())
}

fn revision(schema: &str, tools: &Tools, policies: &Policies) -> Result<String, String> {
    let mut fields = vec![schema.to_owned(), tools.text()];
    for (id, one) in policies {
        // As JSON, which has neither layout nor comments, and in the map's order, whichever file it
        // stood in.
        let policy = one.policy.to_json().map_err(|error| error.to_string())?;
        fields.extend([id.clone(), policy.to_string()]);
    }
    let digest =
        canonical::digest("chenu.policy.v1", &fields).map_err(|error| error.to_string())?;
    Ok(digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _written = write!(hex, "{byte:02x}");
        hex
    }))
}

/// A denial, when any policy failed to evaluate for another reason than untold arguments.
fn erred(diagnostics: &Diagnostics, arguments: Arguments) -> Option<Verdict> {
    let failed: Vec<_> = diagnostics.errors().filter(|error| !arguments.excuse(error)).collect();
    if failed.is_empty() {
        return None;
    }
    let mut errors: Vec<_> = failed.iter().map(ToString::to_string).collect();
    let mut denied_by: Vec<_> = failed.into_iter().map(id_of).collect();
    // Cedar's errors have no order, and a denial is told and entered in one.
    errors.sort_unstable();
    denied_by.sort_unstable();
    Some(denied(denied_by, errors))
}

fn id_of(AuthorizationError::PolicyEvaluationError(error): &AuthorizationError) -> String {
    let id: &str = error.policy_id().as_ref();
    id.to_owned()
}

fn reasons(diagnostics: &Diagnostics) -> Vec<String> {
    let ids = diagnostics.reason().map(AsRef::<str>::as_ref);
    let mut ids: Vec<_> = ids.map(str::to_owned).collect();
    // Cedar tells its reasons as a set, and verdicts are told, stored and compared.
    ids.sort_unstable();
    ids
}

fn denied(denied_by: Vec<String>, errors: Vec<String>) -> Verdict {
    Verdict { denied_by, errors, ..Verdict::default() }
}
