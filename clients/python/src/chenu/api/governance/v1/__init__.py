"""Generated stubs of `chenu.api.governance.v1`."""
