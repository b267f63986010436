"""The Rust core as Python sees it."""
