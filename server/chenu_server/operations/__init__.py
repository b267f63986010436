"""The decisions that span features, each one command."""
