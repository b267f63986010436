"""Lists, single resources and changes: what is sent and what is printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from chenu.api.annotations.v1 import access_pb2
from chenu.api.governance.v1 import (
    action_pb2,
    audit_service_pb2,
    budget_service_pb2,
    checkpoint_pb2,
    checkpoint_service_pb2,
    principal_pb2,
    reservation_pb2,
)
from chenu.api.pipeline.v1 import (
    message_pb2,
    pipeline_service_pb2,
    router_service_pb2,
    routing_pb2,
)
from chenu_server.cli.exit_codes import ExitCode
from tests.unit.cli.conftest import Gateway, Shell

DIGEST = b"\x0a" * 32
PERSON = principal_pb2.Principal(type=access_pb2.PRINCIPAL_TYPE_USER, id="ana")
NOON = Timestamp(seconds=1_795_262_400)
CHECKPOINT = checkpoint_pb2.Checkpoint(
    checkpoint_id="c-1",
    request_id="q-1",
    types=[checkpoint_pb2.CHECKPOINT_TYPE_DESTRUCTIVE_ACTION],
    state=checkpoint_pb2.CHECKPOINT_STATE_PENDING,
    action="nova.query",
    target=action_pb2.Target(kind="thread", id="t-1"),
    action_digest=DIGEST,
    question_en="Delete all archived items?",
    requested_by=PERSON,
    expire_time=NOON,
    max_cost_nanousd=2_500_000_000,
)
BUDGET = budget_service_pb2.Budget(
    budget_id="b-1",
    scope=budget_service_pb2.BUDGET_SCOPE_IDENTITY,
    subject="acme",
    period=budget_service_pb2.BUDGET_PERIOD_DAILY,
    limit_nanousd=25_000_000_000,
    posted_nanousd=1,
    etag="e-1",
)
RESERVATION = reservation_pb2.Reservation(
    request_id="r-1",
    state=reservation_pb2.RESERVATION_STATE_POSTED,
    amount_nanousd=2_000_000_000,
    posted_nanousd=1_500_000_000,
)
QUERY = message_pb2.Query(
    request_id="q-1",
    state=message_pb2.QUERY_STATE_COMPLETED,
    principal=PERSON,
    create_time=NOON,
    tokens_used=12,
    cost_nanousd=3_000_000,
    lanes=[
        message_pb2.LaneReport(
            lane=message_pb2.LANE_A_INTENT, status=message_pb2.LANE_STATUS_COMPLETED
        )
    ],
)


def listed(gateway: Gateway) -> None:
    """A gateway with one of everything."""
    gateway.answers |= {
        "ListCheckpoints": checkpoint_service_pb2.ListCheckpointsResponse(checkpoints=[CHECKPOINT]),
        "ListBudgets": budget_service_pb2.ListBudgetsResponse(budgets=[BUDGET]),
        "ListQueries": pipeline_service_pb2.ListQueriesResponse(queries=[QUERY, QUERY]),
        "GetCheckpoint": checkpoint_service_pb2.GetCheckpointResponse(checkpoint=CHECKPOINT),
        "ResolveCheckpoint": checkpoint_service_pb2.ResolveCheckpointResponse(
            checkpoint=CHECKPOINT
        ),
        "CancelCheckpoint": checkpoint_service_pb2.CancelCheckpointResponse(checkpoint=CHECKPOINT),
        "CreateBudget": budget_service_pb2.CreateBudgetResponse(budget=BUDGET),
        "GetBudget": budget_service_pb2.GetBudgetResponse(budget=BUDGET),
        "UpdateBudget": budget_service_pb2.UpdateBudgetResponse(budget=BUDGET),
        "UnfreezeBudget": budget_service_pb2.UnfreezeBudgetResponse(budget=BUDGET),
        "DeleteBudget": budget_service_pb2.DeleteBudgetResponse(),
        "Reserve": budget_service_pb2.ReserveResponse(reservation=RESERVATION),
        "Post": budget_service_pb2.PostResponse(reservation=RESERVATION),
        "Void": budget_service_pb2.VoidResponse(reservation=RESERVATION),
        "GetReservation": budget_service_pb2.GetReservationResponse(reservation=RESERVATION),
        "GetQuery": pipeline_service_pb2.GetQueryResponse(
            query=QUERY, answer=message_pb2.Answer(text="Hello")
        ),
        "CancelQuery": pipeline_service_pb2.CancelQueryResponse(query=QUERY),
    }


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (
            ("checkpoints", "list"),
            "checkpoint\tstate\ttypes\texpires\tasked by\tcosts at most\tquestion\n"
            "c-1\tpending\tdestructive_action\t2026-11-21T12:00:00Z\tuser:ana\t2.50 USD"
            "\tDelete all archived items?\n",
        ),
        (
            ("budgets", "list"),
            "budget\tscope\tperiod\tlimit\tspent\treserved\toverrun\tfrozen\n"
            "b-1\tidentity acme\tdaily\t25.00 USD\t0.000000001 USD\t0.00 USD\t0.00 USD\t\n",
        ),
        (
            ("queries", "list", "--limit", "1"),
            "request\tstate\tcreated\tmodel\ttokens\tcost\toutcome\n"
            "q-1\tcompleted\t2026-11-21T12:00:00Z\t\t12\t0.003 USD\t\n",
        ),
    ],
)
def test_a_list_is_tab_separated_off_a_terminal(
    gateway: Gateway, chenu: Shell, arguments: tuple[str, ...], printed: str
) -> None:
    """What `cut` and `awk` read has one line a resource and no decoration."""
    listed(gateway)

    assert printed == chenu(*arguments).stdout


def test_a_list_is_a_table_on_a_terminal(
    gateway: Gateway, chenu: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People get aligned columns; markup in a resource is shown and not interpreted."""
    listed(gateway)
    monkeypatch.setattr("chenu_server.cli.output.is_terminal", lambda: True)
    table = chenu("budgets", "list", env={"COLUMNS": "160"}).stdout

    assert "identity acme" in table
    assert "\t" not in table


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (("checkpoints", "list"), "checkpoint_id", "c-1"),
        (("checkpoints", "get", "c-1"), "max_cost_nanousd", "2500000000"),
        (("checkpoints", "reject", "c-1", "--reason", "no"), "checkpoint_id", "c-1"),
        (("checkpoints", "cancel", "c-1"), "checkpoint_id", "c-1"),
        (("budgets", "list"), "limit_nanousd", "25000000000"),
        (("budgets", "create", "--limit-usd", "25"), "budget_id", "b-1"),
        (("budgets", "get", "b-1"), "etag", "e-1"),
        (("budgets", "update", "b-1", "--limit-usd", "25"), "etag", "e-1"),
        (("budgets", "unfreeze", "b-1"), "etag", "e-1"),
        (("budgets", "delete", "b-1"), "budget_id", "b-1"),
        (("spending", "reserve", "--amount-usd", "2", "--operation", "x"), "request_id", "r-1"),
        (("spending", "post", "r-1", "--amount-usd", "1.50"), "posted_nanousd", "1500000000"),
        (("spending", "void", "r-1"), "request_id", "r-1"),
        (("spending", "get", "r-1"), "amount_nanousd", "2000000000"),
        (("queries", "list"), "request_id", "q-1"),
        (("queries", "cancel", "q-1"), "cost_nanousd", "3000000"),
        (("queries", "cancel", "q-1"), "request_id", "q-1"),
    ],
)
def test_json_prints_the_contracts_fields(
    gateway: Gateway, chenu: Shell, arguments: tuple[str, ...], name: str, value: Any
) -> None:
    """Programs read the same names and numbers that the wire has."""
    listed(gateway)
    result = chenu(*arguments, "--json")

    assert ExitCode.OK == result.exit_code
    assert value == json.loads(result.stdout.splitlines()[0])[name]


