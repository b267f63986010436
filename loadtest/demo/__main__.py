"""Run the demo: `python -m loadtest.demo [--database sqlite|postgres]`.

A real server process and the fake upstream on loopback, a fresh database, the SDK as client.
Exit status 0 only if everything held.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

from chenu.errors import ChenuError
from chenu.release import ReleaseError
from loadtest.database import DATABASES
from loadtest.demo.proof import Unproven, same, usd
from loadtest.demo.stage import FUNDED, PROVIDERS, Stage, configured
from loadtest.demo.steps import approval, boundary, budget, conversation, ledger, stream, tools
from loadtest.demo.steps.rate import RateLimit
from loadtest.processes import ProcessFailed, end_like_ctrl_c
from loadtest.site import Site, running_site

WIDTH: Final = 76


def main() -> None:
    """Run it, and exit with 1 if something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.demo")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    kind = parser.parse_args().database
    end_like_ctrl_c()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chenu-demo-") as name:
        try:
            settings = configured(Path(name))
            with running_site(Path(name), kind, PROVIDERS, settings) as site:
                asyncio.run(_show(site, started))
                same(0, site.server.terminate(), "the server's exit status after SIGTERM")
        except (Unproven, ProcessFailed, ChenuError, ReleaseError, ExceptionGroup) as error:
            sys.exit(f"\nFAILED: {_why(error)}\n{_log_of(Path(name))}")
        except KeyboardInterrupt:
            sys.exit("\nstopped before everything was shown")
    print(f"\nEverything held, in {time.monotonic() - started:.0f} s.")


async def _show(site: Site, started: float) -> None:
    print(
        f"CHE·NU, process {site.server.pid}, on {site.server.target}; fake providers on"
        f" {site.upstream.base_url}; ready after {time.monotonic() - started:.1f} s"
    )
    async with Stage(site) as stage:
        rate = RateLimit(stage)
        filling = asyncio.create_task(rate.fill())
        await _step("a", "an answer, streamed through seven lanes", stream.streamed(stage))
        waiting = await _blocked(stage)
        await _step("c", "a person approves", approval.approved(stage, waiting))
        await _step("d", "who may not; a person rejects", _refusals(stage, waiting))
        await _step("e", "two turns, a tool, JSON, a picture", conversation.talked(stage))
        await _step("f", "text work", conversation.worked_on_text(stage))
        await _step("g", "what a model proposes to do", tools.gated(stage))
        await _step("h", "another identity", boundary.kept_apart(stage))
        await filling  # the next step holds the provider's answers back
        await _step("i", "a budget for three, twenty at once", budget.exhausted(stage))
        await _step("j", "100 calls a minute to a provider", rate.come_back())
        await _step("k", "the ledger", ledger.exported(stage))
        await _step("l", "the books", _books(stage))


async def _blocked(stage: Stage) -> approval.Blocked:
    found: list[approval.Blocked] = []

    async def step() -> list[str]:
        waiting, lines = await approval.blocked(stage)
        found.append(waiting)
        return lines

    await _step("b", "what needs a person", step())
    return found[0]


async def _refusals(stage: Stage, waiting: approval.Blocked) -> list[str]:
    return [
        *await approval.refused_approvers(stage, waiting),
        *await approval.rejected(stage, waiting),
    ]


async def _books(stage: Stage) -> list[str]:
    """All that was posted is all that was billed."""
    budgets = [await stage.budget(name) for name in (*FUNDED, "thrift")]
    posted = sum(each.posted_nanousd for each in budgets)
    same(stage.upstream.billed_nanousd(), posted, "posted in all budgets, against the bill")
    same([0] * len(budgets), [each.reserved_nanousd for each in budgets], "still reserved")
    return [f"{len(budgets)} budgets: posted {usd(posted)} = billed, nothing reserved or overrun"]


async def _step(letter: str, title: str, proof: Awaitable[list[str]]) -> None:
    started = time.monotonic()
    lines = await proof
    took = f"{time.monotonic() - started:.2f} s"
    print(f"\n({letter}) {title}{took:>{WIDTH - len(title)}}")
    for line in lines:
        print(f"    {line}", flush=True)


def _why(error: BaseException) -> str:
    if isinstance(error, ExceptionGroup):
        return "; ".join(sorted({_why(each) for each in error.exceptions}))
    return f"{type(error).__name__}: {error}"


def _log_of(directory: Path) -> str:
    """The server's last words, for whoever looks for the reason."""
    log = directory / "server.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    telling = [line for line in lines if '"info"' not in line]
    return "\n".join(telling[-20:])


if __name__ == "__main__":
    main()
