"""Filters of one layer: map, pictures, similarities, dispersion."""