def test_a_query_is_shown_with_its_lanes_and_answer(gateway: Gateway, chenu: Shell) -> None:
    """One command tells what became of a query."""
    listed(gateway)
    shown = chenu("queries", "get", "q-1").stdout

    assert "lanes       lane_a_intent=completed\n" in shown
    assert shown.endswith("\nHello\n")


def test_states_are_filtered_by_their_wire_names(gateway: Gateway, chenu: Shell) -> None:
    """The words are those of the documents."""
    listed(gateway)
    chenu("checkpoints", "list", "--state", "pending", "--state", "approved")

    assert (
        checkpoint_service_pb2.ListCheckpointsRequest(
            states=[
                checkpoint_pb2.CHECKPOINT_STATE_PENDING,
                checkpoint_pb2.CHECKPOINT_STATE_APPROVED,
            ]
        )
        == gateway.asked[0]
    )


def approval(gateway: Gateway) -> checkpoint_service_pb2.ResolveCheckpointRequest:
    """The decision that was sent."""
    request = gateway.asked[-1]
    assert isinstance(request, checkpoint_service_pb2.ResolveCheckpointRequest)
    return request


def test_an_approval_is_for_the_action_that_was_shown(gateway: Gateway, chenu: Shell) -> None:
    """Between showing and approving nothing else can slip in."""
    listed(gateway)
    result = chenu("checkpoints", "approve", "c-1", "--yes", "--reason", "seen")

    assert ExitCode.OK == result.exit_code
    assert checkpoint_service_pb2.CHECKPOINT_DECISION_APPROVE == approval(gateway).decision
    assert (DIGEST, "seen") == (approval(gateway).expected_action_digest, approval(gateway).reason)


