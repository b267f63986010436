//! What a column holds of a field that has grown with a release.

use chenu_engine::vocabulary::{PartKind, ToolCallState, ToolEffect};
use chenu_operation::rows::{DecidedCall, StoredPart};
use chenu_store::Value;
use chenu_store::column::Column as _;

fn part(kind: PartKind, name: &str, length: i64) -> StoredPart {
    StoredPart { kind, name: name.to_owned(), length, call: None }
}

fn called(state: ToolCallState, checkpoint_id: &str, expires_us: i64, reason: &str) -> StoredPart {
    let call = DecidedCall {
        call_id: "c\u{0}\"".to_owned(),
        effect: ToolEffect::Payment,
        state,
        checkpoint_id: checkpoint_id.to_owned(),
        expires_us,
        reason: reason.to_owned(),
    };
    StoredPart { call: Some(call), ..part(PartKind::ToolCall, "pay", 0) }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Where a call stands is told from its answer's row alone.
#[test]
fn the_parts_of_an_answer_are_read_as_they_were_put() {
    let parts = vec![
        part(PartKind::Text, "", 5),
        called(ToolCallState::Held, "k", i64::MAX, ""),
        called(ToolCallState::Passed, "", 0, ""),
        part(PartKind::ToolCall, "x", 3),
        called(ToolCallState::Refused, "", 0, "POLICY_DENIED"),
    ];

    assert_eq!(Ok(parts.clone()), Vec::take(parts.put()));
}

/// Rows of before calls were decided on have not been touched, and are read for years.
#[test]
fn parts_from_before_calls_were_decided_on_are_read() {
    let old = text(r#"[["text","",5],["tool_call","x",3]]"#);
    let parts = vec![part(PartKind::Text, "", 5), part(PartKind::ToolCall, "x", 3)];

    assert_eq!(Ok(parts), Vec::<StoredPart>::take(old));
}

/// A server of the release before reads what has no calls, while both run.
#[test]
fn parts_without_a_decision_look_as_they_always_did() {
    let parts = vec![part(PartKind::Text, "", 5), part(PartKind::ToolCall, "x", 3)];

    assert_eq!(text(r#"[["text","",5],["tool_call","x",3]]"#), parts.put());
}

/// What a later release adds is not dropped: written back without it, a call would be forgotten.
#[test]
fn parts_of_a_later_release_are_not_read() {
    let read = |value| Vec::<StoredPart>::take(text(value)).is_ok();
    let known = r#"[["tool_call","x",3,["c","send","held","k",7,""]]]"#;
    let longer = r#"[["tool_call","x",3,["c","send","held","k",7,"","more"]]]"#;
    let more = r#"[["tool_call","x",3,["c","send","held","k",7,""],1]]"#;
    let word = r#"[["tool_call","x",3,["c","sing","held","k",7,""]]]"#;

    assert_eq!([true, false, false, false], [known, longer, more, word].map(read));
}
