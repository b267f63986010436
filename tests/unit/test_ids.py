"""Identifiers that sort by time."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import RFC_4122, UUID

import pytest

from chenu.ids import new_id as client_id
from chenu_server.ids import new_id, new_ids


@pytest.mark.parametrize("make", [new_id, client_id])
def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front(make: Callable[[], str]) -> None:
    """RFC 9562 §5.7: 48 bits of milliseconds, the version, the variant."""
    before_ms = time.time_ns() // 1_000_000
    made = UUID(make())

    assert (7, RFC_4122) == (made.version, made.variant)
    assert before_ms <= made.int >> 80 <= time.time_ns() // 1_000_000


@pytest.mark.parametrize("make", [new_id, client_id])
def test_ids_of_one_millisecond_differ_in_all_their_random_bits(make: Callable[[], str]) -> None:
    """A bit that never changed would make two ids alike sooner."""
    made = [UUID(make()).int for _ in range(200)]
    always, ever = made[0], 0
    for number in made:
        always, ever = always & number, ever | number
    random_bits = ((1 << 12) - 1) << 64 | (1 << 62) - 1

    assert 0 == always & random_bits
    assert random_bits == ever & random_bits


def test_ids_made_together_differ_and_ascend() -> None:
    """A batch names its entries in the order in which it stores them."""
    made = new_ids(50)

    assert sorted(set(made)) == made
    assert [] == new_ids(0)
