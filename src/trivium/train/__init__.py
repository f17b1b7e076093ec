"""Training: one optimizer step, the one supervised loop, checkpoints. It never learns which stage is running."""
