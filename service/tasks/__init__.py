"""One file a task: its input, decoding and confidence."""
