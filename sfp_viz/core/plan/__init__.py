"""Recipes, edits and plans: what a person asks for, and the exact filters that go."""
