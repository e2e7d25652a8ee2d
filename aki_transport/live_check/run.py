"""Asks the questions one after the other: agrees on their cost first, shows each result, writes the report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aki_transport.auth import EMULATOR_VARIABLE, ApiKey, emulated
from aki_transport.errors import ConfigurationError
from aki_transport.live_check.probes import Question
from aki_transport.live_check.report import HEADER, as_markdown, table_row
from aki_transport.live_check.service import Budget, Service
from aki_transport.providers import PROVIDERS

_UNANSWERED = "NO ANSWER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a question."""

    question: Question
    mark: str  # "as assumed", "OTHERWISE" or "NO ANSWER"
    detail: str  # what the service did, or why there is no answer
    exchanges: Sequence[str] = ()  # the requests and their answers


def open_services(budget: Budget, *, provider: str | None = None, protocol: str | None = None) -> dict[str, Service]:
    """The interfaces for which there is a key, by `provider/protocol`; the budget counts the calls to all of them."""
    services: dict[str, Service] = {}
    for row in PROVIDERS.values():
        for route in row.routes:
            if (provider or row.name) != row.name or (protocol or route.protocol) != route.protocol:
                continue
            reached, explicit = emulated(row, route, None)
            try:
                key = ApiKey(row, reached.base_url, explicit)()
            except ConfigurationError:
                continue  # no key of this provider
            if key is not None:
                name = f"{row.name}/{route.protocol}"
                services[name] = Service(name, base_url=reached.base_url, key=key, budget=budget)
    return services


def ask_all(
    questions: Sequence[Question], services: Mapping[str, Service], write: Callable[[str], object]
) -> list[Result]:
    """Ask one after the other; each result is written as soon as it is known."""
    results = []
    write(HEADER)
    for question in questions:
        service = services[question.interface]
        service.exchanges = []
        try:
            finding = question.probe(service)
            mark, detail = "as assumed" if finding.as_assumed else "OTHERWISE", finding.detail
        except Exception as error:  # noqa: BLE001  one question must not keep the others from being asked
            mark, detail = _UNANSWERED, f"{type(error).__name__}: {error}"
        detail = service.without_key(detail)
        result = Result(question=question, mark=mark, detail=detail, exchanges=tuple(service.exchanges))
        results.append(result)
        write(table_row(question.interface, question.about, question.assumed, result.mark, result.detail))
    return results


def run(
    questions: Sequence[Question],
    *,
    write: Callable[[str], object],
    agree: Callable[[str], bool],
    provider: str | None = None,
    protocol: str | None = None,
    report: Path | None = None,
) -> bool:
    """Ask what there are keys for; True if every question was answered, `ConfigurationError` if there is no key.

    `write` takes one line, or several. `agree` is told what it costs, and returns whether to go on; the emulator costs
    nothing and is not asked about.
    """
    budget = Budget(0)
    services = open_services(budget, provider=provider, protocol=protocol)
    asked = [question for question in questions if question.interface in services]
    if not asked:
        variables = ", ".join(f"{row.key_variables[0]} ({row.title})" for row in PROVIDERS.values())
        raise ConfigurationError(
            f"no key of a service is set; set one or more of {variables}."
            f" To try without one, run `aki emulator` and set {EMULATOR_VARIABLE} to its address."
        )
    budget.left = sum(question.calls for question in asked)
    is_live = not os.environ.get(EMULATOR_VARIABLE, "").strip()
    if is_live and not agree(_cost(asked, budget.left)):
        write("Nothing was sent.")
        return False
    try:
        results = ask_all(asked, services, write)
    finally:
        for service in services.values():
            service.close()
    _sum_up(results, write, is_live=is_live)
    if report is not None:
        report.write_text(as_markdown(results, is_live=is_live), encoding="utf-8")
        write(
            f"The report is in {report}: what was sent and what came back, without keys. Please read it and send it in."
        )
    return all(result.mark != _UNANSWERED for result in results)


def _cost(asked: Sequence[Question], calls: int) -> str:
    interfaces = ", ".join(dict.fromkeys(question.interface for question in asked))
    return (
        f"{len(asked)} questions to {interfaces}: at most {calls} calls, and the account pays for them.\n"
        "(Most of those are looks at jobs, which cost nothing.)"
    )


def _sum_up(results: Sequence[Result], write: Callable[[str], object], *, is_live: bool) -> None:
    answered = [result for result in results if result.mark != _UNANSWERED]
    otherwise = [result for result in answered if result.mark == "OTHERWISE"]
    who = "The live service" if is_live else "The emulator"
    write(f"{who} answered {len(answered)} of {len(results)} questions.")
    write(f"{len(answered) - len(otherwise)} are as assumed, {len(otherwise)} are not.")
    for result in otherwise:
        question = result.question
        write(f"- {question.interface}, {question.about}: {result.detail}. Look at {', '.join(question.code)}.")
