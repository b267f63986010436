//! The closed lists of names that a query may use, as Cedar entities made once.

use std::str::FromStr;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, RestrictedExpression};

use crate::vocabulary::{Intent, PrincipalType, QueryMode, Role, Sphere, ToolEffect};

const SENSITIVITIES: [&str; 4] = ["public", "internal", "confidential", "restricted"];
/// The action under which calls of tools are judged that nobody configured.
pub(super) const UNLISTED: &str = "call_unlisted_tool";

/// One enumerated entity type of the schema.
#[derive(Debug, Clone)]
pub(super) struct Names {
    field: &'static str,
    members: Vec<(&'static str, EntityUid)>,
}

impl Names {
    fn new(
        field: &'static str,
        entity: &str,
        names: impl IntoIterator<Item = &'static str>,
    ) -> Result<Self, String> {
        let of = type_name(entity)?;
        let member = |name| (name, uid(&of, name));
        Ok(Self { field, members: names.into_iter().map(member).collect() })
    }

    /// The entity that stands for `name`, or why there is none.
    pub(super) fn one(&self, name: &str) -> Result<RestrictedExpression, String> {
        let found = self.members.iter().find(|(member, _)| *member == name);
        let (_, uid) = found.ok_or_else(|| format!("{}: {name:?} is unknown", self.field))?;
        Ok(RestrictedExpression::new_entity_uid(uid.clone()))
    }

    /// The set of the entities that stand for `names`.
    pub(super) fn set(&self, names: &[String]) -> Result<RestrictedExpression, String> {
        let members: Result<Vec<_>, _> = names.iter().map(|name| self.one(name)).collect();
        Ok(RestrictedExpression::new_set(members?))
    }

    /// Every name, to ask the schema about.
    pub(super) fn all(&self) -> Vec<String> {
        self.members.iter().map(|(name, _)| (*name).to_owned()).collect()
    }
}

/// Every name that requests are built from.
#[derive(Debug, Clone)]
pub(super) struct Vocabulary {
    pub(super) roles: Names,
    pub(super) spheres: Names,
    pub(super) intents: Names,
    pub(super) modes: Names,
    pub(super) sensitivities: Names,
    pub(super) effects: Names,
    pub(super) target: EntityTypeName,
    pub(super) submit: EntityUid,
    pub(super) reserve: EntityUid,
    /// The group of all calls of tools.
    pub(super) call: EntityUid,
    pub(super) call_unlisted: EntityUid,
    principals: [(&'static str, EntityTypeName); 3],
}

impl Vocabulary {
    pub(super) fn new() -> Result<Self, String> {
        let action = type_name("Action")?;
        Ok(Self {
            roles: Names::new("role", "Role", Role::ALL.iter().map(|each| each.wire_name()))?,
            spheres: Names::new(
                "sphere",
                "Sphere",
                Sphere::ALL.iter().map(|each| each.wire_name()),
            )?,
            intents: Names::new(
                "intent",
                "Intent",
                Intent::ALL.iter().map(|each| each.wire_name()),
            )?,
            modes: Names::new("mode", "Mode", QueryMode::ALL.iter().map(|each| each.wire_name()))?,
            sensitivities: Names::new("sensitivity", "Sensitivity", SENSITIVITIES)?,
            effects: Names::new(
                "effect",
                "ToolEffect",
                ToolEffect::ALL.iter().map(|each| each.wire_name()),
            )?,
            target: type_name("Target")?,
            submit: uid(&action, "submit"),
            reserve: uid(&action, "reserve"),
            call: uid(&action, "call_tool"),
            call_unlisted: uid(&action, UNLISTED),
            principals: [
                (PrincipalType::User.wire_name(), type_name("User")?),
                (PrincipalType::Service.wire_name(), type_name("Service")?),
                (PrincipalType::Agent.wire_name(), type_name("Agent")?),
            ],
        })
    }

    /// The action of calling a configured tool.
    pub(super) fn call_of(&self, tool: &str) -> EntityUid {
        let name = format!("{}.{tool}", self.call.id().unescaped());
        uid(self.call.type_name(), &name)
    }

    /// The Cedar type of a principal type's wire name.
    pub(super) fn principal(&self, name: &str) -> Result<&EntityTypeName, String> {
        let found = self.principals.iter().find(|(known, _)| *known == name);
        found.map(|(_, of)| of).ok_or_else(|| format!("principal_type: {name:?} is unknown"))
    }

    /// The wire names of all principal types.
    pub(super) fn principal_types(&self) -> impl Iterator<Item = &'static str> {
        self.principals.iter().map(|(name, _)| *name)
    }
}

fn type_name(name: &str) -> Result<EntityTypeName, String> {
    EntityTypeName::from_str(name).map_err(|error| error.to_string())
}

/// An entity of a type whose name is already parsed.
pub(super) fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

/// A set of strings.
pub(super) fn texts(items: &[String]) -> RestrictedExpression {
    RestrictedExpression::new_set(items.iter().cloned().map(RestrictedExpression::new_string))
}
