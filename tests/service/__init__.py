"""A real server on port 0, all interceptors on, a real client."""
