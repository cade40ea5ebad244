"""Distillation fine-tuning: the loop, its state, losses, teacher, several processes."""
