//! What a policy is asked about, and its translation into Cedar's terms.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression, Schema};

use super::vocabulary::{Vocabulary, texts, uid};

/// A query as the policies see it.
///
/// Names from closed lists (principal type, roles, intents, spheres, sensitivity) that are unknown
/// make the verdict a denial.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// `user`, `service` or `agent`.
    pub principal_type: String,
    /// The verified token's subject.
    pub principal_id: String,
    /// The identity that the principal acts in.
    pub identity_id: String,
    /// The principal's roles in that identity.
    pub roles: Vec<String>,
    /// Whom the principal acts for, as `type:id`.
    pub acting_for: Vec<String>,
    /// What is to be done, in the caller's words.
    pub operation: String,
    /// `command` or `generation`.
    pub mode: String,
    /// The intents that decide: the declared ones, and those of a command's text.
    pub intents: Vec<String>,
    /// What the text was found to ask for.
    pub detected_intents: Vec<String>,
    /// The sphere that the query runs in.
    pub sphere: String,
    /// The target's kind; empty for no target.
    pub target_kind: String,
    /// The target's id; empty for no target.
    pub target_id: String,
    /// The target's sphere; empty for none.
    pub target_sphere: String,
    /// The spheres of the target and of every context item.
    pub spheres: Vec<String>,
    /// Whether any of those differs from `sphere`.
    pub cross_sphere: bool,
    /// `public`, `internal`, `confidential` or `restricted`.
    pub sensitivity: String,
    /// The agent asked for; empty for none.
    pub agent_role: String,
    /// The providers that the route may use.
    pub providers: Vec<String>,
    /// How much money a service asks to reserve; none where a query is submitted.
    pub amount_nanousd: Option<i64>,
}

type Attributes = [(&'static str, RestrictedExpression); 3];

impl Query {
    /// The same query in Cedar's terms: built from the schema's own shape, so it needs no check.
    pub(super) fn translate(&self, known: &Vocabulary) -> Result<(Request, Entities), String> {
        self.build(known, None)
    }

    /// One query for each principal type that uses every name there is, and a reservation like it,
    /// checked by the schema.
    pub(super) fn probe(known: &Vocabulary, schema: &Schema) -> Result<(), String> {
        let all = Self {
            roles: known.roles.all(),
            intents: known.intents.all(),
            detected_intents: known.intents.all(),
            spheres: known.spheres.all(),
            acting_for: vec!["user:probe".to_owned()],
            providers: vec!["probe".to_owned()],
            ..Self::default()
        };
        let modes = known.modes.all();
        // Side by side and not each with each: that the schema knows every name is all that is
        // probed.
        let named = known.principal_types().zip(&all.spheres).zip(modes.iter().cycle());
        for ((principal_type, sphere), mode) in named {
            for sensitivity in known.sensitivities.all() {
                let principal_type = principal_type.to_owned();
                let (sphere, target_sphere) = (sphere.clone(), sphere.clone());
                let mode = mode.clone();
                let one = Self {
                    principal_type,
                    mode,
                    sphere,
                    target_sphere,
                    sensitivity,
                    ..all.clone()
                };
                one.build(known, Some(schema))?;
                Self { amount_nanousd: Some(1), ..one }.build(known, Some(schema))?;
            }
        }
        Ok(())
    }

    fn build(
        &self,
        known: &Vocabulary,
        schema: Option<&Schema>,
    ) -> Result<(Request, Entities), String> {
        let principal = uid(known.principal(&self.principal_type)?, &self.principal_id);
        // Only the name of the entity: policies read kind and id as attributes, between which no
        // slash can move.
        let target = format!("{}/{}", self.target_kind, self.target_id);
        let resource = uid(&known.target, &target);
        let entities = [
            entity(principal.clone(), self.principal(known)?.into())?,
            entity(resource.clone(), self.target(known)?)?,
        ];
        let entities = Entities::from_entities(entities, schema).map_err(said)?;
        let context = Context::from_pairs(self.context(known)?).map_err(said)?;
        let action = if self.amount_nanousd.is_some() { &known.reserve } else { &known.submit };
        let request = Request::new(principal, action.clone(), resource, context, schema);
        Ok((request.map_err(said)?, entities))
    }

    fn principal(&self, known: &Vocabulary) -> Result<Attributes, String> {
        Ok([
            ("identity", text(&self.identity_id)),
            ("roles", known.roles.set(&self.roles)?),
            ("acting_for", texts(&self.acting_for)),
        ])
    }

    fn target(
        &self,
        known: &Vocabulary,
    ) -> Result<Vec<(&'static str, RestrictedExpression)>, String> {
        let mut attributes = vec![("kind", text(&self.target_kind)), ("id", text(&self.target_id))];
        // Spheres are a closed list without an empty one, so what has none lacks the attribute and
        // a policy asks with `has`.
        if !self.target_sphere.is_empty() {
            attributes.push(("sphere", known.spheres.one(&self.target_sphere)?));
        }
        Ok(attributes)
    }

    fn context(&self, known: &Vocabulary) -> Result<Vec<(String, RestrictedExpression)>, String> {
        // A reservation has all that a query has, so that a policy over any action holds in both.
        let pairs = [
            ("operation", text(&self.operation)),
            ("mode", known.modes.one(&self.mode)?),
            ("intents", known.intents.set(&self.intents)?),
            ("detected_intents", known.intents.set(&self.detected_intents)?),
            ("sphere", known.spheres.one(&self.sphere)?),
            ("spheres", known.spheres.set(&self.spheres)?),
            ("cross_sphere", RestrictedExpression::new_bool(self.cross_sphere)),
            ("sensitivity", known.sensitivities.one(&self.sensitivity)?),
            ("agent_role", text(&self.agent_role)),
            ("providers", texts(&self.providers)),
        ];
        let amount = self.amount_nanousd.map(RestrictedExpression::new_long);
        let amount = amount.map(|amount| ("amount_nanousd", amount));
        Ok(pairs.into_iter().chain(amount).map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

fn entity(
    uid: EntityUid,
    attributes: Vec<(&'static str, RestrictedExpression)>,
) -> Result<Entity, String> {
    let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value));
    let attributes: HashMap<_, _> = attributes.collect();
    Entity::new(uid, attributes, HashSet::new()).map_err(said)
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn said(error: impl std::error::Error) -> String {
    error.to_string()
}
