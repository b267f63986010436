"""Nothing swallows every error, nothing silences a check without saying why."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from tests.architecture.source import Source

EVERYTHING: Final = frozenset({"Exception", "BaseException"})
_SLEEPS: Final = frozenset({"asyncio.sleep", "time.sleep"})
_BETWEEN_LOOKS_S: Final = 0.1
_SILENCED: Final = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma:\s*no cover)")
_WITH_A_REASON: Final = re.compile(
    r"#\s*(?:noqa:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*|type:\s*ignore\[[\w-]+(?:,\s*[\w-]+)*\]"
    r"|pragma:\s*no cover)\s+(?:#|-)\s*\w+"
)
_RUST_EXPECT: Final = re.compile(r"#!?\[(allow|expect)\(([^]]*)\)\]")


def swallowed(file: Source) -> Iterator[str]:
    """Handlers and `suppress` calls that catch everything and go on as if nothing happened."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ExceptHandler):
            silent = _is_broad(node.type) and all(map(_does_nothing, node.body))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            silent = any(map(_is_broad, node.args))
        else:
            continue
        if silent:
            yield f"{file.path}:{node.lineno}: swallows every error"


def silenced(file: Source) -> Iterator[str]:
    """Lint and type exceptions without a reason."""
    for number, line in enumerate(file.text.splitlines(), 1):
        if file.suffix == ".py" and _SILENCED.search(line) and not _WITH_A_REASON.search(line):
            yield f"{file.path}:{number}: an exception without a reason: {line.strip()}"
    if file.suffix == ".rs":
        for match in _RUST_EXPECT.finditer(file.text):
            if match[1] == "allow" or "reason" not in match[2]:
                number = file.text.count("\n", 0, match.start()) + 1
                yield f"{file.path}:{number}: an exception without a reason: {match[0]}"


def fixed_sleeps(file: Source) -> Iterator[str]:
    """Waits for a set time: what is waited for has no name, and may take longer.

    In a loop a short one is the time between two looks.
    """
    looped = {
        id(inner)
        for node in ast.walk(file.tree)
        if isinstance(node, ast.For | ast.While | ast.AsyncFor)
        for inner in ast.walk(node)
    }
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        short_s = _BETWEEN_LOOKS_S if id(node) in looped else 0
        if ast.unparse(node.func) in _SLEEPS and _is_set_time(node.args[0], short_s):
            yield f"{file.path}:{node.lineno}: waits for a set time, and not for what happens"


def _is_set_time(argument: ast.expr, short_s: float) -> bool:
    value = argument.value if isinstance(argument, ast.Constant) else 0
    return isinstance(value, int | float) and value > short_s


def _is_broad(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(ast.unparse(name) in EVERYTHING for name in names)


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Pass | ast.Continue | ast.Break):
        return True
    value = statement.value if isinstance(statement, ast.Expr | ast.Return) else statement
    return value is None or isinstance(value, ast.Constant)
