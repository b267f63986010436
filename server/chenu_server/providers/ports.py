"""What the pipeline asks of a provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from chenu_server.providers.model import ChatRequest, ProviderEvent


class Provider(Protocol):
    """One provider, ready to be called. Never retries by itself."""

    def stream(
        self, request: ChatRequest, *, timeout_s: float, on_dispatch: Callable[[int], None]
    ) -> AsyncGenerator[ProviderEvent, None]:
        """
        Run one request; text as it arrives, then exactly one `Finished`.

        `on_dispatch` is called once, when the request's first byte has been handed to an open
        connection, with that moment by the monotonic clock in nanoseconds. A request of which it
        was not told when the iterator has ended did not leave. Closing the iterator early closes
        the upstream connection.

        Raises:
            ProviderFailure: It did not finish; says what may be tried and what it may cost.
            Interrupted: The task was cancelled; says what the answer had told till then.
        """
        ...
