//! Usage, judged before it is booked: the one place for both wires.
//!
//! Providers tell it once, often, late, never, as null, zero, halves or floats. A count is *told*
//! if it is a whole number that is possible; the highest told one stands, for none shrinks. What
//! is not told makes the cost an estimate. It never makes a good answer a failure.

use serde::Deserialize;
use serde_json::Number;

use super::json::{Raw, read};

/// Beyond it a count is no count: a million times the longest context.
const COUNT_MAX: f64 = 1_099_511_627_776.0;

/// Tokens in classes that do not overlap, and whether all that is billed was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Read at the full rate.
    pub input_tokens: u64,
    /// Written, reasoning included.
    pub output_tokens: u64,
    /// Read from the provider's cache.
    pub cache_read_tokens: u64,
    /// Written to the provider's cache, for its usual time.
    pub cache_write_tokens: u64,
    /// Written to it for an hour, at another price.
    pub cache_write_hour_tokens: u64,
    /// Whether the cost of these is the whole cost. Else they are what is known of it, at least.
    pub exact: bool,
}

/// No model writes more text in a token: beyond it a count was told too early, or is wrong.
const TOKEN_BYTES_MAX: u64 = 256;

/// What an answer holds, against which a count of its tokens is held.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Written {
    /// Text, thoughts and arguments, in bytes.
    pub(super) bytes: u64,
    /// Its cap, or its context, was full.
    pub(super) is_capped: bool,
}

impl Written {
    /// Whether so many tokens can have been written.
    fn may_be(self, tokens: u64) -> bool {
        // A cap that was full was filled with something, also where all of it was thought unseen.
        self.bytes <= tokens.saturating_mul(TOKEN_BYTES_MAX) && (tokens > 0 || !self.is_capped)
    }
}

/// One count over all that was told of it.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    told: Option<u64>,
    impossible: bool,
}

impl Count {
    fn tell(&mut self, raw: Option<Raw<'_>>) {
        match raw.map(|raw| read::<Number>(Some(raw)).and_then(|number| whole(&number))) {
            None => {}
            // Null is how many streams say that the count comes later; anything else that is no
            // count means that the bill cannot be known.
            Some(None) if raw.is_some_and(|raw| raw.get() == "null") => {}
            Some(None) => self.impossible = true,
            Some(count) => self.told = self.told.max(count),
        }
    }

    fn value(self) -> u64 {
        self.told.unwrap_or(0)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number between 0 and COUNT_MAX"
)]
fn whole(number: &Number) -> Option<u64> {
    // Some write whole numbers as floats; up to 2^40 a float holds each of them exactly.
    let value = number.as_f64()?;
    let possible = value.fract() == 0.0 && (0.0..=COUNT_MAX).contains(&value);
    possible.then_some(value as u64)
}

/// What Chat Completions tells. What was cached is a part of the prompt.
#[derive(Debug, Default)]
pub(super) struct ChatUsage {
    prompt: Count,
    completion: Count,
    total: Count,
    reasoning: Count,
    cached: Count,
    cache_write: Count,
}

#[derive(Deserialize)]
struct ChatFields<'a> {
    #[serde(borrow)]
    prompt_tokens: Option<Raw<'a>>,
    #[serde(borrow)]
    completion_tokens: Option<Raw<'a>>,
    #[serde(borrow)]
    total_tokens: Option<Raw<'a>>,
    #[serde(borrow)]
    prompt_tokens_details: Option<Raw<'a>>,
    #[serde(borrow)]
    completion_tokens_details: Option<Raw<'a>>,
    #[serde(borrow)]
    reasoning_tokens: Option<Raw<'a>>,
    #[serde(borrow)]
    prompt_cache_hit_tokens: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct ChatDetails<'a> {
    #[serde(borrow, rename = "cached_tokens")]
    cached: Option<Raw<'a>>,
    #[serde(borrow, rename = "cache_write_tokens")]
    cache_write: Option<Raw<'a>>,
    #[serde(borrow, rename = "reasoning_tokens")]
    reasoning: Option<Raw<'a>>,
}

