"""Sentences and numbers for people, made from records of core and runs; used by ui and cli."""
