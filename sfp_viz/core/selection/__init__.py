"""Which filters go: analysis, selection within clusters, the planner."""
