"""Compiled code for the CPU, in C++: built by setup.py where there is a compiler."""
