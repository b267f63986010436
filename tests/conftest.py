"""Fixtures for every test, and how random tests are run.

`make test` runs the same examples every time: a change that fails them is at fault, and not the
dice. `make torture` explores; each failure names the seed that finds it again.
"""

import os

from hypothesis import settings

pytest_plugins = ("tests.stores", "tests.clusters", "tests.poolers")

# No example has a time limit: on a busy machine that fails what is right.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("exploring", max_examples=1_000, deadline=None, print_blob=True)
settings.load_profile("exploring" if os.environ.get("CHENU_TEST_SEED") else "repeatable")
