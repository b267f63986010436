"""One module on fakes, in milliseconds."""
