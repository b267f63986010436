//! Binding of [`chenu_engine::route`].

use chenu_engine::route as engine;
use pyo3::prelude::*;

use crate::classes::{argument_class, result_class};
use crate::convert::mistake;

argument_class! {
    /// A model of the catalogue.
    ModelRecord(engine::ModelRecord) {
        provider: String,
        instance_of: String,
        model: String,
        wire: String,
        quality: u32,
        speed: u32,
        input_rate: i64,
        output_rate: i64,
        dearest_input_rate: Option<i64>,
        context_tokens: i64,
        output_tokens_max: i64,
        capabilities: Vec<String>,
        regions: Vec<String>,
        tier: String,
        locked_role: Option<String>,
    }
}

argument_class! {
    /// What a query asks of the router.
    RouteQuery(engine::RouteQuery) {
        task_type: String,
        agent_role: String,
        priority: String,
        strategy: &str = known_strategy(strategy)?,
        preferred_provider: Option<String>,
        preferred_model: Option<String>,
        capabilities: Vec<String>,
        cost_ceiling: Option<i64>,
        allowed_providers: Vec<String>,
        forbidden_providers: Vec<String>,
        regions: Vec<String>,
        body_bytes: Vec<i64>,
        extra_tokens: Vec<i64>,
        media_tokens: Vec<Option<i64>>,
        output_cap: i64,
        nova_provider: Option<String>,
        nova_model: Option<String>,
    }
}

result_class! {
    /// A candidate and why it stands where it stands.
    Scored from scored: &engine::Scored {
        index: usize = scored.index,
        score: u32 = scored.score,
        quality: u32 = scored.quality,
        speed: u32 = scored.speed,
        cost: u32 = scored.cost,
        bound: i64 = scored.bound,
    }
}

/// Which models may answer, and why not the others.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Decision(engine::Decision);

#[pymethods]
impl Decision {
    #[getter]
    fn chain(&self) -> Vec<usize> {
        self.0.chain()
    }

    #[getter]
    fn candidates(&self) -> Vec<Scored> {
        self.0.candidates.iter().map(Scored::from).collect()
    }

    #[getter]
    fn exclusions(&self) -> Vec<(usize, &'static str)> {
        self.0.exclusions.iter().map(|(index, exclusion)| (*index, exclusion.name())).collect()
    }

    #[getter]
    fn dearest_bound(&self) -> i64 {
        self.0.dearest_bound()
    }

    #[getter]
    fn price_unknown_only(&self) -> bool {
        self.0.price_unknown_only()
    }

    #[getter]
    fn unknown_preferred(&self) -> Option<&str> {
        self.0.unknown_preferred.as_deref()
    }
}

/// All models, and the providers that tasks and roles prefer.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Catalogue(engine::Catalogue);

#[pymethods]
impl Catalogue {
    #[new]
    fn new(
        records: Vec<PyRef<'_, ModelRecord>>,
        task_defaults: Vec<(String, String)>,
        role_defaults: Vec<(String, String)>,
    ) -> Self {
        let records = records.iter().map(|record| record.0.clone()).collect();
        Self(engine::Catalogue { records, task_defaults, role_defaults })
    }

    /// Decides which models may answer, best first.
    #[pyo3(signature = (query, signals = Vec::new()))]
    fn route(&self, query: &RouteQuery, signals: Vec<(String, u32)>) -> PyResult<Decision> {
        self.0.route(&query.0, &signals).map(Decision).map_err(mistake)
    }
}

fn known_strategy(name: &str) -> PyResult<engine::Strategy> {
    let strategy = engine::Strategy::from_name(name);
    strategy.ok_or_else(|| mistake(format!("no strategy is named {name:?}")))
}
