"""A load test that checks its books: `python -m loadtest.run [--seconds 20] [--users 30]`.

Starts a server and the fake upstream, lets Locust ask for a while, and then holds what the server
posted against what the upstream bills. Exit status 0 only if nothing failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from chenu.aio import Client
from chenu.api.governance.v1 import audit_service_pb2
from chenu_server.caller import SYSTEM_IDENTITY
from chenu_server.engine import ExportVerifier
from chenu_server.vocabulary import PrincipalType, Role
from loadtest.database import DATABASES
from loadtest.figures import percentile_of, table
from loadtest.processes import ROOT, end_like_ctrl_c
from loadtest.site import Site, fund, running_site
from loadtest.tokens import Mint

PROVIDERS: Final = ("anthropic", "google", "groq", "mistral", "openai")
IDENTITIES: Final = tuple(f"load-{number}" for number in range(4))
LIMITS: Final = {
    "provider_limit": 120_000,
    "identity_limit": 120_000,
    "identity_burst": 4_000,
    "calls_per_s": 4_000,
    "calls_burst": 4_000,
}
BUDGET_NANOUSD: Final = 10**15
ANSWER: Final = {"latency_ms": 15, "deltas": 8, "pace_ms": 5}
STOP_WITHIN_S: Final = 40


def main() -> None:
    """Run it; exit with 1 if a call failed or the books do not agree."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.run")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--users", type=int, default=30)
    options = parser.parse_args()
    end_like_ctrl_c()
    with (
        tempfile.TemporaryDirectory(prefix="chenu-load-") as name,
        running_site(Path(name), options.database, PROVIDERS, {"limits": LIMITS}) as site,
    ):
        raised = ", ".join(f"{name} {value}" for name, value in LIMITS.items())
        print(f"server: process {site.server.pid} on {site.server.target}, {options.database}")
        print(f"limits raised for this test: {raised}", flush=True)
        asyncio.run(_fund(site))
        site.upstream.behave("*", **ANSWER)
        failures = _locust(site, options.users, options.seconds)
        problems = [*failures, *asyncio.run(_check(site))]
        if site.server.terminate() != 0:
            problems.append("the server did not end well after SIGTERM")
    if problems:
        sys.exit("FAILED: " + "; ".join(problems))


def _locust(site: Site, users: int, seconds: int) -> list[str]:
    """Run Locust in a process of its own: gevent and asyncio do not mix."""
    tokens, stats = site.directory / "tokens.json", site.directory / "stats"
    tokens.write_text(json.dumps([_tokens(site.mint, name) for name in IDENTITIES]))
    options = {
        "locustfile": "loadtest/locustfile.py",
        "host": site.server.target,
        "tokens": tokens,
        "users": users,
        "spawn-rate": users,
        "run-time": f"{seconds}s",
        "stop-timeout": STOP_WITHIN_S,
        "json-file": stats,
        "loglevel": "WARNING",
    }
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary"]
    command += [f"--{name}={value}" for name, value in options.items()]
    done = subprocess.run(command, cwd=ROOT, timeout=seconds + 2 * STOP_WITHIN_S, check=False)
    # Locust adds the suffix by itself.
    rows: list[dict[str, Any]] = json.loads(stats.with_suffix(".json").read_text())
    print(_table(rows))
    failed = {row["name"]: row["num_failures"] for row in rows if row["num_failures"]}
    problems = [f"{count} of {name} failed" for name, count in failed.items()]
    # Of nothing nothing fails.
    if not any(row["num_requests"] for row in rows):
        problems.append("nothing was asked")
    # Its status says that calls failed, too, which is told by name already.
    if done.returncode and not problems:
        problems.append(f"Locust ended with {done.returncode}")
    return problems


def _table(rows: Sequence[dict[str, Any]]) -> str:
    header = ("series", "calls", "failed", "per s", "p50 ms", "p95 ms", "p99 ms", "max ms")
    return table(header, [_line(row) for row in rows])


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    times = {float(ms): count for ms, count in row["response_times"].items()}
    seconds = max(row["last_request_timestamp"] - row["start_time"], 0.001)
    found = [percentile_of(times, percent) for percent in (50, 95, 99)] if times else []
    figures = [f"{value:.0f}" for value in (*found, row["max_response_time"] or 0)]
    calls = row["num_requests"]
    return row["name"], str(calls), str(row["num_failures"]), f"{calls / seconds:.1f}", *figures


def _tokens(mint: Mint, identity: str) -> dict[str, str]:
    roles = {identity: (Role.MEMBER, Role.APPROVER)}
    return {
        "member": mint.token(PrincipalType.SERVICE, "load", roles),
        "approver": mint.token(PrincipalType.USER, "ada", roles),
    }


def _client(site: Site, identity: str, role: Role) -> Client:
    return site.client(PrincipalType.SERVICE, "controller", identity, [role])


async def _fund(site: Site) -> None:
    for identity in IDENTITIES:
        async with _client(site, identity, Role.BUDGET_ADMIN) as client:
            await fund(client, BUDGET_NANOUSD)


async def _check(site: Site) -> list[str]:
    """What does not hold afterwards."""
    posted = open_nanousd = 0
    for identity in IDENTITIES:
        async with _client(site, identity, Role.BUDGET_ADMIN) as client:
            async for budget in client.budgets.list():
                posted += budget.posted_nanousd
                open_nanousd += budget.reserved_nanousd + budget.overrun_nanousd
    billed = site.upstream.billed_nanousd()
    print(f"posted {posted} nano-USD, billed {billed}, reserved or overrun {open_nanousd}")
    # Every call has ended by now: what is held still is held for nobody.
    problems = [] if (billed, 0) == (posted, open_nanousd) else ["the books do not agree"]
    return [*problems, *await _check_ledger(site)]


async def _check_ledger(site: Site) -> list[str]:
    verifier, rest, failure = ExportVerifier(), b"", None
    async with _client(site, SYSTEM_IDENTITY, Role.SYSTEM_AUDITOR) as client:
        # Both must say so: the server of its tables, and whoever has the export alone.
        verdict = await client.audit.verify()
        async for chunk in client.audit.export():
            # Chunks end wherever so many bytes do, and not with a line.
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                failure = failure or verifier.line(line + b"\n")
    failure = failure or (verifier.line(rest) if rest else verifier.finish())
    holds = verdict.verdict == audit_service_pb2.LEDGER_VERDICT_HOLDS and not failure
    print(f"ledger: {verdict.entries} entries, {'holds' if holds else 'broken'}")
    return [] if holds else [f"the ledger: {verdict.failure or failure}"]


if __name__ == "__main__":
    main()
