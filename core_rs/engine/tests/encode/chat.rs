//! Bodies of Chat Completions.

use chenu_engine::wire::{CapField, Format, Prompt, Role, Target, ToolChoice, Wire};

use crate::prompts::{
    body, cached, call, called, conversation, hello, json_schema, members, message, prompt,
    reasoning, sampled, text, tools,
};

const END: &str = r#","max_tokens":64,"stream":true,"stream_options":{"include_usage":true}"#;

fn of_messages(messages: &str) -> String {
    format!(r#"{{"model":"m1","messages":[{messages}]{END}}}"#)
}

#[test]
fn one_text_is_one_string() {
    let expected = of_messages(r#"{"role":"user","content":"Hello"}"#);

    assert_eq!(expected, body(Wire::Chat, &hello()));
}

#[test]
fn the_record_says_where_the_cap_stands_and_whether_usage_is_asked_for() {
    let cap_field = CapField::MaxCompletionTokens;
    let target = Target { model: "a\"b", output_cap: u64::MAX, cap_field, stream_options: false };

    let body = hello().encode(Wire::Chat, &target);

    let expected = concat!(
        r#"{"model":"a\"b","messages":[{"role":"user","content":"Hello"}],"#,
        r#""max_completion_tokens":18446744073709551615,"stream":true}"#,
    );
    assert_eq!(expected.as_bytes(), body);
}

#[test]
fn system_texts_are_one_message_and_several_user_texts_a_list() {
    let expected = of_messages(concat!(
        r#"{"role":"system","content":"Be brief.\n\nBe kind."},"#,
        r#"{"role":"user","content":["#,
        r#"{"type":"text","text":"Hi"},{"type":"text","text":"there"}]},"#,
        r#"{"role":"assistant","content":"Hello!"},"#,
        r#"{"role":"user","content":"Bye"}"#,
    ));

    assert_eq!(expected, body(Wire::Chat, &conversation()));
}

#[test]
fn calls_and_their_results_keep_their_ids_and_their_arguments_text() {
    let messages = concat!(
        r#"{"role":"user","content":"Weather?"},"#,
        r#"{"role":"assistant","content":null,"tool_calls":["#,
        r#"{"id":"c1","type":"function","function":{"name":"get_weather","#,
        r#""arguments":"{\"b\":1.0, \"a\":\"é\"}"}},"#,
        r#"{"id":"c2","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},"#,
        r#"{"role":"tool","tool_call_id":"c1","content":"sun"},"#,
        r#"{"role":"tool","tool_call_id":"c2","content":"Error: no city"},"#,
        r#"{"role":"user","content":"And?"}"#,
    );
    let tools = concat!(
        r#","tools":[{"type":"function","function":{"name":"get_weather","#,
        r#""description":"Weather of a \"city\"","#,
        r#""parameters":{ "type":"object", "properties":{"city":{"type":"string"}} }}},"#,
        r#"{"type":"function","function":{"name":"now","#,
        r#""parameters":{"type":"object","properties":{}}}}]"#,
    );
    let expected = format!(r#"{{"model":"m1","messages":[{messages}]{END}{tools}}}"#);

    assert_eq!(expected, body(Wire::Chat, &called()));
}

#[test]
fn a_text_beside_calls_is_sent_with_them() {
    let turn = message(Role::Assistant, [text("Let me see."), call("c1", "{}")]);

    let expected = of_messages(concat!(
        r#"{"role":"assistant","content":"Let me see.","tool_calls":["#,
        r#"{"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{}"}}]}"#,
    ));
    assert_eq!(expected, body(Wire::Chat, &prompt([turn])));
}

#[test]
fn a_tool_choice_stands_only_beside_tools_and_only_where_it_says_something() {
    let fields = ["tool_choice", "parallel_tool_calls"];
    let chosen = |tool_choice, parallel_calls| {
        let prompt = Prompt { tools: tools(), tool_choice, parallel_calls, ..hello() };
        members(Wire::Chat, &prompt, &fields)
    };
    let named = ToolChoice::Named("now".to_owned());

    assert_eq!("", chosen(ToolChoice::Auto, None));
    assert_eq!(r#"tool_choice="none""#, chosen(ToolChoice::None, None));
    assert_eq!(
        r#"tool_choice="required" parallel_tool_calls=true"#,
        chosen(ToolChoice::Required, Some(true))
    );
    assert_eq!(
        r#"tool_choice={"type":"function","function":{"name":"now"}} parallel_tool_calls=false"#,
        chosen(named.clone(), Some(false))
    );
    let without = Prompt { tool_choice: named, parallel_calls: Some(false), ..hello() };
    assert_eq!("", members(Wire::Chat, &without, &fields));
}

#[test]
fn a_format_has_its_own_field_and_a_schema_keeps_its_order() {
    let start = of_messages(r#"{"role":"user","content":"Hello"}"#);
    let start = start.strip_suffix('}').expect("an object");
    let json = Prompt { format: Format::Json, ..hello() };
    let schema = Prompt { format: json_schema(), ..hello() };

    let hello = r#"{"role":"user","content":"Hello"}"#;
    let told = r#"{"role":"system","content":"Answer with one JSON object and nothing else."},"#;
    let told = start.replace(hello, &format!("{told}{hello}"));
    let expected = format!(r#"{told},"response_format":{{"type":"json_object"}}}}"#);
    assert_eq!(expected, body(Wire::Chat, &json));
    let field = concat!(
        r#""response_format":{"type":"json_schema","json_schema":{"name":"city","#,
        r#""schema":{"z":1, "a":2},"strict":false}}"#,
    );
    assert_eq!(format!("{start},{field}}}"), body(Wire::Chat, &schema));
}

#[test]
fn sampling_is_sent_as_it_was_asked_for() {
    let start = of_messages(r#"{"role":"user","content":"Hello"}"#);
    let start = start.strip_suffix('}').expect("an object");
    let fields = concat!(
        r#""temperature":0.1,"top_p":1.0,"stop":["\n\n","\"END\""],"#,
        r#""seed":-9223372036854775808,"presence_penalty":-0.5,"frequency_penalty":1e-7,"#,
        r#""reasoning_effort":"high""#,
    );

    assert_eq!(format!("{start},{fields}}}"), body(Wire::Chat, &sampled()));
}

#[test]
fn what_the_wire_has_no_room_for_is_left_out() {
    let thought = [reasoning("hm", "sig", ""), reasoning("", "", "sealed"), cached("Hi")];
    let mut prompt = prompt([message(Role::Assistant, thought)]);
    prompt.thinking.budget_tokens = Some(2_000);

    let expected = of_messages(r#"{"role":"assistant","content":"Hi"}"#);
    assert_eq!(expected, body(Wire::Chat, &prompt));
}

#[test]
fn a_text_is_escaped_no_more_than_json_wants() {
    let odd = prompt([message(Role::User, [text("é😀 \"\\/\u{1}\n\t\u{7f}\u{2028}")])]);

    let expected = of_messages(concat!(
        r#"{"role":"user","content":"é😀 \"\\/\u0001\n\t"#,
        "\u{7f}\u{2028}",
        r#""}"#,
    ));
    assert_eq!(expected, body(Wire::Chat, &odd));
}
