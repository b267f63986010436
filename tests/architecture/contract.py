"""Reads the contract: its rpcs by wire name, and what each reason's comment promises."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf.descriptor import ServiceDescriptor

from tests.architecture.source import ROOT

STUBS: Final = ROOT / "clients/python/src"
REASONS: Final = ROOT / "proto/chenu/api/errors/v1/error_reason.proto"
_PROMISE: Final = re.compile(
    r"ERROR_REASON_(\w+): .*?Status: (\w+)\. Metadata: (.+?)\. Retry: (no|yes|at)\."
)
# What a key is stands behind its name.
_NAME: Final = re.compile(r"(?:^|, )([a-z_]+)")


@dataclass(frozen=True)
class Promise:
    """What the contract says of one reason: its gRPC status, its metadata keys, its retries."""

    status: str
    keys: frozenset[str]
    retry: str


def services() -> dict[str, ServiceDescriptor]:
    """Every service of the contract by its full name."""
    found: dict[str, ServiceDescriptor] = {}
    for path in sorted((STUBS / "chenu/api").rglob("*_service_pb2.py")):
        name = ".".join(path.relative_to(STUBS).with_suffix("").parts)
        descriptor = importlib.import_module(name).DESCRIPTOR
        found |= {service.full_name: service for service in descriptor.services_by_name.values()}
    return found


def rpcs() -> set[str]:
    """Every rpc of the contract as it stands on the wire: `/package.Service/Method`."""
    return {f"/{name}/{rpc.name}" for name, found in services().items() for rpc in found.methods}


def promises(path: Path = REASONS) -> dict[str, Promise]:
    """What the comments promise, by reason without `ERROR_REASON_`."""
    comments = re.sub(r"\s*\n\s*//\s*", " ", path.read_text(encoding="utf-8"))
    return {
        name: Promise(status, frozenset(_NAME.findall(keys)) - {"none"}, retry)
        for name, status, keys, retry in _PROMISE.findall(comments)
    }
