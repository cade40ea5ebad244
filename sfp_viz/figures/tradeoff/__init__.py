"""Accuracy against cost of runs: the chart, its SVG, and the report page."""
