"""The lesson and its quiz."""
