"""Commands for the kernel, read from mappings and from objects alike."""

from __future__ import annotations

from typing import Any

import pytest

from chenu_server import asking
from chenu_server.caller import Principal
from chenu_server.engine import Command
from chenu_server.governance.limits.model import Slot
from chenu_server.operations.run import Retry
from chenu_server.pipeline.ports import NextAttempt
from chenu_server.values import fields_of, replace
from tests.unit.operations.samples import World, ended

SLOT = Slot(ledger_number=0, provider="first", slot=3, free_at_us=5)


def named(**said: Any) -> str:
    """The name of a command of this kind, once it is read."""
    return Command(said, asking.NO_RULES).name


def test_an_object_is_read_as_a_mapping_of_its_fields_is() -> None:
    """Whoever has a row need not take it apart, and may."""
    assert named(Readmit={"slot": SLOT}) == named(Readmit={"slot": fields_of(SLOT)})


def test_a_row_is_read_whose_fields_stand_flattened_in_the_kernels() -> None:
    """The kernel keeps a query's own fields apart from those of any operation."""
    world = World()
    admitted = world.admitted()
    following = NextAttempt(
        query=admitted.query, ended=ended(admitted, 7), chain=admitted.chain[1:]
    )

    assert "retry" == Retry(following, world.rules).asked().name


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"Readmit": {"slot": Principal}}, "ledger_number"),
        ({"Readmit": {"slot": {**fields_of(SLOT), "slot": "third"}}}, "third"),
        ({"Readmit": {"slot": {**fields_of(SLOT), "slot": 2**63}}}, "int"),
        ({"Readmit": {"slot": {"provider": "first"}}}, "ledger_number"),
        ({"Readmit": {}}, "slot"),
        ({"Readmit": None}, "NoneType"),
        ({"Readmit": {"slot": SLOT}, "LetGo": {"provider": "first"}}, "dict"),
        ({"Dance": {}}, "Dance"),
        ("Readmit", "newtype"),
        (7, "int"),
    ],
)
def test_what_is_no_command_says_what_is_wrong(said: Any, told: str) -> None:
    """It is a bug of ours, and its name in the log is all that tells which."""
    with pytest.raises((ValueError, AttributeError, OverflowError)) as caught:
        Command(said, asking.NO_RULES)

    assert told in str(caught.value)


def test_a_text_that_no_store_takes_is_refused() -> None:
    """A lone surrogate has no UTF-8."""
    with pytest.raises(UnicodeEncodeError):
        named(Readmit={"slot": replace(SLOT, provider="\ud800")})
