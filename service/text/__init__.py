"""Text to tokens and back; windows; normalisation."""
