//! A request as its row has it: compact JSON, without what is at its default.

use serde::{Serialize, Serializer};

use super::{ContextItem, Conversation, Request, Routing, Target};

/// Read again by `pipeline/stored.py`; what is named by its place alone stands in lists.
#[derive(Serialize)]
struct Stored<'a> {
    request_id: &'a str,
    conversation: &'a Conversation,
    mode: &'a str,
    #[serde(skip_serializing_if = "is_none")]
    intents: &'a [String],
    sphere: &'a str,
    target: [&'a str; 4],
    #[serde(skip_serializing_if = "is_none")]
    items: &'a [ContextItem],
    #[serde(skip_serializing_if = "str::is_empty")]
    agent_role: &'a str,
    routing: &'a Routing,
    caps: [i64; 2],
    flags: [bool; 2],
    names: [&'a str; 2],
    #[serde(skip_serializing_if = "is_none")]
    labels: &'a [(String, String)],
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<[&'a str; 2]>,
}

fn is_none<T>(list: &&[T]) -> bool {
    list.is_empty()
}

impl Request {
    /// What a resumed run is asked.
    ///
    /// # Errors
    /// None that a request is known to have: its keys are texts.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let agent = [self.agent_id.as_str(), self.department.as_str()];
        serde_json::to_string(&Stored {
            request_id: &self.request_id,
            conversation: &self.conversation,
            mode: &self.mode,
            intents: &self.intents,
            sphere: &self.sphere,
            target: self.target.listed(),
            items: &self.context_items,
            agent_role: &self.agent_role,
            routing: &self.routing,
            caps: [self.max_output_tokens, self.max_cost_nanousd],
            // Without `validate_only`, for what is only validated is never stored.
            flags: [self.detached, self.resume_on_approval],
            names: [&self.thread_id, &self.run_id],
            labels: &self.labels,
            agent: agent.iter().any(|name| !name.is_empty()).then_some(agent),
        })
    }
}

impl Target {
    fn listed(&self) -> [&str; 4] {
        [&self.operation, &self.kind, &self.id, self.sphere.as_deref().unwrap_or_default()]
    }
}

impl Serialize for ContextItem {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let sphere = self.sphere.as_deref().unwrap_or_default();
        [&self.kind, &self.id, sphere, &self.content].serialize(to)
    }
}

impl Serialize for Routing {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let words = (&self.task_type, &self.priority, &self.strategy);
        let first = (&self.preferred_provider, &self.preferred_model);
        let allowed = (&self.allowed_providers, &self.forbidden_providers);
        let where_and_what = (&self.required_capabilities, &self.regions);
        let (needed, regions) = where_and_what;
        // By place, in the order of the fields of Python's `Routing`, by which it is read back.
        (words.0, words.1, words.2, first.0, first.1, needed, allowed.0, allowed.1, regions)
            .serialize(to)
    }
}
