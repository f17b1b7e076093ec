"""Losses and their parts: pure functions on tensors. None ever sees a model; every mean says over what."""
