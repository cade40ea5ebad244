"""One group of filters: its map, its pictures, its view."""
