"""Generated stubs of `chenu.api.annotations`."""
