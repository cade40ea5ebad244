"""Links, saved sessions and the panel of steps."""
