"""The slow twins: obviously right versions of what the package does fast."""
