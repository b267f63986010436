"""The steps of the demo, each in its own file."""
