"""Run the fake upstream: `python -m chenu_server.upstream --port 0 --port-file FILE`."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import signal
from pathlib import Path

import uvloop

from chenu_server.providers.catalog import load_catalogue
from chenu_server.providers.prices import resolve_prices
from chenu_server.upstream.server import ARRIVALS_MAX, FakeUpstream


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m chenu_server.upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="the port is written here once it listens")
    parser.add_argument("--catalogue", type=Path, help="directory of records over the shipped ones")
    parser.add_argument("--arrivals-max", type=int, default=ARRIVALS_MAX)
    uvloop.run(_serve(parser.parse_args()))


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    today = datetime.datetime.now(datetime.UTC).date()
    catalogue = resolve_prices(load_catalogue(options.catalogue), today)
    async with FakeUpstream(
        catalogue, port=options.port, arrivals_max=options.arrivals_max
    ) as upstream:
        print(f"fake upstream on {upstream.base_url}", flush=True)
        if options.port_file is not None:
            _write_whole(options.port_file, f"{upstream.port}\n")
        await stop.wait()


def _write_whole(path: Path, text: str) -> None:
    """A reader sees all of it or no file."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    part.replace(path)


if __name__ == "__main__":
    main()
