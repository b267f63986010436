"""What a catalogue file must say, checked strictly: a typo there is a wrong bill."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chenu_server.providers.address import problem_of
from chenu_server.providers.model import (
    DocumentLimits,
    ImageLimits,
    ModelRecord,
    ProviderRecord,
    Rates,
)

WIRES = ("anthropic_messages", "openai_chat")
# `optional`: a key is sent as bearer where one is configured.
AUTHS = ("x-api-key", "bearer", "api-key", "none", "optional")
TIERS = ("premium", "standard", "fast", "specialized", "local")
CAPABILITIES = (
    "text",
    "vision",
    "documents",
    "functions",
    "json",
    "json_schema",
    "reasoning_effort",
    "reasoning_budget",
    "streaming",
)
REFUSABLE = (
    "stop",
    "temperature",
    "temperature_above_1",
    "top_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "parallel_calls",
    "cache_hints",
    "reasoning_input",
)
OUTPUT_CAP_FIELDS = ("max_tokens", "max_completion_tokens")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_REGION = re.compile(r"[a-z][a-z0-9-]{0,31}")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_QUERY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_RELATIVE = re.compile(r"([A-Za-z0-9._-][A-Za-z0-9._/?=&-]{0,254})?")
_PLAIN = re.compile(r"[!-~]([ -~]{0,254}[!-~])?")
# What the wire itself sends, and what would be a key: a record is no place for a secret.
_OWN_HEADER = re.compile(
    r"accept(-.*)?|authorization|connection|content-.*|cookie|expect|host|te|trailer"
    r"|transfer-encoding|upgrade"
)
_SECRET = re.compile(r"key|token|secret|password|credential|signature|^auth|^proxy-", re.IGNORECASE)
_MODEL_NAME_MAX = 128
_TOKENS_MAX = 100_000_000
_PRICE_MAX_NANOUSD = 10**15
_TIMEOUT_MAX_MS = 600_000

_MODEL_NAME_TEXT = f"1 to {_MODEL_NAME_MAX} printable characters, no space around them"

Check = Callable[[Any], bool]


class CatalogueError(Exception):
    """A catalogue cannot be used, or a name is not in it. The message says what to change."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for an error message, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def is_provider_name(name: str) -> bool:
    """Whether a provider, or an instance of one, may be called so."""
    return bool(_NAME.fullmatch(name))


def provider_of(name: str, table: dict[str, Any]) -> tuple[ProviderRecord, list[str]]:
    """The record in a merged file, and the names of its retired models.

    Raises:
        CatalogueError: It does not say what a record must.
    """
    place = f"provider {name!r}"
    if not is_provider_name(name):
        raise CatalogueError(f"{place}: a file's name is a lower-case word")
    _check(place, table, _PROVIDER, _PROVIDER_OPTIONAL)
    _check_address(place, table)
    live, retired = {}, []
    for model, fields in table["models"].items():
        if isinstance(fields, dict) and fields.get("retired") is True:
            # Its name is kept, so that nothing else takes it, and no more of it is read.
            retired.append(model)
        else:
            live[model] = _model_of(name, model, fields)
    _check_names(place, list(live.values()), retired)
    told = {key: value for key, value in table.items() if key not in ("models", *_WITNESS)}
    for key in ("query", "headers"):
        told[key] = tuple(told.get(key, {}).items())
    values = {"base_url": "", **told}
    return ProviderRecord(name=name, models=tuple(live.values()), **values), retired


def _check_address(place: str, table: dict[str, Any]) -> None:
    """A record has an address, or shows what the settings must name."""
    given = [key for key in ("base_url", "base_url_example") if key in table]
    if not given:
        raise CatalogueError(f"{place}: base_url is missing; or base_url_example, if it is chosen")
    for key in given:
        if problem := problem_of(table[key], table["wire"]):
            raise CatalogueError(f"{place}: {key} {problem}")
    if table["auth"] == "api-key" and table["wire"] != "openai_chat":
        raise CatalogueError(f"{place}: auth api-key goes with wire openai_chat alone")


