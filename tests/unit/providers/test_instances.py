"""Instances of a record: what they inherit, what they narrow, and which are refused."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from chenu_server.providers.catalog import load_catalogue
from chenu_server.providers.catalog_schema import CatalogueError
from chenu_server.providers.instances import Instance
from chenu_server.providers.prices import resolve_prices
from chenu_server.providers.registry import ProviderRegistry, ProviderSettings


def test_an_instance_is_its_record_under_another_name() -> None:
    """All that a record says of its provider's API holds for each instance."""
    catalogue = load_catalogue(None, {"azure-eu": Instance(record="azure")})
    made, record = catalogue.provider("azure-eu"), catalogue.provider("azure")

    assert ("azure-eu", "azure") == (made.name, made.instance_of)
    assert (record.wire, record.auth, record.query) == (made.wire, made.auth, made.query)
    assert [it.name for it in record.models] == [it.name for it in made.models]
    assert {("azure-eu", "azure")} == {(it.provider, it.maker) for it in made.models}


def test_a_region_narrows_what_promises_no_place() -> None:
    """`global` promises nothing; the operator's word does."""
    catalogue = load_catalogue(None, {"azure-eu": Instance(record="azure", region="eu")})

    assert {("eu",)} == {it.regions for it in catalogue.provider("azure-eu").models}


def test_a_price_is_looked_up_under_the_records_name() -> None:
    """No price table knows how an operator calls his deployments."""
    instances = {"azure-eu": Instance(record="azure")}
    priced = resolve_prices(load_catalogue(None, instances), datetime.date(2026, 11, 29))

    rates = [[it.rates for it in priced.provider(name).models] for name in ("azure-eu", "azure")]
    assert rates[0] == rates[1]
    assert any(it is not None and it.source.startswith("genai-prices") for it in rates[0])


def test_a_file_by_the_instances_name_changes_that_one_alone(tmp_path: Path) -> None:
    """Over the record's own file, which holds for all of its instances."""
    (tmp_path / "openai.toml").write_text('title = "Ours"\n')
    (tmp_path / "two.toml").write_text("connect_timeout_ms = 5\n")
    instances = {name: Instance(record="openai") for name in ("one", "two")}
    catalogue = load_catalogue(tmp_path, instances)

    assert [("Ours", 10_000), ("Ours", 5)] == [
        (it.title, it.connect_timeout_ms) for it in map(catalogue.provider, ("one", "two"))
    ]


@pytest.mark.parametrize(
    ("name", "instance", "complaint"),
    [
        ("openai", Instance(record="azure"), "providers.instances.openai"),
        ("Upper", Instance(record="azure"), "lower-case"),
        ("x" * 65, Instance(record="azure"), "64"),
        ("mine", Instance(record="azur"), "did you mean 'azure'"),
        ("mine", Instance(record="mine"), "providers.instances.mine.record"),
        ("mine", Instance(record="openai", models=("gpt-6-lun",)), "did you mean 'gpt-6-luna'"),
        ("mine", Instance(record="openai", region="eu"), "providers.instances.mine.region"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(
    name: str, instance: Instance, complaint: str
) -> None:
    """At start, where somebody reads it; never as a query's failure."""
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(None, {name: instance})

    assert complaint in str(caught.value)


async def test_a_problem_names_the_instances_own_key() -> None:
    """`providers.settings` is where it would be looked for in vain."""
    catalogue = load_catalogue(None, {"azure-eu": Instance(record="azure")})

    with pytest.raises(CatalogueError, match=r"providers\.instances\.azure-eu\.base_url"):
        ProviderRegistry(catalogue, {"azure-eu": ProviderSettings(api_key="k")})
