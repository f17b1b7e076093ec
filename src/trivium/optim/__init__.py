"""Optimizers and schedules: parameter groups, AdamW, Muon, learning rates as functions of the step."""
