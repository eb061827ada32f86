"""The tables of docs/api.md, written from the API's table of routes.

After a change of it: ``python -m tests.docs.api`` writes them again.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from tako.web.api.calls import Nothing, Route
from tako.web.api.openapi import OR_ASKED, statuses
from tako.web.api.table import ALWAYS, OF_BODIES, ROUTES
from tako.web.problems import KINDS
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "api.md"
MARK = "<!-- {name}: from web/api/table.py, by python -m tests.docs.api -->"
_REF = "{name}"


def written(page: str) -> str:
    """The page with its tables as they should be. Raises ValueError: a place for one is gone."""
    for name, lines in TABLES.items():
        begin, end = MARK.format(name=name), f"<!-- {name}: end -->"
        place = re.compile(f"(?s){re.escape(begin)}\n.*?{re.escape(end)}")
        if not place.search(page):
            raise ValueError(f"docs/api.md has lost its comments {begin} and {end}")
        text = "\n".join([begin, *lines(), end])
        page = place.sub(lambda _, text=text: text, page)  # type: ignore[misc]
    return page


# --- the tables


def routes() -> Iterator[str]:
    yield "| | role | takes | gives | statuses beside those of all |"
    yield "|---|---|---|---|---|"
    for r in ROUTES:
        own = ", ".join(map(str, _own(r)))
        takes = "" if r.takes is Nothing else _link(r.takes.__name__)
        once = " (once with a key)" if r.keyed else ""
        who = f"{r.role}{OR_ASKED * r.asked}"
        yield (
            f"| `{r.method} {r.path}`<br>{r.summary}{once} | {who} | {takes} "
            f"| {_link(r.gives.__name__)} | {own} |"
        )


def shapes() -> Iterator[str]:
    kinds = dict.fromkeys(k for r in ROUTES for k in (r.takes, r.gives) if k is not Nothing)
    _, components = msgspec.json.schema_components(list(kinds), ref_template=_REF)
    for name, shape in sorted(components.items()):
        if "properties" not in shape:
            continue
        yield from ("", f"### {name}", "")
        if (said := shape.get("description")) and not said.startswith(f"{name}("):
            yield from (_prose(said), "")
        yield from ("| field | | |", "|---|---|---|")
        for field, schema in shape["properties"].items():
            yield f"| `{field}` | {_type(schema, components)} | {_need(field, shape, schema)} |"


def problems() -> Iterator[str]:
    yield from ("| status | type | title |", "|---|---|---|")
    for code, (status, title) in sorted(KINDS.items(), key=lambda item: item[1]):
        yield f"| {status} | `tako:{code}` | {title} |"


def everywhere() -> Iterator[str]:
    yield f"Every route may answer {_list(ALWAYS)}; with a body {_list(OF_BODIES)} too."


TABLES = {"routes": routes, "everywhere": everywhere, "shapes": shapes, "problems": problems}


def _own(route: Route) -> list[int]:
    return [status for status in statuses(route) if status not in (*ALWAYS, *OF_BODIES)]


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _prose(docstring: str) -> str:
    return " ".join(docstring.replace("``", "`").split())


def _need(field: str, shape: dict[str, Any], schema: dict[str, Any]) -> str:
    if field in shape.get("required", ()):
        return "" if _is_output(shape) else "needed"
    default = schema.get("default")
    return "" if default is None else f"default `{msgspec.json.encode(default).decode()}`"


def _is_output(shape: dict[str, Any]) -> bool:
    return shape.get("additionalProperties", True) is not False


def _type(schema: dict[str, Any], components: dict[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "$ref" in schema:
        found = components[schema["$ref"]]
        return _link(schema["$ref"]) if "properties" in found else _type(found, components)
    if "anyOf" in schema:
        return " or ".join(_type(part, components) for part in schema["anyOf"])
    if "enum" in schema:
        return ", ".join("null" if v is None else f'`"{v}"`' for v in schema["enum"])
    match schema.get("type"):
        case "array":
            return f"list of {_type(schema['items'], components)}"
        case "string":
            return "time" if schema.get("format") == "date-time" else f"text{_size(schema)}"
        case "integer" | "number" as kind:
            return f"{kind}{_range(schema)}"
        case None:
            return "any JSON"
        case kind:
            return str(kind)


def _size(schema: dict[str, Any]) -> str:
    return f", at most {schema['maxLength']}" if "maxLength" in schema else ""


def _range(schema: dict[str, Any]) -> str:
    if "minimum" not in schema:
        return ""
    return f", {schema['minimum']} to {schema['maximum']}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
