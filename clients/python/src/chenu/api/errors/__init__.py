"""Generated stubs of `chenu.api.errors`."""
