"""One of each argument that the engine takes, for tests that change what they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chenu_server import _core

SALT = bytes(range(32))


@dataclass(frozen=True)
class Medium:
    """A file."""

    media_type: str = ""
    url: str = ""
    data: bytes | None = None
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Part:
    """A piece of a message."""

    kind: str = "text"
    text: str = ""
    call_id: str = ""
    name: str = ""
    is_error: bool = False
    signature: str = ""
    redacted: str = ""
    cached: bool = False
    media: Medium | None = None


@dataclass(frozen=True)
class Message:
    """What one side says."""

    role: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Tool:
    """A tool that may be called."""

    name: str
    description: str = ""
    parameters: str = ""


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen."""

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: Sequence[str] = ()


def draft(**changes: Any) -> _core.EntryDraft:
    """A ledger draft."""
    fields: dict[str, Any] = {
        "entry_id": "0190c8a0-0000-7000-8000-000000000001",
        "decision": "allow",
        "action": "execute",
        "identity_id": "acme",
        "principal_type": "user",
        "principal_id": "ada",
        "acting_for": (),
        "resource_kind": "query",
        "resource_id": "query-1",
        "reason": "",
        "salt": SALT,
        "payload": b"{}",
    }
    return _core.EntryDraft(**fields | changes)


def sealed(*drafts: _core.EntryDraft, head: bytes = bytes(32)) -> list[_core.SealedEntry]:
    """Drafts sealed as the first entries of a ledger."""
    return _core.seal(
        origin="chenu/test",
        ledger_number=0,
        batch_id="batch-1",
        time_us=1_795_000_000_000_000,
        size=0,
        head=head,
        drafts=drafts,
    )


def windows(**changes: int) -> _core.IdentityWindows:
    """Windows with the product's defaults."""
    settings = {
        "limit": 100,
        "window_us": 60_000_000,
        "burst": 20,
        "burst_window_us": 1_000_000,
        "block_us": 120_000_000,
        "keys_max": 1_000,
    }
    return _core.IdentityWindows(**settings | changes)


def record(**changes: Any) -> _core.ModelRecord:
    """A model of the catalogue."""
    fields: dict[str, Any] = {
        "provider": "anthropic",
        "instance_of": "",
        "model": "sonnet",
        "aliases": [],
        "wire": "anthropic",
        "name_bytes": 8,
        "quality": 90,
        "speed": 80,
        "output_rate": 15_000_000_000,
        "dearest_input_rate": 3_750_000_000,
        "rate_steps": [],
        "context_tokens": 200_000,
        "output_tokens_max": 64_000,
        "capabilities": ["tools"],
        "regions": ["us"],
        "locked_role": None,
    }
    return _core.ModelRecord(**fields | changes)


def route_query(**changes: Any) -> _core.RouteQuery:
    """A query for a catalogue of one model."""
    fields: dict[str, Any] = {
        "task_type": "chat",
        "agent_role": "none",
        "strategy": "balanced",
        "preferred_provider": None,
        "preferred_model": None,
        "overrides": [],
        "capabilities": [],
        "cost_ceiling": None,
        "allowed_providers": [],
        "forbidden_providers": [],
        "regions": [],
        "body_bytes": [992],
        "extra_tokens": [0],
        "media_tokens": [],
        "output_cap": 1_024,
    }
    return _core.RouteQuery(**fields | changes)


def catalogue(*records: _core.ModelRecord, **changes: Any) -> _core.Catalogue:
    """A catalogue of these models, or of one, under the product's weights."""
    fields: dict[str, Any] = {
        "task_defaults": [("code", "anthropic")],
        "role_defaults": [("analyst", "openai")],
        "weights": [(400, 300, 300), (100, 100, 800), (800, 100, 100), (100, 800, 100)],
        "nova": ("anthropic", "sonnet"),
    }
    return _core.Catalogue(records or [record()], _core.RouteRules(**fields | changes))


def signal(**changes: Any) -> _core.Signal:
    """A provider of which nothing is known."""
    fields: dict[str, Any] = {
        "health": "unknown",
        "breaker": "closed",
        "latency_ms": 0,
        "error_per_mille": 0,
        "room_per_mille": 1_000,
    }
    return _core.Signal(**fields | changes)


def routed(catalogue: _core.Catalogue, **changes: Any) -> _core.Decision:
    """What a catalogue decides of which no provider is watched."""
    return catalogue.route(route_query(**changes), catalogue.signals([]))


def prompt(text: str = "Hello", **changes: Any) -> _core.Prompt:
    """What a user asks of a model."""
    return _core.Prompt([Message("user", (Part(text=text),))], **changes)


def rules() -> _core.Rules:
    """Rules that never decide anything."""
    limit = {"requests": 1, "window_us": 1, "guard_us": 0, "dispatch_within_us": 0}
    return _core.Rules(
        {
            "expiry_us": 0,
            "expiry_by_type_us": {},
            "default_limit": limit,
            "limits": {},
            "ledger_number": 0,
            "owner_id": "",
            "least_cap": 0,
            "budget_required": False,
            "pending_max": 0,
            "policies_revision": "",
        }
    )
