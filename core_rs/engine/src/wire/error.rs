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

type Words = &'static [(&'static [&'static str], Refusal)];

/// Words in an error's type, code or status: the first that is found says what it is.
///
/// Money comes before rate: an account without credit is often answered as a rate limit, and no
/// wait helps. Names as the public API references of 2026 have them.
const CODES: Words = &[
    (
        &[
            "insufficient_quota",
            "insufficient_credits",
            "insufficient_balance",
            "billing_error",
            "billing_hard_limit",
            "billing_not_active",
            "payment_required",
        ],
        refusal("credit", Blame::Operator),
    ),
    (&["moderation", "content_policy", "content_filter"], refusal("moderation", Blame::Caller)),
    (
        &["invalid_api_key", "authentication_error", "unauthorized", "unauthenticated"],
        refusal("key", Blame::Operator),
    ),
    (&["permission_error", "permission_denied"], refusal("permission", Blame::Operator)),
    (
        &["rate_limit", "too_many_requests", "resource_exhausted"],
        refusal("rate_limit", Blame::Rate),
    ),
    (&["overloaded"], refusal("overloaded", Blame::Provider)),
    (&["not_found", "model_decommissioned"], refusal("not_found", Blame::Operator)),
    (
        &["context_length_exceeded", "invalid_request", "invalid_argument", "request_too_large"],
        refusal("request", Blame::Caller),
    ),
    (&["timeout"], refusal("provider_timeout", Blame::Provider)),
    (&["server_error", "api_error", "internal"], refusal("server_error", Blame::Provider)),
];

/// What a provider says in its message alone, where its code says no more than "a bad request".
///
/// Whole phrases: a message may quote the request.
const PHRASES: Words = &[
    (
        &["credit balance is too low", "insufficient credits", "insufficient balance"],
        refusal("credit", Blame::Operator),
    ),
    (&["api key not valid", "incorrect api key"], refusal("key", Blame::Operator)),
    (&["flagged"], refusal("moderation", Blame::Caller)),
];

/// What a message says where nothing else says anything; spaces are read as underscores.
const LAST_WORDS: Words = &[
    (&["rate_limit", "too_many_requests"], refusal("rate_limit", Blame::Rate)),
    (&["overloaded"], refusal("overloaded", Blame::Provider)),
    (&["timeout", "timed_out"], refusal("provider_timeout", Blame::Provider)),
];

/// Reasons to stop that mean that the model did not: whatever follows, this is no answer.
const FAILED: &[&str] = &[
    "error",
    "failed",
    "abort",
    "aborted",
    "cancelled",
    "canceled",
    "timeout",
    "insufficient_system_resource",
    "malformed_function_call",
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
    // A body that is a page or was cut is no JSON: then the status is all that is known.
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
        // Little is said by these: an empty account, a wrong key or an unknown model are answered
        // with them too.
        400 | 422 => told.blame != Blame::Provider,
        403 => matches!(told.kind, "moderation" | "credit" | "rate_limit"),
        401 | 429 => told.kind == "credit",
        // Some say 413 where a minute's tokens do not suffice, which is a matter of time and not of
        // the request.
        413 | 500..=599 => told.blame == Blame::Rate,
        _ => false,
    }
}

/// Why the model stopped, in lower case, if it says so.
pub(super) fn reason_of(raw: Option<Raw<'_>>) -> Result<Option<String>, Fault> {
    let reason = word(raw).filter(|reason| !reason.is_empty()).map(|reason| reason.to_lowercase());
    if reason.as_deref().is_some_and(|reason| FAILED.contains(&reason)) {
        let detail = "the provider ended its answer with an error";
        return Err(Fault::of_provider("finish_error", detail));
    }
    Ok(reason)
}

/// What an error object says, if it says anything; some stand alone in a list.
pub(super) fn told_by(raw: Raw<'_>) -> Option<Refusal> {
    // Google's endpoint of this wire answers with a list of one.
    let listed = read::<Vec<Raw<'_>>>(Some(raw));
    let raw = listed.as_ref().and_then(|list| list.first().copied()).unwrap_or(raw);
    let envelope = read::<Envelope<'_>>(Some(raw))?;
    let inner = envelope.error.filter(|raw| says_something(Some(raw)));
    let (subject, whole) = match inner {
        Some(inner) => (read::<Envelope<'_>>(Some(inner)), inner),
        None => (Some(envelope), raw),
    };
    let Some(error) = subject else {
        return Some(judged("", None, whole.get())); // an error that is a mere text
    };
    // Each provider has its word in another of these, and numbers in the others.
    let codes = [error.r#type, error.code, error.status].map(word);
    let codes = codes.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let message = word(error.message).unwrap_or_default();
    let status = [error.code, error.status].into_iter().find_map(number);
    // A field of errors with nothing in it is none: it stands beside good answers, too.
    if codes.trim().is_empty() && message.is_empty() && status.is_none() && inner.is_some() {
        return None;
    }
    // So OpenRouter tells of a moderation: by its status alone it would be a missing permission.
    let has_reasons = whole.get().contains("\"reasons\"");
    Some(if has_reasons && status == Some(403) {
        refusal("moderation", Blame::Caller)
    } else {
        judged(&codes, status, &message)
    })
}

/// A status as a number or as a text.
fn number(raw: Option<Raw<'_>>) -> Option<u16> {
    read::<u16>(raw).or_else(|| word(raw)?.trim().parse().ok())
}

/// Code before status before message: what a machine wrote for machines is meant.
fn judged(codes: &str, status: Option<u16>, message: &str) -> Refusal {
    let message = message.to_lowercase();
    let by_code = found(CODES, &codes.to_lowercase()).or_else(|| status.and_then(of_status));
    let says_little =
        by_code.as_ref().is_none_or(|told| matches!(told.kind, "request" | "permission"));
    let by_phrase = if says_little { found(PHRASES, &message) } else { None };
    by_phrase
        .or(by_code)
        // Last, for a message may quote words of the request that mean something else there.
        .or_else(|| found(LAST_WORDS, &message.replace(' ', "_")))
        .unwrap_or(refusal("stream_error", Blame::Provider))
}

fn found(words: Words, text: &str) -> Option<Refusal> {
    let known = words.iter().find(|(words, _)| words.iter().any(|word| text.contains(word)));
    known.map(|(_, refusal)| refusal.clone())
}

/// The fault of an error that came inside a 200 answer.
pub(super) fn fault_of(raw: Raw<'_>, nothing_generated: bool) -> Fault {
    let Some(told) = told_by(raw) else { return Fault::malformed("an error that is none") };
    let detail = "the provider reported an error inside its answer";
    Fault { blame: told.blame, nothing_generated, ..Fault::of_provider(told.kind, detail) }
}
