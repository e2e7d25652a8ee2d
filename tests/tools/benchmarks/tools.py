"""The tools that are offered in a call, and the class of a structured answer: the same for every framework.

Nothing here needs a framework: each makes its own tools out of the functions.
"""

# Annotations are values here, for the frameworks make the tools' schemas of them.

from collections.abc import Callable

from pydantic import BaseModel, Field


class Trip(BaseModel):
    """A trip that somebody plans."""

    place: str = Field(description="Where it goes.")
    days: int = Field(description="How long it takes.")
    notes: str = Field(description="What else is to be known.")


def plan_trip(place: str, days: int, notes: str) -> str:
    """Plan a trip: where it goes, how many days it takes, and what else is to be known."""
    return f"{place}, {days} days: {notes}"


def book_hotel(place: str, days: int, notes: str) -> str:
    """Book a hotel in a place for some days, with the guest's wishes in the notes."""
    return f"{place}, {days} days: {notes}"


def book_train(place: str, days: int, notes: str) -> str:
    """Book a train to a place and back after some days, with the seat's kind in the notes."""
    return f"{place}, {days} days: {notes}"


def forecast(place: str, days: int, notes: str) -> str:
    """Tell the weather in a place for some days, with what is asked of it in the notes."""
    return f"{place}, {days} days: {notes}"


def find_museums(place: str, days: int, notes: str) -> str:
    """Find museums in a place that are open in the next days, of the kind that the notes say."""
    return f"{place}, {days} days: {notes}"


TOOLS: tuple[Callable[[str, int, str], str], ...] = (plan_trip, book_hotel, book_train, forecast, find_museums)
