"""A service that deletes, and the person who must approve."""

from __future__ import annotations

import time
import uuid
from typing import ClassVar

import grpc
from locust import constant, task

from chenu import errors
from chenu.api.governance.v1 import checkpoint_service_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2
from loadtest.users.gateway import DEADLINE_S, GatewayUser, Refused, finished, typed


class ApproveUser(GatewayUser):
    """Asks for a deletion, approves it, takes it up."""

    weight = 1
    wait_time = constant(0)
    text: ClassVar[str] = "Delete all archived items of {number}"

    @task
    @finished
    def delete(self) -> None:
        """One deletion, from the question to the end of its run."""
        pending = self._blocked()
        decision = checkpoint_service_pb2.ResolveCheckpointRequest(
            checkpoint_id=pending.checkpoint_id,
            decision_id=str(uuid.uuid4()),
            decision=checkpoint_service_pb2.CHECKPOINT_DECISION_APPROVE,
            expected_action_digest=pending.action_digest,
        )
        self.counted(
            "ResolveCheckpoint",
            lambda: self.checkpoints.ResolveCheckpoint(
                decision, timeout=DEADLINE_S, metadata=self.approver
            ),
        )
        resume = pipeline_service_pb2.ContinueRequest(request_id=pending.request_id)
        self.counted("Continue", lambda: self._drain(resume))

    def _blocked(self) -> errors.CheckpointPending:
        """The refusal that is the right answer here; anything else is a failure."""
        request = pipeline_service_pb2.QueryRequest(
            request_id=str(uuid.uuid4()), text=self.next_text()
        )
        started = time.perf_counter()
        try:
            self.pipeline.Query(request, timeout=DEADLINE_S, metadata=self.member)
        except grpc.RpcError as error:
            pending = typed(error)
            if isinstance(pending, errors.CheckpointPending):
                self.count("Query: blocked", started)
                return pending
            self.count("Query: blocked", started, error)
            raise Refused from error
        self.count("Query: blocked", started, AssertionError("a deletion ran without approval"))
        raise Refused

    def _drain(self, request: pipeline_service_pb2.ContinueRequest) -> None:
        for _ in self.pipeline.Continue(request, timeout=DEADLINE_S, metadata=self.member):
            pass
