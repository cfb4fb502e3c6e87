"""Edits of a loaded config: one's own data, a small model for the CPU, training from scratch."""
