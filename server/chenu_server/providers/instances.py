"""Several instances of a provider: deployments, key pools, regions, each a record of its own."""

from __future__ import annotations

from collections.abc import Iterable

from chenu_server.providers.catalog_schema import CatalogueError, did_you_mean, is_provider_name
from chenu_server.providers.model import ModelRecord, ProviderRecord
from chenu_server.values import dataclass, replace

_NO_PLACE = "global"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What makes one of a record. No `models` are all of the record's."""

    record: str
    region: str = ""
    models: tuple[str, ...] = ()


def check_instance(name: str, instance: Instance, records: Iterable[str]) -> None:
    """
    See that the name is free and the record is there.

    Raises:
        CatalogueError: It is not so.
    """
    known = list(records)
    if not is_provider_name(name):
        raise _wrong(name, "it is named by a lower-case word of at most 64 characters")
    # Slots, queues, marks and budgets know a provider by its name alone, and two would share them.
    if name in known:
        text = "a provider of the catalogue has this name; give the instance one of its own"
        raise _wrong(name, text)
    if instance.record not in known:
        hint = did_you_mean(instance.record, known)
        raise _wrong(name, f"unknown provider {instance.record!r}{hint}", "record")


def instance_of(record: ProviderRecord, instance: Instance) -> ProviderRecord:
    """
    The instance's own record, made of its maker's under the instance's name.

    Raises:
        CatalogueError: It names a model that is not there, or a region that one does not run in.
    """
    served = _served(record, instance)
    return replace(
        record,
        instance_of=instance.record,
        region=instance.region,
        models=tuple(
            replace(_narrowed(model, instance.region), instance_of=instance.record)
            for model in served
        ),
    )


def _served(record: ProviderRecord, instance: Instance) -> list[ModelRecord]:
    """The models that it names, else all."""
    names = {name: model for model in record.models for name in (model.name, *model.aliases)}
    for wanted in instance.models:
        if wanted not in names:
            text = f"{instance.record} has no model {wanted!r}{did_you_mean(wanted, names)}"
            raise _wrong(record.name, text, "models")
    chosen = {names[wanted].name for wanted in instance.models}
    return [model for model in record.models if not chosen or model.name in chosen]


def _narrowed(model: ModelRecord, region: str) -> ModelRecord:
    """The model in the one region; a place that its record rules out needs more than a word."""
    if not region:
        return model
    # An operator's word may make a promise narrower, and not turn one that the provider gave into
    # its opposite.
    if region not in model.regions and _NO_PLACE not in model.regions:
        places = ", ".join(model.regions)
        text = (
            f"the model {model.name!r} runs in {places}, not in {region}; leave it out with"
            f" models, or set its regions in {model.provider}.toml of providers.catalog_dir"
        )
        raise _wrong(model.provider, text, "region")
    return replace(model, regions=(region,))


def _wrong(name: str, text: str, key: str = "") -> CatalogueError:
    place = f"providers.instances.{name}" + (f".{key}" if key else "")
    return CatalogueError(f"instance {name!r}: {text} ({place})")
