"""What is known besides the weights: observations of activations, sensitivity, latency."""
