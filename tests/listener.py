"""Something that listens where a proxy would, and keeps what it is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

READ_TIMEOUT_S = 5.0


class Listener:
    """Answers every connection with 403, and keeps the first line of each."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        """Listen no more."""
        with suppress(OSError):  # nobody listens any more
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def serve(self) -> None:
        """Take connections until it is closed."""
        with suppress(OSError):  # it was closed
            while True:
                connection, _ = self._socket.accept()
                with connection:
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(READ_TIMEOUT_S)
        with suppress(OSError):  # whoever connected is gone
            line, _, _ = connection.recv(4_096).partition(b" HTTP/")
            self.heard.append(line.decode(errors="replace"))
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener until the block ends."""
    listener = Listener()
    thread = threading.Thread(target=listener.serve, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.close()
        thread.join(READ_TIMEOUT_S)
