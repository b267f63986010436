"""Generated stubs of `chenu.api.pipeline`."""
