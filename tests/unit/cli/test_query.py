"""`chenu query` and `chenu watch`: what is sent, what is printed, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message

from chenu.api.governance.v1 import action_pb2, checkpoint_pb2
from chenu.api.pipeline.v1 import (
    conversation_pb2,
    event_pb2,
    message_pb2,
    pipeline_service_pb2,
    routing_pb2,
)
from chenu_server.cli.exit_codes import ExitCode
from tests.files import PDF, png
from tests.listener import Listener
from tests.unit.cli.conftest import Answer, Gateway, Shell
from tests.unit.sdk.gateway import (
    blocked,
    called,
    completed,
    created,
    delta,
    failed,
    started,
    status,
)

REQUEST_ID = "6f1f7c1e-7d3b-4f43-9d5e-6a4c2a0a5a10"
LOG = [started(), called(), delta(0, "Hel"), delta(3, "lo"), completed(3, 5)]


def run_log(*events: event_pb2.Event) -> list[Answer]:
    """Events as `Run` sends them."""
    return [pipeline_service_pb2.RunResponse(event=event) for event in events]


def watch_log(*events: event_pb2.Event) -> list[Answer]:
    """Events as `Watch` sends them."""
    return [pipeline_service_pb2.WatchResponse(event=event) for event in events]


def sent(gateway: Gateway) -> pipeline_service_pb2.QueryRequest:
    """The query that was asked."""
    request: Message = gateway.asked[0]
    if isinstance(request, pipeline_service_pb2.RunRequest):
        return request.query
    assert isinstance(request, pipeline_service_pb2.QueryRequest)
    return request


def test_the_answer_alone_is_on_standard_output(gateway: Gateway, chenu: Shell) -> None:
    """What a pipe gets is the answer; what it cost is told beside it."""
    gateway.answers["Run"] = run_log(*LOG)
    result = chenu("query", "hello")

    assert (ExitCode.OK, "Hello\n") == (result.exit_code, result.stdout)
    assert result.stderr.startswith("[") and "0.00 USD" in result.stderr


def test_json_prints_every_event(gateway: Gateway, chenu: Shell) -> None:
    """Programs read one object a line, with the contract's names."""
    gateway.answers["Run"] = run_log(*LOG)
    result = chenu("query", "hello", "--json")

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert ["EVENT_TYPE_PIPELINE_START", "EVENT_TYPE_LLM_CALL_START"] == [
        line["type"] for line in lines[:2]
    ]
    delta_shown = lines[2]["llm_call_delta"]
    assert {"attempt": 1, "offset": "0", "text": "Hel"}.items() <= delta_shown.items()


def test_every_option_reaches_the_request(gateway: Gateway, chenu: Shell) -> None:
    """An option that is dropped on the way would be believed."""
    gateway.answers["Run"] = run_log(*LOG)
    options = (
        f"--request-id {REQUEST_ID} --intent delete --intent send --sphere business"
        " --operation thread.delete --target-kind thread --target-id t-1 --target-sphere team"
        " --agent-role analyst --max-output-tokens 300 --max-cost-usd 0.05 --task code"
        " --priority high --strategy cost --provider groq --model fast --capability vision"
        " --allow-provider groq --forbid-provider xai --region eu --detached --resume-on-approval"
        " --generate"
    )
    chenu("query", "hello", *options.split())

    assert pipeline_service_pb2.QueryRequest(
        request_id=REQUEST_ID,
        text="hello",
        intents=[action_pb2.INTENT_DELETE, action_pb2.INTENT_SEND],
        sphere=action_pb2.SPHERE_BUSINESS,
        target=action_pb2.Target(
            operation="thread.delete", kind="thread", id="t-1", sphere=action_pb2.SPHERE_TEAM
        ),
        agent_role="analyst",
        max_output_tokens=300,
        max_cost_nanousd=50_000_000,
        routing=routing_pb2.RoutingRequest(
            task_type=routing_pb2.TASK_TYPE_CODE,
            priority=routing_pb2.PRIORITY_HIGH,
            strategy=routing_pb2.STRATEGY_COST,
            preferred_provider="groq",
            preferred_model="fast",
            required_capabilities=["vision"],
            allowed_providers=["groq"],
            forbidden_providers=["xai"],
            regions=["eu"],
        ),
        detached=True,
        resume_on_approval=True,
        mode=conversation_pb2.QUERY_MODE_GENERATION,
    ) == sent(gateway)


