"""The model: an architecture (a dataclass), one trunk, heads on it, and the families that it can be saved as."""
