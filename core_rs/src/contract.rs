//! Binding of [`chenu_engine::contract`]: values in, as Python holds them, and messages out.

use chenu_engine::contract as engine;
use chenu_engine::vocabulary::{
    Intent, Lane, LaneStatus, PartKind, PrincipalType, QueryMode, QueryState, Sphere,
    ToolCallState, ToolEffect,
};
use chenu_engine::wire::Stop;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};

use crate::convert::mistake;

/// What Python holds, read attribute by attribute, and lent to the engine: texts are not copied.
///
/// `field: Kind = value` says what the engine's field is made of.
macro_rules! lent_class {
    (
        $(#[$meta:meta])*
        $name:ident as $engine:ident { $($field:ident: $kind:ty $(= $value:expr)?),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(FromPyObject)]
        pub(crate) struct $name { $($field: $kind),+ }

        impl $name {
            fn lent(&self) -> PyResult<engine::$engine<'_>> {
                let Self { $($field),+ } = self;
                $($(let $field = $value;)?)+
                Ok(engine::$engine { $($field),+ })
            }
        }
    };
}

lent_class! {
    /// What is known of a query before it is recorded.
    AskedFields as Asked {
        request_id: PyBackedStr,
        identity_id: PyBackedStr,
        principal_type: PyBackedStr = word(principal_type, PrincipalType::from_wire_name)?,
        principal_id: PyBackedStr,
        status: PyBackedStr = word(status, QueryState::from_wire_name)?,
        lanes: Vec<LaneFields> = all(lanes, LaneFields::lent)?,
        intents: Vec<PyBackedStr> = all(intents, |each| word(each, Intent::from_wire_name))?,
        detected_intents: Vec<PyBackedStr> =
            all(detected_intents, |each| word(each, Intent::from_wire_name))?,
        sphere: PyBackedStr = word(sphere, Sphere::from_wire_name)?,
        mode: PyBackedStr = word(mode, QueryMode::from_wire_name)?,
        action_digest: PyBackedBytes,
        context_hash: PyBackedBytes,
        thread_id: PyBackedStr,
        run_id: PyBackedStr,
        labels: Vec<(PyBackedStr, PyBackedStr)> =
            labels.iter().map(|(name, text)| (&**name, &**text)).collect(),
        route_snapshot: PyBackedBytes,
    }
}

lent_class! {
    /// How one lane went.
    LaneFields as LaneReport {
        lane: PyBackedStr = word(lane, Lane::from_wire_name)?,
        status: PyBackedStr = word(status, LaneStatus::from_wire_name)?,
        duration_us: i64 = *duration_us,
        summary: PyBackedStr,
    }
}

lent_class! {
    /// What a query's row says beyond what was asked.
    RecordedFields as Recorded {
        checkpoint_id: PyBackedStr,
        provider: PyBackedStr,
        model: PyBackedStr,
        chain: Vec<PyBackedStr> = chain.iter().map(|each| &**each).collect(),
        stop_reason: PyBackedStr = Stop::of(stop_reason),
        output_cap: i32 = *output_cap,
        usage: UsageFields = usage.usage(),
        cost_nanousd: i64 = *cost_nanousd,
        estimated: bool = *estimated,
        event_count: i64 = *event_count,
        output_length: i64 = *output_length,
        output_parts: Vec<StoredPartFields> = all(output_parts, StoredPartFields::lent)?,
        output_format: PyBackedStr,
        created_us: i64 = *created_us,
        updated_us: i64 = *updated_us,
        ended_us: i64 = *ended_us,
    }
}

lent_class! {
    /// What a query's row knows of a part.
    StoredPartFields as OutputPart {
        kind: PyBackedStr = word(kind, PartKind::from_wire_name)?,
        name: PyBackedStr,
        length: i64 = *length,
        call: Option<DecidedCallFields> = call.as_ref().map(DecidedCallFields::lent).transpose()?,
    }
}

