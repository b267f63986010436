//! Binding of [`chenu_engine::request`].

use chenu_engine::canonical::Hash;
use chenu_engine::request::{self as engine, Acting, Binding, Message};
use pyo3::prelude::*;

use crate::convert::mistake;
use crate::fields::read;

/// A request as its digests and its row know it, read once from the one that Python has.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct CanonicalRequest(engine::Request);

#[pymethods]
impl CanonicalRequest {
    #[new]
    fn new(request: &Bound<'_, PyAny>) -> PyResult<Self> {
        read(request).map(Self)
    }

    /// Over every field but the id: same digest, same request.
    fn content_digest(&self) -> PyResult<Hash> {
        self.0.content_digest().map_err(mistake)
    }

    /// Over lane B's snapshot: identity, sphere, thread, context items, conversation.
    fn context_hash(&self, identity_id: &str) -> PyResult<Hash> {
        self.0.context_hash(identity_id).map_err(mistake)
    }

    /// What the delimiter of lane C's context blocks is made of; `number` is its try.
    fn block_digest(&self, number: i64) -> PyResult<Hash> {
        self.0.block_digest(number).map_err(mistake)
    }

    /// What an approval is bound to: who does what, with what, within which limits.
    #[pyo3(signature = (*, identity_id, principal, acting_for, intents, system, messages,
        output_cap, context, max_cost_nanousd))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword-only in Python")]
    fn action_digest(
        &self,
        identity_id: &str,
        principal: (String, String),
        acting_for: Vec<String>,
        intents: Vec<String>,
        system: &str,
        messages: Option<&Bound<'_, PyAny>>,
        output_cap: i64,
        context: &[u8],
        max_cost_nanousd: i64,
    ) -> PyResult<Hash> {
        let (intents, acting_for) = (&intents, &acting_for);
        // Read anew where lane C has put context blocks among them: an approval binds what is sent.
        let messages: Option<Vec<Message>> = messages.map(read).transpose()?;
        let messages = messages.as_deref();
        let who = Acting { identity_id, principal: (&principal.0, &principal.1), acting_for };
        let bound = Binding { intents, system, messages, output_cap, context, max_cost_nanousd };
        self.0.action_digest(who, bound).map_err(mistake)
    }

    /// What its row has: compact JSON, without what is at its default.
    fn to_json(&self) -> PyResult<String> {
        self.0.to_json().map_err(mistake)
    }
}