impl ChatUsage {
    /// Take in one usage object; whatever else it is, is passed over.
    pub(super) fn tell(&mut self, raw: Option<Raw<'_>>) {
        let Some(fields) = read::<ChatFields<'_>>(raw) else { return };
        self.prompt.tell(fields.prompt_tokens);
        self.completion.tell(fields.completion_tokens);
        self.total.tell(fields.total_tokens);
        // Some tell these two beside the details in which others have them, `DeepSeek` its cache
        // hits.
        self.cached.tell(fields.prompt_cache_hit_tokens);
        self.reasoning.tell(fields.reasoning_tokens);
        if let Some(details) = read::<ChatDetails<'_>>(fields.prompt_tokens_details) {
            self.cached.tell(details.cached);
            self.cache_write.tell(details.cache_write);
        }
        if let Some(details) = read::<ChatDetails<'_>>(fields.completion_tokens_details) {
            self.reasoning.tell(details.reasoning);
        }
    }

    /// Whether anything was told of it.
    pub(super) fn is_begun(&self) -> bool {
        [self.prompt, self.completion, self.total].iter().any(|count| count.told.is_some())
    }

    /// What all of it comes to, for what was written.
    pub(super) fn judged(&self, written: Written) -> Usage {
        let (prompt, output) = (self.prompt_tokens(), self.output_tokens());
        // No count is above 2^40, so no sum of them needs a check.
        let cached = self.cached.value() + self.cache_write.value();
        let counts = [self.prompt, self.completion, self.total];
        // Of the three any two tell the third.
        let told = counts.iter().filter(|count| count.told.is_some()).count() >= 2;
        let all = [&counts[..], &[self.cached, self.cache_write, self.reasoning]].concat();
        // No prompt has 0 tokens and no cached part is more than the whole: who tells such has not
        // counted.
        let possible = prompt > 0
            && cached <= prompt
            && self.reasoning.value() <= output
            && written.may_be(output)
            && !all.iter().any(|count| count.impossible);
        Usage {
            input_tokens: prompt.saturating_sub(cached),
            output_tokens: output,
            cache_read_tokens: self.cached.value(),
            cache_write_tokens: self.cache_write.value(),
            cache_write_hour_tokens: 0, // this wire tells of one kind of write
            exact: told && possible,
        }
    }

    /// Of prompt, completion and total any two tell the third.
    fn prompt_tokens(&self) -> u64 {
        let left = self.total.value().saturating_sub(self.completion.value());
        // A prompt that counts 0 was not counted, and then the other two tell it.
        if self.prompt.value() > 0 || self.completion.told.is_none() {
            self.prompt.value()
        } else {
            left
        }
    }

    /// Some providers leave reasoning out of the completion and bill it: then the total tells.
    fn output_tokens(&self) -> u64 {
        let (completion, reasoning) = (self.completion.value(), self.reasoning.value());
        let outside = if reasoning > completion { completion + reasoning } else { completion };
        let by_total = match self.prompt.told {
            Some(prompt) if prompt > 0 => self.total.value().saturating_sub(prompt),
            _ => 0,
        };
        // Where both tell, the total includes the reasoning once.
        if self.total.told.is_some() && by_total > 0 { completion.max(by_total) } else { outside }
    }
}

/// What Messages tells. The classes do not overlap; the output is final in `message_delta` only.
#[derive(Debug, Default)]
pub(super) struct MessagesUsage {
    input: Count,
    output: Count,
    cache_read: Count,
    writes: Writes,
    output_is_final: bool,
}

