"""Side-by-side measurements: ours and our peers', in one run."""
