"""The environment variables as Markdown, from the comments of deploy/countersign.env."""

import re

INTRODUCTION = """\
# Settings

Countersign is configured by its environment. `deploy/countersign.env` is a file to copy, with all of these.
"""
_section = re.compile(r"^## --- (?P<title>.+) ---$")
_comment = re.compile(r"^## (?P<text>.+)$")
_variable = re.compile(r"^(?P<hash>#?)(?P<name>[A-Z_]+)=(?P<value>.*)$")


def page(text: str) -> str:
    """A table for each section of the file; a comment explains the variable that follows it."""
    lines = [INTRODUCTION]
    comments: list[str] = []
    for line in text.splitlines():
        if section := _section.match(line):
            lines.append(f"\n## {section['title']}\n\n| variable | default | |\n|---|---|---|")
            comments = []
        elif variable := _variable.match(line):
            default = f"`{variable['value']}`" if variable["hash"] and variable["value"] else ""
            lines.append(f"| `{variable['name']}` | {default} | {_cell(' '.join(comments))} |")
            comments = []
        elif comment := _comment.match(line):
            comments.append(comment["text"])
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
