"""Plans and results held against each other: fronts, differences, trust, verdicts."""
