"""Generated stubs of `chenu.api`."""
