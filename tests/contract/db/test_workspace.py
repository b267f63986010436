"""The overlay, against a plain model: as if every unit had its own transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu_server.infra.db.workspace import UnitRows, Workspace
from chenu_server.unit import ById, Counted, Found
from tests.contract.db.sample import ACCOUNTS_NOTED, ACCOUNTS_OF, EVENTS_MAP, TABLES, Account, Event

MAPS = {table.kind: table for table in TABLES}
IDENTITIES = ("a", "b")
NUMBERS = (1, 2, 3)

KEYS = st.tuples(st.sampled_from(IDENTITIES), st.sampled_from(NUMBERS))
ACCOUNTS = st.builds(lambda key, total: Account(key[0], key[1], total), KEYS, st.integers(0, 9))


@dataclass(frozen=True)
class Step:
    """A unit: what it puts, and whether it then raises."""

    puts: list[Account]
    raises: bool


STEPS = st.lists(st.builds(Step, st.lists(ACCOUNTS, max_size=4), st.booleans()), max_size=6)


def loaded(stored: dict[tuple[str, int], Account]) -> Workspace:
    """A batch that has loaded every key and both lookups."""
    workspace = Workspace(MAPS)
    keys = [(identity, number) for identity in IDENTITIES for number in NUMBERS]
    workspace.loaded(Account, keys, [stored[key] for key in keys if key in stored])
    for identity in IDENTITIES:
        under = [account for account in stored.values() if account.identity_id == identity]
        workspace.found((Account, "of_identity", (identity,)), under)
        workspace.counted((Account, "of_identity", (identity,)), len(under))
    return workspace


def unit(workspace: Workspace) -> UnitRows:
    """A unit that named everything."""
    rows = UnitRows(workspace)
    rows.name(ById(Account, (i, n)) for i in IDENTITIES for n in NUMBERS)
    rows.name(Found(ACCOUNTS_OF, (i,)) for i in IDENTITIES)
    rows.name(Counted(ACCOUNTS_OF, (i,)) for i in IDENTITIES)
    return rows


def check(rows: UnitRows, model: dict[tuple[str, int], Account]) -> None:
    """Every read shows the model."""
    for identity in IDENTITIES:
        for number in NUMBERS:
            assert model.get((identity, number)) == rows.get(Account, (identity, number))
        under = {row.key: row for row in rows.find(ACCOUNTS_OF, (identity,))}
        assert {k: v for k, v in model.items() if k[0] == identity} == under
        assert len(under) == rows.count(ACCOUNTS_OF, (identity,))


@given(st.dictionaries(KEYS, st.integers(0, 9)), STEPS)
def test_each_unit_sees_the_ones_before_it_and_itself(
    totals: dict[tuple[str, int], int], steps: list[Step]
) -> None:
    """A batch decides exactly as its units would one after the other."""
    model = {key: Account(*key, total) for key, total in totals.items()}
    workspace = loaded(model)
    for step in steps:
        rows, seen = unit(workspace), dict(model)
        for account in step.puts:
            rows.put(account)
            seen[account.identity_id, account.account_id] = account
            check(rows, seen)
        if not step.raises:
            rows.merge()
            model = seen
    check(unit(workspace), model)
    written = workspace.written.get(Account, {})

    assert written.items() <= dict(model).items()
    assert all(model[key] == Account(*key, totals[key]) for key in model.keys() - written.keys())


@pytest.mark.parametrize("merged", [True, False])
def test_a_row_that_moved_is_found_where_it_stands_now(merged: bool) -> None:
    """A reservation that an earlier unit released must not be found as held."""
    workspace = Workspace(MAPS)
    workspace.found((Account, "noted", ("held",)), [Account("a", 1, 1, "held")])
    workspace.found((Account, "noted", ("free",)), [])
    rows = UnitRows(workspace)
    rows.put(Account("a", 1, 1, "free"))
    if merged:
        rows.merge()
        rows = UnitRows(workspace)
    rows.name(Found(ACCOUNTS_NOTED, (note,)) for note in ("held", "free"))

    assert [] == rows.find(ACCOUNTS_NOTED, ("held",))
    assert [Account("a", 1, 1, "free")] == rows.find(ACCOUNTS_NOTED, ("free",))


@pytest.mark.parametrize(
    "read",
    [
        lambda rows: rows.get(Account, ("a", 1)),
        lambda rows: rows.find(ACCOUNTS_OF, ("a",)),
        lambda rows: rows.count(ACCOUNTS_OF, ("a",)),
    ],
)
def test_what_was_not_named_cannot_be_read(read: Callable[[UnitRows], object]) -> None:
    """In a batch of its own it would not have been loaded."""
    with pytest.raises(KeyError, match="named"):
        read(UnitRows(loaded({})))


def test_a_kind_without_a_table_cannot_be_put() -> None:
    """A forgotten TableMap shows in the first test that writes the row."""
    with pytest.raises(KeyError):
        UnitRows(Workspace({})).put(Account("a", 1, 1))


def test_a_row_written_once_cannot_be_put_twice() -> None:
    """Not even by one unit."""
    rows = UnitRows(Workspace({Event: EVENTS_MAP}))
    rows.put(Event(event_id="e", text="1"))
    with pytest.raises(ValueError, match="once"):
        rows.put(Event(event_id="e", text="2"))