#[derive(Deserialize)]
struct MessagesFields<'a> {
    #[serde(borrow, rename = "input_tokens")]
    input: Option<Raw<'a>>,
    #[serde(borrow, rename = "output_tokens")]
    output: Option<Raw<'a>>,
    #[serde(borrow, rename = "cache_read_input_tokens")]
    cache_read: Option<Raw<'a>>,
    #[serde(borrow, rename = "cache_creation_input_tokens")]
    cache_write: Option<Raw<'a>>,
    #[serde(borrow)]
    cache_creation: Option<Raw<'a>>,
}

/// What was written to the cache: all of it, and the two kinds that it is made of.
#[derive(Debug, Clone, Copy, Default)]
struct Writes {
    all: Count,
    usual: Count,
    hour: Count,
}

#[derive(Deserialize)]
struct WriteFields<'a> {
    #[serde(borrow, rename = "ephemeral_5m_input_tokens")]
    usual: Option<Raw<'a>>,
    #[serde(borrow, rename = "ephemeral_1h_input_tokens")]
    hour: Option<Raw<'a>>,
}

impl Writes {
    fn tell(&mut self, all: Option<Raw<'_>>, kinds: Option<Raw<'_>>) {
        self.all.tell(all);
        let Some(kinds) = read::<WriteFields<'_>>(kinds) else { return };
        self.usual.tell(kinds.usual);
        self.hour.tell(kinds.hour);
    }

    /// Tokens written for the usual time and for an hour, and whether they are all that was billed.
    ///
    /// Of the sum and its two kinds any two tell the third. A sum alone is of the usual kind, for
    /// an hour is only written where it is asked for, and no request of ours does.
    fn judged(self) -> (u64, u64, bool) {
        let Self { all, usual, hour } = self;
        let rest = |kind: Count| all.value().saturating_sub(kind.value());
        let (usual_tokens, hour_tokens) = match (all.told, usual.told, hour.told) {
            (Some(_), Some(_), None) => (usual.value(), rest(usual)),
            (Some(_), _, _) => (usual.value().max(rest(hour)), hour.value()),
            (None, ..) => (usual.value(), hour.value()),
        };
        // Where the three do not agree nobody knows which of them is billed.
        let whole = match (all.told, usual.told, hour.told) {
            (Some(all), Some(usual), Some(hour)) => all == usual + hour,
            (Some(all), ..) => all == usual_tokens + hour_tokens,
            (None, usual, hour) => usual.is_some() == hour.is_some(),
        };
        let possible = ![all, usual, hour].iter().any(|count| count.impossible);
        (usual_tokens, hour_tokens, whole && possible)
    }
}

impl MessagesUsage {
    /// Take in one usage object; `at_end`: it came with the end of the message.
    pub(super) fn tell(&mut self, raw: Option<Raw<'_>>, at_end: bool) {
        let Some(fields) = read::<MessagesFields<'_>>(raw) else { return };
        let before = self.output.value();
        self.input.tell(fields.input);
        self.cache_read.tell(fields.cache_read);
        self.writes.tell(fields.cache_write, fields.cache_creation);
        let mut last = Count::default();
        last.tell(fields.output);
        // The count at the end is of all that was written: one that shrinks is none.
        self.output_is_final |= at_end && last.told.is_some_and(|count| count >= before.max(1));
        self.output.told = self.output.told.max(last.told);
        self.output.impossible |= last.impossible;
    }

    /// As [`ChatUsage::judged`].
    pub(super) fn judged(&self, written: Written) -> Usage {
        let output = self.output.value();
        let read = self.cache_read.value();
        let (write, write_hour, writes_are_whole) = self.writes.judged();
        let counts = [self.input, self.output, self.cache_read];
        // The input alone may be 0, for all of a prompt may have been in the cache.
        let possible = self.input.value() + read + write + write_hour > 0
            && writes_are_whole
            && written.may_be(output)
            && !counts.iter().any(|count| count.impossible);
        Usage {
            input_tokens: self.input.value(),
            output_tokens: output,
            cache_read_tokens: read,
            cache_write_tokens: write,
            cache_write_hour_tokens: write_hour,
            exact: self.input.told.is_some() && self.output_is_final && possible,
        }
    }
}
