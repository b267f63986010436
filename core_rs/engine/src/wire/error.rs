//! What a provider's refusal means: whose trouble it is, and whether it may pass.

use serde::Deserialize;

use super::Fault;
use super::json::{Raw, read, says_something, word};

/// Whose trouble a failure is; who can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The request itself: another provider would refuse it too.
    Caller,
    /// The key, the account, the URL, the model's name: the operator must act.
    Operator,
    /// Too much was asked of the provider in too short a time.
    Rate,
    /// The provider failed, or is overloaded.
    Provider,
}

impl Blame {
    /// The word that crosses the binding.
    #[must_use]
    pub fn wire_name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Operator => "operator",
            Self::Rate => "rate",
            Self::Provider => "provider",
        }
    }
}

/// A refusal as classified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A word for machines, such as `rate_limit` or `credit`.
    pub kind: &'static str,
    /// Whose trouble it is.
    pub blame: Blame,
}

const fn refusal(kind: &'static str, blame: Blame) -> Refusal {
    Refusal { kind, blame }
}

/// Words in an error's type, code or message, the first that is found says what it is.
///
/// Money comes before rate: an account without credit is often answered as a rate limit, and no
/// wait helps. Names as the public API references of 2026 have them.
const WORDS: &[(&[&str], Refusal)] = &[
    (
        &[
            "insufficient_quota",
            "credit balance",
            "insufficient_credits",
            "insufficient credits",
            "insufficient balance",
            "billing",
            "payment_required",
            "exceeded your current quota",
        ],
        refusal("credit", Blame::Operator),
    ),
    (
        &["moderation", "content_policy", "content_filter", "flagged"],
        refusal("moderation", Blame::Caller),
    ),
    (
        &["invalid_api_key", "authentication_error", "incorrect api key", "unauthorized"],
        refusal("key", Blame::Operator),
    ),
    (&["permission_error", "permission_denied"], refusal("permission", Blame::Operator)),
    (&["rate_limit", "too_many_requests"], refusal("rate_limit", Blame::Rate)),
    (&["overloaded"], refusal("overloaded", Blame::Provider)),
    (&["not_found", "model_not_found", "does not exist"], refusal("not_found", Blame::Operator)),
    (
        &["context_length_exceeded", "invalid_request", "request_too_large"],
        refusal("request", Blame::Caller),
    ),
    (&["timeout"], refusal("provider_timeout", Blame::Provider)),
    (&["server_error", "api_error", "internal"], refusal("server_error", Blame::Provider)),
];

/// What a status says by itself.
fn of_status(status: u16) -> Option<Refusal> {
    Some(match status {
        401 => refusal("key", Blame::Operator),
        402 => refusal("credit", Blame::Operator),
        403 => refusal("permission", Blame::Operator),
        404 | 405 | 410 => refusal("not_found", Blame::Operator),
        407 => refusal("proxy", Blame::Operator),
        408 | 504 | 524 => refusal("provider_timeout", Blame::Provider),
        425 | 429 => refusal("rate_limit", Blame::Rate),
        503 | 529 => refusal("overloaded", Blame::Provider),
        300..=399 => refusal("redirect", Blame::Operator),
        400..=499 => refusal("request", Blame::Caller),
        500..=599 => refusal("server_error", Blame::Provider),
        _ => return None,
    })
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    error: Option<Raw<'a>>,
    #[serde(borrow)]
    r#type: Option<Raw<'a>>,
    #[serde(borrow)]
    message: Option<Raw<'a>>,
    #[serde(borrow)]
    code: Option<Raw<'a>>,
    #[serde(borrow)]
    status: Option<Raw<'a>>,
}

/// Classify an answer other than 200 by its status and, where it says more, its JSON body.
#[must_use]
pub fn refusal_of(status: u16, body: &[u8]) -> Refusal {
    let by_status = of_status(status).unwrap_or(refusal("server_error", Blame::Provider));
    let text = String::from_utf8_lossy(body);
    let told = serde_json::from_str::<Raw<'_>>(text.trim()).ok().and_then(told_by);
    match told {
        // A body can say more of a 4xx; what a server says of its own failure changes nothing,
        // and a redirect has no body worth reading.
        Some(told) if is_finer(status, &told) => told,
        _ => by_status,
    }
}

fn is_finer(status: u16, told: &Refusal) -> bool {
    match status {
        400 | 422 => told.blame != Blame::Provider,
        403 => matches!(told.kind, "moderation" | "credit" | "rate_limit"),
        401 | 429 => told.kind == "credit",
        500..=599 => told.blame == Blame::Rate,
        _ => false,
    }
}

/// What an error object inside a 200 answer says, if it says anything.
pub(super) fn told_by(raw: Raw<'_>) -> Option<Refusal> {
    let envelope = read::<Envelope<'_>>(Some(raw))?;
    let inner = envelope.error.filter(|raw| says_something(Some(raw)));
    let (subject, whole) = match inner {
        Some(inner) => (read::<Envelope<'_>>(Some(inner)), inner),
        None => (Some(envelope), raw),
    };
    let Some(error) = subject else {
        return Some(by_words(&whole.get().to_lowercase(), None)); // an error that is a mere text
    };
    let told = [error.r#type, error.code, error.status, error.message].map(word);
    let text = told.into_iter().flatten().collect::<Vec<_>>().join(" ").to_lowercase();
    let status = [error.code, error.status].into_iter().find_map(read::<u16>);
    let has_reasons = whole.get().contains("\"reasons\"");
    Some(if has_reasons && status == Some(403) {
        refusal("moderation", Blame::Caller)
    } else {
        by_words(&text, status)
    })
}

fn by_words(text: &str, status: Option<u16>) -> Refusal {
    WORDS
        .iter()
        .find(|(words, _)| words.iter().any(|word| text.contains(word)))
        .map(|(_, refusal)| refusal.clone())
        .or_else(|| status.and_then(of_status))
        .unwrap_or(refusal("stream_error", Blame::Provider))
}

/// The fault of an error that came inside a 200 answer.
pub(super) fn fault_of(told: &Refusal, nothing_generated: bool) -> Fault {
    Fault {
        kind: told.kind.to_owned(),
        detail: "the provider reported an error inside its answer".to_owned(),
        blame: told.blame,
        nothing_generated,
    }
}