def test_files_stand_before_the_text(gateway: Gateway, chenu: Shell, tmp_path: Path) -> None:
    """As a conversation of one message; what is no such file is a mistake on the line."""
    gateway.answers["Run"] = run_log(*LOG)
    picture, report = tmp_path / "a.png", tmp_path / "q3.pdf"
    picture.write_bytes(png())
    report.write_bytes(PDF)

    chenu("query", "What is it?", "--image", str(picture), "--document", str(report))
    wrong = chenu("query", "What is it?", "--image", str(report))
    missing = chenu("query", "What is it?", "--image", str(tmp_path / "none.png"))

    (message,) = sent(gateway).messages
    assert "" == sent(gateway).text
    assert conversation_pb2.MESSAGE_ROLE_USER == message.role
    assert (png(), "q3.pdf", "What is it?") == (
        message.parts[0].image.data,
        message.parts[1].document.name,
        message.parts[2].text,
    )
    assert [ExitCode.USAGE] * 2 == [wrong.exit_code, missing.exit_code]
    assert 1 == len(gateway.asked)


def test_the_text_can_come_from_standard_input(gateway: Gateway, chenu: Shell) -> None:
    """A long text does not fit on a command line."""
    gateway.answers["Run"] = run_log(*LOG)
    chenu("query", "-", input="from a pipe")

    assert "from a pipe" == sent(gateway).text


def test_a_block_ends_with_its_own_status(gateway: Gateway, chenu: Shell) -> None:
    """A script can tell that a person is needed from that it failed."""
    refused = status(
        grpc.StatusCode.FAILED_PRECONDITION,
        "CHECKPOINT_PENDING",
        checkpoint_id="c-1",
        request_id="q-1",
    )
    gateway.answers["Run"] = [*run_log(started(1), created(2), blocked(3)), refused]
    result = chenu("query", "Delete all archived items")

    assert (ExitCode.BLOCKED, "") == (result.exit_code, result.stdout)
    assert "chenu checkpoints approve c-1" in result.stderr


def test_no_stream_prints_the_whole_answer(gateway: Gateway, chenu: Shell) -> None:
    """One call, one answer."""
    answer = message_pb2.Answer(text="Hello")
    gateway.answers["Query"] = pipeline_service_pb2.QueryResponse(answer=answer)

    assert "Hello\n" == chenu("query", "hello", "--no-stream").stdout


