"""Extension for mkdocstrings that reads the docstrings of this project as they are meant.

What stands behind the colon of a parameter is prose here, not a type; types stand in the signature.
Doctests may stand anywhere. The fields of a configuration have a comment each and no docstring.
"""

import re
from typing import Any

from griffe import Attribute, Class, Extension, Function, GriffeLoader, Object

WIDTH = 84  # a line about this long goes on in the next one; a shorter one was ended on purpose
SECTIONS = re.compile(
    r"(?m)^(Parameters|Attributes|Returns|Raises)\n-+\n((?:.+\n?|\n(?! *\S+\n-))*)"
)
DOCTEST = re.compile(r"(?:^>>> .*\n?(?:^(?:\.\.\. |>>> )?\S.*\n?)*)+", re.MULTILINE)
FLAG = re.compile(r"\s*# doctest:.*$", re.MULTILINE)
COMMENT = re.compile(r"  # (.*)$")


class HouseStyle(Extension):
    """Rewrite docstrings into what the parser of numpy's style expects."""

    def on_object(self, *, obj: Object, loader: GriffeLoader, **_: Any) -> None:
        """Give an object's docstring the common form."""
        if isinstance(obj, Function):
            for parameter in [p.name for p in obj.parameters if p.name.startswith("_")]:
                del obj.parameters[parameter]  # for tests
        if obj.docstring is not None:
            obj.docstring.value = _rewritten(obj.docstring.value)
            if isinstance(obj, Class):
                obj.docstring.value += _fields(obj)


def _rewritten(text: str) -> str:
    head, *rest = re.split(r"(?m)^(?=Examples\n-+\n)", text)
    head = DOCTEST.sub(lambda m: f"```pycon\n{FLAG.sub('', m[0]).rstrip()}\n```\n", head)
    head = SECTIONS.sub(lambda m: f"{m[1]}\n{'-' * len(m[1])}\n{_items(m[1], m[2])}", head + "\n")
    return head + "".join(rest)


def _items(section: str, block: str) -> str:
    """Move the prose behind each colon into the body of its item."""
    items: list[list[str]] = []
    for line in block.rstrip().splitlines():
        if line.startswith(" ") and items:
            items[-1].append(line.strip())
        elif line and section == "Returns" and items and " : " not in line:
            items[-1].append(line)  # one value, described in a sentence
        elif line:
            items.append([line])
    parts = []
    for first, *body in items:
        name, colon, prose = first.partition(" : ")
        if not colon:
            name, prose = (":", first) if section == "Returns" else (first, "")
        elif section == "Returns":
            name = f"{name} :"
        text = prose
        for line in body:
            ended = line is body[0] and text and len(f"{first} {line.split()[0]}") <= WIDTH
            text += f"; {line}" if ended else f" {line}"
        parts.append(f"{name}\n    {text.strip()}" if text.strip() else name)
    return "\n".join(parts) + "\n\n"


def _fields(cls: Class) -> str:
    """Describe the fields of a dataclass: their defaults, and the comments behind them."""
    if "dataclass" not in cls.labels or "\nAttributes\n---" in cls.docstring.value:
        return ""
    lines = cls.lines_collection[cls.filepath]
    rows = []
    for name, field in cls.members.items():
        if isinstance(field, Attribute) and "property" not in field.labels and name[0] != "_":
            comment = COMMENT.search(lines[field.lineno - 1])
            default = str(field.value) if field.value is not None else ""
            parts = [comment[1]] if comment else []
            if default and not default.startswith("field("):
                parts.append(f"(`{default}`)")
            rows.append(f"{name}\n    {' '.join(parts)}".rstrip())
    return "\n\nAttributes\n----------\n" + "\n".join(rows) if rows else ""
