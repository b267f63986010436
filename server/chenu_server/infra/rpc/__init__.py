"""The transport: a gRPC server, the layers around each call, errors as statuses."""
