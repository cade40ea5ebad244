"""Forms that start trainings, sweeps and sparse training."""
