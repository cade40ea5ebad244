"""The recipe as a form, and the edits of a plan."""
