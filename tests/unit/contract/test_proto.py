"""The contract is clean, its stubs are fresh, and it says who may call and why not."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import grpc
import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from chenu.api.annotations.v1 import access_pb2
from chenu.api.errors.v1 import error_reason_pb2

ROOT: Final = Path(__file__).resolve().parents[3]
BUF: Final = Path(sys.executable).parent / "buf"
PREFIX: Final = "ERROR_REASON_"
FLOATS: Final = {1, 2}  # FieldDescriptorProto.TYPE_DOUBLE and TYPE_FLOAT
REASON_COMMENT: Final = re.compile(
    r"ERROR_REASON_(?P<name>\w+): .+?"
    r" Status: (?P<status>[A-Z_]+)\. Metadata: (?P<keys>.+?)\."
    r" Retry: (?P<retry>no|yes|at)\. Do: .+\. Message: .+\. SDK: \w+\. CLI: [a-z_]+; .+\."
)


@cache
def files() -> tuple[FileDescriptorProto, ...]:
    """The contract's own files with their comments, as `buf` compiles them."""
    image = subprocess.run(
        [BUF, "build", "proto", "-o", "-#format=binpb"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    found = FileDescriptorSet.FromString(image).file
    return tuple(file for file in found if file.name.startswith("chenu/"))


def reason_comments() -> dict[str, str]:
    """The comment of every reason but the zero value, on one line, by reason."""
    file = next(file for file in files() if file.name.endswith("error_reason.proto"))
    values = file.enum_type[0].value
    return {
        values[location.path[3]].name.removeprefix(PREFIX): " ".join(
            location.leading_comments.split()
        )
        for location in file.source_code_info.location
        if tuple(location.path[:3]) == (5, 0, 2) and len(location.path) == 4 and location.path[3]
    }


def methods() -> Iterator[tuple[str, access_pb2.Access, str]]:
    """Every rpc of the contract: its full name, its access option and its comment."""
    for file in files():
        comments = {tuple(at.path): at.leading_comments for at in file.source_code_info.location}
        for service_index, service in enumerate(file.service):
            for index, method in enumerate(service.method):
                name = f"{file.package}.{service.name}.{method.name}"
                comment = " ".join(comments.get((6, service_index, 2, index), "").split())
                yield name, method.options.Extensions[access_pb2.access], comment


def messages(parent: FileDescriptorProto | DescriptorProto) -> Iterator[DescriptorProto]:
    """Every message of a file, nested ones too."""
    nested = parent.message_type if isinstance(parent, FileDescriptorProto) else parent.nested_type
    for message in nested:
        yield message
        yield from messages(message)


def enums() -> Iterator[EnumDescriptorProto]:
    """Every enum of the contract."""
    for file in files():
        yield from file.enum_type
        for message in messages(file):
            yield from message.enum_type


def run(*command: str | Path) -> tuple[int, str]:
    """A command's exit status and what it said."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_buf_lint_finds_nothing() -> None:
    """STANDARD and COMMENTS: every rpc, message, field and enum value is explained."""
    assert (0, "") == run(BUF, "lint", "proto")


def test_the_files_are_formatted() -> None:
    """One format, so that a diff shows only what changed."""
    assert (0, "") == run(BUF, "format", "--exit-code", "--diff", "proto")


def test_the_committed_stubs_are_what_the_contract_gives() -> None:
    """A contract that was changed without its stubs would be served as it was before."""
    assert (0, "") == run(sys.executable, "proto/generate.py", "--check")


@pytest.mark.parametrize("name", [name for name, _, _ in methods()])
def test_every_rpc_says_who_may_call_it(name: str) -> None:
    """The server reads the role from here; an rpc without one would have no check to pass."""
    access = {other: option for other, option, _ in methods()}[name]

    assert access.role != access_pb2.ROLE_UNSPECIFIED
    assert access.work != access_pb2.WORK_UNSPECIFIED


def test_operational_roles_are_asked_for_in_system_only() -> None:
    """`operator` and `system_auditor` exist on `system` alone; elsewhere nobody could hold them."""
    operational = {access_pb2.ROLE_OPERATOR, access_pb2.ROLE_SYSTEM_AUDITOR}
    outside = [
        name for name, access, _ in methods() if access.role in operational and not access.system
    ]

    assert [] == outside


def test_only_a_person_resolves_a_checkpoint() -> None:
    """Agents and services never lift a stop."""
    access = {name.rpartition(".")[2]: access for name, access, _ in methods()}

    assert access_pb2.PRINCIPAL_TYPE_USER == access["ResolveCheckpoint"].principal_type
    assert access_pb2.ROLE_APPROVER == access["ResolveCheckpoint"].role


@pytest.mark.parametrize("name", [name for name, _, _ in methods()])
def test_every_rpc_names_reasons_that_exist(name: str) -> None:
    """A caller handles what is listed, so a name that is not sent misleads."""
    comment = {other: text for other, _, text in methods()}[name]

    assert "Reasons: " in comment
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", comment.partition("Reasons: ")[2]))

    assert set() == named - reason_comments().keys()


@pytest.mark.parametrize("reason", error_reason_pb2.ErrorReason.keys()[1:])
def test_every_reason_says_its_status_keys_and_what_to_do(reason: str) -> None:
    """The comment is the reference that callers in every language read."""
    found = REASON_COMMENT.fullmatch(reason_comments()[reason.removeprefix(PREFIX)])

    assert found is not None
    assert reason == PREFIX + found["name"]
    assert found["status"] in grpc.StatusCode.__members__


def test_a_reason_that_says_at_is_the_only_one_with_a_retry_time() -> None:
    """`Retry: at` promises a RetryInfo, which only refusals by rate can compute."""
    found = {name: REASON_COMMENT.fullmatch(text) for name, text in reason_comments().items()}
    timed = {name for name, match in found.items() if match and match["retry"] == "at"}

    assert {
        "RATE_LIMITED",
        "IDENTITY_BLOCKED",
        "QUEUE_FULL",
        "DEADLINE_UNREACHABLE",
        "SERVER_OVERLOADED",
    } == timed


def test_no_field_holds_a_float() -> None:
    """Money, tokens and scores are integers; a float would round them. Sampling is the model's."""
    floats = [
        f"{message.name}.{field.name}"
        for file in files()
        for message in messages(file)
        for field in message.field
        if field.type in FLOATS and message.name != "Sampling"
    ]

    assert [] == floats


def test_no_request_has_an_identity_field() -> None:
    """Who calls comes from the token; a field for it could be forged."""
    forged = [
        f"{message.name}.{field.name}"
        for file in files()
        for message in messages(file)
        for field in message.field
        if message.name.endswith("Request") and field.name in {"identity_id", "principal"}
    ]

    assert [] == forged


def test_every_enum_starts_at_unspecified() -> None:
    """Zero is what a reader sees for a value that was not set."""
    assert all(enum.value[0].name.endswith("_UNSPECIFIED") for enum in enums())
