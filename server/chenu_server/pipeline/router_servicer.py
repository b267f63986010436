"""RouterService over gRPC: explains routes, shows the catalogue, calls nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

import grpc

from chenu.api.pipeline.v1 import router_service_pb2 as pb
from chenu.api.pipeline.v1 import router_service_pb2_grpc as pb_grpc
from chenu_server.errors import NotFound
from chenu_server.infra.rpc.context import current_caller
from chenu_server.infra.rpc.fields import needed_id
from chenu_server.pipeline import convert, encode
from chenu_server.pipeline.route_snapshot import media_limits
from chenu_server.pipeline.service import PipelineService
from chenu_server.providers.model import ModelRecord, ProviderRecord

Context = grpc.aio.ServicerContext[object, object]

_WIRES: Final = {
    "anthropic_messages": pb.WIRE_ANTHROPIC_MESSAGES,
    "openai_chat": pb.WIRE_OPENAI_CHAT_COMPLETIONS,
}


class RouterServicer(pb_grpc.RouterServiceServicer):
    """Serves `RouterService`. The catalogue belongs to no identity."""

    def __init__(
        self,
        pipeline: PipelineService,
        records: Callable[[], Mapping[str, ProviderRecord]],
        configured: Callable[[], Collection[str]],
    ) -> None:
        self._pipeline = pipeline
        self._records = records
        self._configured = configured

    async def Route(  # noqa: N802 - the wire name
        self, request: pb.RouteRequest, context: Context
    ) -> pb.RouteResponse:
        """Which models would answer, why, and what that costs at most."""
        caller = current_caller()
        route = self._pipeline.route(convert.question_from(request, caller.principal))
        return pb.RouteResponse(decision=encode.route_of(route))

    async def ListProviders(  # noqa: N802 - the wire name
        self, request: pb.ListProvidersRequest, context: Context
    ) -> pb.ListProvidersResponse:
        """Every provider of the catalogue and every instance, by name."""
        records = self._records()
        shown = [self._provider(records[name]) for name in sorted(records)]
        return pb.ListProvidersResponse(providers=shown)

    async def GetProvider(  # noqa: N802 - the wire name
        self, request: pb.GetProviderRequest, context: Context
    ) -> pb.GetProviderResponse:
        """
        One provider of the catalogue, or one instance.

        Raises:
            NotFound: There is none of this name.
        """
        record = self._records().get(needed_id(request.name, "name"))
        if record is None:
            raise NotFound("provider", request.name)
        return pb.GetProviderResponse(provider=self._provider(record))

    def _provider(self, record: ProviderRecord) -> pb.Provider:
        # Asked at each call: a reload may have enabled it since.
        there = record.name in self._configured()
        return pb.Provider(
            name=record.name,
            title=record.title,
            wire=_WIRES[record.wire],
            tier=record.tier,
            availability=pb.AVAILABILITY_CONFIGURED if there else pb.AVAILABILITY_NOT_CONFIGURED,
            models=[_model(it) for it in sorted(record.models, key=lambda it: it.name)],
            instance_of=record.instance_of,
            region=record.region,
        )


def _model(model: ModelRecord) -> pb.Model:
    return pb.Model(
        name=model.name,
        aliases=model.aliases,
        context_tokens=model.context_tokens or 0,  # 0: not known, so no route leads here
        output_tokens_max=model.output_tokens_max or 0,
        capabilities=model.capabilities,
        quality=model.quality,
        speed=model.speed,
        tier=model.tier,
        regions=model.regions,
        rates=_rates(model),
        media=_media(model),
    )


def _media(model: ModelRecord) -> pb.MediaLimits | None:
    limits, images, documents = media_limits(model), model.images, model.documents
    if limits is None:
        return None
    return pb.MediaLimits(
        images_max=images.max if images else 0,
        image_bytes_max=images.bytes_max if images else 0,
        image_edge_max=images.edge_max if images else 0,
        image_tokens_max=limits.image_tokens_max,
        documents_max=documents.max if documents else 0,
        document_bytes_max=documents.bytes_max if documents else 0,
    )


def _rates(model: ModelRecord) -> pb.Rates | None:
    if model.rates is None:
        return None
    return pb.Rates(
        input_nanousd=model.rates.input,
        output_nanousd=model.rates.output,
        cache_read_nanousd=model.rates.cache_read,
        cache_write_nanousd=model.rates.cache_write,
        cache_write_hour_nanousd=model.rates.cache_write_hour,
        source=model.rates.source,
    )
