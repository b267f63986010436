//! What a prompt asks of a model and of the wire to it.

use super::Wire;
use super::media::{MediaLimits, Source};
use super::prompt::{Format, Part, Prompt};

impl Prompt {
    /// Words for what a model must be able to do, sorted, each once.
    #[must_use]
    pub fn needs(&self) -> Vec<&'static str> {
        let (sampling, thinking) = (&self.sampling, &self.thinking);
        let words = [
            ("cache_hints", self.any_part(is_cached)),
            ("document_urls", self.documents().any(is_elsewhere)),
            ("documents", self.documents().next().is_some()),
            ("frequency_penalty", sampling.frequency_penalty.is_some()),
            // Without tools on offer too: calls and results of earlier turns ask for a model that
            // can read them.
            ("functions", !self.tools.is_empty() || self.any_part(is_of_a_tool)),
            ("image_urls", self.images().any(is_elsewhere)),
            ("json", self.format == Format::Json),
            ("json_schema", matches!(self.format, Format::JsonSchema { .. })),
            ("parallel_calls", self.parallel_calls.is_some()),
            ("presence_penalty", sampling.presence_penalty.is_some()),
            ("reasoning_budget", thinking.budget_tokens.is_some()),
            ("reasoning_effort", thinking.effort.is_some()),
            ("reasoning_input", self.any_part(is_proven)),
            ("seed", sampling.seed.is_some()),
            ("stop", !sampling.stop.is_empty()),
            ("temperature", sampling.temperature.is_some()),
            // Chat takes temperatures up to 2, Messages up to 1.
            ("temperature_above_1", sampling.temperature.is_some_and(|it| it > 1.0)),
            ("top_p", sampling.top_p.is_some()),
            ("vision", self.images().next().is_some()),
        ];
        words.into_iter().filter_map(|(word, needed)| needed.then_some(word)).collect()
    }

    /// Tokens that a provider of this wire adds to what the body says.
    ///
    /// Chat templates of open models add a system preamble of up to about 80 tokens, the system
    /// wrapper of Messages is a handful; before tools stands a preamble that nobody sees, 300 to
    /// 800 tokens on Messages.
    #[must_use]
    pub fn extra_tokens(&self, wire: Wire) -> u32 {
        match (wire, self.tools.is_empty()) {
            (Wire::Chat, true) => 128,
            (Wire::Chat, false) => 128 + 256,
            (Wire::Messages, true) => 64,
            (Wire::Messages, false) => 64 + 1_024,
        }
    }

    /// Tokens that a model counts images and documents as at most; `None` if it does not take them.
    #[must_use]
    pub fn media_tokens(&self, limits: &MediaLimits) -> Option<u64> {
        limits.tokens(self.images(), self.documents())
    }

    fn images(&self) -> impl Iterator<Item = &Source> {
        self.parts().filter_map(|part| match part {
            Part::Image { source, .. } => Some(source),
            _ => None,
        })
    }

    fn documents(&self) -> impl Iterator<Item = &Source> {
        self.parts().filter_map(|part| match part {
            Part::Document { source, .. } => Some(source),
            _ => None,
        })
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.messages.iter().flat_map(|message| &message.parts)
    }

    fn any_part(&self, is: impl Fn(&Part) -> bool) -> bool {
        self.parts().any(is)
    }
}

impl Wire {
    /// Those of the words of [`Prompt::needs`] that this wire has room for, sorted.
    ///
    /// Whatever else a prompt holds is not sent on it, so a model behind it cannot answer it.
    #[must_use]
    pub fn offers(self) -> &'static [&'static str] {
        match self {
            // No `document_urls`: Chat Completions takes a file's bytes, or one that was uploaded
            // before.
            Self::Chat => &[
                "documents",
                "frequency_penalty",
                "functions",
                "image_urls",
                "json",
                "json_schema",
                "parallel_calls",
                "presence_penalty",
                "reasoning_effort",
                "seed",
                "stop",
                "temperature",
                "temperature_above_1",
                "top_p",
                "vision",
            ],
            Self::Messages => &[
                "cache_hints",
                "document_urls",
                "documents",
                "functions",
                "image_urls",
                "json",
                "json_schema",
                "parallel_calls",
                "reasoning_budget",
                "reasoning_effort",
                "reasoning_input",
                "stop",
                "temperature",
                "top_p",
                "vision",
            ],
        }
    }
}

fn is_cached(part: &Part) -> bool {
    match part {
        Part::Text { cached, .. }
        | Part::Image { cached, .. }
        | Part::Document { cached, .. }
        | Part::ToolResult { cached, .. } => *cached,
        Part::ToolCall { .. } | Part::Reasoning { .. } => false,
    }
}

fn is_elsewhere(source: &Source) -> bool {
    matches!(source, Source::Url(_))
}

/// A thought that nobody proved goes back to no provider, on either wire: it asks nothing of one.
fn is_proven(part: &Part) -> bool {
    match part {
        Part::Reasoning { signature, redacted, .. } => {
            !signature.is_empty() || !redacted.is_empty()
        }
        _ => false,
    }
}

fn is_of_a_tool(part: &Part) -> bool {
    matches!(part, Part::ToolCall { .. } | Part::ToolResult { .. })
}
