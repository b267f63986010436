"""Generate the stubs of other languages, compile them, and call a real server with each.

A program in Go verifies releases of tool calls, too, with nothing but a stock library.

`python -m tests.stubs.run`, or `make test-stubs`. A language whose toolchain is missing is skipped
with a line that says so; anything else that fails is a failure.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chenu_server.infra.db import migrate
from tests.architecture import contract
from tests.harness import Stage, staged
from tests.stubs import releases

HERE: Final = Path(__file__).resolve().parent
PYTHON: Final = sys.executable
GRPCURL: Final = HERE / "go/bin/grpcurl"
VERIFIER: Final = HERE / "go/bin/release"

Command = Sequence[str | Path]


@dataclass(frozen=True)
class Language:
    """How one language's client is built, and run."""

    name: str
    folder: str
    tools: tuple[str, ...]
    version: Command
    least: int  # the release that is asked for, by the number that `version` shows first
    build: tuple[Command, ...]
    run: Command


LANGUAGES: Final = (
    Language(
        name="Go",
        folder="go",
        tools=("go",),
        version=("go", "version"),  # go version go1.26.8 linux/amd64: the second number
        least=26,
        build=(
            ("./generate.sh", PYTHON),
            ("go", "vet", "./..."),
            ("go", "build", "-o", "bin/", "./smoke", "./release"),
        ),
        run=("bin/smoke",),
    ),
    Language(
        name="Java",
        folder="java",
        tools=("mvn", "javac"),
        version=("javac", "-version"),
        least=17,
        build=(("mvn", "--batch-mode", "--quiet", "compile"),),
        run=("java", "-cp", "target/classes:target/dependency/*", "chenu.smoke.Smoke"),
    ),
    Language(
        name="TypeScript",
        folder="typescript",
        tools=("node", "npm"),
        version=("node", "--version"),
        least=20,
        build=(("./generate.sh", PYTHON), ("node_modules/.bin/tsc",)),
        run=("node", "out/src/smoke.js"),
    ),
)


class Failed(Exception):
    """A step ended with an error; its output is the message."""


async def step(
    command: Command, folder: Path, environment: Mapping[str, str], said_to: str = ""
) -> str:
    """Run one command, tell it something, and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(said_to.encode())
    if process.returncode:
        raise Failed(f"{' '.join(map(str, command))}\n{said.decode(errors='replace')}")
    return said.decode(errors="replace")


async def test(language: Language, stage: Stage) -> str:
    """What became of one language, in a line."""
    missing = [tool for tool in language.tools if shutil.which(tool) is None]
    if missing:
        return f"{language.name}: skipped, this machine has no {' and no '.join(missing)}"
    if (found := release_of(await step(language.version, HERE, {}))) < language.least:
        tool = language.version[0]
        return f"{language.name}: skipped, {tool} {found} is older than {language.least}"
    folder = HERE / language.folder
    for command in language.build:
        await step(command, folder, {})
    await step(language.run, folder, at(stage))
    return f"{language.name}: compiled, and spoke to the server"


def release_of(shown: str) -> int:
    """The release in what a tool says of its version; Go's all begin with 1."""
    numbers = [int(number) for number in re.findall(r"\d+", shown)]
    return numbers[1] if "go1." in shown else numbers[0]


async def describe(stage: Stage) -> str:
    """What became of grpcurl, the tool that most people look at a server with."""
    if not GRPCURL.exists():
        return "grpcurl: skipped, this machine has no go that builds it"
    services = contract.services()
    symbols = [*services, *(rpc.strip("/").replace("/", ".") for rpc in contract.rpcs())]
    for symbol in symbols:
        command = (GRPCURL, "-plaintext", at(stage)["CHENU_ADDRESS"], "describe", symbol)
        if symbol not in await step(command, HERE, {}):
            raise Failed(f"grpcurl describe {symbol} does not show it")
    return f"grpcurl: described {len(services)} services and {len(contract.rpcs())} rpcs"


async def verify() -> str:
    """What a stock library of Go makes of releases: good ones, and each bad in one thing."""
    if not VERIFIER.exists():
        return "releases: skipped, this machine has no go that verifies them"
    given = releases.cases()
    said = await step((VERIFIER,), HERE, {}, releases.as_lines(given))
    expected = [problem for problem, _ in given]
    if expected != (found := said.splitlines()):
        raise Failed(f"of releases it should say\n{expected}\nand says\n{found}")
    return f"releases: a stock library of Go told {len(given)} apart"


def at(stage: Stage) -> dict[str, str]:
    """Where the server is and who calls, for the clients."""
    token = dict(stage.client().metadata)["authorization"].removeprefix("Bearer ")
    return {"CHENU_ADDRESS": f"127.0.0.1:{stage.application.port}", "CHENU_TOKEN": token}


async def main() -> int:
    """Everything, one after the other; the number of failures."""
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/chenu.db"
        migrate.upgrade(url)
        async with staged(url, Path(folder)) as stage:
            await stage.budget()
            spoken = (test(language, stage) for language in LANGUAGES)
            for made in (*spoken, describe(stage), verify()):
                try:
                    print(await made, flush=True)
                except Failed as error:
                    failures += 1
                    print(f"FAILED: {error}", flush=True)
    return failures


if __name__ == "__main__":
    sys.exit(min(1, asyncio.run(main())))
