"""The control endpoint: another process sets the knobs and reads the books here."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from chenu_server.upstream.behaviour import behaviour_of
from chenu_server.upstream.http import Request

if TYPE_CHECKING:
    from chenu_server.upstream.server import FakeUpstream

PAGE_MAX = 10_000


def answer_control(upstream: FakeUpstream, request: Request) -> tuple[int, bytes]:
    """Status and JSON body of a control request.

    `GET /control/state`; `GET /control/arrivals?after=N&limit=M`; `POST /control/behave`
    `{key, behaviour}`; `POST /control/script` `{key, behaviours}`; `POST /control/hold`,
    `/control/release`, `/control/reset`. A `POST` answers with the state that it leaves.
    """
    url = urlsplit(request.path)
    try:
        if request.method == "GET" and url.path == "/control/arrivals":
            return _json(200, _arrivals(upstream, parse_qs(url.query, strict_parsing=True)))
        if request.method == "POST":
            _act(upstream, url.path.removeprefix("/control/"), request.body)
        elif url.path != "/control/state":
            return _json(404, {"error": f"no such control: {url.path}"})
    except (ValueError, KeyError, TypeError) as error:
        return _json(400, {"error": str(error)})
    return _json(200, _state(upstream))


def _act(upstream: FakeUpstream, action: str, body: bytes) -> None:
    match action:
        case "hold":
            upstream.hold()
        case "release":
            upstream.release()
        case "reset":
            upstream.reset()
        case "behave":
            given = json.loads(body)
            upstream.behave(given["key"], behaviour_of(given["behaviour"]))
        case "script":
            given = json.loads(body)
            upstream.script(given["key"], [behaviour_of(step) for step in given["behaviours"]])
        case _:
            raise ValueError(f"no such control: {action}")


def _state(upstream: FakeUpstream) -> dict[str, Any]:
    bill = upstream.bill
    return {
        "arrivals_total": upstream.arrivals_total,
        "calls_open": upstream.calls_open,
        "connections_total": upstream.connections_total,
        "held": upstream.held,
        "billed_attempts": bill.attempts,
        "billed_nanousd": bill.total_nanousd,
        "bill": [
            {"provider": provider, "model": model, **dataclasses.asdict(line)}
            for (provider, model), line in sorted(bill.lines.items())
        ],
    }


def _arrivals(upstream: FakeUpstream, query: dict[str, list[str]]) -> dict[str, Any]:
    after = int(query.get("after", ["0"])[0])
    limit = min(int(query.get("limit", [str(PAGE_MAX)])[0]), PAGE_MAX)
    found = [arrival for arrival in upstream.arrivals if arrival.number > after][:limit]
    return {"arrivals": [dataclasses.asdict(arrival) for arrival in found]}


def _json(status: int, value: dict[str, Any]) -> tuple[int, bytes]:
    return status, json.dumps(value).encode()
