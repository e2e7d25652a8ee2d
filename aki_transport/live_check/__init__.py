"""Compares what this package assumes of the services with what they do: `aki check --live`."""

from aki_transport.live_check.probes import Finding, Question
from aki_transport.live_check.questions import QUESTIONS
from aki_transport.live_check.run import Result, ask_all, open_services, run
from aki_transport.live_check.service import Budget, OverBudgetError, Service

__all__ = [
    "QUESTIONS",
    "Budget",
    "Finding",
    "OverBudgetError",
    "Question",
    "Result",
    "Service",
    "ask_all",
    "open_services",
    "run",
]
