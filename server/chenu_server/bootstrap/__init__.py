"""The composition root: the only package that knows every concrete class."""

from chenu_server.bootstrap.application import Application, application, serve

__all__ = ["Application", "application", "serve"]
