"""How long a line, a function and a file may be, in every hand-written language of the tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from tests.architecture.source import Source

LINE_MAX: Final = 100
FUNCTION_MAX: Final = 50
FILE_MAX: Final = 500
BINDING_BODY_MAX: Final = 12
BINDING: Final = "core_rs/src/"

# Rust's comments, strings and characters, which may hold braces.
_OPAQUE: Final = re.compile(
    r"//[^\n]*|/\*.*?\*/"
    r'|\bb?r(#*)".*?"\1'
    r'|"(?:\\.|[^"\\])*"'
    r"|'(?:\\[^\n']+|[^\\'\n])'",
    re.DOTALL,
)
# `buf format` keeps an rpc on one line.
_RPC: Final = re.compile(r"  rpc \w+\(\w+\) returns \(")
_RUST_FUNCTION: Final = re.compile(r"\bfn\s+(\w+)")


def findings(file: Source) -> Iterator[str]:
    """What is too long in one file."""
    lines = file.text.splitlines()
    if len(lines) > FILE_MAX:
        yield f"{file.path}: {len(lines)} lines, at most {FILE_MAX}"
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_MAX and not _RPC.match(line):
            yield f"{file.path}:{number}: {len(line)} columns, at most {LINE_MAX}"
    if file.suffix == ".py":
        yield from _python_functions(file)
    if file.suffix == ".rs":
        yield from _rust_functions(file)


def _python_functions(file: Source) -> Iterator[str]:
    for node in ast.walk(file.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            yield from _too_long(file, node.lineno, node.name, length)


def _rust_functions(file: Source) -> Iterator[str]:
    text = _OPAQUE.sub(_blank, file.text)
    for match in _RUST_FUNCTION.finditer(text):
        start = re.compile(r"[{;]").search(text, match.end())
        if start is None or start[0] == ";":
            continue
        end = _closing(text, start.start())
        line = text.count("\n", 0, match.start()) + 1
        yield from _too_long(file, line, match[1], text.count("\n", match.start(), end) + 1)
        body = text.count("\n", start.start(), end) - 1
        if file.path.startswith(BINDING) and body > BINDING_BODY_MAX:
            yield f"{file.path}:{line}: {match[1]} has a body of {body} lines in the binding"


def _too_long(file: Source, line: int, name: str, length: int) -> Iterator[str]:
    if length > FUNCTION_MAX:
        yield f"{file.path}:{line}: {name} has {length} lines, at most {FUNCTION_MAX}"


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n") or " "


def _closing(text: str, start: int) -> int:
    """Where the brace that opens at `start` closes."""
    depth = 0
    for brace in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    return len(text)
