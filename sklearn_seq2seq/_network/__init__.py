"""The encoder-decoder: torch modules only."""
