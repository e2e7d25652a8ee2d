"""Compares what this package assumes of the services with what they do: `aki check --live`."""

from aki_transport.live_check.questions import Finding, Question, all_questions
from aki_transport.live_check.run import Result, ask_all, open_services, run
from aki_transport.live_check.service import Budget, OverBudgetError, Service

__all__ = [
    "Budget",
    "Finding",
    "OverBudgetError",
    "Question",
    "Result",
    "Service",
    "all_questions",
    "ask_all",
    "open_services",
    "run",
]
