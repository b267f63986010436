"""Who Nova is, checked before anything is served: one current model of Claude and no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from chenu_server.providers.catalog_schema import CatalogueError
from chenu_server.providers.model import ProviderRecord

ALIAS: Final = "nova"
PROVIDER: Final = "anthropic"
WIRE: Final = "anthropic_messages"
FAMILY: Final = "claude-"


def check_nova(providers: Mapping[str, ProviderRecord], tables: Mapping[str, Any]) -> None:
    """
    Refuse a catalogue in which the name `nova` is not one current model of Claude.

    Raises:
        CatalogueError: Another has the name, a retired one, or none.
    """
    # In the files themselves: the records made of them have nothing of what is retired.
    for provider, table in tables.items():
        for model, fields in table["models"].items():
            if fields.get("retired") is True and ALIAS in (model, *fields.get("aliases", ())):
                text = "is retired and called `nova`: take the name from it, give it a current one"
                raise CatalogueError(f"provider {provider!r}: the model {model!r} {text}")
    for record in providers.values():
        for each in record.models:
            is_claude = each.maker == PROVIDER and each.name.startswith(FAMILY)
            if ALIAS in (each.name, *each.aliases) and not (is_claude and record.wire == WIRE):
                text = "is called `nova`, who speaks through Claude alone: call it something else"
                raise CatalogueError(f"provider {record.name!r}: the model {each.name!r} {text}")
    claude = providers[PROVIDER]
    if not any(ALIAS in each.aliases for each in claude.models):
        text = "no current model has the alias `nova`: give it to one"
        raise CatalogueError(f"provider {PROVIDER!r}: {text}")
