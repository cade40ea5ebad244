"""Physical pruning of a module, and the compensation of what was removed."""
