"""What an attempt says, and what its ledger entry tells of it."""

from __future__ import annotations

import json
from hashlib import sha256

from chenu_server.operations.run import Settle
from chenu_server.pipeline.conversation import Part
from chenu_server.pipeline.output import Output, StoredPart
from chenu_server.providers.model import Finished, Proof, ToolCall, Usage
from chenu_server.vocabulary import PartKind
from tests.unit.operations.samples import World, ended, settlement

USAGE = Usage(input_tokens=1, output_tokens=1)


def finished(*calls: ToolCall, proofs: tuple[Proof, ...] = ()) -> Finished:
    """A provider's end."""
    return Finished(usage=USAGE, stop_reason="stop", model="m", calls=calls, proofs=proofs)


def text(said: str) -> Part:
    """A part of text."""
    return Part(kind=PartKind.TEXT, text=said)


CALL = Part(kind=PartKind.TOOL_CALL, text="{}", name="look", call_id="c")


def test_pieces_calls_and_proofs_are_the_parts_by_number() -> None:
    """Whatever came when: a thought that is kept from us stands where it was thought."""
    output = Output()
    output.add(1, "text", "n")
    output.add(1, "text", "é")
    output.add(3, "reasoning", "hm")
    hidden = Proof(part=0, signature="", redacted="r")
    signed = Proof(part=3, signature="s", redacted="")
    call = ToolCall(part=2, call_id="c", name="look", arguments="{}")
    output.finish(finished(call, proofs=(hidden, signed)))

    assert (
        Part(kind=PartKind.REASONING, text="", redacted="r"),
        text("né"),
        CALL,
        Part(kind=PartKind.REASONING, text="hm", signature="s"),
    ) == output.parts()


def test_a_number_that_nothing_was_said_of_is_an_empty_text() -> None:
    """Numbers are places in the row's list: none may be missing."""
    output = Output()
    output.add(0, "text", "a")
    output.finish(finished(ToolCall(part=2, call_id="c", name="look", arguments="{}")))

    assert (text("a"), text(""), CALL) == output.parts()


def test_any_piece_counts_as_said() -> None:
    """A reader has been given a thought too; its bytes are the caller's to know."""
    output = Output()
    assert (False, 0, ()) == (bool(output), output.length, output.parts())

    output.add(0, "reasoning", "é")
    output.add(1, "text", "a")

    assert (True, 3) == (bool(output), output.length)


def settled(*parts: Part) -> World:
    """A query that was answered with these parts."""
    world = World()
    admitted = world.admitted()
    world.act(Settle(settlement(admitted, ended(admitted, 1), output=parts), world.rules))
    return world


def test_a_row_tells_the_length_in_bytes() -> None:
    """What a reader cuts at."""
    said, called = settled(text("é"), CALL).query.output_parts

    assert StoredPart(PartKind.TEXT, "", 2) == said
    assert (PartKind.TOOL_CALL, "look", 2) == (called.kind, called.name, called.length)


def test_the_digest_of_one_text_is_its_own_and_of_others_that_of_canonical_bytes() -> None:
    """Entries from before answers had parts verify as they did."""

    def packed(*items: bytes) -> bytes:
        return len(items).to_bytes(4) + b"".join(len(i).to_bytes(4) + i for i in items)

    def digest(*parts: Part) -> str:
        told: str = json.loads(settled(*parts).rows.entries[-1].payload)["output_sha256"]
        return told

    lists = [packed(b"text", b"", b"", "é".encode()), packed(b"tool_call", b"look", b"c", b"{}")]

    assert sha256(b"").hexdigest() == digest()
    assert sha256("é".encode()).hexdigest() == digest(text("é"))
    assert sha256(packed(*lists)).hexdigest() == digest(text("é"), CALL)
    assert sha256(packed(lists[1])).hexdigest() == digest(CALL)
