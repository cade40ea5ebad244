"""Copies of runs to an MLflow server, off by default."""
