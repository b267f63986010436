"""Asks a provider for its models: whether address, key and certificates are right, and the names.

Nothing that it answers is shown: it may quote the key.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

from yarl import URL

from chenu_server.engine import CallLimits, Destination, Upstream
from chenu_server.providers.call import next_of
from chenu_server.providers.keys import key_header
from chenu_server.providers.model import ProviderRecord
from chenu_server.values import dataclass

ANSWER_BYTES_MAX: Final = 16 << 20
ANSWER_WITHIN_MS: Final = 30_000
MISSING_SHOWN_MAX: Final = 10

# By the engine's word for how a call has ended.
_UNREACHED: Final = {
    "not_connected": "no connection within connect_timeout_ms; check base_url",
    "deadline": "it did not answer in time; check base_url",
    "no_first_event": "it did not answer in time; check base_url",
    "no_trust": "its certificate is not trusted; check base_url, or name its CA's with ca_file",
    "no_tls": "it does not speak TLS as it should; check base_url: http or https",
    "no_proxy": "the proxy cannot be reached or refuses; check proxy",
    "no_host": "there is no such host; correct base_url",
    "no_listener": "nothing listens there; check base_url and that it runs",
}
_NO_HTTP: Final = "what answers there does not speak HTTP; correct base_url"

# Where a wire lists its models, from the base URL.
_PATHS: Final = {"anthropic_messages": "v1/models?limit=1000", "openai_chat": "models"}
_ANTHROPIC_VERSION: Final = "2023-06-01"
# Google puts a word before the names that it lists, and takes them without it.
_BEFORE_NAMES: Final = "models/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What a provider said, or why it could not: `models` are how many it lists."""

    provider: str
    models: int | None = None
    problems: tuple[str, ...] = ()
    note: str = ""


class _NoList(Exception):
    """What came is no list of models; the message says what it is instead."""


async def probed(
    record: ProviderRecord,
    models: Collection[str],
    api_key: str | None,
    session: Upstream,
) -> Probed:
    """What comes of asking a provider for its models, of which these are to be called."""
    if record.models_path == "":
        return Probed(provider=record.name, note="it has no list of models to be asked for")
    try:
        names, is_whole = await _listed(record, api_key, session)
    except _NoList as problem:
        return Probed(provider=record.name, problems=(str(problem),))
    # Nothing follows from what a list does not name that is cut, or that never names all.
    missing = sorted(set(models) - names) if is_whole and record.lists_all else []
    return Probed(provider=record.name, models=len(names), problems=_missing(missing))


def _missing(names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ()
    shown = ", ".join(names[:MISSING_SHOWN_MAX])
    more = len(names) - MISSING_SHOWN_MAX
    rest = f" and {more} more" if more > 0 else ""
    return (
        f"it does not list {shown}{rest}: this key cannot call them, or they are gone; name those"
        " that it serves (models of an instance, or retired = true in the record)",
    )


async def _listed(
    record: ProviderRecord, api_key: str | None, session: Upstream
) -> tuple[set[str], bool]:
    """The names, and whether they are all."""
    status, body = await _answer(record, api_key, session)
    if status in (401, 403):
        raise _NoList(f"it does not take the key ({status}); correct api_key")
    if status == 429 or status >= 500:
        raise _NoList(f"it answers {status}; try again, or ask its operator")
    if status != 200:
        raise _NoList(f"it has no list of models there ({status}); correct base_url")
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        what = "a web page" if body.lstrip()[:1] == b"<" else "no JSON"
        raise _NoList(f"it answers {what} and no list of models; correct base_url") from None
    return _names_in(told)


def _names_in(told: Any) -> tuple[set[str], bool]:
    """A list, or an object with one in `data` or `models`; what it names is an `id` or a `name`."""
    table = told if isinstance(told, dict) else {"data": told}
    rows = table.get("data", table.get("models"))
    if not isinstance(rows, list):
        raise _NoList("what it answers is no list of models; correct base_url")
    named = [row.get("id", row.get("name")) for row in rows if isinstance(row, dict)]
    names = {name.removeprefix(_BEFORE_NAMES) for name in named if isinstance(name, str)}
    return names, not (table.get("has_more") or table.get("next_page_token"))


async def _answer(
    record: ProviderRecord, api_key: str | None, session: Upstream
) -> tuple[int, bytes]:
    # Not for as long as a model may think unseen: a list is there, or the address is wrong.
    within_ms = min(record.first_event_timeout_ms, ANSWER_WITHIN_MS)
    limits = CallLimits(
        timeout_us=within_ms * 1_000,
        connect_timeout_ms=record.connect_timeout_ms,
        first_event_timeout_ms=within_ms,
        between_events_timeout_ms=within_ms,
    )
    headers = list(_headers(record, api_key).items())
    call = session.fetch(Destination(str(_address(record)), headers), limits, ANSWER_BYTES_MAX)
    try:
        end = (await next_of(call)).end
        if end != "whole" or call.status is None:
            raise _NoList(_UNREACHED.get(end or "", _NO_HTTP))
        return call.status, call.body
    finally:
        call.close()


def _address(record: ProviderRecord) -> URL:
    """The list's URL; a record's path is relative to the base URL, as a link on it would be."""
    base = URL(record.base_url.rstrip("/") + "/")
    path = _PATHS[record.wire] if record.models_path is None else record.models_path
    address = base.join(URL(path))
    return address.update_query(dict(record.query)) if record.query else address


def _headers(record: ProviderRecord, api_key: str | None) -> dict[str, str]:
    headers = {
        **dict(record.headers),
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **key_header(record.auth, api_key),
    }
    if record.wire == "anthropic_messages":
        headers.setdefault("anthropic-version", _ANTHROPIC_VERSION)
    return headers
