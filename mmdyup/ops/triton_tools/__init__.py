"""The operators as Triton kernels, for CUDA; imported where they are asked for only."""
