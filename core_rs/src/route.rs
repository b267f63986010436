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
        aliases: Vec<String>,
        wire: String,
        name_bytes: i64,
        quality: u32,
        speed: u32,
        output_rate: i64,
        dearest_input_rate: Option<i64>,
        rate_steps: Vec<(i64, i64, i64)> = rate_steps.into_iter().map(rate_step).collect(),
        context_tokens: i64,
        output_tokens_max: i64,
        capabilities: Vec<String>,
        regions: Vec<String>,
        locked_role: Option<String>,
    }
}

/// What an operator sets of routes.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct RouteRules(engine::Rules);

#[pymethods]
impl RouteRules {
    #[new]
    #[pyo3(signature = (*, task_defaults, role_defaults, weights, nova))]
    fn new(
        task_defaults: Vec<(String, String)>,
        role_defaults: Vec<(String, String)>,
        weights: [(u32, u32, u32); 4],
        nova: Option<(String, String)>,
    ) -> Self {
        let weights = weight_table(weights);
        Self(engine::Rules { task_defaults, role_defaults, weights, nova })
    }
}

argument_class! {
    /// What a query asks of the router.
    RouteQuery(engine::RouteQuery) {
        task_type: String,
        agent_role: String,
        strategy: &str = known_strategy(strategy)?,
        preferred_provider: Option<String>,
        preferred_model: Option<String>,
        overrides: Vec<usize>,
        capabilities: Vec<String>,
        cost_ceiling: Option<i64>,
        allowed_providers: Vec<String>,
        forbidden_providers: Vec<String>,
        regions: Vec<String>,
        body_bytes: Vec<i64>,
        extra_tokens: Vec<i64>,
        media_tokens: Vec<Option<i64>>,
        output_cap: i64,
    }
}

/// What is known of one provider at the time of a decision.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Signal(engine::Signal);

#[pymethods]
impl Signal {
    #[new]
    #[pyo3(signature = (*, health, breaker, latency_ms, error_per_mille, room_per_mille))]
    fn new(
        health: &str,
        breaker: &str,
        latency_ms: u32,
        error_per_mille: u32,
        room_per_mille: u32,
    ) -> PyResult<Self> {
        let (health, breaker) = (known_health(health)?, known_breaker(breaker)?);
        let signal =
            engine::Signal { health, breaker, latency_ms, error_per_mille, room_per_mille };
        Ok(Self(signal))
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
        preference: &'static str = scored.preference.name(),
        bound: i64 = scored.bound,
        body_bytes: i64 = scored.body_bytes,
        extra_tokens: i64 = scored.extra_tokens,
        dearest_input_rate: i64 = scored.dearest_input_rate,
        output_rate: i64 = scored.output_rate,
    }
}

/// Which models may answer, and why not the others.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Decision(engine::Decision);

#[pymethods]
impl Decision {
    /// The best candidates, at most `count`.
    fn best(&self, count: usize) -> Vec<Scored> {
        // Each that crosses becomes an object of Python, and a query tries a few of a whole
        // catalogue.
        self.0.candidates.iter().take(count).map(Scored::from).collect()
    }

    #[getter]
    fn candidates(&self) -> Vec<Scored> {
        self.best(usize::MAX)
    }

    #[getter]
    fn exclusions(&self) -> Vec<(usize, &'static str)> {
        // Made when somebody asks why; nearly every query has a route and asks nothing.
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

/// What is known of a catalogue's providers.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Signals(engine::Signals);

/// Weights of quality, speed and cost; the provider that the role prefers, and the task.
type Basis<'a> = ((u32, u32, u32), Option<&'a str>, Option<&'a str>);

/// All models, and what an operator has set of routes.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Catalogue(engine::Catalogue);

#[pymethods]
impl Catalogue {
    #[new]
    fn new(records: Vec<PyRef<'_, ModelRecord>>, rules: &RouteRules) -> PyResult<Self> {
        // Python's values are frozen and keep what they hold; this is once a catalogue.
        let records: Vec<_> = records.iter().map(|record| record.0.clone()).collect();
        engine::Catalogue::new(&records, rules.0.clone()).map(Self).map_err(mistake)
    }

    #[getter]
    fn wires(&self) -> Vec<String> {
        self.0.wires().to_vec()
    }

    /// What is known of the providers now.
    fn signals(&self, known: Vec<(String, PyRef<'_, Signal>)>) -> Signals {
        let known: Vec<_> = known.into_iter().map(|(name, signal)| (name, signal.0)).collect();
        Signals(self.0.signals(&known))
    }

    /// Decides which models may answer, best first.
    fn route(&self, query: &RouteQuery, signals: &Signals) -> PyResult<Decision> {
        // With the interpreter in hand: to give it away and get it back takes longer than to
        // decide.
        self.0.route(&query.0, &signals.0).map(Decision).map_err(mistake)
    }

    /// What a decision rests on, besides the models.
    fn basis(&self, query: &RouteQuery) -> Basis<'_> {
        let engine::Basis { weights, role_default, task_default } = self.0.basis(&query.0);
        ((weights.quality, weights.speed, weights.cost), role_default, task_default)
    }
}

/// The weights of `balanced`, `cost`, `quality` and `speed`.
fn weight_table(weights: [(u32, u32, u32); 4]) -> engine::WeightTable {
    let of = |(quality, speed, cost)| engine::Weights { quality, speed, cost };
    let [balanced, cost, quality, speed] = weights.map(of);
    engine::WeightTable { balanced, cost, quality, speed }
}

fn rate_step((above, dearest_input_rate, output_rate): (i64, i64, i64)) -> engine::RateStep {
    engine::RateStep { above, dearest_input_rate, output_rate }
}

fn known_strategy(name: &str) -> PyResult<engine::Strategy> {
    let strategy = engine::Strategy::from_name(name);
    strategy.ok_or_else(|| mistake(format!("no strategy is named {name:?}")))
}

fn known_health(name: &str) -> PyResult<engine::Health> {
    let health = engine::Health::from_name(name);
    health.ok_or_else(|| mistake(format!("no health is named {name:?}")))
}

fn known_breaker(name: &str) -> PyResult<engine::Breaker> {
    let breaker = engine::Breaker::from_name(name);
    breaker.ok_or_else(|| mistake(format!("no state of a breaker is named {name:?}")))
}
