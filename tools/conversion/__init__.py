"""Other people's checkpoints: read without trusting them, and given the names of our models."""
