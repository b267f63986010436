//! Digests of a request; their layout stands in ARCHITECTURE.md §8.

use super::conversation::{Conversation, Medium, Message, Part};
use super::{ContextItem, Request, Routing, Target};
use crate::canonical::{Hash, List, TooLong, digest_of};

/// What stands for an operation that nobody named.
const OPERATION: &str = "nova.query";

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acting<'a> {
    /// In which identity.
    pub identity_id: &'a str,
    /// What kind of caller it is, and the token's subject.
    pub principal: (&'a str, &'a str),
    /// On whose behalf, nearest first.
    pub acting_for: &'a [String],
}

/// What lanes A to C made of a request, as far as an approval binds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The intents that decide.
    pub intents: &'a [String],
    /// The server's own word.
    pub system: &'a str,
    /// What is said to the model, if that is not the conversation itself.
    pub messages: Option<&'a [Message]>,
    /// The most tokens that may come back.
    pub output_cap: i64,
    /// What lane B hashed.
    pub context: &'a [u8],
    /// The most that it may cost.
    pub max_cost_nanousd: i64,
}

impl Request {
    /// Over every field but the id: same digest, same request.
    ///
    /// # Errors
    /// As for all of these: [`TooLong`].
    pub fn content_digest(&self) -> Result<Hash, TooLong> {
        let flags = [self.detached, self.resume_on_approval, self.validate_only].map(u8::from);
        digest_of("chenu.request.v2", |to| {
            to.text(&self.mode);
            to.list(|to| conversation(to, &self.conversation, &self.conversation.messages));
            to.texts(&self.intents);
            to.text(&self.sphere);
            to.list(|to| target(to, &self.target));
            to.each(&self.context_items, item);
            to.text(&self.agent_role);
            to.list(|to| routing(to, &self.routing));
            to.number(self.max_output_tokens);
            to.number(self.max_cost_nanousd);
            to.bytes(&flags);
            to.text(&self.thread_id);
            to.text(&self.run_id);
            to.each(&self.labels, |to, (name, value)| {
                to.texts(&[name, value]);
            });
            to.texts(&[&self.agent_id, &self.department]);
        })
    }

    /// Over lane B's snapshot: identity, sphere, thread, context items, conversation.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn context_hash(&self, identity_id: &str) -> Result<Hash, TooLong> {
        digest_of("chenu.context.v2", |to| {
            to.text(identity_id);
            to.text(&self.sphere);
            to.text(&self.thread_id);
            to.each(&self.context_items, item);
            to.each(&self.conversation.messages, message);
        })
    }

    /// What the delimiter of lane C's context blocks is made of; `number` is its try.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn block_digest(&self, number: i64) -> Result<Hash, TooLong> {
        digest_of("chenu.block.v2", |to| {
            to.each(&self.context_items, item);
            to.number(number);
            // Whoever has put the digits of the first try in cannot know those of the second: they
            // would have to stand in the very text that they are made of.
            if number > 0 {
                to.each(&self.conversation.messages, message);
            }
        })
    }

    /// What an approval is bound to: who does what, with what, within which limits.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn action_digest(&self, who: Acting<'_>, bound: Binding<'_>) -> Result<Hash, TooLong> {
        let operation = self.target.operation.as_str();
        let mut intents: Vec<&str> = bound.intents.iter().map(String::as_str).collect();
        // They are a set: found in another order, they are the same action.
        intents.sort_unstable();
        digest_of("chenu.action.v2", |to| {
            to.all(&[who.identity_id, who.principal.0, who.principal.1]);
            to.texts(who.acting_for);
            to.text(&self.mode);
            to.texts(&intents);
            to.text(if operation.is_empty() { OPERATION } else { operation });
            to.list(|to| target(to, &self.target));
            to.list(|to| self.said(to, bound));
            to.bytes(bound.context);
            to.list(|to| {
                to.text(&self.agent_role);
                to.list(|to| routing(to, &self.routing));
                to.text(&self.agent_id);
                to.text(&self.department);
            });
            to.number(bound.max_cost_nanousd);
        })
    }

    fn said(&self, to: &mut List<'_>, bound: Binding<'_>) {
        // As the model is sent them, context blocks and all: to that the approver says yes.
        let messages = bound.messages.unwrap_or(&self.conversation.messages);
        to.text(bound.system);
        to.list(|to| conversation(to, &self.conversation, messages));
        to.number(bound.output_cap);
    }
}

fn conversation(to: &mut List<'_>, of: &Conversation, messages: &[Message]) {
    to.each(messages, message);
    to.each(&of.tools, |to, tool| {
        to.texts(&[&tool.name, &tool.effect, &tool.description, &tool.parameters]);
    });
    to.list(|to| {
        to.text(&of.tool_use.choice);
        to.text(&of.tool_use.tool);
        to.flag_or_none(of.tool_use.parallel);
    });
    to.list(|to| {
        to.real_or_none(of.sampling.temperature);
        to.real_or_none(of.sampling.top_p);
        to.texts(&of.sampling.stop);
        to.number_or_none(of.sampling.seed);
        to.real_or_none(of.sampling.presence_penalty);
        to.real_or_none(of.sampling.frequency_penalty);
    });
    let format = &of.response_format;
    to.texts(&[&format.kind, &format.name, &format.schema]);
    to.list(|to| {
        to.text(&of.thinking.effort);
        to.number(of.thinking.budget_tokens);
    });
}

fn message(to: &mut List<'_>, of: &Message) {
    to.list(|to| {
        to.text(&of.role);
        to.each(&of.parts, part);
    });
}

fn part(to: &mut List<'_>, of: &Part) {
    to.list(|to| {
        to.all(&[&of.kind, &of.text, &of.call_id, &of.name, &of.signature, &of.redacted]);
        to.bytes(&[of.is_error, of.cached].map(u8::from));
        // Only where there is a file: what was asked before there were any keeps its digest.
        if let Some(medium) = &of.media {
            file(to, medium);
        }
    });
}

fn file(to: &mut List<'_>, of: &Medium) {
    to.text(&of.media_type);
    to.text(&of.url);
    to.bytes(&of.digest());
    to.number(of.size);
}

fn target(to: &mut List<'_>, of: &Target) {
    to.all(&[&of.operation, &of.kind, &of.id]);
    to.text_or_none(of.sphere.as_deref());
}

fn item(to: &mut List<'_>, of: &ContextItem) {
    to.list(|to| {
        to.all(&[&of.kind, &of.id]);
        to.text_or_none(of.sphere.as_deref());
        to.text(&of.content);
    });
}

fn routing(to: &mut List<'_>, of: &Routing) {
    to.all(&[
        &of.task_type,
        &of.priority,
        &of.strategy,
        &of.preferred_provider,
        &of.preferred_model,
    ]);
    to.texts(&of.required_capabilities);
    to.texts(&of.allowed_providers);
    to.texts(&of.forbidden_providers);
    to.texts(&of.regions);
}
