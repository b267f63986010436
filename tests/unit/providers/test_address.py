"""Base URLs that cannot work are told before a query meets them."""

from __future__ import annotations

import pytest

from chenu_server.providers.address import problem_of
from chenu_server.providers.catalog import load_catalogue

CHAT, MESSAGES = "openai_chat", "anthropic_messages"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "begin with http"),
        ("api.example.com/v1", "begin with http"),
        ("ftp://api.example.com", "begin with http"),
        ("https:/api.example.com", "begin with http"),
        ("https://", "name a host"),
        ("https:///v1", "name a host"),
        ("https://:8443/v1", "name a host"),
        ("https://exa..mple.com", "name a host in letters"),
        ("https://münchen.example", "name a host in letters"),
        ("https://host:0/v1", "a port from 1 to 65535"),
        ("https://host:65536/v1", "a port from 1 to 65535"),
        ("https://host:99999999999999999999/v1", "a port from 1 to 65535"),
        ("https://host:https/v1", "a port from 1 to 65535"),
        ("https://host:-1/v1", "a port from 1 to 65535"),
        ("https://host:/v1", "a port from 1 to 65535"),
        ("https://[::1/v1", "around an IPv6 address"),
        ("https://user:hunter2@host/v1", "no user, password or key"),
        ("https://hunter2@host/v1", "no user, password or key"),
        ("https://host/v1?key=hunter2", "no query"),
        ("https://host/v1?", "no query"),
        ("https://host/v1#top", "no query and no fragment"),
        ("https://host/v1 ", "no spaces"),
        (" https://host/v1", "no spaces"),
        ("https://ho st/v1", "no spaces"),
        ("https://host/v1\r\nX-Evil: 1", "no spaces and no control"),
        ("https://host/v1\u00a0", "no spaces"),
    ],
)
@pytest.mark.parametrize("wire", [CHAT, MESSAGES])
def test_a_url_that_cannot_work_says_what_to_write(url: str, wire: str, says: str) -> None:
    """On one line, without the URL: what looks like a password in it may be one."""
    problem = problem_of(url, wire)

    assert problem is not None
    assert says in problem
    assert "hunter2" not in problem and "\n" not in problem


@pytest.mark.parametrize(
    ("wire", "path", "appended"),
    [
        (CHAT, "/v1/chat/completions", "/chat/completions"),
        (CHAT, "/v1/chat/completions/", "/chat/completions"),
        (CHAT, "/v1/completions", "/chat/completions"),
        (MESSAGES, "/v1/messages", "/v1/messages"),
        (MESSAGES, "/v1/", "/v1/messages"),
        (MESSAGES, "/anthropic/v1", "/v1/messages"),
        (MESSAGES, "/messages", "/v1/messages"),
    ],
)
def test_a_path_that_the_wire_appends_again_is_told(wire: str, path: str, appended: str) -> None:
    """The page that documents an API shows the whole address, and that is what gets pasted."""
    problem = problem_of(f"https://host{path}", wire)

    assert problem is not None
    assert f"for {appended} is appended to it" in problem


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com",
        "https://api.example.com/",
        "HTTPS://API.example.com/openai",
        "http://127.0.0.1:11434/proxy",
        "http://[::1]:65535/proxy",
        "http://my_service:1/a%20b/c",
        "https://xn--mnchen-3ya.example/~me/@team",
    ],
)
@pytest.mark.parametrize("wire", [CHAT, MESSAGES])
def test_what_works_is_accepted(url: str, wire: str) -> None:
    """A check that refuses a gateway's own path would be worked around."""
    assert problem_of(url, wire) is None


def test_every_shipped_address_is_accepted() -> None:
    """Each for its own wire."""
    providers = load_catalogue().providers.values()

    addresses = [(each.base_url or each.base_url_example, each.wire) for each in providers]
    assert [None] * 18 == [problem_of(url, wire) for url, wire in addresses]
