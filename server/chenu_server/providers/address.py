"""Whether a provider's base URL can work, before a query finds out that it cannot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

# What each wire appends to a base URL, and the ends that show that it stands there already.
APPENDED: Final[Mapping[str, str]] = {
    "anthropic_messages": "/v1/messages",
    "openai_chat": "/chat/completions",
}
_DOUBLED: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic_messages": ("/v1/messages", "/messages", "/v1"),
    "openai_chat": ("/chat/completions", "/completions"),
}
_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|[0-9A-Fa-f:.]+")


def problem_of(url: str, wire: str) -> str | None:
    """
    What is wrong with a base URL and what to write instead, as words that follow `base_url`.

    It repeats nothing of the URL, which may hold a key.
    """
    # Before it is parsed: the parser drops tabs and line ends without a word.
    if not url.isprintable() or " " in url:
        return "must hold no spaces and no control characters; remove them"
    if not url.lower().startswith(("http://", "https://")):
        return "must begin with http:// or https://"
    if "@" in url.split("/", 3)[2]:
        return "must hold no user, password or key; set api_key instead"
    if "?" in url or "#" in url:
        return "must hold no query and no fragment; end it before the ? or #"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "must have a port from 1 to 65535, or none, and [ ] around an IPv6 address"
    return _host_problem(parts, port) or _path_problem(parts.path.rstrip("/"), wire)


def _host_problem(parts: SplitResult, port: int | None) -> str | None:
    if port == 0 or parts.netloc.endswith(":"):
        return "must have a port from 1 to 65535, or none"
    if not parts.hostname:
        return "must name a host, as https://host/path"
    if not _HOST.fullmatch(parts.hostname):
        return "must name a host in letters, digits, dots and dashes; other scripts as xn--"
    return None


def _path_problem(path: str, wire: str) -> str | None:
    for end in _DOUBLED[wire]:
        if path.endswith(end):
            return f"must end before {end}, for {APPENDED[wire]} is appended to it"
    return None
