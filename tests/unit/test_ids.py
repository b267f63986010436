"""Identifiers that sort by time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from uuid import RFC_4122, UUID

import pytest

from chenu.ids import new_id as client_id
from chenu_server.ids import Randomness, new_id


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


def test_no_randomness_is_given_twice() -> None:
    """Not after the next read, not to another thread: two entries of the ledger would share it."""
    randomness = Randomness(32)
    given: list[bytes] = []

    def take() -> None:
        given.extend(randomness.take() for _ in range(800))

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 2_400 == len(given) == len(set(given))
    assert {32} == {len(each) for each in given}


def test_a_forked_child_is_given_randomness_of_its_own() -> None:
    """It has its parent's memory, and in it what was read in advance."""
    randomness = Randomness(32)
    randomness.take()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, randomness.take())
        finally:
            os._exit(0)  # it must not go on as a test run
    own = randomness.take()
    os.waitpid(child, 0)
    of_child = os.read(reading, 32)
    os.close(reading)
    os.close(writing)

    assert of_child != own
