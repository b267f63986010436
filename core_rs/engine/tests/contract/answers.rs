//! A query, and the answer to it.

use chenu_engine::contract::{
    Asked, LaneReport, OutputPart, Part, ProposedCall, Query, Recorded, Usage, answered,
    route_snapshot,
};
use chenu_engine::vocabulary::{
    Intent, Lane, LaneStatus, PartKind, PrincipalType, QueryMode, QueryState, Sphere,
    ToolCallState, ToolEffect,
};
use chenu_engine::wire::Stop;
use proptest::prelude::*;

use super::reader::{Field, all, number, read};

fn asked(status: QueryState, lanes: Vec<LaneReport<'_>>) -> Asked<'_> {
    Asked {
        request_id: "r",
        identity_id: "acme",
        principal_type: PrincipalType::Service,
        principal_id: "svc",
        status,
        lanes,
        intents: vec![Intent::Query, Intent::Delete],
        detected_intents: vec![],
        sphere: Sphere::Personal,
        mode: QueryMode::Command,
        action_digest: &[7; 32],
        context_hash: &[],
        thread_id: "",
        run_id: "",
        labels: vec![("a", "")],
        route_snapshot: &[],
    }
}

fn recorded(output_length: usize, output_format: &str, stop_reason: Stop) -> Recorded<'_> {
    Recorded {
        checkpoint_id: "",
        provider: "first",
        model: "m",
        chain: vec!["first/m", "second/a/b", "bare"],
        stop_reason,
        output_cap: 512,
        usage: Usage {
            input_tokens: i64::MAX,
            output_tokens: 1,
            cache_read_tokens: 0,
            cache_write_tokens: 0,
            cache_write_hour_tokens: 0,
        },
        cost_nanousd: 77,
        estimated: false,
        event_count: 9,
        output_length: i64::try_from(output_length).unwrap(),
        output_parts: vec![OutputPart { kind: PartKind::Text, name: "", length: 5, call: None }],
        output_format,
        created_us: 1_700_000_000_000_001,
        updated_us: -1,
        ended_us: 0,
    }
}

fn query(output_length: usize, output_format: &str, stop_reason: Stop) -> Query<'_> {
    let recorded = Some(recorded(output_length, output_format, stop_reason));
    Query { asked: asked(QueryState::Completed, vec![]), recorded, outcome: &[] }
}

fn part(kind: PartKind, text: &str) -> Part<'_> {
    Part { kind, text, name: "", call_id: "", signature: "", redacted: "" }
}

/// The fields of the answer of a response.
fn answer_of(response: &[u8]) -> Vec<Field> {
    read(all(&read(response), 2)[0])
}

#[test]
fn all_seven_lanes_are_shown_and_the_one_at_work_is_running() {
    let done = || LaneReport {
        lane: Lane::BContext,
        status: LaneStatus::Completed,
        duration_us: 2_000_003,
        summary: "ok",
    };
    for (status, sixth) in [(QueryState::Running, 2), (QueryState::Pending, 1)] {
        let asked = asked(status, vec![done()]);
        let shown = read(&Query { asked, recorded: None, outcome: &[] }.encode());
        let lanes: Vec<_> = all(&shown, 5).into_iter().map(read).collect();
        let numbers = |field| lanes.iter().map(move |lane| number(lane, field));

        assert_eq!(vec![1, 2, 3, 4, 5, 6, 7], numbers(1).flatten().collect::<Vec<_>>());
        assert_eq!(vec![1, 3, 1, 1, 1, sixth, 1], numbers(2).flatten().collect::<Vec<_>>());
        let span = read(all(&lanes[1], 3)[0]);
        assert_eq!(vec![Field::Number(1, 2), Field::Number(2, 3_000)], span);
        assert_eq!(vec![Field::Bytes(3, vec![])], lanes[0][2..]);
    }
}

#[test]
fn what_was_only_asked_about_has_no_route_and_no_money() {
    let asked = asked(QueryState::Pending, vec![]);
    let shown = read(&Query { asked, recorded: None, outcome: &[] }.encode());

    assert!(all(&shown, 9).is_empty());
    assert_eq!(None, number(&shown, 12));
    assert_eq!(vec![&[1, 4][..]], all(&shown, 6));
    assert!(all(&shown, 23).is_empty());
    assert_eq!(vec![&[10, 1, b'a', 18, 0][..]], all(&shown, 27));
}

#[test]
fn a_row_says_when_what_and_how_much() {
    let shown = read(&query(5, "text", Stop::End).encode());
    let chain: Vec<_> = all(&read(all(&shown, 9)[0]), 3).into_iter().map(read).collect();

    assert_eq!(vec![Field::Bytes(1, b"second".into()), Field::Bytes(2, b"a/b".into())], chain[1]);
    assert_eq!(vec![Field::Bytes(1, b"bare".into())], chain[2]);
    assert_eq!(Some(i64::MAX.cast_unsigned()), number(&shown, 10));
    assert_eq!(
        vec![Field::Number(1, 1_700_000_000), Field::Number(2, 1_000)],
        read(all(&shown, 13)[0])
    );
    // Floored, as Python divides: a microsecond before the epoch.
    assert_eq!(
        vec![Field::Number(1, u64::MAX), Field::Number(2, 999_999_000)],
        read(all(&shown, 14)[0])
    );
    assert!(all(&shown, 15).is_empty());
}

