//! Any prompt at all: its bodies are JSON, and its size bounds them.

use chenu_engine::wire::{
    CapField, Effort, Format, Message, Part, Prompt, Role, Sampling, Target, Thinking, Tool,
    ToolChoice, Wire,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

use crate::prompts::{body, message, prompt, result, text};

/// Text of every kind of character, and often none.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), any::<String>(), "[a-z\"\\\\\u{0}-\u{1f}😀é]{0,40}"]
}

/// JSON objects as callers write them.
fn objects() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("{}".to_owned()),
        texts().prop_map(|text| format!("{{\n \"a\" : {} }}", Value::String(text))),
    ]
}

fn parts() -> impl Strategy<Value = Part> {
    prop_oneof![
        (texts(), any::<bool>()).prop_map(|(text, cached)| Part::Text { text, cached }),
        (texts(), texts(), objects()).prop_map(|(id, name, arguments)| Part::ToolCall {
            id,
            name,
            arguments
        }),
        (texts(), texts(), any::<bool>(), any::<bool>()).prop_map(
            |(id, text, is_error, cached)| Part::ToolResult { id, text, is_error, cached }
        ),
        (texts(), texts(), texts()).prop_map(|(text, signature, redacted)| Part::Reasoning {
            text,
            signature,
            redacted
        }),
    ]
}

/// Any part in any role: what the caller should have refused must not break a body either.
fn messages() -> impl Strategy<Value = Message> {
    let roles = vec![Role::System, Role::User, Role::Assistant, Role::Tool];
    (prop::sample::select(roles), vec(parts(), 0..4))
        .prop_map(|(role, parts)| Message { role, parts })
}

fn tools() -> impl Strategy<Value = Tool> {
    (texts(), texts(), objects()).prop_map(|(name, description, parameters)| Tool {
        name,
        description,
        parameters,
    })
}

fn choices() -> impl Strategy<Value = ToolChoice> {
    prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        texts().prop_map(ToolChoice::Named),
    ]
}

fn formats() -> impl Strategy<Value = Format> {
    let schema = |(name, schema)| Format::JsonSchema { name, schema };
    let schemas = (texts(), objects()).prop_map(schema);
    prop_oneof![Just(Format::Text), Just(Format::Json), schemas]
}

fn sampling() -> impl Strategy<Value = Sampling> {
    let number = || option::of(any::<f64>());
    let numbers = (number(), number(), number(), number());
    (numbers, option::of(any::<i64>()), vec(texts(), 0..3)).prop_map(|(numbers, seed, stop)| {
        let (temperature, top_p, presence_penalty, frequency_penalty) = numbers;
        Sampling { temperature, top_p, presence_penalty, frequency_penalty, seed, stop }
    })
}

fn thinking() -> impl Strategy<Value = Thinking> {
    let efforts = prop::sample::select(vec![Effort::Low, Effort::Medium, Effort::High]);
    (option::of(efforts), option::of(any::<u32>()))
        .prop_map(|(effort, budget_tokens)| Thinking { effort, budget_tokens })
}

fn prompts() -> impl Strategy<Value = Prompt> {
    let asked = (vec(messages(), 0..8), vec(tools(), 0..3), choices(), option::of(any::<bool>()));
    (asked, formats(), sampling(), thinking()).prop_map(|(asked, format, sampling, thinking)| {
        let (messages, tools, tool_choice, parallel_calls) = asked;
        Prompt { messages, tools, tool_choice, parallel_calls, format, sampling, thinking }
    })
}

fn wires() -> impl Strategy<Value = Wire> {
    prop_oneof![Just(Wire::Chat), Just(Wire::Messages)]
}

fn json_bytes(text: &str) -> usize {
    Value::from(text).to_string().len()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_body_is_json_of_the_target_within_the_size(
        prompt in prompts(),
        wire in wires(),
        model in texts(),
        output_cap in prop_oneof![0_u64..100_000, any::<u64>()],
        newer in any::<bool>(),
        stream_options in any::<bool>(),
    ) {
        let cap_field = if newer { CapField::MaxCompletionTokens } else { CapField::MaxTokens };
        let target = Target { model: &model, output_cap, cap_field, stream_options };
        let body = prompt.encode(wire, &target);

        let json: Value = serde_json::from_slice(&body).expect("a body is JSON");
        let cap = if newer && wire == Wire::Chat { "max_completion_tokens" } else { "max_tokens" };
        prop_assert_eq!(Some(model.as_str()), json["model"].as_str());
        prop_assert_eq!(Some(output_cap), json[cap].as_u64());
        prop_assert_eq!(Some(true), json["stream"].as_bool());
        let bound = prompt.size(wire) + json_bytes(&model);
        prop_assert!((body.len()..=body.len() + 200).contains(&bound), "{bound} {}", body.len());
    }

    #[test]
    fn every_text_arrives_as_it_was(wire in wires(), said in texts(), id in texts()) {
        prop_assume!(!said.is_empty());
        let both = prompt([Role::User, Role::Assistant].map(|role| message(role, [text(&said)])));
        let tool = prompt([message(Role::Tool, [result(&id, &said, false)])]);

        let content = |prompt: &Prompt, at: usize| {
            let body = body(wire, prompt);
            let body: Value = serde_json::from_str(&body).expect("a body is JSON");
            body["messages"][at].clone()
        };
        prop_assert_eq!(said.as_str(), &content(&both, 0)["content"]);
        prop_assert_eq!(said.as_str(), &content(&both, 1)["content"]);
        let (told, block) = match wire {
            Wire::Chat => ("tool_call_id", content(&tool, 0)),
            Wire::Messages => ("tool_use_id", content(&tool, 0)["content"][0].clone()),
        };
        prop_assert_eq!(id.as_str(), &block[told]);
        prop_assert_eq!(said.as_str(), &block["content"]);
    }

    #[test]
    fn needs_are_sorted_and_known(prompt in prompts()) {
        let needs = prompt.needs();

        prop_assert!(needs.is_sorted_by(|one, next| one < next));
        let known = [Wire::Chat, Wire::Messages].map(Wire::offers).concat();
        prop_assert!(needs.iter().all(|word| known.contains(word)));
    }
}

#[test]
fn size_grows_by_what_a_message_adds_however_many_there_are() {
    let of = |count: usize, wire| {
        let turn = message(Role::User, [text(&"é\"".repeat(10_000))]);
        let answer = message(Role::Assistant, [text("yes")]);
        let messages = [turn, answer].into_iter().cycle().take(count).collect();
        Prompt { messages, ..Prompt::default() }.size(wire)
    };

    for wire in [Wire::Chat, Wire::Messages] {
        let pair = of(4, wire) - of(2, wire);
        assert_eq!(of(2, wire) + 99 * pair, of(200, wire));
        assert!((40_000..40_200).contains(&pair), "{pair}");
    }
}
