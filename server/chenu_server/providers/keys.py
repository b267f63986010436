"""In which header a provider's key travels."""

from __future__ import annotations


def key_header(auth: str, api_key: str | None) -> dict[str, str]:
    """The header that names the caller, if the provider wants to know."""
    if api_key is None:
        return {}
    if auth in ("api-key", "x-api-key"):
        return {auth: api_key}
    return {"Authorization": f"Bearer {api_key}"}
