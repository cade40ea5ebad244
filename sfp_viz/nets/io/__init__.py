"""Files: opening networks, the model store, sample networks, export."""
