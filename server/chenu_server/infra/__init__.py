"""What touches the outside: the database, the transport, telemetry."""
