"""Load tests, benches and the fake LLM upstream they run against."""
