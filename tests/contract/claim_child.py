"""A process that claims releases when it is told to.

Arguments: the database's URL and how many. Prints `ready`, waits for a line, then prints for each
release whether its claim was the first.
"""

from __future__ import annotations

import sys

from tests.contract.release_stores import call_id, sql_store


def main(url: str, count: str) -> None:
    """Claim them all, in the order in which every process does."""
    store = sql_store(url)
    print("ready", flush=True)  # noqa: T201 - read by the test
    sys.stdin.readline()
    for number in range(int(count)):
        print(store.claim(call_id(number), 4_000_000_000))  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(*sys.argv[1:])
