"""Measuring: held-out text, answers to instructions, win rates, each with an interval and the number of items."""
