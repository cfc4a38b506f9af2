"""The commands of `./run`, of local mode and of Django as Markdown, from their own help."""

from argparse import Action, ArgumentParser, _SubParsersAction
from collections.abc import Iterator

from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from config.launcher import HELP
from workflows.terminal.command import parser_of_run

APPS = ("config", "promises", "workflows", "approvals", "examples")


def page() -> str:
    """`./run` and local mode first, then every management command of ours; one that has two names is listed once."""
    named: dict[type[BaseCommand], list[str]] = {}
    for name, app in sorted(get_commands().items()):
        if app in APPS:
            named.setdefault(type(load_command_class(str(app), name)), []).append(name)
    commands = "".join(_command(command, names) for command, names in named.items())
    local = parser_of_run().format_help()
    return f"# Commands\n\n## ./run\n\n{_text(HELP)}\n## python -m workflows run\n\n{_text(local)}{commands}"


def _text(words: str) -> str:
    return f"```text\n{words}```\n"


def _command(command: type[BaseCommand], names: list[str]) -> str:
    parser = command().create_parser("./run manage", names[-1])
    text = f"\n## {', '.join(names)}\n\n{parser.description}\n"
    for call, options in _calls(f"./run manage {names[-1]}", parser):
        text += f"\n    {call}\n" + ("\n" + "".join(map(_option, options)) if options else "")
    return text


def _calls(call: str, parser: ArgumentParser) -> Iterator[tuple[str, list[Action]]]:
    """Each way to call it, with the arguments that have something to say."""
    common = {action.dest for action in BaseCommand().create_parser("", "")._actions} | {"help"}
    own = [action for action in parser._actions if action.dest not in common]
    verbs = [action for action in own if isinstance(action, _SubParsersAction)]
    if verbs:
        for verb, below in verbs[0].choices.items():
            yield from _calls(f"{call} {verb}", below)
    else:
        yield " ".join([call, *map(_argument, own)]), [action for action in own if action.help]


def _argument(action: Action) -> str:
    """An argument as a usage line shows it: NAME, [--option VALUE]."""
    text = _name(action)
    if action.nargs in ("*", "+"):
        text += " ..."
    return text if action.required and action.nargs != "*" else f"[{text}]"


def _name(action: Action) -> str:
    value = str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return value
    return action.option_strings[-1] + ("" if action.nargs == 0 else f" {value}")


def _option(action: Action) -> str:
    return f"- `{_name(action)}`: {action.help}\n"
