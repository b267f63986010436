//! What a policy is asked about, and its translation into Cedar's terms.

use std::collections::HashMap;

use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression, Schema};

use super::call::ProposedCall;
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

type Attributes<const N: usize> = [(&'static str, RestrictedExpression); N];

/// What a query is judged under, where it is not submitted itself.
pub(super) struct Act {
    pub(super) action: EntityUid,
    /// The group that the action is in, which Cedar is told with each request.
    pub(super) group: Option<EntityUid>,
    /// What the context has beside all that a query's has.
    pub(super) told: Vec<(&'static str, RestrictedExpression)>,
}

impl Query {
    /// The same query in Cedar's terms: built from the schema's own shape, so it needs no check.
    pub(super) fn translate(&self, known: &Vocabulary) -> Result<(Request, Entities), String> {
        self.build(known, None, self.own_act(known))
    }

    /// A call that is proposed to the query, in Cedar's terms. What the tool is told about beside
    /// its name and effect is `arguments`, where there are any.
    pub(super) fn translate_call(
        &self,
        known: &Vocabulary,
        action: &EntityUid,
        call: &ProposedCall<'_>,
        arguments: Option<RestrictedExpression>,
    ) -> Result<(Request, Entities), String> {
        self.build(known, None, call_act(known, action, call, arguments)?)
    }

    /// One query for each principal type that uses every name there is, a reservation like it and
    /// a call of an unlisted tool, checked by the schema.
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
        let mut effects = known.effects.all().into_iter().cycle();
        // Side by side and not each with each: that the schema knows every name is all that is
        // probed.
        let named = known.principal_types().zip(&all.spheres).zip(modes.iter().cycle());
        for ((principal_type, sphere), mode) in named {
            for (sensitivity, effect) in known.sensitivities.all().into_iter().zip(&mut effects) {
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
                one.build(known, Some(schema), one.own_act(known))?;
                one.probe_call(known, schema, &effect)?;
                let reserving = Self { amount_nanousd: Some(1), ..one };
                reserving.build(known, Some(schema), reserving.own_act(known))?;
            }
        }
        Ok(())
    }

    fn probe_call(&self, known: &Vocabulary, schema: &Schema, effect: &str) -> Result<(), String> {
        let call = ProposedCall { name: "probe", effect, arguments: b"{}" };
        let act = call_act(known, &known.call_unlisted, &call, None)?;
        self.build(known, Some(schema), act).map(|_| ())
    }

    fn own_act(&self, known: &Vocabulary) -> Act {
        let amount = self.amount_nanousd.map(RestrictedExpression::new_long);
        let action = if amount.is_some() { &known.reserve } else { &known.submit };
        let told = amount.map(|amount| ("amount_nanousd", amount)).into_iter().collect();
        Act { action: action.clone(), group: None, told }
    }

    fn build(
        &self,
        known: &Vocabulary,
        schema: Option<&Schema>,
        Act { action, group, told }: Act,
    ) -> Result<(Request, Entities), String> {
        let principal = uid(known.principal(&self.principal_type)?, &self.principal_id);
        // Only the name of the entity: policies read kind and id as attributes, between which no
        // slash can move.
        let target = format!("{}/{}", self.target_kind, self.target_id);
        let resource = uid(&known.target, &target);
        let mut entities = vec![
            entity(principal.clone(), self.principal(known)?.into(), None)?,
            entity(resource.clone(), self.target(known)?, None)?,
        ];
        if group.is_some() {
            // Without it Cedar would find the action in no group, and no policy about the group
            // would hold.
            entities.push(entity(action.clone(), vec![], group)?);
        }
        let entities = Entities::from_entities(entities, schema).map_err(said)?;
        let context = self.context(known)?.into_iter().chain(told);
        let context = context.map(|(name, value)| (name.to_owned(), value));
        let context = Context::from_pairs(context).map_err(said)?;
        let request = Request::new(principal, action, resource, context, schema);
        Ok((request.map_err(said)?, entities))
    }

    fn principal(&self, known: &Vocabulary) -> Result<Attributes<3>, String> {
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

    /// A reservation and a call have all of it too, so that a policy over any action holds in all.
    fn context(&self, known: &Vocabulary) -> Result<Attributes<10>, String> {
        Ok([
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
        ])
    }
}

fn call_act(
    known: &Vocabulary,
    action: &EntityUid,
    call: &ProposedCall<'_>,
    arguments: Option<RestrictedExpression>,
) -> Result<Act, String> {
    let tool = [
        ("name".to_owned(), text(call.name)),
        ("effect".to_owned(), known.effects.one(call.effect)?),
    ];
    let tool = ("tool", RestrictedExpression::new_record(tool).map_err(said)?);
    let arguments = arguments.map(|arguments| ("arguments", arguments));
    let told = std::iter::once(tool).chain(arguments).collect();
    Ok(Act { action: action.clone(), group: Some(known.call.clone()), told })
}

fn entity(
    uid: EntityUid,
    attributes: Vec<(&'static str, RestrictedExpression)>,
    parent: Option<EntityUid>,
) -> Result<Entity, String> {
    let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value));
    let attributes: HashMap<_, _> = attributes.collect();
    Entity::new(uid, attributes, parent.into_iter().collect()).map_err(said)
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn said(error: impl std::error::Error) -> String {
    error.to_string()
}
