"""What a provider says, part by part: while it is said, and as it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from chenu_server.pipeline.conversation import Part
from chenu_server.providers.model import Finished
from chenu_server.values import dataclass
from chenu_server.vocabulary import PartKind, ToolCallState, ToolEffect


@dataclass(frozen=True, slots=True)
class Heading:
    """What a part is, as its first piece tells it; name and id are a tool call's."""

    kind: PartKind
    name: str = ""
    call_id: str = ""


TEXT: Final = Heading(PartKind.TEXT)
LIVE: Final[Mapping[str, Heading]] = {
    "text": TEXT,
    "reasoning": Heading(PartKind.REASONING),
}
"""The parts that readers are given while they are said, by the provider event's kind."""


@dataclass(frozen=True, slots=True)
class DecidedCall:
    """What was decided of a proposed call when its answer was settled; 0 and empty: not held."""

    call_id: str
    effect: ToolEffect
    state: ToolCallState
    checkpoint_id: str
    expires_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class StoredPart:
    """What a query's row knows of a part: enough for a reader to drop what was not stored."""

    kind: PartKind
    name: str
    length: int
    call: DecidedCall | None = None


class Output:
    """What the attempts of a query have said: one of them at most says anything.

    The decoder (`wire` in the engine) bounds it: `PARTS_MAX` parts beside `CALLS_MAX` calls of
    `ARGUMENTS_BYTES_MAX`, and `PROOFS_BYTES_MAX`; a call's stream ends at `STREAM_BYTES_MAX`. It
    begins each part behind all others and never goes back to one.
    """

    __slots__ = ("_finished", "_said")

    def __init__(self) -> None:
        self._said: list[tuple[int, str, list[str]]] = []
        self._finished: Finished | None = None

    def __bool__(self) -> bool:
        """Whether a reader has been given anything, be it a thought."""
        return bool(self._said)

    def add(self, part: int, kind: str, text: str) -> None:
        """A piece of a part that readers get as it comes."""
        if not self._said or self._said[-1][0] != part:
            self._said.append((part, kind, []))
        self._said[-1][2].append(text)

    def finish(self, finished: Finished) -> None:
        """The attempt succeeded: its calls and proofs belong to the answer."""
        self._finished = finished

    @property
    def length(self) -> int:
        """How many bytes of UTF-8 were said, over all parts."""
        return sum(len(text.encode()) for _, _, pieces in self._said for text in pieces)

    def parts(self) -> tuple[Part, ...]:
        """All parts in order. One that was begun and left empty is an empty text."""
        found: dict[int, Part] = {}
        for number, kind, pieces in self._said:
            found[number] = Part(kind=LIVE[kind].kind, text="".join(pieces))
        if self._finished is not None:
            for call in self._finished.calls:
                found[call.part] = Part(
                    kind=PartKind.TOOL_CALL,
                    text=call.arguments,
                    name=call.name,
                    call_id=call.call_id,
                )
            for proof in self._finished.proofs:
                # One that its provider sealed has no text, and so was never said.
                thought = found.get(proof.part)
                found[proof.part] = Part(
                    kind=PartKind.REASONING,
                    text=thought.text if thought else "",
                    signature=proof.signature,
                    redacted=proof.redacted,
                )
        empty = Part(kind=PartKind.TEXT, text="")
        return tuple(found.get(number, empty) for number in range(max(found, default=-1) + 1))


def part_from(heading: Heading, proof: Sequence[str], pieces: Iterable[str]) -> Part:
    """A part from its heading, its proof, which may be empty, and all of its pieces."""
    signature, redacted = proof or ("", "")
    return Part(
        kind=heading.kind,
        text="".join(pieces),
        name=heading.name,
        call_id=heading.call_id,
        signature=signature,
        redacted=redacted,
    )
