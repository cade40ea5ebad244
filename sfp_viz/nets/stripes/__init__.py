"""Stripe pruning made physical: convolutions that skip dead kernel positions."""
