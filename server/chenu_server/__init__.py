"""A governed gateway between backend services and LLM providers, served over gRPC."""
