"""A gRPC server that answers at once, to find how much the load generator can ask for.

`python -m loadtest.bench.echo PORT_FILE METHOD`
"""

from __future__ import annotations

import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import grpc

THREADS: Final = 4
ANSWER: Final = bytes(500)  # about as long as a `QueryResponse` here


class _Echo(grpc.GenericRpcHandler):
    def __init__(self, method: str) -> None:
        self._method = method
        self._handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, context: ANSWER)

    def service(self, handler_call_details: Any) -> Any:
        """The handler of the one method."""
        return self._handler if handler_call_details.method == self._method else None


def main() -> None:
    """Serve until SIGTERM."""
    port_file, method = Path(sys.argv[1]), sys.argv[2]
    server = grpc.server(ThreadPoolExecutor(THREADS), handlers=[_Echo(method)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    part = port_file.with_suffix(".part")
    part.write_text(str(port))
    part.replace(port_file)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop(0).wait()


if __name__ == "__main__":
    main()