def _model_of(provider: str, name: str, fields: Any) -> ModelRecord:
    place = f"provider {provider!r}, model {name!r}"
    if not _is_model_name(name):
        raise CatalogueError(f"{place}: a model is named by {_MODEL_NAME_TEXT}")
    if not isinstance(fields, dict):
        raise CatalogueError(f"{place}: a model is a table; write it as [models.{name!r}]")
    _check(place, fields, _MODEL, _MODEL_OPTIONAL)
    context, output_max = fields.get("context_tokens"), fields.get("output_tokens_max")
    if context is not None and output_max is not None and output_max > context:
        raise CatalogueError(f"{place}: output_tokens_max is larger than context_tokens")
    return ModelRecord(
        provider=provider,
        name=name,
        context_tokens=context,
        output_tokens_max=output_max,
        capabilities=tuple(fields["capabilities"]),
        quality=fields["quality"],
        speed=fields["speed"],
        tier=fields["tier"],
        regions=tuple(fields["regions"]),
        rates=_rates_of(place, fields.get("price")),
        aliases=tuple(fields.get("aliases", ())),
        refuses=tuple(fields.get("refuses", ())),
        images=_images_of(place, fields),
        documents=_documents_of(place, fields),
    )


def _images_of(place: str, fields: dict[str, Any]) -> ImageLimits | None:
    table = fields.get("images")
    if table is None:
        return None
    place = f"{place}, images"
    if "vision" not in fields["capabilities"]:
        raise CatalogueError(f"{place}: goes with the capability 'vision'")
    _check(place, table, _IMAGES, _MEDIA_OPTIONAL)
    if table["cells_min"] > table["cells_max"]:
        raise CatalogueError(f"{place}: cells_min is larger than cells_max")
    return ImageLimits(**{key: value for key, value in table.items() if key not in _WITNESS})


def _documents_of(place: str, fields: dict[str, Any]) -> DocumentLimits | None:
    table = fields.get("documents")
    if table is None:
        return None
    place = f"{place}, documents"
    if "documents" not in fields["capabilities"]:
        raise CatalogueError(f"{place}: goes with the capability 'documents'")
    _check(place, table, _DOCUMENTS, _MEDIA_OPTIONAL)
    return DocumentLimits(**{key: value for key, value in table.items() if key not in _WITNESS})


def _is_model_name(name: object) -> bool:
    """Whether a provider may call a model so: it names its models as it likes."""
    return (
        isinstance(name, str)
        and 1 <= len(name) <= _MODEL_NAME_MAX
        and name.isprintable()
        and name == name.strip()
    )


def _rates_of(place: str, price: dict[str, Any] | None) -> Rates | None:
    if price is None:
        return None
    _check(f"{place}, price", price, _PRICE, _PRICE_OPTIONAL)
    cache_write = price.get("cache_write", price["input"])
    return Rates(
        input=price["input"],
        output=price["output"],
        cache_read=price.get("cache_read", price["input"]),
        cache_write=cache_write,
        cache_write_hour=price.get("cache_write_hour", cache_write),
        source=price.get("source", "record"),
    )


def _check(
    place: str,
    table: dict[str, Any],
    required: Mapping[str, tuple[Check, str]],
    optional: Mapping[str, tuple[Check, str]],
) -> None:
    known = {**required, **optional}
    for key, value in table.items():
        if key not in known:
            raise CatalogueError(f"{place}: unknown key {key!r}{did_you_mean(key, known)}")
        valid, expected = known[key]
        if not valid(value):
            raise CatalogueError(f"{place}: {key} must be {expected}")
    for key in required:
        if key not in table:
            raise CatalogueError(f"{place}: {key} is missing")


def _check_names(place: str, live: list[ModelRecord], retired: list[str]) -> None:
    # A retired name stays taken: who still asks for it is told so, and not given another model
    # under it.
    seen = set(retired)
    for model in live:
        for name in (model.name, *model.aliases):
            if name in seen:
                raise CatalogueError(f"{place}: two models are called {name!r}")
            seen.add(name)


def _integer(low: int, high: int) -> tuple[Check, str]:
    return (
        # Not `isinstance`, by which `true` is the number 1.
        lambda value: type(value) is int and low <= value <= high,
        f"an integer from {low} to {high}",
    )


def _one_of(choices: tuple[str, ...]) -> tuple[Check, str]:
    return (lambda value: value in choices, "one of " + ", ".join(choices))


def _text(pattern: re.Pattern[str], expected: str) -> tuple[Check, str]:
    return (lambda value: isinstance(value, str) and bool(pattern.fullmatch(value)), expected)


def _list_of(item: tuple[Check, str]) -> tuple[Check, str]:
    valid, expected = item
    return (
        lambda value: (
            isinstance(value, list)
            # By their texts: what is a list or a table itself has no hash, and is refused by the
            # next line.
            and len(set(map(str, value))) == len(value)
            and all(map(valid, value))
        ),
        f"a list without repetition, each {expected}",
    )


