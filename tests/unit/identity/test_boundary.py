"""A violation is recorded before it is answered, or the answer is another no."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from chenu_server.caller import Caller
from chenu_server.command import Command, Moment
from chenu_server.errors import GovernanceUnavailable, IdentityBoundaryViolation, RateLimited
from chenu_server.governance.identity.commands import RecordViolation
from chenu_server.governance.identity.model import Violation
from chenu_server.governance.identity.service import BoundaryService
from chenu_server.vocabulary import PrincipalType, Role, ViolationType
from tests.fakes.rows import FakeRows, run
from tests.unit.identity.samples import NOW_US, principal

NOW = Moment(now_us=NOW_US, mono_ns=0)
CALLER = Caller(
    principal=principal(PrincipalType.AGENT, "bot"),
    identity_id="acme",
    roles=frozenset({Role.MEMBER}),
    acting_for=("user:alice",),
    method="/chenu.api.pipeline.v1.PipelineService/GetQuery",
    peer="ipv4:10.0.0.1:5",
)
UNIT = RecordViolation(
    violation_id="v-1",
    ledger_number=3,
    caller=CALLER,
    type=ViolationType.CROSS_IDENTITY_ACCESS,
    target_kind="query",
    target_id="q-1",
)


class FakeWriter:
    """Decides each command at once, or is away."""

    def __init__(self, *, away: bool = False) -> None:
        self.rows = FakeRows()
        self.healthy = not away

    async def submit(self, command: Command[Any]) -> Any:
        """The command's outcome."""
        if not self.healthy:
            raise GovernanceUnavailable
        return run(command, self.rows, NOW)

    def note(self, command: Command[Any]) -> None:
        """Never used: a violation is waited for."""
        raise AssertionError(command)


class FakeArrivals:
    """Counts, and refuses if told to."""

    def __init__(self, *, full: bool = False, full_elsewhere: bool = False) -> None:
        self.arrived: list[str] = []
        self._full = full
        self._full_elsewhere = full_elsewhere

    def arrive(self, identity_id: str) -> int:
        """Count one."""
        self.arrived.append(identity_id)
        if self._full:
            raise RateLimited(1, "identity_window")
        return 0

    async def counting(self, identity_id: str, token: int) -> int:
        """At every process."""
        self.arrived.append(f"{identity_id} everywhere")
        if self._full_elsewhere:
            raise RateLimited(1, "identity_window")
        return token


def boundary(writer: FakeWriter, arrivals: FakeArrivals | None = None) -> BoundaryService:
    """A service with a fixed id."""
    return BoundaryService(
        writer, ledger_number=3, arrivals=arrivals or FakeArrivals(), make_id=lambda: "v-1"
    )


def test_a_violation_leaves_one_row() -> None:
    """Everything that an auditor asks of it."""
    rows = FakeRows()

    violation = run(UNIT, rows, NOW)

    expected = Violation(
        violation_id="v-1",
        ledger_number=3,
        source_identity="acme",
        principal_type=PrincipalType.AGENT,
        principal_id="bot",
        type=ViolationType.CROSS_IDENTITY_ACCESS,
        target_kind="query",
        target_id="q-1",
        method=CALLER.method,
        peer="ipv4:10.0.0.1:5",
        time_us=NOW_US,
    )
    assert [expected] == [violation] == rows.all(Violation)


def test_a_violation_leaves_one_entry() -> None:
    """In the same transaction as the row, with all who are behind the call."""
    rows = FakeRows()

    run(UNIT, rows, NOW)

    (entry,) = rows.entries
    assert ("violation", "identity_violation") == (entry.decision, entry.action)
    assert ("acme", "agent", "bot", ("user:alice",)) == (
        entry.identity_id,
        entry.principal_type,
        entry.principal_id,
        entry.acting_for,
    )
    assert ("query", "q-1", "cross_identity_access") == (
        entry.resource_kind,
        entry.resource_id,
        entry.reason,
    )
    assert {"method": CALLER.method, "peer": CALLER.peer, "violation_id": "v-1"} == json.loads(
        entry.payload
    )


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("x" * 300, "x" * 256),
        ("a\x00b", "a\\x00b"),
        ("a\nb\u202e", "a\\nb\\u202e"),
        ("'; DROP TABLE violations; --", "'; DROP TABLE violations; --"),
        ("été", "été"),
    ],
)
def test_a_target_is_kept_so_that_every_store_and_terminal_takes_it(target: str, kept: str) -> None:
    """The caller chose it, and PostgreSQL's text holds no NUL."""
    assert kept == run(replace(UNIT, target_id=target), FakeRows(), NOW).target_id


async def test_a_refusal_names_what_was_recorded() -> None:
    """The caller can quote it, the auditor can find it."""
    writer = FakeWriter()

    with pytest.raises(IdentityBoundaryViolation) as caught:
        await boundary(writer).refuse(CALLER, kind="query", id="q-1")

    assert ["v-1"] == [violation.violation_id for violation in writer.rows.all(Violation)]
    assert "v-1" == caught.value.violation_id


async def test_a_violation_that_cannot_be_recorded_is_refused_as_that() -> None:
    """If a decision cannot be recorded the answer is no, and it does not say what exists."""
    with pytest.raises(GovernanceUnavailable):
        await boundary(FakeWriter(away=True)).refuse(CALLER, kind="query", id="q-1")


@pytest.mark.parametrize(
    ("full", "arrived"),
    [
        ({}, ["acme", "acme everywhere"]),
        ({"full": True}, ["acme"]),
        ({"full_elsewhere": True}, ["acme", "acme everywhere"]),
    ],
)
async def test_a_violation_is_counted_as_new_work_and_recorded_in_any_case(
    full: dict[str, bool], arrived: list[str]
) -> None:
    """Whoever probes for ids is blocked sooner, and still leaves a trace."""
    writer, arrivals = FakeWriter(), FakeArrivals(**full)

    with pytest.raises(IdentityBoundaryViolation):
        await boundary(writer, arrivals).refuse(CALLER, kind="query", id="q-1")

    assert arrived == arrivals.arrived
    assert 1 == len(writer.rows.all(Violation))
