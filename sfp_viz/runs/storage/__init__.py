"""What lies in a run's folder: records, history, checkpoints, states."""
