"""Upsamplers side by side: time, memory, parameters, FLOPs (tools/benchmark.py runs it)."""
