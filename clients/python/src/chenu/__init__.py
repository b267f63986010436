"""CHE·NU's Python client: `chenu.aio.Client`, `chenu.errors`, and the stubs in `chenu.api`."""

__version__ = "0.1.0"
