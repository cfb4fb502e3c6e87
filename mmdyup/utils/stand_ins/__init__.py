"""What the stack imports but no package index carries; found only where the original is not."""
