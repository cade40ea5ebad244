"""Distillation training: the loop, its state, losses, teacher, several processes."""
