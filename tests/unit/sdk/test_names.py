"""Wire names come from the contract and go back to it."""

from __future__ import annotations

import importlib
import re

import pytest

from chenu.api.governance.v1 import action_pb2, budget_service_pb2, checkpoint_pb2
from chenu.api.pipeline.v1 import event_pb2, message_pb2
from chenu.names import WireEnum, name_of, names, value_of
from tests.unit.contract.test_proto import files


def test_events_are_named_with_a_dot() -> None:
    """The event names are the ones that the log has always had."""
    assert (
        "pipeline.start",
        "lane.start",
        "lane.complete",
        "lane.error",
        "llm_call.start",
        "llm_call.delta",
        "llm_call.complete",
        "llm_call.error",
        "checkpoint.created",
        "checkpoint.approved",
        "checkpoint.rejected",
        "checkpoint.expired",
        "pipeline.blocked",
        "budget.warning",
        "budget.exceeded",
        "rate_limit.queued",
        "rate_limit.exceeded",
        "pipeline.complete",
        "pipeline.error",
        "part.complete",
        "tool_call.passed",
        "tool_call.held",
        "tool_call.refused",
    ) == names(event_pb2.EventType)


@pytest.mark.parametrize(
    "enum",
    [
        action_pb2.Intent,
        action_pb2.OperationKind,
        action_pb2.Sphere,
        budget_service_pb2.BudgetScope,
        checkpoint_pb2.CheckpointType,
        event_pb2.EventType,
        message_pb2.Lane,
        message_pb2.QueryState,
    ],
)
def test_every_name_leads_back_to_its_value(enum: WireEnum[int]) -> None:
    """What one side prints the other side can read."""
    values = [value.number for value in enum.DESCRIPTOR.values if value.number]

    assert values == [value_of(enum, name_of(enum, value)) for value in values]


def test_names_are_those_that_the_contract_documents() -> None:
    """The comments promise a wire name; what is printed and read must be it."""
    documented, computed = {}, {}
    for file in files():
        package = importlib.import_module(
            f"{file.name.removesuffix('.proto').replace('/', '.')}_pb2"
        )
        for location in file.source_code_info.location:
            told = re.search(r"wire name\s+`([a-z_.]+)`", location.leading_comments)
            if told and len(location.path) == 4:
                enum = file.enum_type[location.path[1]]
                value = enum.value[location.path[3]]
                documented[value.name] = told[1]
                computed[value.name] = name_of(getattr(package, enum.name), value.number)

    assert documented == computed
    assert "lane_a_intent" == documented["LANE_A_INTENT"]


def test_an_unknown_number_is_shown_as_it_is() -> None:
    """A newer server's value does not stop an older reader."""
    assert "99" == name_of(action_pb2.Intent, 99)


def test_zero_has_no_name() -> None:
    """Zero is never sent, so it must not look like a value."""
    assert "" == name_of(action_pb2.Intent, 0)


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    """Whoever mistypes a name sees the right ones."""
    with pytest.raises(ValueError, match="'destroy' is not one of query, create, update, delete"):
        value_of(action_pb2.Intent, "destroy")
