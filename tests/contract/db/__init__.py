"""The durable core, held to one behaviour on both stores."""
