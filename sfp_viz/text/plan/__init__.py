"""Sentences about recipes and plans: reasons, widths, targets, allocations."""
