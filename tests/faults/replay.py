"""Cases from a folder: answers of providers in files, one each.

`NAME.oai.txt` is an answer on the chat wire, `NAME.ant.txt` one on the messages wire. A first line
`#! key=value …` is no part of it: `status`, `type` (its content type), `h-NAME` (a header),
`strip=1` (no newline at its end), `crlf=1`, `chunk=1` (a byte at a time), `eof=hang` (it is sent,
and then nothing). What is right is known by the name (`named.py`); of a name that is not known only
what holds of everything is checked, and what it came to is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.faults.named import RIGHT
from tests.faults.script import STREAM, Asks, End, Framing, Kind, Leave, Script, Truth

_PROVIDERS = {"oai": "faulty_chat", "ant": "faulty_messages"}
UNKNOWN = Truth(end=End.ANSWER)


def cases_in(folder: Path) -> Iterator[Kind]:
    """The cases of a folder and of those in it.

    Raises:
        ValueError: There is none, or a file steers by a word that is not known.
    """
    files = sorted(folder.rglob("*.txt"))
    cases = [file for file in files if _wire_of(file) in _PROVIDERS]
    if not cases:
        raise ValueError(f"{folder} holds no NAME.oai.txt and no NAME.ant.txt")
    for file in cases:
        name, wire = file.name.split(".")[0], _wire_of(file)
        steering, body = _read(file)
        yield Kind(
            name=f"case {name}",
            provider=_PROVIDERS[wire],
            script=_script(file, steering, body),
            truth=RIGHT.get((name, wire), UNKNOWN),
            asks=_asks(name),
        )


def is_known(kind: Kind) -> bool:
    """Whether what is right of a case is known."""
    return kind.truth is not UNKNOWN


def _wire_of(file: Path) -> str:
    return file.name.split(".")[-2] if file.name.count(".") >= 2 else ""


def _asks(name: str) -> Asks:
    if name.startswith("tool"):
        return Asks.TOOLS
    is_json = name.startswith("json") and name != "json-not-stream"
    return Asks.JSON if is_json else Asks.TEXT


def _read(file: Path) -> tuple[dict[str, str], bytes]:
    content = file.read_bytes()
    if not content.startswith(b"#!"):
        return {}, content
    line, _, body = content.partition(b"\n")
    words = [word.partition("=") for word in line[2:].decode().split()]
    return {key: value for key, _, value in words}, body


def _script(file: Path, steering: dict[str, str], body: bytes) -> Script:
    given = dict(steering)
    if given.pop("strip", ""):
        body = body.rstrip(b"\n")
    if given.pop("crlf", ""):
        body = body.replace(b"\n", b"\r\n")
    size = int(given.pop("chunk", "0")) or len(body) or 1
    kind = given.pop("type", "")
    headers = [(key[2:], given.pop(key)) for key in list(given) if key.startswith("h-")]
    status, silent = int(given.pop("status", "200")), given.pop("eof", "") == "hang"
    if given:
        raise ValueError(f"{file}: unknown steering {sorted(given)}")
    return Script(
        body=tuple(body[at : at + size] for at in range(0, len(body), size)),
        status=status,
        headers=(("content-type", kind) if kind else STREAM, *headers),
        framing=Framing.CHUNKED if status == 200 else Framing.LENGTH,
        leave=Leave.SILENT if silent else Leave.IN_ORDER,
    )
