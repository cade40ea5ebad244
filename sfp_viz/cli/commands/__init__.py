"""The commands of sfp-viz, a file for each topic."""
