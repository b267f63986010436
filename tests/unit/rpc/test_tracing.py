"""Trace context headers, as W3C writes them."""

from __future__ import annotations

import pytest

from chenu_server.infra.rpc.interceptors.tracing import trace_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.mark.parametrize(
    "header",
    [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-01-what-is-this"],
)
def test_a_trace_is_continued(header: str) -> None:
    """Also one of a later version, which may say more."""
    assert TRACE == trace_of(header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        TRACE,
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}x-{SPAN}-01",
    ],
)
def test_a_malformed_header_starts_a_new_trace(header: str | None) -> None:
    """The specification: ignore it, never refuse the call."""
    assert "" == trace_of(header)
