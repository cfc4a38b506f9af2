"""`python -m workflows run`: a workflow from a file, in local mode, with a person at the terminal who sees it grow and
answers what it asks."""
