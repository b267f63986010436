"""`chenu providers`: the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chenu_server.cli.groups import commands
from chenu_server.cli.output import usd
from chenu_server.cli.paging import each
from chenu_server.cli.remote import Session, remote

if TYPE_CHECKING:
    from chenu.api.pipeline.v1 import router_service_pb2

app = commands("The providers and their models.")


@remote(app, "list")
async def list_providers(session: Session) -> None:
    """List every provider and every instance of one."""
    found = await session.client.router.providers()
    header = ("provider", "title", "instance of", "region", "tier", "availability", "models")
    await session.output.messages(each(found), header, _row)


@remote(app, "get")
async def get_provider(
    session: Session, name: Annotated[str, typer.Argument(help="The provider, as in `list`.")]
) -> None:
    """List one provider's models with their prices per million tokens."""
    provider = await session.client.router.provider(name)
    if session.output.as_json:
        session.output.message(provider, ())
        return
    header = ("model", "context", "output", "quality", "input price", "output price")
    await session.output.messages(each(provider.models), header, _model)


def _row(provider: router_service_pb2.Provider) -> tuple[str, ...]:
    from chenu.api.pipeline.v1 import router_service_pb2
    from chenu.names import name_of

    availability = name_of(router_service_pb2.Availability, provider.availability)
    return (
        provider.name,
        provider.title,
        provider.instance_of,
        provider.region,
        provider.tier,
        availability,
        str(len(provider.models)),
    )


def _model(model: router_service_pb2.Model) -> tuple[str, ...]:
    prices = (
        (usd(model.rates.input_nanousd), usd(model.rates.output_nanousd))
        if model.HasField("rates")
        else ("unknown", "unknown")
    )
    sizes = (str(size or "unknown") for size in (model.context_tokens, model.output_tokens_max))
    return (model.name, *sizes, str(model.quality), *prices)
