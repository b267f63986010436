"""Each shipped record against the documentation of its provider, over real HTTP."""
