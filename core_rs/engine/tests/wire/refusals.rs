//! Answers other than 200.

use chenu_engine::wire::{Blame, refusal_of};

const GROQ: &[u8] = br#"{"error":{"code":"rate_limit_exceeded",
    "message":"Rate limit reached. Upgrade at https://console.groq.com/settings/billing"}}"#;
const QUOTED: &[u8] = br#"{"error":{"type":"invalid_request_error",
    "message":"the tool 'billing' does not exist"}}"#;

#[test]
fn a_refusal_says_whose_trouble_it_is() {
    let credit =
        br#"{"error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#;
    let context = br#"{"error":{"code":"context_length_exceeded"}}"#;
    let quota = br#"{"error":{"code":"insufficient_quota"}}"#;
    let flagged = br#"{"error":{"code":403,"message":"flagged by moderation"}}"#;

    for (status, body, kind, blame) in [
        (400, &context[..], "request", Blame::Caller),
        (400, credit, "credit", Blame::Operator),
        (400, b"", "request", Blame::Caller),
        (400, br#"{"error":{"type":"api_error"}}"#, "request", Blame::Caller),
        (401, b"", "key", Blame::Operator),
        (402, b"", "credit", Blame::Operator),
        (403, b"", "permission", Blame::Operator),
        (403, flagged, "moderation", Blame::Caller),
        (404, b"<html>", "not_found", Blame::Operator),
        (307, b"", "redirect", Blame::Operator),
        (413, b"", "request", Blame::Caller),
        (413, br#"{"error":{"code":"rate_limit_exceeded"}}"#, "rate_limit", Blame::Rate),
        (429, GROQ, "rate_limit", Blame::Rate),
        (400, br#"[{"error":{"message":"API key not valid. Please"}}]"#, "key", Blame::Operator),
        (400, br#"{"error":{"code":"model_decommissioned"}}"#, "not_found", Blame::Operator),
        (400, QUOTED, "request", Blame::Caller),
        (429, b"", "rate_limit", Blame::Rate),
        (429, quota, "credit", Blame::Operator),
        (500, credit, "server_error", Blame::Provider),
        (529, b"", "overloaded", Blame::Provider),
    ] {
        let refusal = refusal_of(status, body);

        assert_eq!((kind, blame), (refusal.kind, refusal.blame), "{status}");
    }
}