def test_a_digest_that_was_agreed_before_is_sent(gateway: Gateway, chenu: Shell) -> None:
    """A script approves what a person saw elsewhere, or nothing."""
    listed(gateway)
    chenu("checkpoints", "approve", "c-1", "--digest", "0b" * 32)

    assert b"\x0b" * 32 == approval(gateway).expected_action_digest


def test_nobody_approves_without_being_asked(gateway: Gateway, chenu: Shell) -> None:
    """Off a terminal there is nobody to ask, so silence is not a yes."""
    listed(gateway)
    result = chenu("checkpoints", "approve", "c-1")

    assert ExitCode.USAGE == result.exit_code
    assert 1 == len(gateway.asked)


@pytest.mark.parametrize(("typed", "code"), [("y\n", ExitCode.OK), ("n\n", ExitCode.STOPPED)])
def test_a_person_is_asked(
    gateway: Gateway, chenu: Shell, monkeypatch: pytest.MonkeyPatch, typed: str, code: ExitCode
) -> None:
    """On a terminal the action is shown first, and only a yes is a yes."""
    listed(gateway)
    monkeypatch.setattr("chenu_server.cli.checkpoints._has_person", lambda: True)
    result = chenu("checkpoints", "approve", "c-1", input=typed)

    assert code == result.exit_code
    assert "Delete all archived items?" in result.stderr


def test_a_rejection_needs_a_reason(gateway: Gateway, chenu: Shell) -> None:
    """Whoever asked is owed a why."""
    assert ExitCode.USAGE == chenu("checkpoints", "reject", "c-1").exit_code
    assert [] == gateway.asked


def test_a_frozen_budget_says_since_when(gateway: Gateway, chenu: Shell) -> None:
    """Whoever is refused with BUDGET_FROZEN finds out which budget it is, in list and detail."""
    frozen = budget_service_pb2.Budget(budget_id="b-2", freeze_time=NOON)
    gateway.answers["ListBudgets"] = budget_service_pb2.ListBudgetsResponse(
        budgets=[BUDGET, frozen]
    )
    gateway.answers["GetBudget"] = budget_service_pb2.GetBudgetResponse(budget=frozen)
    rows = [line.split("\t") for line in chenu("budgets", "list").stdout.splitlines()]
    shown = chenu("budgets", "get", "b-2").stdout.splitlines()

    assert ["frozen", "", "2026-11-21T12:00:00Z"] == [row[-1] for row in rows]
    assert ["frozen", "2026-11-21T12:00:00Z"] in [line.split() for line in shown]


