"""A failure says what happened, why and what to do next; its exit status says which kind."""

from __future__ import annotations

import json
import re

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # no stubs

from chenu import errors
from chenu_server.cli import exit_codes, failures
from chenu_server.cli.exit_codes import ExitCode
from tests.unit.cli.conftest import Gateway, Shell
from tests.unit.sdk.gateway import status

KINDS = {
    "TOKEN_EXPIRED": ExitCode.UNAUTHENTICATED,
    "ROLE_REQUIRED": ExitCode.DENIED,
    "IDENTITY_BOUNDARY_VIOLATION": ExitCode.DENIED,
    "POLICY_DENIED": ExitCode.DENIED,
    "CHECKPOINT_PENDING": ExitCode.BLOCKED,
    "CHECKPOINT_REJECTED": ExitCode.STOPPED,
    "CHECKPOINT_ALREADY_RESOLVED": ExitCode.CONFLICT,
    "BUDGET_EXHAUSTED": ExitCode.BUDGET,
    "PRICE_UNKNOWN": ExitCode.BUDGET,
    "RATE_LIMITED": ExitCode.BUSY,
    "NO_ROUTE": ExitCode.PROVIDER,
    "PROVIDER_UNAVAILABLE": ExitCode.PROVIDER,
    "EXECUTION_INTERRUPTED": ExitCode.STOPPED,
    "ETAG_MISMATCH": ExitCode.CONFLICT,
    "INVALID_FIELD": ExitCode.USAGE,
    "NOT_FOUND": ExitCode.NOT_FOUND,
    "GOVERNANCE_UNAVAILABLE": ExitCode.UNAVAILABLE,
    "INTERNAL": ExitCode.FAILED,
}


def made(reason: str, **metadata: str) -> errors.ChenuError:
    """The error that the SDK raises for a reason."""
    family, code = errors.FAMILIES[reason]
    return family(code, "it was refused", reason, metadata)


@pytest.mark.parametrize(("reason", "code"), KINDS.items())
def test_each_kind_of_failure_has_its_status(reason: str, code: ExitCode) -> None:
    """Scripts branch on the number; it must not move."""
    assert code == failures.exit_code_of(made(reason))


def test_the_documented_statuses_are_the_ones_that_there_are() -> None:
    """The table is what people read; the enum is what runs."""
    rows = re.findall(r"\| (\d+) \| `(\w+)` \|", exit_codes.__doc__ or "")

    assert {int(number): name for number, name in rows} == {
        code.value: code.name for code in ExitCode
    }


@pytest.mark.parametrize("reason", sorted(errors.FAMILIES.keys() - {"SLOW_CONSUMER"}))
def test_every_refusal_says_what_to_do_next(reason: str) -> None:
    """A message that only says no leaves a person where they were."""
    timed = {"RATE_LIMITED", "IDENTITY_BLOCKED", "QUEUE_FULL", "DEADLINE_UNREACHABLE"}

    assert reason in timed | {"SERVER_OVERLOADED", "NOT_FOUND"} or failures.next_step(made(reason))


def test_the_next_step_names_the_checkpoint() -> None:
    """The command can be copied as it stands."""
    error = made("CHECKPOINT_PENDING", checkpoint_id="c-1", request_id="q-1")

    assert (
        "`chenu checkpoints approve c-1`, then `chenu watch --continue q-1`"
        == failures.next_step(error)
    )


def test_missing_metadata_does_not_hide_the_failure() -> None:
    """An older server may send fewer keys."""
    assert "`chenu budgets update <budget_id>`" == failures.next_step(made("BUDGET_EXISTS"))


def test_a_refusal_is_told_to_people(gateway: Gateway, chenu: Shell) -> None:
    """What happened, why, what next; on standard error, so that pipes stay clean."""
    gateway.answers["GetCheckpoint"] = status(
        grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED", role="approver"
    )
    result = chenu("checkpoints", "get", "c-1")

    assert (ExitCode.DENIED, "") == (result.exit_code, result.stdout)
    assert (
        "chenu: refused: ROLE_REQUIRED [ROLE_REQUIRED]\n"
        "next: ask who administers the identity for the role\n"
    ) == result.stderr


def test_a_refusal_is_told_to_programs(gateway: Gateway, chenu: Shell) -> None:
    """With --json the failure is JSON too, with the exact retry time."""
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1, nanos=250_000_000))
    gateway.answers["GetCheckpoint"] = status(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", retry, limit="calls"
    )
    result = chenu("checkpoints", "get", "c-1", "--json")

    assert ExitCode.BUSY == result.exit_code
    assert {
        "reason": "RATE_LIMITED",
        "status": "RESOURCE_EXHAUSTED",
        "message": "refused: RATE_LIMITED",
        "metadata": {"limit": "calls"},
        "fields": [],
        "retry_after_ms": 1_250,
        "next": "try again in 1.250 s",
    } == json.loads(result.stderr)["error"]


def test_a_server_that_is_not_there_is_unavailable(chenu: Shell) -> None:
    """The commonest mistake gets the clearest words."""
    result = chenu("providers", "list", env={"CHENUCLI_TARGET": "127.0.0.1:1"})

    assert ExitCode.UNAVAILABLE == result.exit_code
    assert "next: check --target and that the server runs\n" in result.stderr
