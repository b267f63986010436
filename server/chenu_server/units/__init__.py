"""The decisions that span features, each one unit of work."""
