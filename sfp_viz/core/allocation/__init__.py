"""How many filters each layer keeps: layer-wise pruning ratios under a goal."""
