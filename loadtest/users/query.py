"""A backend service that asks and waits for the whole answer."""

from __future__ import annotations

from locust import constant, task

from chenu.api.pipeline.v1 import pipeline_service_pb2
from loadtest.users.gateway import DEADLINE_S, GatewayUser, finished


class QueryUser(GatewayUser):
    """Asks again as soon as it is answered."""

    weight = 6
    wait_time = constant(0)

    @task
    @finished
    def ask(self) -> None:
        """One unary query."""
        request = pipeline_service_pb2.QueryRequest(text=self.next_text())
        self.counted(
            "Query",
            lambda: self.pipeline.Query(request, timeout=DEADLINE_S, metadata=self.member),
        )
