"""Reads the tree: which files are hand-written, and what each Python module imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDERS: Final = ("clients", "core_rs", "loadtest", "proto", "scripts", "server", "tests")
SKIPPED: Final = frozenset(
    {".venv", "__pycache__", "build", "dist", "node_modules", "proptest-regressions", "target"}
)
GENERATED: Final = ("clients/python/src/chenu/api/",)


@dataclass(frozen=True)
class Import:
    """One import: the module named, and where."""

    target: str
    line: int


@dataclass(frozen=True)
class Source:
    """One hand-written file. `path` is relative to the root, with forward slashes."""

    path: str
    text: str

    @property
    def suffix(self) -> str:
        """The file's kind: `.py`, `.rs`, `.proto` or `.sh`."""
        return Path(self.path).suffix

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed Python."""
        return ast.parse(self.text, self.path)


@dataclass(frozen=True)
class Module:
    """A Python module of the server, by its dotted name below `chenu_server`."""

    name: str
    source: Source
    imports: tuple[Import, ...]


def sources(root: Path, *suffixes: str) -> Iterator[Source]:
    """Every hand-written file with one of these suffixes."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            shown = path.relative_to(root).as_posix()
            if path.suffix not in suffixes or SKIPPED & set(path.relative_to(root).parts):
                continue
            if not shown.startswith(GENERATED):
                yield Source(shown, path.read_text(encoding="utf-8"))


def server_modules(root: Path) -> list[Module]:
    """Every module of the server; `chenu_server.x` is named `x`, the package itself is empty."""
    prefix = "server/chenu_server/"
    files = {_dotted(file.path): file for file in sources(root, ".py") if prefix in file.path}
    return [Module(name, file, tuple(_imports(file, files))) for name, file in files.items()]


def inside(name: str, *packages: str) -> bool:
    """Whether a dotted name is one of these packages or lies below one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _dotted(path: str) -> str:
    parts = Path(path).with_suffix("").parts[2:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(file: Source, known: dict[str, Source]) -> Iterator[Import]:
    """Full names outside the server, names below `chenu_server` with a leading dot inside it."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [_target(node.module or "", alias.name, known) for alias in node.names]
        else:
            continue
        for name in names:
            yield Import(_shown(name), node.lineno)


def _target(package: str, name: str, known: dict[str, Source]) -> str:
    """`from package import name` names a module if there is one, else something in `package`."""
    below = f"{package}.{name}".removeprefix("chenu_server.")
    is_module = below in known or below == "_core" or not inside(package, "chenu_server")
    return f"{package}.{name}" if is_module else package


def _shown(name: str) -> str:
    if not inside(name, "chenu_server"):
        return name
    return "." + name.removeprefix("chenu_server").lstrip(".")
