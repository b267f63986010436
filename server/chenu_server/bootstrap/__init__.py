"""The composition root: the only package that knows every concrete class."""

from chenu_server.bootstrap.application import Application, application, serve, told_by
from chenu_server.bootstrap.inputs import problems_of

__all__ = ["Application", "application", "problems_of", "serve", "told_by"]