def test_a_budget_is_unfrozen_with_a_reason(gateway: Gateway, chenu: Shell) -> None:
    """The ledger says why it may be spent from again; the answer is the budget as it stands."""
    gateway.answers["UnfreezeBudget"] = budget_service_pb2.UnfreezeBudgetResponse(budget=BUDGET)
    result = chenu("budgets", "unfreeze", "b-1", "--reason", "the invoice is right")
    request = budget_service_pb2.UnfreezeBudgetRequest(
        budget_id="b-1", reason="the invoice is right"
    )

    assert (ExitCode.OK, [request]) == (result.exit_code, gateway.asked)
    assert "frozen" in result.stdout.split()


def test_a_budget_is_created_to_the_nano_dollar(gateway: Gateway, chenu: Shell) -> None:
    """Money is never a float on the way."""
    listed(gateway)
    chenu("budgets", "create", "--limit-usd", "0.1", "--period", "daily")

    assert (
        budget_service_pb2.CreateBudgetRequest(
            scope=budget_service_pb2.BUDGET_SCOPE_IDENTITY,
            period=budget_service_pb2.BUDGET_PERIOD_DAILY,
            limit_nanousd=100_000_000,
        )
        == gateway.asked[0]
    )


def test_a_route_shows_the_order_and_the_exclusions(gateway: Gateway, chenu: Shell) -> None:
    """Why this model, and why not that one."""
    gateway.answers["Route"] = router_service_pb2.RouteResponse(
        decision=routing_pb2.RoutingDecision(
            chain=[routing_pb2.ModelRef(provider="groq", model="fast")],
            candidates=[
                routing_pb2.Candidate(
                    provider="groq",
                    model="fast",
                    score=900,
                    preference=routing_pb2.PREFERENCE_OVERRIDE,
                )
            ],
            exclusions=[
                routing_pb2.Exclusion(
                    provider="xai",
                    model="big",
                    reason=routing_pb2.EXCLUSION_REASON_CAPABILITY_MISSING,
                    missing=["seed"],
                )
            ],
            basis=routing_pb2.RoutingBasis(
                strategy=routing_pb2.STRATEGY_COST,
                quality_weight=1,
                cost_weight=9,
                task_provider="groq",
                override=routing_pb2.ModelOverride(
                    level=routing_pb2.OVERRIDE_LEVEL_AGENT,
                    name="scout",
                    models=[routing_pb2.ModelRef(provider="groq", model="fast")],
                ),
            ),
        )
    )
    result = chenu("route", "hello")

    told = "strategy: cost, quality 1, speed 0, cost 9; task prefers groq"
    assert result.stdout.endswith("1\tgroq\tfast\toverride\t900\t0\t0\t0\t0.00 USD\n")
    assert [
        "excluded: xai big: capability_missing (seed)",
        f"{told}; override of agent scout: groq/fast",
    ] == result.stderr.splitlines()


def test_a_route_takes_a_conversation_from_a_file(
    gateway: Gateway, chenu: Shell, tmp_path: Path
) -> None:
    """What a query would ask in parts has a route too; options beside the file come over it."""
    gateway.answers["Route"] = router_service_pb2.RouteResponse()
    asked = tmp_path / "asked.json"
    asked.write_text(
        '{"messages": [{"role": "MESSAGE_ROLE_USER", "parts": [{"text": "Hi"}]}],'
        ' "agent_id": "scout", "routing": {"regions": ["eu"]}}'
    )

    chenu("route", "--request", str(asked), "--agent-id", "ranger", "--strategy", "cost")
    sent: Any = gateway.asked[-1]
    asked.write_text("{")
    refused = chenu("route", "--request", str(asked))

    assert "Hi" == sent.messages[0].parts[0].text
    assert ("ranger", ["eu"]) == (sent.agent_id, list(sent.routing.regions))
    assert routing_pb2.STRATEGY_COST == sent.routing.strategy
    assert ExitCode.USAGE == refused.exit_code


def test_a_route_without_a_model_is_a_failure(gateway: Gateway, chenu: Shell) -> None:
    """A script that asks whether a query can be answered reads the status."""
    gateway.answers["Route"] = router_service_pb2.RouteResponse()

    assert ExitCode.PROVIDER == chenu("route", "hello", "--json").exit_code


