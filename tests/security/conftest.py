"""A server for a whole module of attacks."""

from tests.service.conftest import shared, stage

__all__ = ["shared", "stage"]
