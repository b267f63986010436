"""`chenu spending`: what is typed is sent, and who has to wait is told how to go on."""

from __future__ import annotations

from uuid import UUID

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no stubs

from chenu.api.governance.v1 import action_pb2, budget_service_pb2, reservation_pb2
from chenu_server.cli.exit_codes import ExitCode
from tests.unit.cli.conftest import Gateway, Shell

ID = "00000000-0000-4000-8000-000000000001"
HELD = budget_service_pb2.ReserveResponse(
    reservation=reservation_pb2.Reservation(
        request_id=ID,
        state=reservation_pb2.RESERVATION_STATE_HELD,
        amount_nanousd=2_500_000_000,
        target=action_pb2.Target(operation="sms.send", kind="campaign", id="7"),
    )
)
RESERVE = ("spending", "reserve", "--amount-usd", "2.5", "--operation", "sms.send")


def test_all_that_is_typed_is_sent(gateway: Gateway, chenu: Shell) -> None:
    """Field by field."""
    gateway.answers["Reserve"] = HELD
    told = ("--target-kind", "campaign", "--target-id", "7", "--description", "To everybody")
    more = ("--intent", "payment", "--sphere", "business", "--ttl", "60", "--request-id", ID)
    result = chenu(*RESERVE, *told, *more)

    expected = budget_service_pb2.ReserveRequest(
        request_id=ID,
        amount_nanousd=2_500_000_000,
        target=action_pb2.Target(operation="sms.send", kind="campaign", id="7"),
        description="To everybody",
        intents=[action_pb2.INTENT_PAYMENT],
        sphere=action_pb2.SPHERE_BUSINESS,
        ttl=Duration(seconds=60),
    )
    assert [expected] == gateway.asked
    assert ExitCode.OK == result.exit_code
    assert "state        held\n" in result.stdout and "2.50 USD" in result.stdout


def test_an_id_is_made_where_none_is_given(gateway: Gateway, chenu: Shell) -> None:
    """So that a call that gRPC repeats is one reservation."""
    gateway.answers["Reserve"] = HELD
    chenu(*RESERVE)

    (asked,) = gateway.asked
    assert isinstance(asked, budget_service_pb2.ReserveRequest)
    assert asked.request_id == str(UUID(asked.request_id))


@pytest.mark.parametrize("as_json", [False, True])
def test_who_has_to_wait_is_told_under_which_id_to_go_on(
    gateway: Gateway, chenu: Shell, *, as_json: bool
) -> None:
    """Else the id that was made is known to nobody, and the approval to no use."""
    details = AnyMessage()
    details.Pack(
        error_details_pb2.ErrorInfo(
            reason="CHECKPOINT_PENDING",
            domain="chenu",
            metadata={"request_id": ID, "checkpoint_id": "c-1"},
        )
    )
    gateway.answers["Reserve"] = status_pb2.Status(code=9, message="waits", details=[details])
    result = chenu(*RESERVE, "--request-id", ID, *(["--json"] if as_json else []))

    assert ExitCode.BLOCKED == result.exit_code
    assert f"then the same again with --request-id {ID}" in result.stderr
    assert "watch" not in result.stderr


def test_the_id_that_is_made_is_told_before_the_call(gateway: Gateway, chenu: Shell) -> None:
    """Whatever becomes of it: else money could be held that nobody can post or void."""
    gateway.answers["Reserve"] = status_pb2.Status(code=14, message="gone")
    result = chenu(*RESERVE, "--json")

    (asked,) = gateway.asked[:1]
    assert isinstance(asked, budget_service_pb2.ReserveRequest)
    assert f"request {asked.request_id}\n" in result.stderr
