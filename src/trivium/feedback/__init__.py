"""Ratings by people: what is rated, who rates it, what they said, how far it can be trusted. No web code."""
