"""The data of a run: read once in plain form, and judged before a model is built."""
