"""Settings, schedules and history of fine-tuning and of sparse training; no torch."""
