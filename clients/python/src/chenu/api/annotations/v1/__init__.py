"""Generated stubs of `chenu.api.annotations.v1`."""
