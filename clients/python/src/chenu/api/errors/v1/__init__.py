"""Generated stubs of `chenu.api.errors.v1`."""
