"""How often the detected intents are wrong in command mode, on texts as they really come.

Two errors. A false stop: text work, or a harmless command, waits for a person. A false pass: a
command to delete, send, transfer or pay does not. Most of the text work holds a gated verb and
many commands are indirect, so that both errors are likelier here than in a day's traffic.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

import pytest

from chenu_server.engine import analyze
from chenu_server.pipeline.conversation import TEXT_MAX
from chenu_server.vocabulary import Intent
from tests.corpus_files import Command, TextWork, commands, text_work

LANGUAGES: Final = ("en", "fr")
TASKS: Final = frozenset(
    {"summarise", "rewrite", "translate", "extract", "classify", "code", "proofread", "answer"}
)
# Those that the shipped policies ask a person about.
GATED: Final = frozenset({Intent.DELETE, Intent.SEND, Intent.TRANSFER, Intent.PAYMENT})
GATED_VERB: Final = re.compile(
    r"\b(?:delet|remov|eras|send|sent\b|transfer|pay|paid|transmit"
    r"|supprim|effac|enl[eè]v|retir|envo[iy]|enverr|transmet|transf[éè]r|vire|virement|pai)",
    re.IGNORECASE,
)
TEXT_WORK: Final = tuple(text_work())
COMMANDS: Final = tuple(commands())
PROMPTS: Final = [row.prompt for row in TEXT_WORK] + [row.prompt for row in COMMANDS]


class Rate(NamedTuple):
    """So many of so many."""

    wrong: int
    of: int


class Errors(NamedTuple):
    """The errors in one language.

    `half_read` are the gated commands that wait, but for fewer intents than they ask for.
    """

    text_work_stopped: Rate
    gated_passed: Rate
    gated_half_read: Rate
    harmless_stopped: Rate


# What is, not what should be: a better detector changes these numbers, and says so here.
MEASURED: Final = {
    "en": Errors(
        text_work_stopped=Rate(47, 128),
        gated_passed=Rate(15, 59),
        gated_half_read=Rate(2, 59),
        harmless_stopped=Rate(3, 37),
    ),
    "fr": Errors(
        text_work_stopped=Rate(50, 128),
        gated_passed=Rate(22, 59),
        gated_half_read=Rate(2, 59),
        harmless_stopped=Rate(1, 37),
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_rates_of_both_errors_are_the_published_ones(language: str) -> None:
    """The rates are what is, not what should be: a better detector changes them here.

    Whoever chooses between `command` and `generation` chooses between these errors, and whoever
    changes the detector sees at once what a gain in one costs in the other.
    """
    gated = [row for row in commands_in(language) if row.intents]
    harmless = [row for row in commands_in(language) if not row.intents]
    waiting = [row for row in gated if detected(row.prompt)]

    assert MEASURED[language] == Errors(
        text_work_stopped=stopped(text_work_in(language)),
        gated_passed=Rate(len(gated) - len(waiting), len(gated)),
        gated_half_read=Rate(
            sum(not row.intents <= detected(row.prompt) for row in waiting), len(gated)
        ),
        harmless_stopped=stopped(harmless),
    )


def test_the_text_work_is_of_every_task_in_both_languages() -> None:
    """A rate over one task, or one language, would be said of all."""
    of_language = Counter(row.language for row in TEXT_WORK)
    of_task = Counter(row.task for row in TEXT_WORK)

    assert set(LANGUAGES) == set(of_language)
    assert set(TASKS) == set(of_task)
    assert len(TEXT_WORK) >= 240
    assert min(of_language.values()) >= 110
    assert min(of_task.values()) >= 20


def test_most_text_work_holds_a_gated_verb() -> None:
    """Without one nothing is stopped, and the corpus would praise any detector."""
    assert sum(bool(GATED_VERB.search(row.prompt)) for row in TEXT_WORK) >= 150


def test_the_commands_are_gated_and_harmless_in_both_languages() -> None:
    """A detector that stops everything, or nothing, must be wrong about many of them."""
    of_language = Counter(row.language for row in COMMANDS)
    gated = sum(bool(row.intents) for row in COMMANDS)

    assert set(LANGUAGES) == set(of_language)
    assert min(of_language.values()) >= 80
    assert gated >= 90
    assert len(COMMANDS) - gated >= 50


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_commands_ask_for_every_gated_intent_and_for_several_at_once(language: str) -> None:
    """An intent that no row asks for is one that the detector may miss unseen."""
    asked = Counter(intent for row in commands_in(language) for intent in row.intents)

    assert set(GATED) == set(asked)
    assert min(asked.values()) >= 10
    assert sum(len(row.intents) > 1 for row in commands_in(language)) >= 4


def test_no_two_texts_are_alike() -> None:
    """A text counted twice counts for more than it says."""
    seen = Counter(" ".join(prompt.casefold().split()) for prompt in PROMPTS)

    assert [] == [prompt for prompt, count in seen.items() if count > 1]


def test_every_text_can_be_sent() -> None:
    """A text that the server refuses, or a broken escape, measures nothing."""
    assert [] == [prompt for prompt in PROMPTS if not 1 <= len(prompt) <= TEXT_MAX]
    assert [] == [prompt for prompt in PROMPTS if "\\" in prompt or prompt != prompt.strip()]


def detected(prompt: str) -> frozenset[Intent]:
    """The gated intents that are found in a text."""
    return GATED & {Intent(name) for name in analyze([prompt]).intents}


def stopped(rows: Iterable[TextWork | Command]) -> Rate:
    """How many of these wait for a person, none of which should."""
    waits = [bool(detected(row.prompt)) for row in rows]
    return Rate(sum(waits), len(waits))


def text_work_in(language: str) -> list[TextWork]:
    """The text work in one language."""
    return [row for row in TEXT_WORK if row.language == language]


def commands_in(language: str) -> list[Command]:
    """The commands in one language."""
    return [row for row in COMMANDS if row.language == language]
