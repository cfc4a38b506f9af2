"""The ways in which a request is decided. `approval_decide` takes no other, so each is named here with what it cannot
do; a test proves every rule for every one of them. Pure data and functions."""

from dataclasses import dataclass

from approvals.cards import Card
from approvals.errors import ConfirmationNeeded, NotInBulk
from approvals.outcomes import Outcome

CONFIRMED_FOR_MS = 10 * 60_000  # how long a password counts as just entered


@dataclass(frozen=True, slots=True)
class Channel:
    """`votes` when people cast ballots through it; the others close a request by rules of their own. `is_bulk` when one
    gesture answers several requests."""

    name: str
    votes: bool = True
    is_bulk: bool = False


PAGE, API, BATCH, COMMAND = Channel("page"), Channel("api"), Channel("batch", is_bulk=True), Channel("command")
ADMIN, TIMER, WORKFLOW = (Channel(name, votes=False) for name in ("admin", "timer", "workflow"))
CHANNELS = {channel.name: channel for channel in (PAGE, API, BATCH, COMMAND, ADMIN, TIMER, WORKFLOW)}


def voting_channel(name: str) -> Channel:
    """The channel of this name. Raises ValueError when people cast no ballots through it: a mistake in our own code."""
    found = CHANNELS.get(name)
    if found is None or not found.votes:
        known = ", ".join(channel.name for channel in CHANNELS.values() if channel.votes)
        raise ValueError(f"Nobody votes through {name!r}; the channels are {known}, named in approvals/channels.py.")
    return found


def channel_check(channel: Channel, card: Card, outcome: Outcome, confirmed_at: int | None, now: int) -> None:
    """Whether an answer may come this way. High risk takes somebody who has just proved who he is; an answer to several
    requests at once is for little risk and nothing to fill in. Times in ms. Errors: NotInBulk, ConfirmationNeeded."""
    if channel.is_bulk and (card.risk != "low" or card.form_for(outcome) is not None):
        raise NotInBulk
    if card.risk == "high" and not is_fresh(confirmed_at, now):
        raise ConfirmationNeeded


def is_fresh(confirmed_at: int | None, now: int) -> bool:
    """Whether a password entered at `confirmed_at` still counts."""
    return confirmed_at is not None and now - CONFIRMED_FOR_MS < confirmed_at <= now
