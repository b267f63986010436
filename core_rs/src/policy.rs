//! Binding of [`chenu_engine::policy`].

use chenu_engine::policy::{self as engine, ProposedCall, Sources, ToolDeclaration};
use pyo3::prelude::*;

use crate::classes::{argument_class, result_class};
use crate::convert::mistake;

argument_class! {
    /// The facts that policies decide on.
    PolicyQuery(engine::Query) {
        principal_type: String,
        principal_id: String,
        identity_id: String,
        roles: Vec<String>,
        acting_for: Vec<String>,
        operation: String,
        mode: String,
        intents: Vec<String>,
        detected_intents: Vec<String>,
        sphere: String,
        target_kind: String,
        target_id: String,
        target_sphere: String,
        spheres: Vec<String>,
        cross_sphere: bool,
        sensitivity: String,
        agent_role: String,
        providers: Vec<String>,
        amount_nanousd: Option<i64>,
    }
}

result_class! {
    /// What the policies say.
    PolicyVerdict from verdict: engine::Verdict {
        allowed: bool = verdict.allowed,
        denied_by: Vec<String> = verdict.denied_by,
        checkpoints: Vec<(String, String)> = verdict.checkpoints,
        errors: Vec<String> = verdict.errors,
    }
}

result_class! {
    /// What the policies say about a call.
    CallVerdict from verdict: engine::CallVerdict {
        allowed: bool = verdict.allowed,
        denied_by: Vec<String> = verdict.denied_by,
        checkpoints: Vec<(String, String)> = verdict.checkpoints,
        errors: Vec<String> = verdict.errors,
        unrepresentable: Option<String> = verdict.unrepresentable,
    }
}

/// The shipped policies and an operator's, checked; evaluated without a lock.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct PolicySet(engine::PolicySet);

#[pymethods]
impl PolicySet {
    #[new]
    #[pyo3(signature = (*, schema, shipped, operator, tools = vec![]))]
    fn new(
        schema: &str,
        shipped: Vec<(String, String)>,
        operator: Vec<(String, String)>,
        tools: Vec<(String, String)>,
    ) -> PyResult<Self> {
        let declared = |(name, schema_json)| ToolDeclaration { name, schema_json };
        let tools: Vec<_> = tools.into_iter().map(declared).collect();
        let sources = Sources { schema, shipped: &shipped, operator: &operator, tools: &tools };
        engine::PolicySet::load(sources).map(Self).map_err(mistake)
    }

    #[getter]
    fn policy_ids(&self) -> Vec<String> {
        self.0.policy_ids().to_vec()
    }

    #[getter]
    fn revision(&self) -> &str {
        self.0.revision()
    }

    fn evaluate(&self, query: &PolicyQuery) -> PolicyVerdict {
        self.0.evaluate(&query.0).into()
    }

    #[pyo3(signature = (query, *, name, effect, arguments))]
    fn evaluate_call(
        &self,
        query: &PolicyQuery,
        name: &str,
        effect: &str,
        arguments: &[u8],
    ) -> CallVerdict {
        self.0.evaluate_call(&query.0, &ProposedCall { name, effect, arguments }).into()
    }
}
