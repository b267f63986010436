"""Texts that people and services really send: text work for a model, and commands.

Both files are written by hand for these tests. Material of text work often holds orders ("please
delete my account") that nobody wants carried out; commands often ask without an imperative.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from chenu_server.vocabulary import Intent

FOLDER: Final = Path(__file__).parent / "corpus"


class TextWork(NamedTuple):
    """A text that a backend service sends to a model, and the kind of work that it asks for."""

    language: str
    task: str
    prompt: str


class Command(NamedTuple):
    """A text that asks for an action, and which of the gated intents a person reads in it."""

    language: str
    intents: frozenset[Intent]
    prompt: str


def text_work() -> Iterator[TextWork]:
    """Yield the rows of `text_work.tsv`."""
    for language, task, prompt in _rows("text_work.tsv", "task"):
        yield TextWork(language, task, prompt)


def commands() -> Iterator[Command]:
    """Yield the rows of `commands.tsv`; a harmless command has no intents."""
    for language, names, prompt in _rows("commands.tsv", "intents"):
        intents = frozenset(Intent(name) for name in names.split(",") if name)
        yield Command(language, intents, prompt)


def _rows(name: str, label: str) -> Iterator[tuple[str, str, str]]:
    r"""Yield a file's rows, with each `\n` of a prompt as the newline that it stands for."""
    header, *lines = (FOLDER / name).read_text("utf-8").removesuffix("\n").split("\n")
    assert f"language\t{label}\tprompt" == header
    for line in lines:
        language, value, prompt = line.split("\t")
        yield language, value, prompt.replace("\\n", "\n")
