"""The catalogue of providers and models: shipped records, and an operator's own over them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from chenu_server.providers.catalog_schema import CatalogueError, did_you_mean, provider_of
from chenu_server.providers.instances import Instance, check_instance, instance_of
from chenu_server.providers.model import ModelRecord, ProviderRecord
from chenu_server.providers.nova import check_nova
from chenu_server.values import dataclass, replace

_Tables = dict[str, dict[str, Any]]
_NONE: Mapping[str, Instance] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Every provider and the models that can be called, by name."""

    providers: Mapping[str, ProviderRecord]
    retired: frozenset[tuple[str, str]]

    def provider(self, name: str) -> ProviderRecord:
        """The provider of this name.

        Raises:
            CatalogueError: There is none.
        """
        found = self.providers.get(name)
        if found is None:
            hint = did_you_mean(name, self.providers)
            raise CatalogueError(f"unknown provider {name!r}{hint}")
        return found

    def model(self, provider: str, name: str) -> ModelRecord:
        """The model of this name or alias.

        Raises:
            CatalogueError: There is none, or its provider has retired it.
        """
        models = self.provider(provider).models
        for model in models:
            if name == model.name or name in model.aliases:
                return model
        if (provider, name) in self.retired:
            usable = ", ".join(model.name for model in models)
            raise CatalogueError(
                f"{provider} has retired the model {name!r}: name a current one ({usable})"
            )
        hint = did_you_mean(name, [model.name for model in models])
        raise CatalogueError(f"{provider} has no model {name!r}{hint}")

    def with_models(self, models: Mapping[str, tuple[ModelRecord, ...]]) -> Catalogue:
        """The same catalogue with other models for the providers named."""
        providers = {
            name: replace(record, models=models.get(name, record.models))
            for name, record in self.providers.items()
        }
        return replace(self, providers=providers)


def load_catalogue(
    overrides: Path | None = None, instances: Mapping[str, Instance] = _NONE
) -> Catalogue:
    """The shipped records under an operator's directory of `<name>.toml` files, and instances.

    An operator's file may hold only what differs: it is laid over the shipped one, key by key
    and model by model, before anything is checked. One that has an instance's name is laid over
    the record of that instance, for it alone.

    Raises:
        CatalogueError: A file or an instance does not say what it must; the message names it.
    """
    if overrides is None and not instances:
        return _shipped()
    tables, files = _shipped_tables(), _files_in(overrides)
    for name in sorted(files.keys() - instances.keys()):
        tables[name] = _merged(tables.get(name, {}), files[name])
    catalogue = _catalogue_of(tables, overrides)
    own = {
        name: _merged(_table_of(tables, name, instance), files.get(name, {}))
        for name, instance in sorted(instances.items())
    }
    whole = _with_instances(catalogue, _catalogue_of(own, overrides), instances)
    # Of all together: a file or an instance may have taken her name from Claude, or given it away.
    check_nova(whole.providers, {**tables, **own})
    return whole


@cache  # the package's own files, and a value that nobody can change
def _shipped() -> Catalogue:
    tables = _shipped_tables()
    catalogue = _catalogue_of(tables, None)
    check_nova(catalogue.providers, tables)
    return catalogue


def _shipped_tables() -> _Tables:
    shipped = resources.files(__package__).joinpath("catalog")
    return {_stem(file): _read(file) for file in shipped.iterdir() if _is_toml(file)}


def _files_in(overrides: Path | None) -> _Tables:
    if overrides is None:
        return {}
    if not overrides.is_dir():
        raise CatalogueError(f"the catalogue directory {overrides} does not exist")
    return {_stem(file): _read(file) for file in sorted(overrides.iterdir()) if _is_toml(file)}


def _table_of(tables: _Tables, name: str, instance: Instance) -> dict[str, Any]:
    """The record that an instance starts from."""
    check_instance(name, instance, tables)
    return tables[instance.record]


def _with_instances(
    catalogue: Catalogue, own: Catalogue, instances: Mapping[str, Instance]
) -> Catalogue:
    made = {name: instance_of(record, instances[name]) for name, record in own.providers.items()}
    return Catalogue(
        providers={**catalogue.providers, **made}, retired=catalogue.retired | own.retired
    )


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = {**base, **over}
    models, changes = dict(base.get("models", {})), over.get("models", {})
    if not isinstance(changes, dict):
        return merged  # the schema says what is wrong with it
    for name, change in changes.items():
        if isinstance(change, dict):
            if "price" in change and isinstance(change["price"], dict):
                # Marked as the operator's own, which genai-prices must not take the place of.
                change = {**change, "price": {**change["price"], "source": "operator"}}
            # Key by key, but a price is one key: half of it from each file would be nobody's price.
            change = {**models.get(name, {}), **change}
        models[name] = change
    return {**merged, "models": models}


def _catalogue_of(tables: _Tables, overrides: Path | None) -> Catalogue:
    providers: dict[str, ProviderRecord] = {}
    retired: set[tuple[str, str]] = set()
    for name in sorted(tables):
        try:
            providers[name], gone = provider_of(name, tables[name])
        except CatalogueError as error:
            file = f"{name}.toml" if overrides is None else overrides / f"{name}.toml"
            raise CatalogueError(f"{file}: {error}") from None
        retired.update((name, model) for model in gone)
    return Catalogue(providers=providers, retired=frozenset(retired))


def _read(file: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{file.name}: {error}") from None


def _is_toml(file: Traversable) -> bool:
    return file.name.endswith(".toml")


def _stem(file: Traversable) -> str:
    return file.name.removesuffix(".toml")
