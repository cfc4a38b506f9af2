"""`manage.py execution ...`: the same as `executions`, for one."""

from workflows.management.commands.executions import Command

__all__ = ["Command"]
