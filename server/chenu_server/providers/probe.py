"""Asks a provider for its models: whether address, key and certificates are right, and the names.

Nothing that it answers is shown: it may quote the key.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from typing import Any, Final

import aiohttp
from yarl import URL

from chenu_server.providers.keys import key_header
from chenu_server.providers.model import ProviderRecord
from chenu_server.values import dataclass

ANSWER_BYTES_MAX: Final = 16 << 20
ANSWER_WITHIN_S: Final = 30.0
MISSING_SHOWN_MAX: Final = 10

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
    session: aiohttp.ClientSession,
) -> Probed:
    """What comes of asking a provider for its models, of which these are to be called."""
    if record.models_path == "":
        return Probed(provider=record.name, note="it has no list of models to be asked for")
    try:
        names, is_whole = await _listed(record, api_key, session)
    except _NoList as problem:
        return Probed(provider=record.name, problems=(str(problem),))
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
    record: ProviderRecord, api_key: str | None, session: aiohttp.ClientSession
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
    record: ProviderRecord, api_key: str | None, session: aiohttp.ClientSession
) -> tuple[int, bytes]:
    timeout = aiohttp.ClientTimeout(
        total=min(record.first_event_timeout_ms / 1_000, ANSWER_WITHIN_S),
        connect=record.connect_timeout_ms / 1_000,
        ceil_threshold=1e9,
    )
    try:
        async with session.get(
            _address(record),
            headers=_headers(record, api_key),
            timeout=timeout,
            allow_redirects=False,  # the key goes to the configured host and nowhere else
        ) as response:
            body = bytearray()
            while len(body) < ANSWER_BYTES_MAX and (chunk := await response.content.readany()):
                body += chunk
            return response.status, bytes(body)
    # `from None` throughout: an aiohttp error holds the request's headers, hence the key.
    except aiohttp.ConnectionTimeoutError:
        raise _NoList("no connection within connect_timeout_ms; check base_url") from None
    except TimeoutError:
        raise _NoList("it did not answer in time; check base_url") from None
    except aiohttp.ClientConnectorCertificateError:
        text = "its certificate is not trusted; check base_url, or name its CA's with ca_file"
        raise _NoList(text) from None
    except aiohttp.ClientConnectorSSLError:
        raise _NoList("it does not speak TLS as it should; check base_url: http or https") from None
    except (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError):
        raise _NoList("the proxy cannot be reached or refuses; check proxy") from None
    except aiohttp.ClientConnectorDNSError:
        raise _NoList("there is no such host; correct base_url") from None
    except aiohttp.ClientConnectorError:
        raise _NoList("nothing listens there; check base_url and that it runs") from None
    except (aiohttp.ClientError, asyncio.IncompleteReadError, OSError):
        raise _NoList("what answers there does not speak HTTP; correct base_url") from None


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
