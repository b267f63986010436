"""Reads the contract with its comments, as protoc sees it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc  # type: ignore[import-untyped]  # it ships no types

PROTO: Final = Path(__file__).resolve().parent
# Field numbers in FileDescriptorProto and EnumDescriptorProto, which name places in a file.
_ENUMS: Final = 5
_VALUES: Final = 2


@dataclass(frozen=True)
class Value:
    """One value of an enum. `name` lacks the prefix that all values of the enum share."""

    name: str
    number: int
    comment: str


@dataclass(frozen=True)
class Enum:
    """An enum of the contract without its UNSPECIFIED, and what its comments say, in one line."""

    name: str
    full_name: str
    comment: str
    values: tuple[Value, ...]


def run_protoc(arguments: list[str]) -> None:
    """Compile the contract. Raises SystemExit where protoc refuses it."""
    paths = [f"--proto_path={PROTO}", f"--proto_path={resources.files('grpc_tools') / '_proto'}"]
    if protoc.main(["protoc", *paths, *arguments]) != 0:
        raise SystemExit("protoc refused the contract; its messages stand above")


def sources() -> list[str]:
    """The contract's files, as protoc names them."""
    return sorted(path.relative_to(PROTO).as_posix() for path in PROTO.rglob("*.proto"))


def enums() -> dict[str, Enum]:
    """Every enum of the contract that stands outside a message, by its short name."""
    with tempfile.TemporaryDirectory() as folder:
        described = Path(folder) / "contract.bin"
        run_protoc(["--include_source_info", f"--descriptor_set_out={described}", *sources()])
        files = FileDescriptorSet.FromString(described.read_bytes()).file
    return {enum.name: enum for file in files for enum in _enums_of(file)}


def _enums_of(file: FileDescriptorProto) -> Iterator[Enum]:
    comments = {
        tuple(place.path): " ".join(place.leading_comments.split())
        for place in file.source_code_info.location
    }
    for at, enum in enumerate(file.enum_type):
        prefix = enum.value[0].name.removesuffix("UNSPECIFIED")
        values = tuple(
            Value(
                value.name.removeprefix(prefix),
                value.number,
                comments.get((_ENUMS, at, _VALUES, number), ""),
            )
            for number, value in enumerate(enum.value)
            if value.number
        )
        full_name = f"{file.package}.{enum.name}"
        yield Enum(enum.name, full_name, comments.get((_ENUMS, at), ""), values)
