"""Proofs of the reasons about who is calling."""

from __future__ import annotations

from uuid import uuid4

from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.governance.v1 import identity_service_pb2 as ib
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.vocabulary import Role
from tests.harness import IDENTITY_ROLES, Failure, Stage
from tests.service.proofs.registry import proves


@proves("TOKEN_MISSING")
async def no_token(stage: Stage) -> Failure:
    """A call that says nothing about itself."""
    caller = stage.anonymous()
    return await caller.fail(caller.identity.WhoAmI, ib.WhoAmIRequest())


@proves("TOKEN_INVALID")
async def no_jwt(stage: Stage) -> Failure:
    """A bearer token that is no token."""
    caller = stage.with_token("header.payload.invalidsignature")
    return await caller.fail(caller.identity.WhoAmI, ib.WhoAmIRequest())


@proves("TOKEN_EXPIRED")
async def old_token(stage: Stage) -> Failure:
    """A token that was good a second ago."""
    old = stage.token({"acme": [Role.MEMBER]}, lifetime_s=60, age_s=61)
    caller = stage.with_token(old)
    return await caller.fail(caller.identity.WhoAmI, ib.WhoAmIRequest())


@proves("ROLE_REQUIRED")
async def machine_approves(stage: Stage) -> Failure:
    """A service with every role decides in a person's place."""
    machine = stage.client(roles=IDENTITY_ROLES)
    request = cb.ResolveCheckpointRequest(
        checkpoint_id=str(uuid4()),
        decision_id=str(uuid4()),
        decision=cb.CHECKPOINT_DECISION_APPROVE,
    )
    return await machine.fail(machine.checkpoints.ResolveCheckpoint, request)


@proves("IDENTITY_BOUNDARY_VIOLATION")
async def foreign_id(stage: Stage) -> Failure:
    """An id that the caller's identity does not have."""
    caller = stage.client()
    return await caller.fail(caller.pipeline.GetQuery, pb.GetQueryRequest(request_id=str(uuid4())))
