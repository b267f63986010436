"""Generated stubs of `chenu.api.pipeline.v1`."""
