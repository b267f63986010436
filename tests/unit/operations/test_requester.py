"""Who asked a stored query, as policies see it when the query is resumed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chenu_server.operations.ask import Admit
from chenu_server.pipeline.decide import requester_of
from chenu_server.vocabulary import Role
from tests.unit.operations.samples import World, admission


@pytest.mark.parametrize(
    ("stored", "seen"),
    [
        ((), ()),
        (("user:alice", "service:b"), ("user:alice", "service:b")),
        (("assistant", "alice"), ("user:assistant", "user:alice")),
        (("a:b", "user:"), ("user:a:b", "user:user:")),
    ],
)
def test_a_row_with_bare_ids_is_read_as_principals(
    stored: tuple[str, ...], seen: tuple[str, ...]
) -> None:
    """Rows from before parties had types: a policy on `user:alice` must see alice in them."""
    world = World()
    world.act(Admit(admission(), world.rules, take_slot=True))
    query = replace(world.query, acting_for=stored)

    caller = requester_of(query, frozenset({Role.MEMBER}))

    assert (query.principal, seen) == (caller.principal, caller.acting_for)
