"""Fixtures for every test, and how random tests are run.

`make test` runs the same examples every time: a change that fails them is at fault, and not the
dice. `make torture` explores; each failure names the seed that finds it again.
"""

import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import structlog
from hypothesis import settings

from tests.dice import EXPLORES, EXPLORING_EXAMPLES

pytest_plugins = ("tests.stores", "tests.clusters", "tests.poolers")

# No example has a time limit: on a busy machine that fails what is right.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile(
    "exploring", max_examples=EXPLORING_EXAMPLES, deadline=None, print_blob=True
)
settings.load_profile("exploring" if EXPLORES else "repeatable")


# Whoever runs the tests in the background has these ignored, and so has every process that a test
# starts and stops with one.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _loggers_are_not_kept() -> Iterator[None]:
    """A server sets up its log once; a process of tests does so for each of its servers.

    A logger that kept the first one's would show nothing to a test that looks at the log.
    """
    configure = structlog.configure
    structlog.configure = partial(_configured, configure)
    yield
    structlog.configure = configure


def _configured(configure: Callable[..., None], **options: Any) -> None:
    configure(**options | {"cache_logger_on_first_use": False})
