//! Binding of [`chenu_engine::boundary`].

use chenu_engine::boundary as engine;
use chenu_engine::vocabulary::ViolationType;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

/// The identity that a call acts in, or why there is none.
#[pyclass(frozen, get_all, eq, hash, module = "chenu_server._core")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct BoundaryVerdict {
    identity: Option<String>,
    violation: Option<&'static str>,
}

/// The identity that a call acts in: the one it named, or the only one its token holds.
#[pyfunction]
pub(crate) fn choose_identity(held: Vec<PyBackedStr>, named: Option<&str>) -> BoundaryVerdict {
    let chosen = engine::choose_identity(&held, named);
    BoundaryVerdict {
        violation: chosen.err().map(ViolationType::wire_name),
        identity: chosen.ok().map(str::to_owned),
    }
}

/// Whether a resource of `resource_identity` belongs to `identity`; an absent one never does.
#[pyfunction]
pub(crate) fn owns(identity: &str, resource_identity: Option<&str>) -> bool {
    engine::owns(identity, resource_identity)
}

/// Whether the required role is among `roles`.
#[pyfunction]
pub(crate) fn role_allowed(required: &str, roles: Vec<PyBackedStr>) -> bool {
    engine::role_allowed(required, &roles)
}
