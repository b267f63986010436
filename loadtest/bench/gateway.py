"""The gateway that is measured, the same in every bench, and what loads it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chenu_server.vocabulary import PrincipalType, Role
from loadtest.bench.native import PLAYS_PROVIDER, Load
from loadtest.bench.scene import BUDGET_NANOUSD, LIMITS, LOAD_CORE, PROVIDER, SERVER_CORE
from loadtest.processes import SERVE
from loadtest.site import Site, running_site

IDENTITY = "bench"


@contextmanager
def gateway(
    directory: Path, *, command: Sequence[str] = SERVE, python: str = sys.executable
) -> Iterator[Site]:
    """A server on its core, a provider that answers at once on the other, and money to spend."""
    with running_site(
        directory,
        "sqlite",
        [PROVIDER],
        {"limits": LIMITS},
        server_core=SERVER_CORE,
        upstream_core=LOAD_CORE,
        upstream_program=PLAYS_PROVIDER,
        command=command,
        python=python,
    ) as site:
        site.funded(IDENTITY, BUDGET_NANOUSD)
        yield site


def load_of(site: Site) -> Load:
    """What loads a gateway and the provider behind it; close it before them."""
    return Load(
        site.server.target,
        site.mint.token(PrincipalType.SERVICE, "bench", {IDENTITY: [Role.MEMBER]}),
        core=LOAD_CORE,
        pid=site.server.pid,
        provider=site.upstream.base_url.removeprefix("http://"),
    )
