"""Builds the settings once at start, from TOML, the environment and flags, or says why not.

Later wins: defaults, then the file, then `CHENU_...` variables (`CHENU_SERVER__LISTEN` is
`server.listen`), then overrides. The only module that reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import pydantic_settings
from pydantic import ValidationError

from chenu_server.config.section import Section, did_you_mean
from chenu_server.config.sections import PASSWORD, PREFIX, Settings
from chenu_server.values import dataclass

FILE_VARIABLE: Final = "CHENU_CONFIG"
FILE_DEFAULT: Final = Path("chenu.toml")

KEY_VARIABLES: Final = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}
"""Where providers' own libraries look for a key, by provider."""

_WHY: Final = {"extra_forbidden": "there is no such key", "string_pattern_mismatch": "wrong form"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One reason why a configuration is not accepted."""

    key: str
    source: str
    why: str
    do: str


class ConfigError(Exception):
    """The configuration is not accepted; `explain` says why in full."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(explain(self.problems))


def load_settings(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings of a file, the environment and overrides by dotted key, in this order.

    Without a path: the file that `CHENU_CONFIG` names, else `chenu.toml` here if there is one.

    Raises:
        ConfigError: Something is not accepted. It names every problem, not only the first.
    """
    layers = [
        _from_file(path),
        ("environment", _from_environment()),
        ("command line", _nested(overrides or {})),
    ]
    merged: dict[str, Any] = {}
    for _, values in layers:
        merged = _laid_over(merged, values)
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise ConfigError(_problems(error, layers)) from error


def keys_in_environment() -> dict[str, str]:
    """The keys in `KEY_VARIABLES`, by provider. A server takes them only where it is told to."""
    found = {name: os.environ.get(variable, "") for name, variable in KEY_VARIABLES.items()}
    return {name: key for name, key in found.items() if key}


def explain(problems: Iterable[Problem]) -> str:
    """What is wrong, where, why, and what to do; for a person."""
    return "\n".join(
        f"{problem.key or 'configuration'} is not accepted\n  where: {problem.source}\n"
        f"  why:   {problem.why}\n  do:    {problem.do}"
        for problem in problems
    )


def show(settings: Settings) -> dict[str, Any]:
    """All settings as plain values, without secrets."""
    # As the file spells it, so that what is shown can be written there.
    plain = settings.model_dump(mode="json", by_alias=True)
    # The URL is no secret as a whole, so nothing of it was hidden.
    plain["database"]["url"] = PASSWORD.sub(r"\1**********@", settings.database.url)
    return plain


def _from_file(path: Path | None) -> tuple[str, dict[str, Any]]:
    named = path or Path(os.environ.get(FILE_VARIABLE, FILE_DEFAULT))
    # One that somebody has named must be there; this one is only looked for.
    if named == FILE_DEFAULT and not named.exists():
        return "defaults", {}
    try:
        # Read for its errors: the reader below takes a file that is not there for an empty one.
        named.read_text(encoding="utf-8")
        return str(named), pydantic_settings.TomlConfigSettingsSource(Settings, named)()
    except (OSError, ValueError) as error:  # unreadable, not UTF-8, or not TOML
        problem = Problem(key="", source=str(named), why=str(error), do="correct the file")
        raise ConfigError([problem]) from error


def _from_environment() -> dict[str, Any]:
    """What pydantic-settings reads, and settings of no section, which it would pass over."""
    names = [name for name in os.environ if name.startswith(PREFIX) and "__" in name]
    sections = {name.removeprefix(PREFIX).lower().split("__")[0] for name in names}
    unknown = dict.fromkeys(sections - set(Settings.model_fields))
    try:
        return pydantic_settings.EnvSettingsSource(Settings)() | unknown
    except pydantic_settings.SettingsError as error:
        why, do = f"{error}: {error.__cause__}", "write lists and tables as JSON"
        raise ConfigError([Problem(key="", source="environment", why=why, do=do)]) from error


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for dotted, value in values.items():
        for name in reversed(dotted.split(".")):
            value = {name: value}
        tree = _laid_over(tree, value)
    return tree


def _laid_over(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        if isinstance(below, dict) and isinstance(value, Mapping):
            value = _laid_over(below, value)
        merged[name] = value
    return merged


def _problems(
    error: ValidationError, layers: list[tuple[str, dict[str, Any]]]
) -> Iterator[Problem]:
    for found in error.errors(include_url=False, include_input=False):
        place = found["loc"]
        # A mistake that is one of ours says what to do about it; for the others it is made of the
        # field's own description.
        do = found.get("ctx", {}).get("do") or _advice(found["type"], place)
        # From the top: the layer that holds a value last is the one whose value counts.
        source = next((name for name, it in reversed(layers) if _holds(it, place)), layers[0][0])
        why = _WHY.get(found["type"], found["msg"].removeprefix("Value error, "))
        yield Problem(key=".".join(map(str, place)), source=source, why=why, do=do)


def _holds(values: Any, place: tuple[int | str, ...]) -> bool:
    for part in place:
        if not (part in values if isinstance(values, dict) else isinstance(values, list)):
            return False
        values = values[part]
    return True


def _advice(kind: str, place: tuple[int | str, ...]) -> str:
    fields: Mapping[str, Any] = Settings.model_fields
    known, field = fields, None
    for part in place:
        if isinstance(part, str) and fields:
            known, field = fields, fields.get(part)
            fields = getattr(_section_in(field and field.annotation), "model_fields", {})
    if kind == "extra_forbidden":
        return f"remove it{did_you_mean(str(place[-1]), known)}"
    meaning = field.description if field is not None else None
    return f"give it a value that fits: {meaning}" if meaning else "correct the value"


def _section_in(annotation: Any) -> Any:
    """The section that a field's type is, or holds."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)
