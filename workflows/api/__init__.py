"""REST over executions: start, list, get, cancel."""
