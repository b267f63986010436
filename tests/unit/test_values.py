"""Frozen values are what the standard library makes of them, and cheaper to make."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import pytest

from chenu_server.values import dataclass, field, read_late, replace


@dataclass(frozen=True, slots=True)
class Ours:
    """One of each kind of parameter."""

    first: int
    second: str = "two"
    many: list[int] = field(default_factory=list)
    hidden: int = field(default=4, repr=False, compare=False)
    named: int = field(default=5, kw_only=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Theirs:
    """The same, by the standard library."""

    first: int
    second: str = "two"
    many: list[int] = dataclasses.field(default_factory=list)
    hidden: int = dataclasses.field(default=4, repr=False, compare=False)
    named: int = dataclasses.field(default=5, kw_only=True)


@dataclass(frozen=True, slots=True)
class Single:
    """A value of one field."""

    only: int


class Text:
    """A number that has not been read; it counts how often it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.times_read = 0

    def read(self) -> int:
        """The number."""
        self.times_read += 1
        return int(self.text)


@dataclass(frozen=True, slots=True)
class Reads:
    """A value of which one field may be given as a text."""

    first: str
    number: int


read_late(Reads, "number", Text)


def late(text: str = "7") -> Reads:
    """One whose number nobody has asked for."""
    return Reads("x", Text(text))  # type: ignore[arg-type]  # that is what is tried


def test_a_value_is_what_the_standard_library_makes() -> None:
    """Signature, defaults, text, order of fields: a caller cannot tell them apart."""
    asked: list[tuple[list[Any], dict[str, Any]]] = [
        ([1], {}),
        ([1, "x", [2]], {"named": 6}),
        ([], {"first": 1}),
    ]
    for arguments, named in asked:
        ours, theirs = Ours(*arguments, **named), Theirs(*arguments, **named)

        assert dataclasses.asdict(theirs) == dataclasses.asdict(ours)
        assert repr(theirs).replace("Theirs", "Ours") == repr(ours)
        assert type(ours) is Ours
    theirs_take, ours_take = (inspect.signature(kind).parameters for kind in (Theirs, Ours))
    assert [(each.name, each.kind, each.annotation) for each in theirs_take.values()] == [
        (each.name, each.kind, each.annotation) for each in ours_take.values()
    ]


def test_a_value_stays_frozen() -> None:
    """It is open only while it is made."""
    value = Ours(1)

    for name in ("first", "second", "absent"):
        with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
            setattr(value, name, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        del value.first
    with pytest.raises(TypeError):
        Ours()  # type: ignore[call-arg]  # that is what is tried


def test_a_default_that_is_made_is_made_for_each() -> None:
    """Two values never share a list that neither was given."""
    assert Ours(1).many is not Ours(1).many


def test_equal_values_are_equal_and_found_as_such() -> None:
    """What is compared is what the fields say."""
    assert Ours(1, hidden=1) == Ours(1, hidden=2)
    assert Ours(1) != Ours(2)
    assert {Single(1)} == {Single(1), Single(1)}


def test_a_value_can_be_copied_and_stored() -> None:
    """Both make an object without its `__init__`."""
    value = Ours(1, "x", [3])

    for other in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert value == other
        assert type(other) is Ours


def test_a_class_with_more_than_its_fields_is_made_by_the_standard_library() -> None:
    """What it does besides must not be lost."""

    @dataclass(frozen=True, slots=True)
    class Checked:
        number: int

        def __post_init__(self) -> None:
            if self.number < 0:
                raise ArithmeticError

    @dataclass(frozen=True, slots=True, init=False)
    class Own:
        number: int

        def __init__(self, text: str) -> None:
            object.__setattr__(self, "number", int(text))

    @dataclass(frozen=True, slots=True)
    class Below(Single):
        more: int

    with pytest.raises(ArithmeticError):
        Checked(-1)
    assert 7 == Own("7").number
    assert (Below, 1, 2) == (type(Below(1, 2)), Below(1, 2).only, Below(1, 2).more)


def test_replace_changes_what_it_names_and_keeps_the_rest() -> None:
    """The value that it began with stays as it was."""
    value, single = Ours(1, "x", [3]), Single(1)

    assert Ours(1, "y", [3]) == replace(value, second="y")
    assert Single(2) == replace(single, only=2)
    assert Ours(1, "x", [3]) == value
    with pytest.raises(TypeError):
        replace(value, absent=1)  # type: ignore[call-arg]  # that is what is tried


def test_an_object_that_is_being_made_is_of_the_open_class() -> None:
    """What saves the time is there: else a change of Python's would bring the cost back unseen."""
    assert "OpenOurs" == Ours.__init__.__globals__["OPEN"].__name__


def test_what_is_read_late_is_read_once_and_only_if_asked_for() -> None:
    """What nobody looks at costs nothing, and who looks again pays nothing."""
    text = Text("7")
    value = Reads("x", text)  # type: ignore[arg-type]  # that is what is tried

    assert ("x", 0) == (value.first, text.times_read)
    assert (7, 7, 1) == (value.number, value.number, text.times_read)


def test_what_is_read_late_is_as_if_it_had_been_given() -> None:
    """Whoever compares, shows, changes or copies a value cannot tell how it was made."""
    given = Reads("x", 7)

    assert given == late()
    assert late() == late("07")
    assert late() != late("8")
    assert hash(given) == hash(late())
    assert repr(given) == repr(late())
    assert Reads("y", 7) == replace(late(), first="y") == dataclasses.replace(late(), first="y")
    assert {"first": "x", "number": 7} == dataclasses.asdict(late())
    for same in (copy.copy(late()), copy.deepcopy(late()), pickle.loads(pickle.dumps(late()))):
        assert given == same
    with pytest.raises(dataclasses.FrozenInstanceError):
        late().number = 8  # type: ignore[misc]  # that is what is tried


def test_what_cannot_be_read_says_so_each_time() -> None:
    """It is no other value because somebody has looked before."""
    value = late("seven")
    for _ in range(2):
        with pytest.raises(ValueError, match="seven"):
            _ = value.number
