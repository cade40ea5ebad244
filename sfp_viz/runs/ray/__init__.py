"""A Ray cluster over HTTP: settings, jobs, job states."""
