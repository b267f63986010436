"""The composition root: the only package that knows every concrete class."""

from chenu_server.bootstrap.application import Application, application, serve, told_by
from chenu_server.bootstrap.inputs import probe, problems_of
from chenu_server.providers.probe import Probed

__all__ = ["Application", "Probed", "application", "probe", "problems_of", "serve", "told_by"]
