//! A loaded set of policies, and the verdict it gives.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cedar_policy::{
    Authorizer, Decision, Diagnostics, Entities, Policy, PolicyId, PolicySet as CedarSet, Request,
    Schema,
};

use super::load::{self, Author, DEFAULT_DENY, INVALID_QUERY, PERMIT_ALL, Policies, PolicyError};
use super::query::Query;
use super::vocabulary::Vocabulary;
use crate::canonical;

/// The texts that a set of policies is made of; files are (name, text).
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The schema that everything is checked against.
    pub schema: &'a str,
    /// Part of the product: may permit and forbid.
    pub shipped: &'a [(String, String)],
    /// Written by the operator: may only forbid, or demand a checkpoint.
    pub operator: &'a [(String, String)],
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

/// Validated policies, split once into the two sets that are evaluated.
#[derive(Debug, Clone)]
pub struct PolicySet {
    known: Vocabulary,
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
        let (schema, _) = Schema::from_cedarschema_str(sources.schema)
            .map_err(|error| load::in_schema(&error))?;
        let known = Vocabulary::new().map_err(|error| load::in_schema(&error))?;
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
        Self::split(known, sources.schema, &policies).map_err(|error| load::in_schema(&error))
    }

    /// The ids of all policies, sorted.
    #[must_use]
    pub fn policy_ids(&self) -> &[String] {
        &self.policy_ids
    }

    /// A hash that changes exactly when the schema or a policy's meaning-bearing text does: not
    /// with order, layout or comments of the policy files. Lower-case hex, 64 characters.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// What the policies say about `query`.
    #[must_use]
    pub fn evaluate(&self, query: &Query) -> Verdict {
        match query.translate(&self.known) {
            Ok((request, entities)) => self.judge(&request, &entities),
            // A word that the schema does not know could be one that a forbid is about.
            Err(error) => denied(vec![INVALID_QUERY.to_owned()], vec![error]),
        }
    }

    fn judge(&self, request: &Request, entities: &Entities) -> Verdict {
        let hard = self.authorizer.is_authorized(request, &self.hard, entities);
        // Before the decision is read, for Cedar has passed over the policy that failed, and that
        // one may have meant to forbid.
        if let Some(verdict) = erred(hard.diagnostics()) {
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
        erred(gate.diagnostics()).unwrap_or_else(|| self.gated(gate.diagnostics()))
    }

    fn gated(&self, gate: &Diagnostics) -> Verdict {
        // Where nothing is to be approved the reason is the permit for everything, which has no
        // type and falls out here.
        let typed = |id: String| Some(((*self.checkpoints.get(&id)?).to_owned(), id));
        let mut checkpoints: Vec<_> = reasons(gate).into_iter().filter_map(typed).collect();
        // In one order for one verdict, for it is stored and compared with that of a later day.
        checkpoints.sort_unstable();
        Verdict { allowed: true, checkpoints, ..Verdict::default() }
    }

    fn split(known: Vocabulary, schema: &str, policies: &Policies) -> Result<Self, String> {
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
            revision: revision(schema, policies)?,
            authorizer: Authorizer::new(),
            known,
        })
    }
}

fn collected(policies: impl Iterator<Item = Policy>) -> Result<CedarSet, String> {
    CedarSet::from_policies(policies).map_err(|error| error.to_string())
}

fn revision(schema: &str, policies: &Policies) -> Result<String, String> {
    let mut fields = vec![schema.to_owned()];
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

/// A denial, when any policy failed to evaluate.
fn erred(diagnostics: &Diagnostics) -> Option<Verdict> {
    let mut errors: Vec<_> = diagnostics.errors().map(ToString::to_string).collect();
    if errors.is_empty() {
        return None;
    }
    // Cedar's errors have no order, and a denial is told and entered in one.
    errors.sort_unstable();
    let erring = diagnostics.errors().map(
        |cedar_policy::AuthorizationError::PolicyEvaluationError(error)| {
            let id: &str = error.policy_id().as_ref();
            id.to_owned()
        },
    );
    let mut denied_by: Vec<_> = erring.collect();
    denied_by.sort_unstable();
    Some(denied(denied_by, errors))
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
