//! Digests and rows of requests, against the vectors that other languages are held to.

use chenu_engine::canonical::Hash;
use chenu_engine::request::{Acting, Binding, Message, Request};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Vectors {
    input: Input,
    content_digest: String,
    context_hash: String,
    action_digest: String,
}

#[derive(Deserialize)]
struct Input {
    caller: Caller,
    request: Value,
    lane_c: LaneC,
    max_cost_nanousd: i64,
}

#[derive(Deserialize)]
struct Caller {
    identity_id: String,
    principal: Principal,
    acting_for: Vec<String>,
}

#[derive(Deserialize)]
struct Principal {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

#[derive(Deserialize)]
struct LaneC {
    system: String,
    output_cap: i64,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../../tests/vectors/request.json")).unwrap()
}

fn request(plain: &Value) -> Request {
    serde_json::from_value(plain.clone()).unwrap()
}

fn hex(hash: Hash) -> String {
    let digit = |nibble| char::from_digit(u32::from(nibble), 16).unwrap();
    hash.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}

impl Input {
    /// What an approval of this request would bind, with other messages or its own.
    fn action(&self, messages: Option<&[Message]>) -> String {
        let request = request(&self.request);
        let caller = &self.caller;
        let who = Acting {
            identity_id: &caller.identity_id,
            principal: (&caller.principal.kind, &caller.principal.id),
            acting_for: &caller.acting_for,
        };
        let bound = Binding {
            intents: &request.intents,
            system: &self.lane_c.system,
            messages,
            output_cap: self.lane_c.output_cap,
            context: &request.context_hash(&caller.identity_id).unwrap(),
            max_cost_nanousd: self.max_cost_nanousd,
        };
        hex(request.action_digest(who, bound).unwrap())
    }
}

#[test]
fn the_published_digests_hold() {
    let published = vectors();
    let asked = request(&published.input.request);

    assert_eq!(published.content_digest, hex(asked.content_digest().unwrap()));
    assert_eq!(published.context_hash, hex(asked.context_hash("acme").unwrap()));
    assert_eq!(published.action_digest, published.input.action(None));
}

#[test]
fn what_is_said_to_the_model_is_bound_where_it_is_not_the_conversation() {
    let published = vectors();
    let own = request(&published.input.request).conversation.messages;

    assert_eq!(published.action_digest, published.input.action(Some(&own)));
    assert_ne!(published.action_digest, published.input.action(Some(&own[1..])));
}

#[test]
fn a_delimiter_is_made_of_the_items_and_then_of_the_conversation_too() {
    let mut plain = vectors().input.request;
    let first = request(&plain);
    plain["conversation"]["messages"][0]["parts"][0]["text"] = json!("other");
    let second = request(&plain);

    assert_eq!(first.block_digest(0), second.block_digest(0));
    assert_ne!(first.block_digest(1), second.block_digest(1));
    assert_ne!(second.block_digest(1), second.block_digest(2));
    plain["context_items"][0]["content"] = json!("other");
    assert_ne!(second.block_digest(0), request(&plain).block_digest(0));
}

/// Two files whose digests are no hex are two files all the same.
#[test]
fn a_file_whose_digest_is_none_stands_for_itself() {
    let mut plain = vectors().input.request;
    let mut named = |name: &str| {
        plain["conversation"]["messages"][1]["parts"][2]["media"]["sha256"] = json!(name);
        request(&plain).content_digest().unwrap()
    };

    assert_ne!(named("zz"), named("yy"));
    assert_ne!(named("zz"), named(""));
    assert_eq!(named("AB"), named("ab"));
}

/// Most queries are one text; a row must not list what they might have said.
#[test]
fn a_row_has_what_was_said_alone() {
    let text = json!({"kind": "text", "text": "Hi", "call_id": "", "name": "", "is_error": false,
        "signature": "", "redacted": "", "cached": false, "media": null});
    let sampling = json!({"temperature": null, "top_p": null, "stop": [], "seed": null,
        "presence_penalty": null, "frequency_penalty": null});
    let short = json!({
        "request_id": "q", "mode": "command", "intents": [], "sphere": "personal",
        "conversation": {
            "messages": [{"role": "user", "parts": [text]}], "tools": [],
            "tool_use": {"choice": "auto", "tool": "", "parallel": null}, "sampling": sampling,
            "response_format": {"kind": "text", "name": "", "schema": ""},
            "thinking": {"effort": "", "budget_tokens": 0},
        },
        "target": {"operation": "", "kind": "", "id": "", "sphere": null}, "context_items": [],
        "agent_role": "", "routing": {
            "task_type": "chat", "priority": "normal", "strategy": "balanced",
            "preferred_provider": "", "preferred_model": "", "required_capabilities": [],
            "allowed_providers": [], "forbidden_providers": [], "regions": [],
        },
        "max_output_tokens": 7, "max_cost_nanousd": 0, "detached": false,
        "resume_on_approval": true, "validate_only": false, "thread_id": "", "run_id": "r",
        "labels": [], "agent_id": "", "department": "",
    });

    assert_eq!(
        concat!(
            r#"{"request_id":"q","conversation":{"messages":"#,
            r#"[["user",[{"kind":"text","text":"Hi"}]]]},"#,
            r#""mode":"command","sphere":"personal","target":["","","",""],"#,
            r#""routing":["chat","normal","balanced","","",[],[],[],[]],"#,
            r#""caps":[7,0],"flags":[false,true],"names":["","r"]}"#,
        ),
        request(&short).to_json().unwrap()
    );
}

#[test]
fn a_row_has_all_that_was_said() {
    let asked = request(&vectors().input.request);

    let row: Value = serde_json::from_str(&asked.to_json().unwrap()).unwrap();

    let said = &row["conversation"];
    assert_eq!(
        json!(["assistant", [
            {"kind": "reasoning", "text": "hm", "signature": "s1", "redacted": "r1"},
            {"kind": "tool_call", "text": "{\"a\":1}", "call_id": "c1", "name": "look"},
        ]]),
        said["messages"][2]
    );
    let picture = json!({"media_type": "image/png", "sha256": "ab".repeat(32), "size": 7,
        "width": 2, "height": 1});
    assert_eq!(json!({"kind": "image", "text": "", "media": picture}), said["messages"][1][1][2]);
    for name in ["tools", "tool_use", "sampling", "response_format", "thinking"] {
        assert!(!said[name].is_null(), "{name}");
    }
    for name in ["intents", "items", "agent_role", "labels", "agent"] {
        assert!(!row[name].is_null(), "{name}");
    }
}
