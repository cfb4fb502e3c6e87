"""The published tables, and what this package computes beside them (tools/reproduce.py)."""
