"""Cost of a network at given widths: MACs, params, peak memory, latency, stripes."""
