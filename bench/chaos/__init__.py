"""Executions while everything around them is killed: `./run chaos`. What must hold is
counted afterwards."""
