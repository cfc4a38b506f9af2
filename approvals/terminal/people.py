"""Asking for a decision: the card, the outcomes with a key for each, a reason where one is needed, and the form."""

import getpass
from collections.abc import Sequence

from approvals.errors import AlreadyDecided, ApprovalError, NotEligible
from approvals.outcomes import Outcome
from approvals.steps import TAG
from approvals.terminal.drawing import drawn
from approvals.terminal.filling import Closed, Filling
from approvals.testing import Answer, HeldRequest, Humans
from promises.records import PromiseRecord
from workflows.terminal.screen import Screen


class PeopleAtTerminal(Humans):
    """Everybody whom a request asks is the one person at the terminal: under the own name, and where the policy wants
    somebody else, or more people than one, under invented ones."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: set[tuple[str, str]] = set()

    def owns(self, promise: PromiseRecord) -> bool:
        return TAG in promise.tags

    def questions(self) -> "Sequence[RequestQuestion]":
        """The requests that are open and that somebody may decide."""
        with self.opened:
            held = list(self.requests.values())
        return [RequestQuestion(self, request) for request in held if request.is_pending]

    def is_news(self, request: HeldRequest) -> bool:
        """Whether the card, as it is now, is asked for the first time."""
        shown = request.promise_id, request.card.digest
        is_news = shown not in self._shown
        self._shown.add(shown)
        return is_news

    def voter(self, request: HeldRequest) -> str:
        """In whose name the next answer is given. Errors: NotEligible."""
        me = getpass.getuser()
        for principal in request.card.policy.principals(request.stage):
            if not principal.startswith("user:"):
                self.members.setdefault(principal, set()).add(me)
        return me if request.eligibility(me).allowed else self._somebody(request)


class RequestQuestion:
    """One request, as the terminal asks it."""

    def __init__(self, people: PeopleAtTerminal, request: HeldRequest) -> None:
        self.people = people
        self.request = request
        self.title = request.title

    def is_open(self) -> bool:
        return self.request.is_pending

    def ask(self, screen: Screen) -> None:
        """Ask until one ballot is cast; a quorum asks again. Raises EOFError."""
        name = self.people.voter(self.request)
        read = self.people[name].reads(self.request)
        if self.people.is_news(self.request):
            screen.show(drawn(self.request, screen))
        for ballot in self.request.ballots:
            screen.say(f"{ballot.by}: {ballot.outcome} {ballot.comment}".rstrip())
        while self.is_open():
            try:
                answer = self._answer(screen, name)
                read.decide(answer.outcome, answer.comment, input=answer.input, edits=answer.edits)
                return
            except Closed:
                break
            except (AlreadyDecided, NotEligible) as error:
                screen.say(str(error), "yellow")
                return
            except ApprovalError as error:
                screen.say(str(error), "yellow")
        screen.say("This is not asked any more.", "yellow")

    def _answer(self, screen: Screen, name: str) -> Answer:
        keys = keys_of(self.request.card.offered)
        for key, outcome in keys.items():
            screen.say(f"  {key}  {outcome.label}{'  (with a reason)' if outcome.needs_comment else ''}")
        filling = Filling(screen, self.people[name], self.is_open)
        key, comment = self._choice(filling, f"You answer as {name}. A key, and what you have to say:", keys)
        outcome = keys[key]
        while outcome.needs_comment and not comment:
            comment = filling.line("Your reason:")
        input, edits = filling.input(self.request.card, outcome), filling.edits(self.request.card, outcome)
        return Answer(outcome.name, comment, input, edits)

    def _choice(self, filling: Filling, prompt: str, keys: dict[str, Outcome]) -> tuple[str, str]:
        """The key that was typed, and the words behind it."""
        while True:
            typed, _, comment = filling.line(prompt).partition(" ")
            for key, outcome in keys.items():
                if typed.lower() in (key, outcome.name):
                    return key, comment.strip()
            prompt = f"One of {', '.join(keys)}:"


def keys_of(outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    """A key for each outcome: a letter of its label, or, where those are taken, a number."""
    keys: dict[str, Outcome] = {}
    for number, outcome in enumerate(outcomes, 1):
        letters = [letter for letter in outcome.label.lower() if letter.isascii() and letter.isalpha()]
        key = next((letter for letter in letters if letter not in keys), str(number))
        keys[key] = outcome
    return keys
