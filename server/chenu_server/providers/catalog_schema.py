"""What a catalogue file must say, checked strictly: a typo there is a wrong bill."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chenu_server.providers.address import problem_of
from chenu_server.providers.model import ModelRecord, ProviderRecord, Rates

WIRES = ("anthropic_messages", "openai_chat")
AUTHS = ("x-api-key", "bearer", "none")
TIERS = ("premium", "standard", "fast", "specialized", "local")
CAPABILITIES = ("text", "vision", "functions", "json", "streaming")
OUTPUT_CAP_FIELDS = ("max_tokens", "max_completion_tokens")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_REGION = re.compile(r"[a-z][a-z0-9-]{0,31}")
_MODEL_NAME_MAX = 128
_TOKENS_MAX = 100_000_000
_PRICE_MAX_NANOUSD = 10**15

_MODEL_NAME_TEXT = f"1 to {_MODEL_NAME_MAX} printable characters, no space around them"

Check = Callable[[Any], bool]


class CatalogueError(Exception):
    """A catalogue cannot be used, or a name is not in it. The message says what to change."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for an error message, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def provider_of(name: str, table: dict[str, Any]) -> tuple[ProviderRecord, list[str]]:
    """The record in a merged file, and the names of its retired models.

    Raises:
        CatalogueError: It does not say what a record must.
    """
    place = f"provider {name!r}"
    if not _NAME.fullmatch(name):
        raise CatalogueError(f"{place}: a file's name is a lower-case word")
    _check(place, table, _PROVIDER, _PROVIDER_OPTIONAL)
    if problem := problem_of(table["base_url"], table["wire"]):
        raise CatalogueError(f"{place}: base_url {problem}")
    live, retired = {}, []
    for model, fields in table["models"].items():
        if isinstance(fields, dict) and fields.get("retired") is True:
            retired.append(model)
        else:
            live[model] = _model_of(name, model, fields)
    _check_names(place, list(live.values()), retired)
    values = {key: value for key, value in table.items() if key != "models"}
    return ProviderRecord(name=name, models=tuple(live.values()), **values), retired


def _model_of(provider: str, name: str, fields: Any) -> ModelRecord:
    place = f"provider {provider!r}, model {name!r}"
    if not _is_model_name(name):
        raise CatalogueError(f"{place}: a model is named by {_MODEL_NAME_TEXT}")
    if not isinstance(fields, dict):
        raise CatalogueError(f"{place}: a model is a table; write it as [models.{name!r}]")
    _check(place, fields, _MODEL, _MODEL_OPTIONAL)
    if fields["output_tokens_max"] > fields["context_tokens"]:
        raise CatalogueError(f"{place}: output_tokens_max is larger than context_tokens")
    return ModelRecord(
        provider=provider,
        name=name,
        context_tokens=fields["context_tokens"],
        output_tokens_max=fields["output_tokens_max"],
        capabilities=tuple(fields["capabilities"]),
        quality=fields["quality"],
        speed=fields["speed"],
        tier=fields["tier"],
        regions=tuple(fields["regions"]),
        rates=_rates_of(place, fields.get("price")),
        aliases=tuple(fields.get("aliases", ())),
    )


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
    return Rates(
        input=price["input"],
        output=price["output"],
        cache_read=price.get("cache_read", price["input"]),
        cache_write=price.get("cache_write", price["input"]),
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
    seen = set(retired)
    for model in live:
        for name in (model.name, *model.aliases):
            if name in seen:
                raise CatalogueError(f"{place}: two models are called {name!r}")
            seen.add(name)


def _integer(low: int, high: int) -> tuple[Check, str]:
    return (
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
            and len(set(map(str, value))) == len(value)
            and all(map(valid, value))
        ),
        f"a list without repetition, each {expected}",
    )


def _filled(item: tuple[Check, str]) -> tuple[Check, str]:
    valid, expected = item
    return (lambda value: valid(value) and len(value) > 0, f"{expected}, at least one")


_TABLE: tuple[Check, str] = (lambda value: isinstance(value, dict), "a table")
_FLAG: tuple[Check, str] = (lambda value: isinstance(value, bool), "true or false")

_PROVIDER = {
    "title": _text(re.compile(r"\S.{0,63}"), "a short text"),
    "wire": _one_of(WIRES),
    "base_url": (lambda value: isinstance(value, str), "a URL"),
    "auth": _one_of(AUTHS),
    "tier": _one_of(TIERS),
    "models": _filled(_TABLE),
}
_PROVIDER_OPTIONAL = {
    "output_cap_field": _one_of(OUTPUT_CAP_FIELDS),
    "stream_options": _FLAG,
    "terminator": _FLAG,
}
_MODEL = {
    "context_tokens": _integer(1, _TOKENS_MAX),
    "output_tokens_max": _integer(1, _TOKENS_MAX),
    "capabilities": _filled(_list_of(_one_of(CAPABILITIES))),
    "quality": _integer(0, 100),
    "speed": _integer(1, 100_000),
    "tier": _one_of(TIERS),
    "regions": _filled(_list_of(_text(_REGION, "a lower-case word"))),
}
_MODEL_OPTIONAL = {
    "aliases": _list_of((_is_model_name, _MODEL_NAME_TEXT)),
    "price": _TABLE,
    "retired": _FLAG,
}
_PRICE = {key: _integer(0, _PRICE_MAX_NANOUSD) for key in ("input", "output")}
_PRICE_OPTIONAL = {
    **{key: _integer(0, _PRICE_MAX_NANOUSD) for key in ("cache_read", "cache_write")},
    "source": _one_of(("operator",)),
}
