"""A recipe's way through its stages: what runs, what is reused, what each stage left, and how it is told."""
