"""Where a target is: what stays on this machine needs no TLS, and never goes through a proxy."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import unquote

# A resolver on another machine (`dns://8.8.8.8/...`) may say that localhost is anywhere.
_SCHEME: Final = re.compile(r"(dns|passthrough|ipv4|ipv6):(///)?")


def is_loopback(target: str) -> bool:
    """Whether what is sent to `target` stays on this machine, so that a token needs no TLS."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    addresses = unquote(_SCHEME.sub("", target, count=1)).split(",")
    # Of several, gRPC may take any.
    return all(_stays(_host(address)) for address in addresses)


def _host(address: str) -> str:
    """Of `host:port`, `[v6]:port`, or a host alone."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _stays(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
