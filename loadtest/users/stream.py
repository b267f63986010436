"""A service that shows an answer while it is written."""

from __future__ import annotations

import time

import grpc
from locust import constant, task

from chenu.api.pipeline.v1 import pipeline_service_pb2
from loadtest.users.gateway import DEADLINE_S, GatewayUser, finished


class StreamUser(GatewayUser):
    """Reads one stream after the other; the first event and the first text are series too."""

    weight = 3
    wait_time = constant(0)

    @task
    @finished
    def follow(self) -> None:
        """One stream to its end."""
        request = pipeline_service_pb2.RunRequest(
            query=pipeline_service_pb2.QueryRequest(text=self.next_text())
        )
        self.counted("Run", lambda: self._read(request))

    def _read(self, request: pipeline_service_pb2.RunRequest) -> None:
        started = time.perf_counter()
        stream = self.pipeline.Run(request, timeout=DEADLINE_S, metadata=self.member)
        has_event = has_text = False
        try:
            for response in stream:
                if not has_event:
                    has_event = True
                    self.count("Run: first event", started)
                if not has_text and response.event.WhichOneof("body") == "llm_call_delta":
                    has_text = True
                    self.count("Run: first text", started)
        except grpc.RpcError:
            stream.cancel()
            raise
