"""Attack lists against every rpc that takes text."""
