"""Reinforcement learning: rollouts, rewards, guards. The algorithms themselves are stages, each readable alone."""