def test_validate_only_says_what_would_happen(gateway: Gateway, chenu: Shell) -> None:
    """Nobody should have to run a query to learn that it needs a person."""
    validation = message_pb2.Validation(
        checkpoint_types=[checkpoint_pb2.CHECKPOINT_TYPE_DESTRUCTIVE_ACTION],
        cost_bound_nanousd=1_230_000,
    )
    gateway.answers["Query"] = pipeline_service_pb2.QueryResponse(validation=validation)
    result = chenu("query", "Delete it", "--validate-only")

    assert sent(gateway).validate_only
    assert "a person must approve  destructive_action\n" in result.stdout
    assert "costs at most          0.00123 USD\n" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--intent", "destroy"), "'destroy' is not one of query, create"),
        (("--sphere", "moon"), "'moon' is not one of personal"),
        (("--max-cost-usd", "-1"), "not an amount"),
        (("--max-cost-usd", "0.0000000001"), "at most 9 decimals"),
        (("--max-cost-usd", "much"), "not an amount"),
        (("--max-cost-usd", "NaN"), "not an amount"),
        (("--max-cost-usd", "Infinity"), "not an amount"),
        (("--token-file", "/nowhere"), "cannot read /nowhere"),
        (("--token", "a\nb"), "it holds a line break as character 2"),
        (("--token", "Bearer abc"), "give the token alone"),
        (("--identity", "ac me"), "it holds a space as character 3"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_sent(
    gateway: Gateway, chenu: Shell, arguments: tuple[str, str], told: str
) -> None:
    """What the command line can see is not left to the server."""
    result = chenu("query", "hello", *arguments)

    assert (ExitCode.USAGE, []) == (result.exit_code, gateway.asked)
    assert told in " ".join(result.stderr.split())


@pytest.mark.parametrize("variable", ["CHENUCLI_TOKEN", "CHENUCLI_TOKEN_FILE"])
def test_a_token_may_end_with_a_line_break(
    gateway: Gateway, chenu: Shell, tmp_path: Path, variable: str
) -> None:
    """`$(cat file)` drops it; a secret that is mounted as a variable keeps it."""
    (tmp_path / "token").write_text("from-a-file\n")
    given = {"CHENUCLI_TOKEN": "from-a-file\n", "CHENUCLI_TOKEN_FILE": str(tmp_path / "token")}
    gateway.answers["Run"] = run_log(*LOG)
    result = chenu("query", "hello", env={"CHENUCLI_TOKEN": "", variable: given[variable]})

    assert 0 == result.exit_code
    assert "Bearer from-a-file" == gateway.headers[0]["authorization"]


def test_the_command_line_reaches_loopback_past_a_proxy(
    gateway: Gateway, chenu: Shell, listener: Listener
) -> None:
    """A proxy's loopback is another machine's, and would be given the token."""
    gateway.answers["Run"] = run_log(*LOG)
    proxies = dict.fromkeys(("grpc_proxy", "http_proxy", "https_proxy"), listener.url)
    result = chenu("query", "hello", env={**proxies, "no_proxy": "", "no_grpc_proxy": ""})

    assert (0, []) == (result.exit_code, listener.heard)


def test_another_machine_is_reached_through_the_proxy_that_is_named(
    chenu: Shell, listener: Listener
) -> None:
    """Who names a proxy on the command line means it."""
    result = chenu(
        "query",
        "hello",
        "--insecure",
        "--timeout=5",
        f"--proxy={listener.url}",
        env={"CHENUCLI_TARGET": "gateway.invalid:443"},
    )

    assert ExitCode.UNAVAILABLE == result.exit_code
    assert "CONNECT gateway.invalid:443" == listener.heard[0]


def test_the_identity_and_the_token_are_sent(gateway: Gateway, chenu: Shell) -> None:
    """Who calls comes from the environment, so that no list of processes shows it."""
    gateway.answers["Run"] = run_log(*LOG)
    chenu("query", "hello", env={"CHENUCLI_IDENTITY": "acme"})

    assert ("Bearer a-token", "acme") == (
        gateway.headers[0]["authorization"],
        gateway.headers[0]["x-chenu-identity"],
    )


def test_watch_prints_a_line_for_each_event(gateway: Gateway, chenu: Shell) -> None:
    """The log of a failed query is read without failing."""
    gateway.answers["Watch"] = watch_log(started(), called(), failed(3, "POLICY_DENIED"))
    result = chenu("watch", REQUEST_ID)

    assert ExitCode.OK == result.exit_code
    assert (
        "   1  pipeline.start\n"
        "   2  llm_call.start        attempt 1: anthropic\n"
        "   3  pipeline.error        POLICY_DENIED: it failed\n"
    ) == result.stdout


def test_watch_starts_where_it_is_told(gateway: Gateway, chenu: Shell) -> None:
    """A log can be read on from where another reader stopped."""
    gateway.answers["Watch"] = watch_log(completed(3, 0))
    chenu("watch", REQUEST_ID, "--after", "2")

    assert (
        pipeline_service_pb2.WatchRequest(request_id=REQUEST_ID, after=event_pb2.Cursor(sequence=2))
        == gateway.asked[0]
    )


def test_watch_continue_runs_an_approved_query(gateway: Gateway, chenu: Shell) -> None:
    """After the approval the answer is one command away."""
    gateway.answers["Continue"] = [
        pipeline_service_pb2.ContinueResponse(event=event) for event in LOG
    ]

    assert "Hello\n" == chenu("watch", REQUEST_ID, "--continue").stdout


def test_an_interrupted_stream_ends_with_130(
    gateway: Gateway, chenu: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is told from every failure."""

    def interrupt(_: object) -> str:
        raise KeyboardInterrupt

    gateway.answers["Run"] = run_log(*LOG)
    monkeypatch.setattr("chenu_server.cli.query._receipt", interrupt)

    assert ExitCode.INTERRUPTED == chenu("query", "hello").exit_code
