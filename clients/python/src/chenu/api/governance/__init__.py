"""Generated stubs of `chenu.api.governance`."""