lent_class! {
    /// What was decided of a call.
    DecidedCallFields as ProposedCall {
        call_id: PyBackedStr,
        effect: PyBackedStr = word(effect, ToolEffect::from_wire_name)?,
        state: PyBackedStr = word(state, ToolCallState::from_wire_name)?,
        checkpoint_id: PyBackedStr,
        expires_us: i64 = *expires_us,
        reason: PyBackedStr,
    }
}

lent_class! {
    /// A piece of an answer.
    PartFields as Part {
        kind: PyBackedStr = word(kind, PartKind::from_wire_name)?,
        text: PyBackedStr,
        name: PyBackedStr,
        call_id: PyBackedStr,
        signature: PyBackedStr,
        redacted: PyBackedStr,
    }
}

#[derive(FromPyObject)]
#[expect(clippy::struct_field_names, reason = "the names are Python's")]
struct UsageFields {
    input_tokens: i64,
    output_tokens: i64,
    cache_read_tokens: i64,
    cache_write_tokens: i64,
    cache_write_hour_tokens: i64,
}

impl UsageFields {
    fn usage(&self) -> engine::Usage {
        let Self { input_tokens, output_tokens, cache_read_tokens, .. } = *self;
        let Self { cache_write_tokens, cache_write_hour_tokens, .. } = *self;
        engine::Usage {
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cache_write_hour_tokens,
        }
    }
}

/// A query's row: both halves of what is read of it.
pub(crate) struct OperationFields {
    asked: AskedFields,
    recorded: RecordedFields,
}

impl<'a, 'py> FromPyObject<'a, 'py> for OperationFields {
    type Error = PyErr;

    fn extract(row: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        // One object in Python and two structs here, for of a query that was only asked about there
        // is the first alone.
        Ok(Self { asked: row.extract()?, recorded: row.extract()? })
    }
}

impl OperationFields {
    fn lent<'a>(&'a self, outcome: &'a [u8]) -> PyResult<engine::Query<'a>> {
        let (asked, recorded) = (self.asked.lent()?, Some(self.recorded.lent()?));
        Ok(engine::Query { asked, recorded, outcome })
    }
}

/// A `Query` of what is recorded.
#[pyfunction]
#[pyo3(signature = (row, *, outcome))]
pub(crate) fn query_message(row: OperationFields, outcome: &[u8]) -> PyResult<Vec<u8>> {
    Ok(row.lent(outcome)?.encode())
}

/// A `Query` of what was only asked about.
#[pyfunction]
pub(crate) fn asked_message(asked: AskedFields) -> PyResult<Vec<u8>> {
    // What it would be refused for stands in the `Validation` beside it.
    Ok(engine::Query { asked: asked.lent()?, recorded: None, outcome: &[] }.encode())
}

/// A completed query and its answer, as any message holds them that has both.
#[pyfunction]
#[pyo3(signature = (row, parts, *, bytes_max))]
pub(crate) fn answered_message(
    row: OperationFields,
    parts: Option<Vec<PartFields>>,
    bytes_max: usize,
) -> PyResult<Vec<u8>> {
    let parts = parts.as_ref().map(|parts| all(parts, PartFields::lent)).transpose()?;
    // Only a completed query has an answer, and its outcome has nothing to tell.
    Ok(engine::answered(&row.lent(&[])?, parts.as_deref(), bytes_max))
}

/// A `RoutingSnapshot`.
#[pyfunction]
pub(crate) fn snapshot_message(packed: &[u8]) -> Vec<u8> {
    engine::route_snapshot(packed)
}

/// The number of a `StopReason`.
#[pyfunction]
pub(crate) fn stop_reason(word: &str) -> u16 {
    Stop::of(word).number()
}

fn all<'a, F, T>(fields: &'a [F], lend: impl Fn(&'a F) -> PyResult<T>) -> PyResult<Vec<T>> {
    fields.iter().map(lend).collect()
}

fn word<W>(text: &str, named: fn(&str) -> Option<W>) -> PyResult<W> {
    // Never 0 for what is not known: that number means unspecified, and is never sent.
    named(text).ok_or_else(|| mistake(format!("{text:?} is no word of its list")))
}
