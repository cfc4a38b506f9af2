"""Why the command does not even start a workflow."""


class CannotRun(Exception):
    """What was typed does not name a workflow, or not its arguments; the message says what to type instead."""