def _filled(item: tuple[Check, str]) -> tuple[Check, str]:
    valid, expected = item
    return (lambda value: valid(value) and len(value) > 0, f"{expected}, at least one")


def _pairs(name: re.Pattern[str], not_own: re.Pattern[str] | None = None) -> tuple[Check, str]:
    def is_name(key: str) -> bool:
        own = not_own is not None and not_own.fullmatch(key.lower())
        return bool(name.fullmatch(key)) and not own and not _SECRET.search(key)

    return (
        lambda value: (
            isinstance(value, dict)
            and all(is_name(key) for key in value)
            and all(isinstance(it, str) and _PLAIN.fullmatch(it) for it in value.values())
        ),
        "a table of visible ASCII; no secret, and nothing that the wire sends itself",
    )


_DATE: tuple[Check, str] = (
    lambda value: type(value) is datetime.date,  # a datetime is a date too
    "a date, as 2026-11-29",
)
# Where a fact was read, and when. For those who keep the file: nothing is decided by it.
_WITNESS = {
    "source": _filled(_list_of(_text(re.compile(r"\S.{0,255}"), "a short text"))),
    "checked": _DATE,
}

_TABLE: tuple[Check, str] = (lambda value: isinstance(value, dict), "a table")
_FLAG: tuple[Check, str] = (lambda value: isinstance(value, bool), "true or false")

_URL: tuple[Check, str] = (lambda value: isinstance(value, str), "a URL")

_PROVIDER = {
    "title": _text(re.compile(r"\S.{0,63}"), "a short text"),
    "wire": _one_of(WIRES),
    "auth": _one_of(AUTHS),
    "tier": _one_of(TIERS),
    "models": _filled(_TABLE),
}
_PROVIDER_OPTIONAL = {
    **_WITNESS,
    "base_url": _URL,
    "base_url_example": _URL,
    "query": _pairs(_QUERY_NAME),
    "headers": _pairs(_HEADER_NAME, _OWN_HEADER),
    "models_path": _text(_RELATIVE, "a path from base_url, or empty: it lists no models"),
    "lists_all": _FLAG,
    "request_id_header": _text(_HEADER_NAME, "a header's name"),
    "output_cap_field": _one_of(OUTPUT_CAP_FIELDS),
    "stream_options": _FLAG,
    "terminator": _FLAG,
    "connect_timeout_ms": _integer(1, _TIMEOUT_MAX_MS),
    "first_event_timeout_ms": _integer(1, _TIMEOUT_MAX_MS),
    "between_events_timeout_ms": _integer(1, _TIMEOUT_MAX_MS),
}
_MODEL = {
    "capabilities": _filled(_list_of(_one_of(CAPABILITIES))),
    "quality": _integer(0, 100),
    "speed": _integer(1, 100_000),
    "tier": _one_of(TIERS),
    "regions": _filled(_list_of(_text(_REGION, "a lower-case word"))),
}
_MODEL_OPTIONAL = {
    **_WITNESS,
    "context_tokens": _integer(1, _TOKENS_MAX),
    "output_tokens_max": _integer(1, _TOKENS_MAX),
    "aliases": _list_of((_is_model_name, _MODEL_NAME_TEXT)),
    "price": _TABLE,
    "images": _TABLE,
    "documents": _TABLE,
    "refuses": _list_of(_one_of(REFUSABLE)),
    "retired": _FLAG,
}
_PRICE = {key: _integer(0, _PRICE_MAX_NANOUSD) for key in ("input", "output")}
_PRICE_OPTIONAL = {
    **{
        key: _integer(0, _PRICE_MAX_NANOUSD)
        for key in ("cache_read", "cache_write", "cache_write_hour")
    },
    "source": _one_of(("operator",)),
}
_FILES_MAX, _FILE_BYTES_MAX = 10_000, 1_000_000_000
_IMAGES = {
    "max": _integer(1, _FILES_MAX),
    "bytes_max": _integer(1, _FILE_BYTES_MAX),
    "edge_max": _integer(1, 1_000_000),
    "base_tokens": _integer(0, _TOKENS_MAX),
    "cell_edge": _integer(1, 100_000),
    "cell_millitokens": _integer(0, _TOKENS_MAX),
    "cells_min": _integer(1, 1_000_000),
    "cells_max": _integer(1, 1_000_000),
}
_DOCUMENTS = {"max": _integer(1, _FILES_MAX), "bytes_max": _integer(1, _FILE_BYTES_MAX)}
_MEDIA_OPTIONAL = {**_WITNESS, "urls": _FLAG}
