"""Measuring a network: accuracy, latency, activations, one-shot accuracy of cuts."""
