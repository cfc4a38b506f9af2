"""The person at the terminal of `python -m workflows run` answers the requests of a workflow, for whomever they ask."""
