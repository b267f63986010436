//! From policy files to the two sets that are evaluated; refuses what could surprise later.

use std::collections::BTreeMap;
use std::str::FromStr;

use cedar_policy::{
    Effect, ParseErrors, Policy, PolicyId, PolicySet as CedarSet, Schema, ValidationMode, Validator,
};
use miette::Diagnostic as _;
use thiserror::Error;

use crate::vocabulary::CheckpointType;

/// Why a set of policies cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{file}: {policy}: {reason}")]
pub struct PolicyError {
    /// The file at fault.
    pub file: String,
    /// The policy at fault: its `@id`, or where it stands in the file.
    pub policy: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The names that verdicts use for themselves, which no policy may take.
pub(super) const DEFAULT_DENY: &str = "default_deny";
pub(super) const INVALID_QUERY: &str = "invalid_query";
pub(super) const PERMIT_ALL: &str = "permit_all";
pub(super) const UNREPRESENTABLE: &str = "unrepresentable_arguments";
const RESERVED: [&str; 4] = [DEFAULT_DENY, INVALID_QUERY, PERMIT_ALL, UNREPRESENTABLE];

const ANNOTATIONS: [&str; 3] = ["id", "checkpoint", "description"];
const ID_CHARACTERS_MAX: usize = 64;

/// Who wrote a policy file, which decides what it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    /// Part of the product: permits and forbids.
    Shipped,
    /// The operator: forbids only.
    Operator,
}

/// One policy under its own `@id`, and the checkpoint that it asks for.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub(super) policy: Policy,
    pub(super) checkpoint: Option<&'static str>,
    file: String,
}

/// Policies by `@id`.
pub(super) type Policies = BTreeMap<String, Loaded>;

/// Adds a file's policies, each under its own `@id`.
pub(super) fn read(
    policies: &mut Policies,
    author: Author,
    file: &str,
    text: &str,
) -> Result<(), PolicyError> {
    let parsed = CedarSet::from_str(text).map_err(|error| unreadable(file, text, &error))?;
    if let Some(template) = parsed.templates().next() {
        let policy = template.annotation("id").unwrap_or("a template").to_owned();
        return Err(refused(file, &policy, "a template never applies: write a policy"));
    }
    for policy in parsed.policies() {
        let (id, loaded) = check(author, file, policy)?;
        // Over all files: verdicts, entries and approvals name a policy by its id alone.
        if let Some(other) = policies.insert(id.clone(), loaded) {
            let reason = format!("the @id is taken by a policy in {}", other.file);
            return Err(refused(file, &id, &reason));
        }
    }
    Ok(())
}

/// Type-checks all policies; a policy that can never apply is refused as a mistake too.
pub(super) fn validate(policies: &Policies, schema: Schema) -> Result<(), PolicyError> {
    let all = policies.values().map(|loaded| loaded.policy.clone());
    let set = CedarSet::from_policies(all).map_err(|error| in_schema(&error))?;
    let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
    let error = result.validation_errors().map(|error| (error.policy_id(), error.to_string()));
    let warning = result.validation_warnings().map(|found| (found.policy_id(), found.to_string()));
    // A warning may say that a policy can never apply, and a forbid that never fires is a hole
    // which nobody sees.
    let Some((id, reason)) = error.chain(warning).next() else {
        return Ok(());
    };
    let id: &str = id.as_ref();
    let file = policies.get(id).map_or("", |loaded| loaded.file.as_str());
    Err(refused(file, id, &reason))
}

/// A schema that cannot be used, or one that the requests do not fit.
pub(super) fn in_schema(reason: &impl ToString) -> PolicyError {
    refused("the schema", "as a whole", &reason.to_string())
}

/// A configured tool that cannot be used.
pub(super) fn in_tool(name: &str, reason: &str) -> PolicyError {
    refused("tools", name, reason)
}

fn check(author: Author, file: &str, policy: &Policy) -> Result<(String, Loaded), PolicyError> {
    let id = id_of(file, policy)?;
    // Cedar takes any annotation, and a misspelt `@checkpoint` would turn a question to a person
    // into a denial.
    let known = |(name, _): &(&str, &str)| ANNOTATIONS.contains(name);
    if let Some((name, _)) = policy.annotations().find(|annotation| !known(annotation)) {
        let reason = format!("@{name} is unknown: use {}", ANNOTATIONS.map(at).join(", "));
        return Err(refused(file, &id, &reason));
    }
    // Permits add up, so one of an operator's would open what the shipped ones keep closed.
    if author == Author::Operator && policy.effect() == Effect::Permit {
        return Err(refused(file, &id, "an operator's policy can only forbid"));
    }
    let checkpoint = checkpoint_of(file, &id, policy)?;
    // By its own name, or verdicts would name it by its place in its file.
    let policy = policy.new_id(PolicyId::new(&id));
    Ok((id, Loaded { policy, checkpoint, file: file.to_owned() }))
}

fn id_of(file: &str, policy: &Policy) -> Result<String, PolicyError> {
    let Some(id) = policy.annotation("id") else {
        return Err(refused(file, &place(policy), "every policy needs an @id"));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if id.is_empty() || id.len() > ID_CHARACTERS_MAX || !id.chars().all(plain) {
        let reason = "an @id is 1 to 64 letters, digits, '_', '-' or '.'";
        return Err(refused(file, &place(policy), reason));
    }
    if RESERVED.contains(&id) {
        return Err(refused(file, id, "this @id is reserved for verdicts"));
    }
    Ok(id.to_owned())
}

fn checkpoint_of(
    file: &str,
    id: &str,
    policy: &Policy,
) -> Result<Option<&'static str>, PolicyError> {
    let Some(wanted) = policy.annotation("checkpoint") else {
        return Ok(None);
    };
    if policy.effect() == Effect::Permit {
        return Err(refused(file, id, "a permit cannot ask for a checkpoint"));
    }
    let found = CheckpointType::from_wire_name(wanted);
    found.map(|known| Some(known.wire_name())).ok_or_else(|| {
        let known: Vec<_> = CheckpointType::ALL.iter().map(|known| known.wire_name()).collect();
        let known = known.join(", ");
        refused(file, id, &format!("checkpoint {wanted:?} is unknown: use {known}"))
    })
}

/// "policy 3", from the name that the parser gave it.
fn place(policy: &Policy) -> String {
    let id: &str = policy.id().as_ref();
    let index = id.strip_prefix("policy").and_then(|index| index.parse::<usize>().ok());
    index.map_or_else(|| id.to_owned(), |index| format!("policy {}", index.saturating_add(1)))
}

/// The parser's first complaint and the line it is about.
fn unreadable(file: &str, text: &str, errors: &ParseErrors) -> PolicyError {
    let error = errors.iter().next();
    let label = error.and_then(|error| error.labels()?.next());
    let before = label.and_then(|label| text.get(..label.offset()));
    let place = before.map_or_else(
        || "as a whole".to_owned(),
        |before| format!("line {}", before.matches('\n').count().saturating_add(1)),
    );
    refused(file, &place, &errors.to_string())
}

fn refused(file: &str, policy: &str, reason: &str) -> PolicyError {
    PolicyError { file: file.to_owned(), policy: policy.to_owned(), reason: reason.to_owned() }
}

fn at(name: &str) -> String {
    format!("@{name}")
}
