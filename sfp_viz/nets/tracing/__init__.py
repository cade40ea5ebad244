"""From a module to a Network: dependency groups, channels, cost terms, verification."""
