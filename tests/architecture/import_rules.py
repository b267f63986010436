"""Which module of the server may import which: the arrows of ARCHITECTURE.md, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.architecture.source import Import, Module, inside

# Words that every module may use: they know nothing of any feature.
VOCABULARY: Final = frozenset(
    {
        "",
        "action",
        "asking",
        "caller",
        "command",
        "completions",
        "engine",
        "errors",
        "failpoints",
        "ids",
        "reason",
        "reasons",
        "refusal",
        "steady",
        "values",
        "vocabulary",
        "word",
        "providers.model",
        "providers.ports",
    }
)
FEATURE_GROUPS: Final = ("governance", "monitoring")
FEATURES: Final = ("pipeline", "providers", *FEATURE_GROUPS)

# The last word of a file's name says its layer, in every feature the same; any other word makes
# it a pure part of its feature.
LAYERS: Final = {
    "model": "model",
    "events": "model",
    "conversation": "model",
    "records": "model",
    "output": "model",
    "ports": "ports",
    "decide": "decide",
    "commands": "decide",
    "lanes": "lanes",
    "service": "service",
    "tables": "tables",
    "store": "store",
    "convert": "convert",
    "encode": "convert",
    "servicer": "servicer",
}
# What each layer may import of its own feature, besides itself.
MAY_IMPORT: Final = {
    "model": set[str](),
    "ports": {"model"},
    "part": {"model", "ports", "decide"},
    "decide": {"model", "ports", "part"},
    "lanes": {"model", "ports", "part", "decide"},
    "service": {"model", "ports", "part", "decide", "lanes"},
    "tables": {"model", "ports", "part"},
    "store": {"model", "ports", "part", "decide", "tables"},
    "convert": {"model", "ports", "part", "decide"},
    "servicer": {"model", "ports", "part", "decide", "service", "convert"},
}
ADAPTERS: Final = frozenset({"tables", "store", "convert", "servicer"})
SHARED_WITH_OPERATIONS: Final = frozenset({"model", "ports", "part", "decide"})
SHARED_WITH_INFRA: Final = frozenset({"model", "ports"})

TRANSPORT: Final = ("grpc", "grpc_health", "grpc_reflection", "grpc_status", "google", "chenu")
STORAGE: Final = ("alembic", "psycopg", "psycopg_pool", "sqlalchemy", "sqlite3")
UPSTREAM: Final = ("aiohttp", "anthropic")
FOREIGN: Final = {
    "tables": TRANSPORT + UPSTREAM,
    "store": TRANSPORT + UPSTREAM,
    "convert": STORAGE + UPSTREAM,
    "servicer": STORAGE + UPSTREAM,
    "provider": TRANSPORT + STORAGE,
}
INFRA: Final = {"infra.db": TRANSPORT + UPSTREAM, "infra.rpc": STORAGE + UPSTREAM}
# What a command does without a server, and the mistakes that `serve` explains at start.
OFFLINE: Final = (
    "governance.identity.model",
    "governance.identity.tokens",
    "governance.tools.release_keys",
    "infra.db.migrate",
    "infra.db.owners",
    "infra.db.pooler",
    "infra.db.urls",
    "providers.catalog_schema",
)
# The fake provider reads the catalogue that it plays. Nothing imports it.
PLAYED: Final = ("providers.catalog", "providers.prices")
OUTERMOST: Final = ("__main__", "bootstrap", "cli", "config", "infra")
PURE: Final = TRANSPORT + STORAGE + UPSTREAM
DEAR: Final = ("dataclasses.dataclass", "dataclasses.field", "dataclasses.replace")


def findings(modules: list[Module]) -> list[str]:
    """Every import that points the wrong way, as `path:line: who may not import what`."""
    found = {
        f"{module.source.path}:{imported.line}: {module.name or 'chenu_server'} may not import "
        f"{imported.target.removeprefix('.')}: {reason}"
        for module in modules
        for imported in module.imports
        for reason in _reasons(module.name, imported)
    }
    return sorted(found)


def feature_of(name: str) -> str:
    """`governance.budgets` for `governance.budgets.tables`; empty outside the features."""
    parts = name.split(".")
    if parts[0] in FEATURE_GROUPS:
        return ".".join(parts[:2])
    return parts[0] if parts[0] in FEATURES else ""


def layer_of(name: str) -> str:
    """The layer of a feature's module."""
    below = name.removeprefix(feature_of(name)).lstrip(".")
    if feature_of(name) == "providers" and below not in {"model", "ports"}:
        return "provider"
    return LAYERS.get(below.split(".", maxsplit=1)[0].rsplit("_", maxsplit=1)[-1], "part")


def _reasons(name: str, imported: Import) -> Iterator[str]:
    if not imported.target.startswith("."):
        yield from _foreign(name, imported)
        return
    target = imported.target[1:]
    if target == "_core" and name != "engine":
        yield "only engine.py knows the Rust core"
    elif inside(target, "operations") and not inside(name, "operations", "bootstrap"):
        yield "only bootstrap joins the operations to the features"
    elif inside(target, "upstream") and not inside(name, "upstream"):
        yield "the fake provider is a process of its own, which `chenu dev` starts"
    elif not _allowed(name, target):
        yield "imports point from __main__ and bootstrap towards the models, never back or across"


def _allowed(name: str, target: str) -> bool:
    """Whether `name` may import `target`, both inside the server."""
    if target in VOCABULARY or target == "_core" or inside(name, "bootstrap"):
        return True
    if name in VOCABULARY:
        return False
    if inside(name, "config"):
        return inside(target, "config")
    if inside(name, "cli"):
        return inside(target, "cli", "config", "bootstrap", *OFFLINE)
    if name == "__main__":
        return inside(target, "cli")
    if inside(name, "upstream"):
        return inside(target, "upstream", *PLAYED)
    if inside(name, "operations"):
        shared = bool(feature_of(target)) and layer_of(target) in SHARED_WITH_OPERATIONS
        return inside(target, "operations") or shared
    if inside(name, "infra"):
        shared = bool(feature_of(target)) and layer_of(target) in SHARED_WITH_INFRA
        return inside(target, "infra", "config") or shared
    return _allowed_in_feature(name, target)


def _allowed_in_feature(name: str, target: str) -> bool:
    layer = layer_of(name)
    if inside(target, "infra"):
        return layer in ADAPTERS
    if feature_of(name) != feature_of(target):
        return False
    if layer == "provider":
        return True
    return layer_of(target) == layer or layer_of(target) in MAY_IMPORT[layer]


def _foreign(name: str, imported: Import) -> Iterator[str]:
    """Third-party packages that a layer must not know."""
    if inside(name, *OUTERMOST):
        place = ".".join(name.split(".")[:2])
        banned = INFRA.get(place, ())
    else:
        banned = FOREIGN.get(layer_of(name), PURE) if feature_of(name) else PURE
    if inside(imported.target, *banned):
        yield "SQL is for tables and stores, gRPC for servicers, HTTP for providers"
    if inside(imported.target, *DEAR) and name != "values":
        yield "values.py makes the same classes, and frozen ones for a third of the cost"
