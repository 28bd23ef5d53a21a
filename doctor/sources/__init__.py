"""Where objects come from: files and streams, or a cluster."""
