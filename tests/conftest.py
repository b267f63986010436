"""Fixtures for every test."""

pytest_plugins = ("tests.stores", "tests.clusters", "tests.poolers")
