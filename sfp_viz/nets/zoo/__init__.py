"""Architectures by name, and recognizing one from the names and shapes of its weights."""