#[test]
fn a_value_is_told_unless_the_model_did_something_else() {
    let text = "```json\n{}\n```";
    let told = |stop, parts: &[Part<'_>]| {
        let response = answered(&query(5, "json", stop), Some(parts), 4_096);
        all(&answer_of(&response), 10).concat()
    };

    assert_eq!(b"{}".to_vec(), told(Stop::End, &[part(PartKind::Text, text)]));
    assert!(told(Stop::Refusal, &[part(PartKind::Text, text)]).is_empty());
    let with_call = [part(PartKind::Text, text), part(PartKind::ToolCall, "{}")];
    assert!(told(Stop::ToolCalls, &with_call).is_empty());
}

/// A text, then a call that waits, then one that was settled before calls were decided on, then one
/// that was refused.
fn query_with_calls() -> Query<'static> {
    let held = ProposedCall {
        call_id: "c",
        effect: ToolEffect::Send,
        state: ToolCallState::Held,
        checkpoint_id: "k",
        expires_us: 3_000_005,
        reason: "",
    };
    let refused = ProposedCall {
        call_id: "d",
        effect: ToolEffect::Read,
        state: ToolCallState::Refused,
        checkpoint_id: "",
        expires_us: 0,
        reason: "POLICY_DENIED",
    };
    let call = |call| OutputPart { kind: PartKind::ToolCall, name: "mail", length: 0, call };
    let mut query = query(5, "text", Stop::ToolCalls);
    let parts = &mut query.recorded.as_mut().unwrap().output_parts;
    parts.extend([call(Some(held)), call(None), call(Some(refused))]);
    query
}

/// Whoever reads an answer learns which calls wait, where and until when, and which are refused and
/// why; by the numbers and fields of the contract.
#[test]
fn an_answer_tells_of_each_call_that_it_proposed_where_it_stands() {
    let response = answered(&query_with_calls(), Some(&[]), 4_096);
    let answer = answer_of(&response);
    let bytes = |field, text: &str| Field::Bytes(field, text.into());

    let held = [
        bytes(1, "c"),
        Field::Number(2, 1),
        bytes(3, "mail"),
        Field::Number(4, 4),
        Field::Number(5, 2),
        bytes(6, "k"),
        Field::Bytes(7, vec![8, 3, 16, 136, 39]), // 3 seconds and 5,000 nanoseconds
    ];
    let refused = [
        bytes(1, "d"),
        Field::Number(2, 3),
        bytes(3, "mail"),
        Field::Number(4, 1),
        Field::Number(5, 4),
        bytes(8, "POLICY_DENIED"),
    ];
    let told: Vec<Vec<Field>> = all(&answer, 11).into_iter().map(read).collect();
    assert_eq!(vec![held.into_iter().collect::<Vec<_>>(), refused.into()], told);
}

/// They are no part of what was said: told also where that is told elsewhere or left out.
#[test]
fn its_calls_are_told_whether_or_not_the_answer_is() {
    let parts = [part(PartKind::Text, "hello")];
    let whole = answered(&query_with_calls(), Some(&parts), 4_096);
    let elsewhere = answered(&query_with_calls(), None, 4_096);
    let omitted = answered(&query_with_calls(), Some(&parts), 0);
    let calls = |response: &[u8]| {
        all(&answer_of(response), 11).into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };

    assert_eq!(2, calls(&whole).len());
    assert_eq!(calls(&whole), calls(&elsewhere));
    assert_eq!(calls(&whole), calls(&omitted));
    assert!(all(&answer_of(&elsewhere), 1).is_empty() && all(&answer_of(&omitted), 1).is_empty());
    assert!(all(&answer_of(&response_without_calls()), 11).is_empty());
}

fn response_without_calls() -> Vec<u8> {
    answered(&query(5, "text", Stop::End), None, 4_096)
}

#[test]
fn a_snapshot_is_three_names_and_a_short_one_is_not_read_past() {
    let packed: Vec<u8> = (0..24).collect();
    let names = |fields: &[Field]| [1, 2, 3].map(|field| all(fields, field).concat());
    let (first, rest) = packed.split_at(8);

    let whole = [first.to_vec(), rest[..8].to_vec(), rest[8..].to_vec()];
    assert_eq!(whole, names(&read(&route_snapshot(&packed))));
    let short = [vec![1, 2, 3], vec![], vec![]];
    assert_eq!(short, names(&read(&route_snapshot(&[1, 2, 3]))));
}

#[test]
fn a_provider_s_new_word_is_another_reason() {
    let found: Vec<_> = Stop::ALL.iter().map(|stop| Stop::of(stop.wire_name())).collect();

    assert_eq!(Stop::ALL, found);
    assert_eq!(Stop::Other, Stop::of("delte"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Its length has one to four bytes, and what stands around it is read all the same.
    #[test]
    fn an_answer_of_any_length_is_whole_or_omitted(
        length in prop_oneof![0_usize..300, 16_000_usize..16_700, 2_097_000_usize..2_097_400],
        room in 0_usize..1_000,
    ) {
        let text = "a".repeat(length);
        let parts = [part(PartKind::Text, &text)];
        let bytes_max = length + room;
        let told = |room| answered(&query(length, "text", Stop::End), Some(&parts), room);
        let (response, whole) = (told(bytes_max), told(usize::MAX));
        let answer = answer_of(&response);

        prop_assert_eq!(Some(77), number(&answer, 6));
        if number(&answer, 8) == Some(1) {
            prop_assert!(all(&answer, 1).is_empty());
            prop_assert!(whole.len() > bytes_max);
        } else {
            prop_assert!(whole.len() <= bytes_max);
            prop_assert_eq!(whole, response);
            prop_assert_eq!(text.as_bytes(), all(&answer, 1).concat());
        }
    }
}
