//! What a prompt asks of a model, and what a wire has room for.

use chenu_engine::wire::{Effort, Format, Prompt, Role, Sampling, Thinking, Tool, Wire};

use crate::prompts::{
    cached, call, called, hello, json_schema, message, prompt, reasoning, sampled, tools,
};

fn all() -> Vec<&'static str> {
    let mut words = [Wire::Chat, Wire::Messages].map(Wire::offers).concat();
    words.sort_unstable();
    words.dedup();
    words
}

#[test]
fn a_plain_prompt_needs_nothing() {
    assert_eq!(Vec::<&str>::new(), hello().needs());
    assert_eq!(Vec::<&str>::new(), Prompt::default().needs());
}

#[test]
fn calls_in_the_history_need_functions_as_much_as_tools_do() {
    let with_tools = Prompt { tools: tools(), ..hello() };
    let history = prompt([message(Role::Assistant, [call("c1", "{}")])]);

    assert_eq!(["functions"], *with_tools.needs());
    assert_eq!(["functions"], *history.needs());
    assert_eq!(["functions"], *Prompt { tools: Vec::<Tool>::new(), ..called() }.needs());
}

#[test]
fn each_field_has_its_own_word() {
    let sampling = ["frequency_penalty", "presence_penalty", "reasoning_effort", "seed", "stop"];
    let of_sampling = [&sampling[..], &["temperature", "top_p"]].concat();

    assert_eq!(of_sampling, sampled().needs());
    assert_eq!(["json"], *Prompt { format: Format::Json, ..hello() }.needs());
    assert_eq!(["json_schema"], *Prompt { format: json_schema(), ..hello() }.needs());
    let parallel = Prompt { parallel_calls: Some(true), ..hello() };
    assert_eq!(["parallel_calls"], *parallel.needs());
    let history = [cached("Hi"), reasoning("hm", "sig", "")];
    let history = prompt([message(Role::Assistant, history)]);
    assert_eq!(["cache_hints", "reasoning_input"], *history.needs());
    let unproven = prompt([message(Role::Assistant, [reasoning("hm", "", "")])]);
    assert_eq!(Vec::<&str>::new(), unproven.needs());
    let thinking = Thinking { effort: Some(Effort::Low), budget_tokens: Some(1_024) };
    let thinking = Prompt { thinking, ..hello() };
    assert_eq!(["reasoning_budget", "reasoning_effort"], *thinking.needs());
}

#[test]
fn a_temperature_above_1_is_a_need_of_its_own() {
    let warm = |temperature| {
        let sampling = Sampling { temperature: Some(temperature), ..Sampling::default() };
        Prompt { sampling, ..hello() }.needs()
    };

    assert_eq!(["temperature"], *warm(1.0));
    assert_eq!(["temperature", "temperature_above_1"], *warm(1.1));
}

#[test]
fn a_wire_offers_all_but_what_it_has_no_field_for() {
    let all = all();
    let lacks = |wire: Wire| {
        assert!(wire.offers().is_sorted());
        let lacking = all.iter().filter(|word| !wire.offers().contains(word));
        lacking.copied().collect::<Vec<_>>()
    };

    assert_eq!(19, all.len());
    let of_messages = ["cache_hints", "document_urls", "reasoning_budget", "reasoning_input"];
    assert_eq!(of_messages, *lacks(Wire::Chat));
    let sampling = ["frequency_penalty", "presence_penalty", "seed", "temperature_above_1"];
    assert_eq!(sampling, *lacks(Wire::Messages));
}

#[test]
fn tools_add_a_preamble_that_the_body_does_not_show() {
    let extra =
        |prompt: &Prompt| [Wire::Chat, Wire::Messages].map(|wire| prompt.extra_tokens(wire));

    assert_eq!([128, 64], extra(&hello()));
    assert_eq!([384, 1_088], extra(&called()));
}
