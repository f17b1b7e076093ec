"""Stages: one file a verb. They never import each other; they meet through the files in their folders."""
