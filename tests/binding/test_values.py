"""What crosses the boundary cannot change afterwards, and mistakes are told as such."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from chenu_server import _core
from tests.binding import samples

CLASSES = sorted(
    (value for value in vars(_core).values() if inspect.isclass(value)),
    key=lambda found: found.__name__,
)

VALUES: list[object] = [
    samples.draft(),
    samples.sealed(samples.draft())[0],
    _core.decode_entry(samples.sealed(samples.draft())[0].canonical),
    samples.windows().arrive("acme", 0),
    samples.windows().state("acme", 0),
    samples.record(),
    samples.route_query(),
    samples.routed(samples.catalogue()),
    _core.choose_identity(["acme"], None),
    samples.prompt(),
]

MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "salt": (lambda: samples.draft(salt=b"short"), "salt has 5 bytes, not 32"),
    "head": (lambda: samples.sealed(samples.draft(), head=b""), "head has 0 bytes, not 32"),
    "payload": (
        lambda: samples.sealed(samples.draft(payload=b"\xff")),
        "the payload is not UTF-8",
    ),
    "entry": (lambda: _core.decode_entry(b""), "the bytes end inside a field"),
    "tag": (lambda: _core.decode_entry(bytes(40)), "the bytes do not start with the tag"),
    "half": (
        lambda: _core.ChainVerifier(None, 0).entry(b"", b"", None, b""),
        "salt and payload are kept and erased together",
    ),
    "burst": (
        lambda: _core.CallBuckets(rate_per_s=1, burst=0, keys_max=1),
        "burst must be at least 1",
    ),
    "negative": (lambda: _core.cost([(1, -1)]), "never negative"),
    "overflow": (lambda: _core.cost([(2**63 - 1, 2_000_000)]), "does not fit 64 bits"),
    "rules": (lambda: _core.Rules({}), "missing field `expiry_us`"),
    "period": (lambda: _core.period_start("hourly", 0), 'no period is named "hourly"'),
    "command": (lambda: _core.Command({"Retire": {}}, samples.rules()), "unknown variant"),
    "field": (lambda: _core.Command({"LetGo": {}}, samples.rules()), "missing field `provider`"),
    "strategy": (lambda: samples.route_query(strategy="best"), 'no strategy is named "best"'),
    "sizes": (
        lambda: samples.routed(samples.catalogue(), body_bytes=[1, 2]),
        "one item for each wire",
    ),
}


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_cannot_be_changed(value: object) -> None:
    """A decision that changes after it was made was never one."""
    for name in [*(name for name in dir(value) if not name.startswith("_")), "extra"]:
        with pytest.raises(AttributeError):
            setattr(value, name, 1)


@pytest.mark.parametrize("found", CLASSES, ids=lambda found: found.__name__)
def test_a_class_names_its_module_and_cannot_be_extended(found: type) -> None:
    """A subclass could override what the engine decides."""
    assert "chenu_server._core" == found.__module__
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Extended", (found,), {})


def test_equal_results_are_equal_and_hash_alike() -> None:
    """Tests and caches compare results by value."""
    one, other = samples.sealed(samples.draft()), samples.sealed(samples.draft())

    assert one == other
    assert hash(one[0]) == hash(other[0])
    assert one != samples.sealed(samples.draft(reason="other"))


@pytest.mark.parametrize(("mistake", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_a_value_error_that_says_what_is_wrong(
    mistake: Callable[[], object], said: str
) -> None:
    """A mistake is mended in the code that made it, so it must say which it was."""
    with pytest.raises(ValueError, match=said):
        mistake()


def test_an_integer_that_does_not_fit_is_an_overflow() -> None:
    """Nothing wraps on its way to the engine."""
    with pytest.raises(OverflowError):
        _core.cost([(2**63, 1)])
    with pytest.raises(OverflowError):
        samples.windows(limit=-1)


def test_what_is_constructed_by_keyword_refuses_positions() -> None:
    """Seventeen strings in a row would sooner or later be swapped."""
    with pytest.raises(TypeError, match="positional"):
        _core.FairQueue(5)  # type: ignore[call-arg]  # the mistake under test


def test_lists_and_tuples_are_both_taken_and_bytes_come_back_as_bytes() -> None:
    """Rows hold tuples, protobuf gives lists; neither is converted by hand."""
    one, other = samples.draft(acting_for=["a", "b"]), samples.draft(acting_for=("a", "b"))
    entry = samples.sealed(one)[0]
    decoded = _core.decode_entry(entry.canonical)

    assert [entry] == samples.sealed(other)
    assert ["a", "b"] == decoded.acting_for
    hashes = (entry.canonical, entry.entry_hash, decoded.prev_hash, _core.digest("", []))
    assert {bytes} == {type(value) for value in hashes}
