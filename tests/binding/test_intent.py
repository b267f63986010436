"""Intents through the binding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu_server import _core
from chenu_server.pipeline.conversation import TEXT_MAX
from chenu_server.vocabulary import Intent


@pytest.mark.parametrize("text", ["Delete all archived items", "Supprime tous mes anciens fils"])
def test_an_order_to_delete_is_found(text: str) -> None:
    """The two texts that the original was shown with."""
    analysis = _core.analyze([text])

    assert (["delete"], 0.7, "confidential") == (
        analysis.intents,
        analysis.confidence,
        analysis.sensitivity,
    )


@pytest.mark.parametrize("text", ["how do I delete a file?", "the news", "my address"])
def test_what_is_no_order_is_a_query(text: str) -> None:
    """Substrings and questions stopped people for nothing in the original."""
    assert ["query"] == _core.analyze([text]).intents


def test_an_analysis_crosses_whole() -> None:
    """Entities and keywords go into lane B's snapshot."""
    analysis = _core.analyze(['Summarise "the plan" of 2026-01-31 and email bob@example.com'])

    assert ["send", "analyze"] == analysis.intents
    assert [
        ("date", "2026-01-31"),
        ("email", "bob@example.com"),
        ("quoted", "the plan"),
    ] == analysis.entities
    assert ["summarise", "plan", "email", "bob", "example", "com"] == analysis.keywords


@given(text=st.text(max_size=300))
def test_any_text_has_known_intents(text: str) -> None:
    """A name that Python does not know would end the query in lane A."""
    analysis = _core.analyze([text])

    assert analysis.intents == [Intent(name) for name in analysis.intents]
    assert analysis.sensitivity in {"internal", "confidential", "restricted"}


def test_the_longest_text_is_read_to_its_end() -> None:
    """An order behind 50,000 characters is one."""
    order = "\nDelete all archived items"
    text = ("word " * TEXT_MAX)[: TEXT_MAX - len(order)] + order

    assert ["delete"] == _core.analyze([text]).intents
