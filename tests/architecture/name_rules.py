"""Words that say nothing may not name anything, in any language of the tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.architecture.source import Source

FORBIDDEN: Final = frozenset(
    {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}
)
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_RUST_NAME: Final = re.compile(
    r"^[^/\n]*?\b(?:fn|struct|enum|trait|mod|const|static|type|let(?:\s+mut)?)\s+(\w+)",
    re.MULTILINE,
)
_PROTO_NAME: Final = re.compile(
    r"^\s*(?:message|enum|service|rpc|oneof|(?:repeated\s+|optional\s+)?[\w.]+)\s+(\w+)\s*[={(;]",
    re.MULTILINE,
)


def findings(file: Source) -> Iterator[str]:
    """Every name in one file, its own included, that uses a forbidden word."""
    yield from (
        f"{file.path}: {name}" for name in sorted(set(_names(file))) if FORBIDDEN & set(words(name))
    )


def words(name: str) -> list[str]:
    """The lower-case words of a name in snake_case or CamelCase."""
    return [word.lower() for word in _WORD.findall(name)]


def _names(file: Source) -> Iterator[str]:
    yield from Path(file.path).with_suffix("").parts
    if file.suffix == ".py":
        yield from _python_names(file.tree)
    elif file.suffix == ".rs":
        yield from _RUST_NAME.findall(file.text)
    elif file.suffix == ".proto":
        yield from _PROTO_NAME.findall(file.text)


def _python_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname
