//! Bodies of Anthropic Messages.

use chenu_engine::wire::{Effort, Format, Message, Part, Prompt, Role, Thinking, ToolChoice, Wire};

use crate::prompts::{
    body, cached, call, called, conversation, hello, json_schema, members, message, prompt,
    reasoning, result, sampled, target, text, tools,
};

const WIRE: Wire = Wire::Messages;

fn of_messages(messages: &str) -> String {
    format!(r#"{{"model":"m1","max_tokens":64,"messages":[{messages}],"stream":true}}"#)
}

fn sent<const N: usize>(messages: [Message; N]) -> String {
    body(WIRE, &prompt(messages))
}

#[test]
fn one_text_is_one_string() {
    assert_eq!(of_messages(r#"{"role":"user","content":"Hello"}"#), body(WIRE, &hello()));
}

#[test]
fn system_texts_stand_beside_the_conversation() {
    let expected = concat!(
        r#"{"model":"m1","max_tokens":64,"#,
        r#""system":[{"type":"text","text":"Be brief."},{"type":"text","text":"Be kind."}],"#,
        r#""messages":["#,
        r#"{"role":"user","content":["#,
        r#"{"type":"text","text":"Hi"},{"type":"text","text":"there"}]},"#,
        r#"{"role":"assistant","content":["#,
        r#"{"type":"text","text":"Hello"},{"type":"text","text":"!"}]},"#,
        r#"{"role":"user","content":"Bye"}],"stream":true}"#,
    );

    assert_eq!(expected, body(WIRE, &conversation()));
    let one = prompt([message(Role::System, [text("Be brief.")])]);
    assert_eq!(r#"system="Be brief.""#, members(WIRE, &one, &["system"]));
}

#[test]
fn results_and_what_is_said_to_them_are_one_turn_results_first() {
    let messages = concat!(
        r#"{"role":"user","content":"Weather?"},"#,
        r#"{"role":"assistant","content":["#,
        r#"{"type":"tool_use","id":"c1","name":"get_weather","input":{"b":1.0, "a":"é"}},"#,
        r#"{"type":"tool_use","id":"c2","name":"get_weather","input":{}}]},"#,
        r#"{"role":"user","content":["#,
        r#"{"type":"tool_result","tool_use_id":"c1","content":"sun"},"#,
        r#"{"type":"tool_result","tool_use_id":"c2","content":"no city","is_error":true},"#,
        r#"{"type":"text","text":"And?"}]}"#,
    );
    let tools = concat!(
        r#","tools":[{"name":"get_weather","description":"Weather of a \"city\"","#,
        r#""input_schema":{ "type":"object", "properties":{"city":{"type":"string"}} }},"#,
        r#"{"name":"now","input_schema":{"type":"object","properties":{}}}]"#,
    );
    let expected = of_messages(messages).replace(r#""stream":true"#, r#""stream":true@"#);

    assert_eq!(expected.replace('@', tools), body(WIRE, &called()));
    let turned = sent([
        message(Role::User, [text("And?")]),
        message(Role::Tool, [result("c1", "sun", false)]),
    ]);
    assert_eq!(
        of_messages(concat!(
            r#"{"role":"user","content":["#,
            r#"{"type":"tool_result","tool_use_id":"c1","content":"sun"},"#,
            r#"{"type":"text","text":"And?"}]}"#,
        )),
        turned
    );
}

#[test]
fn a_tool_choice_stands_only_beside_tools_and_only_where_it_says_something() {
    let chosen = |tool_choice, parallel_calls| {
        let prompt = Prompt { tools: tools(), tool_choice, parallel_calls, ..hello() };
        members(WIRE, &prompt, &["tool_choice"])
    };
    let named = ToolChoice::Named("now".to_owned());

    assert_eq!("", chosen(ToolChoice::Auto, Some(true)));
    assert_eq!(
        r#"tool_choice={"type":"auto","disable_parallel_tool_use":true}"#,
        chosen(ToolChoice::Auto, Some(false))
    );
    assert_eq!(r#"tool_choice={"type":"none"}"#, chosen(ToolChoice::None, Some(false)));
    assert_eq!(r#"tool_choice={"type":"any"}"#, chosen(ToolChoice::Required, None));
    assert_eq!(
        r#"tool_choice={"type":"tool","name":"now","disable_parallel_tool_use":true}"#,
        chosen(named.clone(), Some(false))
    );
    let without = Prompt { tool_choice: named, parallel_calls: Some(false), ..hello() };
    assert_eq!("", members(WIRE, &without, &["tool_choice"]));
}

#[test]
fn json_without_a_schema_is_asked_for_in_words() {
    let asked = |mut prompt: Prompt| {
        prompt.format = Format::Json;
        members(WIRE, &prompt, &["system", "output_config"])
    };

    let only = r#"system="Answer with one JSON object and nothing else.""#;
    assert_eq!(only, asked(hello()));
    let with_others = concat!(
        r#"system=[{"type":"text","text":"Be brief."},"#,
        r#"{"type":"text","text":"Answer with one JSON object and nothing else."}]"#,
    );
    assert_eq!(with_others, asked(prompt([message(Role::System, [text("Be brief.")])])));
}

#[test]
fn a_schema_and_an_effort_share_their_field() {
    let effort = Thinking { effort: Some(Effort::Low), budget_tokens: None };
    let both = Prompt { format: json_schema(), thinking: effort, ..hello() };

    let field = concat!(
        r#""stream":true,"output_config":{"format":{"type":"json_schema","#,
        r#""schema":{"z":1, "a":2}},"effort":"low"}}"#,
    );
    let body = body(WIRE, &both);
    assert!(body.ends_with(field), "{body}");
    let alone = Prompt { thinking: effort, ..hello() };
    let name = ["output_config"];
    assert_eq!(r#"output_config={"effort":"low"}"#, members(WIRE, &alone, &name));
}

#[test]
fn sampling_is_sent_as_far_as_the_wire_knows_it() {
    let fields = concat!(
        r#""stream":true,"output_config":{"effort":"high"},"#,
        r#""stop_sequences":["\n\n","\"END\""],"temperature":0.1,"top_p":1.0}"#,
    );

    let body = body(WIRE, &sampled());
    assert!(body.ends_with(fields), "{body}");
}

#[test]
fn thoughts_go_back_as_they_came_and_unproven_ones_do_not() {
    let thoughts = [
        reasoning("hm", "sig=", ""),
        reasoning("", "", "sealed"),
        reasoning("unproven", "", ""),
        text("Hi"),
    ];

    let expected = of_messages(concat!(
        r#"{"role":"assistant","content":["#,
        r#"{"type":"thinking","thinking":"hm","signature":"sig="},"#,
        r#"{"type":"redacted_thinking","data":"sealed"},"#,
        r#"{"type":"text","text":"Hi"}]}"#,
    ));
    assert_eq!(expected, sent([message(Role::Assistant, thoughts)]));
}

#[test]
fn a_message_that_says_nothing_is_none_and_its_neighbours_still_take_turns() {
    let silent = message(Role::Assistant, [reasoning("unproven", "", ""), text("")]);
    let messages = [message(Role::User, [text("Hi")]), silent, message(Role::User, [text("Ho")])];

    let texts = r#"{"type":"text","text":"Hi"},{"type":"text","text":"Ho"}"#;
    let expected = format!(r#"{{"role":"user","content":[{texts}]}}"#);
    assert_eq!(of_messages(&expected), sent(messages));
}

#[test]
fn a_budget_stays_below_the_cap_and_is_not_sent_below_its_least() {
    let budget = |wanted, output_cap| {
        let thinking = Thinking { effort: None, budget_tokens: Some(wanted) };
        let body = Prompt { thinking, ..hello() }.encode(WIRE, &target(output_cap));
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let thinking = body.get("thinking")?;
        assert_eq!("enabled", thinking["type"]);
        thinking["budget_tokens"].as_u64()
    };

    assert_eq!(Some(2_000), budget(2_000, 2_001));
    assert_eq!(Some(1_999), budget(2_000, 2_000));
    assert_eq!(Some(1_024), budget(2_000, 1_025));
    assert_eq!(None, budget(2_000, 1_024));
    assert_eq!(None, budget(2_000, 0));
    assert_eq!(None, budget(1_023, 64_000));
}

#[test]
fn what_is_to_be_cached_is_a_block_that_says_so() {
    let kept = Part::ToolResult {
        id: "c1".to_owned(),
        text: "sun".to_owned(),
        is_error: false,
        cached: true,
    };
    let prompt = prompt([
        message(Role::System, [cached("Be brief.")]),
        message(Role::User, [cached("Weather?")]),
        message(Role::Assistant, [call("c1", "{}")]),
        message(Role::Tool, [kept]),
    ]);

    let expected = concat!(
        r#"{"model":"m1","max_tokens":64,"#,
        r#""system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],"#,
        r#""messages":[{"role":"user","content":["#,
        r#"{"type":"text","text":"Weather?","cache_control":{"type":"ephemeral"}}]},"#,
        r#"{"role":"assistant","content":["#,
        r#"{"type":"tool_use","id":"c1","name":"get_weather","input":{}}]},"#,
        r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"sun","#,
        r#""cache_control":{"type":"ephemeral"}}]}],"stream":true}"#,
    );
    assert_eq!(expected, body(WIRE, &prompt));
}

#[test]
fn a_text_is_escaped_no_more_than_json_wants() {
    let odd = [text("é😀 \"\\/\u{1}\n\u{7f}")];

    let expected = concat!(r#"{"role":"user","content":"é😀 \"\\/\u0001\n"#, "\u{7f}", r#""}"#);
    assert_eq!(of_messages(expected), sent([message(Role::User, odd)]));
}
