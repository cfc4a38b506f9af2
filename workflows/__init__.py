"""Durable workflows: plain async functions whose steps are promises that outlive the process."""

from workflows.context import Context, Info
from workflows.declarations import schedule
from workflows.errors import (
    FunctionNotFound,
    InvalidArguments,
    NonDeterminism,
    PromiseCanceled,
    PromiseTimeout,
    RemoteError,
    WorkflowError,
    portable,
)
from workflows.operations import DurableFuture
from workflows.registry import Workflow, registry, workflow
from workflows.retries import Constant, Exponential, Linear, Never, Retry
from workflows.steps import step

__all__ = [
    "Constant",
    "Context",
    "DurableFuture",
    "Exponential",
    "FunctionNotFound",
    "Info",
    "InvalidArguments",
    "Linear",
    "Never",
    "NonDeterminism",
    "PromiseCanceled",
    "PromiseTimeout",
    "RemoteError",
    "Retry",
    "Workflow",
    "WorkflowError",
    "portable",
    "registry",
    "schedule",
    "step",
    "workflow",
]
