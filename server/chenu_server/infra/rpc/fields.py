"""Fields that more than one request has, checked one by one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar
from uuid import UUID

from chenu.api.governance.v1 import action_pb2
from chenu_server.action import Target
from chenu_server.errors import InvalidField
from chenu_server.vocabulary import Intent, Sphere
from chenu_server.word import Word

ID_MAX: Final = 256
OPERATION_MAX: Final = 128
NAME_MAX: Final = 64
INTENTS_MAX: Final = 8
LABELS_MAX: Final = 8
LABEL_MAX: Final = 128

_CANONICAL_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

W = TypeVar("W", bound=Word)


def by_number(words: type[W]) -> dict[int, W]:
    """A list's words by their numbers on the wire."""
    return {each.number: each for each in words}


INTENTS: Final = by_number(Intent)
SPHERES: Final = by_number(Sphere)


def request_id_from(text: str, field: str) -> str:
    """The canonical form of a UUID; an empty one stays empty."""
    # Nearly all are canonical, and the parser takes many times as long as this look.
    if not text or _CANONICAL_ID.fullmatch(text):
        return text
    try:
        # Braces, capitals and `urn:` are the same id: in two spellings it would be two queries, and
        # a repeat would pay twice.
        return str(UUID(text))
    except ValueError:
        raise InvalidField(field, "not a UUID") from None


def needed_id(text: str, field: str) -> str:
    """An id that must be given, in its canonical form; no UUID is nobody's identity's."""
    if not 1 <= len(text) <= ID_MAX or not text.isprintable():
        raise InvalidField(field, f"1 to {ID_MAX} printable characters are needed")
    try:
        return str(UUID(text))
    except ValueError:
        return text.lower()


def name(text: str, field: str, most: int = NAME_MAX) -> str:
    """A short text that names something."""
    if len(text) > most:
        raise InvalidField(field, f"{len(text)} characters; it takes at most {most}")
    return text


def labels_from(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The caller's own labels, sorted."""
    if not labels:
        return ()
    if len(labels) > LABELS_MAX:
        raise InvalidField("labels", f"at most {LABELS_MAX}")
    for key, value in labels.items():
        if not 1 <= len(key) <= NAME_MAX or len(value) > LABEL_MAX:
            raise InvalidField(
                "labels", f"a key has 1 to {NAME_MAX} characters, a value at most {LABEL_MAX}"
            )
    return tuple(sorted(labels.items()))  # a map has no order, and a digest has one


def sphere_from(number: int, field: str) -> Sphere | None:
    """A sphere by its number; none for 0."""
    if number and number not in SPHERES:
        raise InvalidField(field, f"unknown value {number}")
    return SPHERES.get(number)


def intents_from(intents: Sequence[int]) -> tuple[Intent, ...]:
    """The declared intents, in the contract's order."""
    if not intents:
        return ()
    if len(intents) > INTENTS_MAX:
        raise InvalidField("intents", f"at most {INTENTS_MAX} values")
    for number in intents:
        if number not in INTENTS:
            raise InvalidField("intents", f"unknown value {number}")
    # A set in one order: however they are listed, it is the same action and has the same digest.
    declared = {INTENTS[number] for number in intents}
    return tuple(intent for intent in Intent if intent in declared)


def target_from(target: action_pb2.Target) -> Target:
    """What is acted on."""
    if "/" in target.kind:  # kind/id is how policies and approvers name it: it must be one thing
        raise InvalidField("target.kind", "holds a slash; the thing's path belongs in target.id")
    return Target(
        operation=name(target.operation, "target.operation", OPERATION_MAX),
        kind=name(target.kind, "target.kind"),
        id=name(target.id, "target.id", ID_MAX),
        sphere=sphere_from(target.sphere, "target.sphere"),
    )
