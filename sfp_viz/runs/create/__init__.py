"""Creating the folder of each kind of run."""
