"""A form in a terminal: its fields, and a value to copy and change."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

from tako.cli.output import print_table
from tako.forms import Field, form_of, leaves, parse, texts

_KINDS = {
    "text": "text",
    "long": "text",
    "integer": "whole number",
    "number": "number",
    "check": "true or false",
    "date": "date, as 2026-12-31",
    "moment": "moment, as 2026-12-31T12:00:00Z",
    "json": "JSON",
}
_EXAMPLES = {"integer": 1, "number": 1, "check": False, "json": {}}
_EXAMPLES |= {"date": "2026-12-31", "moment": "2026-12-31T12:00:00Z"}


def print_fields(schema: str) -> None:
    """What a form asks for, as a table."""
    columns = ("FIELD", "TAKES", "NEEDED", "ABOUT")
    print_table(columns, field_lines(schema), empty="The form has no field.")


def field_lines(schema: str) -> list[tuple[str, ...]]:
    """Of each field of a form its name, what it takes, whether it is needed, and its hint."""
    return [_line(field) for field in leaves(form_of(schema))]


def example(schema: str) -> str:
    """A value of the form, quoted for a shell: its defaults, and something where there is none."""
    form = form_of(schema)
    value = parse(form, dict(texts(form))).value
    return shlex.quote(json.dumps(_filled(form, value), ensure_ascii=False))


def _line(field: Field) -> tuple[str, ...]:
    needed = "" if field.optional else "required"
    if field.has_default:
        needed = f"default {json.dumps(field.default, ensure_ascii=False)}"
    return field.path or "(the value)", _takes(field), needed, field.hint


def _takes(field: Field) -> str:
    if field.kind == "choice":
        return "one of " + ", ".join(_word(value) for value in field.values)
    if field.kind == "fixed":
        return f"always {_word(field.values[0])}"
    if field.kind == "lines":
        return f"list of {'texts' if field.item == 'string' else 'numbers'}"
    return ", ".join([_KINDS[field.kind], *_limits(dict(field.limits))])


def _limits(given: dict[str, str]) -> Iterator[str]:
    for low, high, unit in (("min", "max", ""), ("minlength", "maxlength", " characters")):
        match given.get(low), given.get(high):
            case str(least), str(most):
                yield f"{least} to {most}{unit}"
            case str(least), None:
                yield f"at least {least}{unit}"
            case None, str(most):
                yield f"at most {most}{unit}"


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _filled(field: Field, value: Any) -> Any:
    """``value`` with something in what is required and blank."""
    if field.kind == "group":
        given = value if isinstance(value, dict) else {}
        found = {child.key: _filled(child, given.get(child.key)) for child in field.fields}
        return {key: part for key, part in found.items() if key in given or part is not None}
    if (value is not None and value != "") or field.optional:
        return value
    if field.kind == "choice":
        return field.values[0]
    if field.kind == "lines":
        return []
    limits = dict(field.limits)
    if "min" in limits:
        return json.loads(limits["min"])
    return _EXAMPLES.get(field.kind, "…")
