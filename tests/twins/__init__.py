"""Each unit of work against its command in Rust: one question to both, and one answer."""