def test_providers_are_listed_with_their_prices(gateway: Gateway, chenu: Shell) -> None:
    """The catalogue is readable without the source."""
    model = router_service_pb2.Model(
        name="fast",
        context_tokens=1000,
        output_tokens_max=10,
        rates=router_service_pb2.Rates(input_nanousd=150_000_000, output_nanousd=1),
    )
    provider = router_service_pb2.Provider(
        name="groq",
        title="Groq",
        tier="cloud",
        availability=router_service_pb2.AVAILABILITY_CONFIGURED,
        models=[model, router_service_pb2.Model(name="new")],
    )
    gateway.answers |= {
        "ListProviders": router_service_pb2.ListProvidersResponse(providers=[provider]),
        "GetProvider": router_service_pb2.GetProviderResponse(provider=provider),
    }

    assert "groq\tGroq\t\t\tcloud\tconfigured\t2\n" in chenu("providers", "list").stdout
    assert (
        "fast\t1000\t10\t0\t0.15 USD\t0.000000001 USD\n"
        "new\tunknown\tunknown\t0\tunknown\tunknown\n" in chenu("providers", "get", "groq").stdout
    )
    assert "groq" == json.loads(chenu("providers", "get", "groq", "--json").stdout)["name"]


def test_entries_are_listed_and_filtered(gateway: Gateway, chenu: Shell) -> None:
    """An auditor finds what happened to one thing in one span."""
    gateway.answers["ListEntries"] = audit_service_pb2.ListEntriesResponse(
        entries=[
            audit_service_pb2.LedgerEntry(
                sequence=7,
                time=NOON,
                decision=audit_service_pb2.LEDGER_DECISION_DENY,
                action=audit_service_pb2.LEDGER_ACTION_EXECUTE,
                principal=PERSON,
                resource_kind="query",
                resource_id="q-1",
                reason="POLICY_DENIED",
            )
        ]
    )
    options = "--kind query --id q-1 --principal ana --action execute --decision deny"
    times = "--since 2026-11-21 --until 2026-11-21T13:00:00+01:00"
    result = chenu("audit", "list", *options.split(), *times.split())

    assert result.stdout.endswith(
        "7\t2026-11-21T12:00:00Z\tdeny\texecute\tuser:ana\tquery q-1\tPOLICY_DENIED\n"
    )
    assert (
        audit_service_pb2.ListEntriesRequest(
            resource_kind="query",
            resource_id="q-1",
            principal_id="ana",
            action=audit_service_pb2.LEDGER_ACTION_EXECUTE,
            decision=audit_service_pb2.LEDGER_DECISION_DENY,
            start_time=Timestamp(seconds=NOON.seconds - 12 * 3_600),
            end_time=NOON,
        )
        == gateway.asked[0]
    )


@pytest.mark.parametrize(
    ("asked", "name", "shown"),
    [
        ("user:ana", "ana", ["user:ana"]),
        ("service:ana", "ana", ["service:ana"]),
        ("ana", "ana", ["user:ana", "service:ana"]),
        ("svc:ana", "svc:ana", ["user:ana", "service:ana"]),
    ],
)
def test_entries_of_a_principal_are_its_own(
    gateway: Gateway, chenu: Shell, asked: str, name: str, shown: list[str]
) -> None:
    """As policies spell it; a service of the same id is somebody else."""
    service = principal_pb2.Principal(type=access_pb2.PRINCIPAL_TYPE_SERVICE, id="ana")
    gateway.answers["ListEntries"] = audit_service_pb2.ListEntriesResponse(
        entries=[
            audit_service_pb2.LedgerEntry(sequence=number, principal=who)
            for number, who in enumerate((PERSON, service), 1)
        ]
    )

    rows = chenu("audit", "list", "--principal", asked).stdout.splitlines()[1:]

    assert shown == [row.split("\t")[4] for row in rows]
    assert name == gateway.asked[0].principal_id  # type: ignore[attr-defined] # any message
