"""Data sets: reading, augmentation, whether images fit a network."""
