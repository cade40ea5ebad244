"""Networks out of torch.export's .pt2 files: read without running anything in them, and rebuilt."""
