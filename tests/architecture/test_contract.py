"""The server keeps to the contract: one row per error, one servicer per service, tests per rpc."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import fields
from typing import Final

import pytest

from chenu_server import errors
from chenu_server.reasons import Reason
from tests.architecture import contract
from tests.architecture.source import ROOT, Source, sources

MAPPING: Final = ROOT / "server/chenu_server/infra/rpc/errors.py"
CASES: Final = ROOT / "tests/service/cases.py"

needs_mapping = pytest.mark.skipif(not MAPPING.exists(), reason="no errors are mapped yet")
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="no rpc is served yet")


def leaves(error: type[errors.ChenuError]) -> Iterator[type[errors.ChenuError]]:
    """The classes of errors that are raised: those without subclasses."""
    below = error.__subclasses__()
    yield from (leaf for child in below for leaf in leaves(child))
    if not below:
        yield error


def keys_of(error: type[errors.ChenuError]) -> frozenset[str]:
    """The metadata keys of an error all of whose fields say something."""
    values = {"int": 1, "bool": True, "str": "x", "tuple[str, ...]": ("x",)}
    return frozenset(
        error(**{each.name: values[str(each.type)] for each in fields(error)}).metadata()
    )


def test_every_reason_has_one_error() -> None:
    """An error without a reason would reach callers as INTERNAL, in production."""
    assert set(leaves(errors.ChenuError)) == {errors.of(reason) for reason in Reason}
    assert sorted(contract.promises()) == sorted(reason.value for reason in Reason)


def test_every_error_is_answered_as_the_contract_promises() -> None:
    """Callers act on the status, the keys and the retries that the contract's comments name."""
    answered = {
        reason.value: contract.Promise(reason.status, keys_of(errors.of(reason)), reason.retry)
        for reason in Reason
    }

    assert contract.promises() == answered


def servicers() -> dict[str, list[tuple[str, set[str]]]]:
    """By service: the classes of the server that serve it, each with the methods it defines."""
    found: dict[str, list[tuple[str, set[str]]]] = {}
    for file in sources(ROOT, ".py"):
        if file.path.startswith("server/"):
            for service, served in _served_in(file):
                found.setdefault(service, []).append(served)
    return found


def _served_in(file: Source) -> Iterator[tuple[str, tuple[str, set[str]]]]:
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.ClassDef):
            continue
        for base in map(ast.unparse, node.bases):
            if base.endswith("Servicer") and "pb2_grpc" in file.text:
                service = base.rsplit(".", maxsplit=1)[-1].removesuffix("Servicer")
                functions = (ast.FunctionDef, ast.AsyncFunctionDef)
                methods = {item.name for item in node.body if isinstance(item, functions)}
                yield service, (f"{file.path}: {node.name}", methods)


@needs_mapping
def test_every_service_has_one_servicer_with_every_rpc() -> None:
    """An rpc that no servicer defines answers UNIMPLEMENTED."""
    served = servicers()
    problems = []
    for service in contract.services().values():
        classes = served.get(service.name, [])
        missing = {rpc.name for rpc in service.methods} - {
            method for _, methods in classes for method in methods
        }
        if len(classes) != 1 or missing:
            problems.append((service.full_name, [name for name, _ in classes], sorted(missing)))

    assert [] == problems


@needs_cases
@pytest.mark.parametrize("name", ["ROLE_CASES", "BOUNDARY_CASES"])
def test_every_rpc_has_a_role_case_and_a_boundary_case(name: str) -> None:
    """An rpc without them may be open to any role, or to any identity, and nobody would know."""
    cases: dict[str, object] = getattr(importlib.import_module("tests.service.cases"), name)

    assert contract.rpcs() == set(cases)


@needs_cases
@pytest.mark.parametrize("name", ["ROLE_CASES", "BOUNDARY_CASES"])
def test_the_cases_are_run(name: str) -> None:
    """A table that no test reads proves nothing."""
    readers = [
        file.path
        for file in sources(ROOT, ".py")
        if file.path.startswith("tests/service/test_") and name in file.text
    ]

    assert [] != readers
