"""A form from a JSON Schema, and back: what the fields are, what they hold, what was meant.

Only what a person can fill in by hand becomes fields; anything else is a text of JSON. Nothing is
judged here: what cannot be read as what is wanted goes to the server as it was typed, which says
no to it by its name. The names of fields are JSON Pointers (RFC 6901) after "value".

A blank field means: null where null is allowed, an empty text or list where the type is one, else
that the key is left out, so that its default counts.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

ROOT = "value"
LONG = 200  # characters: a text that may be longer has several lines

_NUMBER = re.compile(r"-?\d+")
_REAL = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_LOCAL = re.compile(r"\d{4,}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?")
_SCALARS = {"string", "integer", "number"}
_ABSENT = object()
_YES, _NO = "true", "false"


class Field(Struct, frozen=True):
    """One field, or a group of them.

    ``kind``: text | long | integer | number | check | choice | date | moment | lines | group |
    fixed | json. ``path``: as the server names it in a refusal ("order.items[0]"). ``choices``:
    (what is sent, what is shown) with the values in ``values``. ``default`` is JSON, if there is
    one.
    """

    name: str
    path: str
    label: str
    kind: str
    hint: str = ""
    required: bool = True
    nullable: bool = False
    default: Any = _ABSENT
    choices: tuple[tuple[str, str], ...] = ()
    values: tuple[Any, ...] = ()
    fields: tuple["Field", ...] = ()
    item: str = "string"  # lines: what each is
    limits: tuple[tuple[str, str], ...] = ()  # attributes of the input

    @property
    def id(self) -> str:
        """For labels and links within the page."""
        return re.sub(r"[^\w-]", "-", self.name)

    @property
    def key(self) -> str:
        """What the object above calls it."""
        return self.name.rpartition("/")[2].replace("~1", "/").replace("~0", "~")

    @property
    def has_default(self) -> bool:
        return self.default is not _ABSENT

    @property
    def optional(self) -> bool:
        """Whether it may stay blank."""
        return self.nullable or not self.required


class Parsed(Struct, frozen=True):
    """``value``: what was meant. ``errors``: by name, what cannot be sent. ``missing``: names."""

    value: Any
    errors: dict[str, str]
    missing: tuple[str, ...]


def form_of(schema: str) -> Field:
    """The form of a JSON Schema (its text); its root is a group, or one field."""
    tree = msgspec.json.decode(schema)
    return _Reader(tree).field(tree, ROOT, "", "", required=True)


def parse(form: Field, data: Mapping[str, str]) -> Parsed:
    """What somebody meant who sent ``data``."""
    errors: dict[str, str] = {}
    missing: list[str] = []
    value = _value(form, data, errors, missing)
    return Parsed(None if value is _ABSENT else value, errors, tuple(missing))


def texts(form: Field, value: Any = _ABSENT) -> dict[str, str]:
    """What the fields hold for ``value``; without one, for the defaults."""
    return dict(_texts(form, form.default if value is _ABSENT else value))


def leaves(form: Field) -> Iterator[Field]:
    """Every field that is filled in, in the order of the page."""
    if form.kind != "group":
        yield form
    for field in form.fields:
        yield from leaves(field)


def errors_at(form: Field, path: str, problem: str, missing: Sequence[str]) -> dict[str, str]:
    """Where a refusal belongs: the field of its path, or those that were left blank; else ""."""
    found = [f for f in leaves(form) if _covers(f.path, path)]
    if found:
        return {max(found, key=lambda f: len(f.path)).name: problem}
    blank = [name for name in missing if name.startswith(ROOT)]
    return dict.fromkeys(blank, "This is needed.") or {"": problem}


def _covers(field: str, path: str) -> bool:
    return field == path or (not field) or path.startswith((f"{field}.", f"{field}["))


# --- from a schema


class _Reader:
    """Reads one schema; knows what its references mean."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root

    def field(
        self,
        node: Any,
        name: str,
        path: str,
        label: str,
        *,
        required: bool,
        within: frozenset[str] = frozenset(),
    ) -> Field:
        node, nullable, within = self._plain(node, within)
        common: dict[str, Any] = {
            "name": name,
            "path": path,
            "label": node.get("title") if label and "title" in node else label,
            "hint": node.get("description", "") if name != ROOT else "",
            "required": required,
            "nullable": nullable,
            "default": node.get("default", _ABSENT),
        }
        if node.get("type") == "object" and node.get("properties") and not nullable:
            fields = tuple(self._properties(node, name, path, within))
            return Field(kind="group", fields=fields, **common)
        return Field(**common, **_leaf(node, self._items(node, within)))

    def _properties(
        self, node: dict[str, Any], name: str, path: str, within: frozenset[str]
    ) -> Iterator[Field]:
        needed = node.get("required", ())
        for key, child in node["properties"].items():
            yield self.field(
                child,
                f"{name}/{key.replace('~', '~0').replace('/', '~1')}",
                f"{path}.{key}".removeprefix("."),
                label_of(key),
                required=key in needed,
                within=within,
            )

    def _plain(
        self, node: Any, within: frozenset[str]
    ) -> tuple[dict[str, Any], bool, frozenset[str]]:
        """The node without references and without null; whether null is allowed too."""
        nullable = False
        node = node if isinstance(node, dict) else {}
        while True:
            if "$ref" in node:
                node, within = self._follow(node, within)
            elif len(node.get("allOf", ())) == 1:
                node = node["allOf"][0] | {k: v for k, v in node.items() if k != "allOf"}
            elif (rest := _without_null(node)) is not None:
                node, nullable = rest, True
            else:
                return node, nullable, within

    def _follow(
        self, node: dict[str, Any], within: frozenset[str]
    ) -> tuple[dict[str, Any], frozenset[str]]:
        ref = node["$ref"]
        beside = {key: value for key, value in node.items() if key != "$ref"}
        target: Any = self._root
        for part in ref.removeprefix("#").split("/")[1:]:
            target = target.get(part.replace("~1", "/").replace("~0", "~"), {})
        if ref in within or not ref.startswith("#") or not isinstance(target, dict):
            return beside, within  # it contains itself: a text of JSON
        named = {key: value for key, value in target.items() if key != "title"}  # a class's name
        return named | beside, within | {ref}

    def _items(self, node: dict[str, Any], within: frozenset[str]) -> dict[str, Any]:
        """What the elements of a list are; {} if they are no scalars."""
        items, nullable, _ = self._plain(node.get("items"), within)
        return {} if nullable or "enum" in items or "const" in items else items


def _without_null(node: dict[str, Any]) -> dict[str, Any] | None:
    """The node without the option of null; None if it has none, or more than one other."""
    for key in ("anyOf", "oneOf"):
        options = node.get(key, [])
        others = [option for option in options if option != {"type": "null"}]
        if len(others) == 1 < len(options):
            return dict(others[0]) | {k: v for k, v in node.items() if k != key}
    if isinstance(node.get("type"), list) and "null" in node["type"] and len(node["type"]) == 2:
        (kind,) = (t for t in node["type"] if t != "null")
        return node | {"type": kind}
    if None in (values := node.get("enum", ())) and len(values) > 1:
        return node | {"enum": [v for v in values if v is not None]}
    return None


def _leaf(node: dict[str, Any], items: dict[str, Any]) -> dict[str, Any]:
    """Kind, choices and limits of one field."""
    kind = node.get("type")
    if "const" in node:
        return {"kind": "fixed", "values": (node["const"],)}
    if "enum" in node:
        return _choice(node["enum"])
    if kind == "boolean":
        return {"kind": "check"}
    if kind == "integer":
        return {"kind": kind, "limits": _limits(_within(node), _RANGES)}
    if kind == "number":
        return {"kind": kind, "limits": _limits(node, _RANGES)}
    if kind == "array" and items.get("type") in _SCALARS and "prefixItems" not in node:
        return {"kind": "lines", "item": items["type"]}
    if kind == "string":
        return {"kind": _text_kind(node), "limits": _limits(node, _LENGTHS)}
    return {"kind": "json"}


def _choice(values: list[Any]) -> dict[str, Any]:
    if len(values) == 1:
        return {"kind": "fixed", "values": tuple(values)}
    plain = all(isinstance(v, str) and v for v in values)
    shown = [str(v) if isinstance(v, str) and v else _json(v) for v in values]
    sent = shown if plain else [_json(v) for v in values]
    return {
        "kind": "choice",
        "choices": tuple(zip(sent, shown, strict=True)),
        "values": tuple(values),
    }


def _text_kind(node: dict[str, Any]) -> str:
    kinds = {"date": "date", "date-time": "moment", "textarea": "long"}
    kind = kinds.get(node.get("format", ""), "text")
    return "long" if kind == "text" and node.get("maxLength", 0) > LONG else kind


def _within(node: dict[str, Any]) -> dict[str, Any]:
    """The bounds of a whole number, all of them as numbers that may be taken."""
    bounds = {"minimum": ("exclusiveMinimum", 1), "maximum": ("exclusiveMaximum", -1)}
    given = {key: node[other] + n for key, (other, n) in bounds.items() if other in node}
    return given | {key: node[key] for key in bounds if key in node}


_RANGES = {"minimum": "min", "maximum": "max"}
_LENGTHS = {"minLength": "minlength", "maxLength": "maxlength"}


def _limits(node: dict[str, Any], names: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((names[key], _json(node[key])) for key in names if key in node)


def label_of(key: str) -> str:
    """ "max_amount" and "maxAmount" as people write it: "Max amount"."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", key).replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:] if words else key


# --- from a value to texts


def _texts(field: Field, value: Any) -> Iterator[tuple[str, str]]:
    if field.kind == "group":
        given = value if isinstance(value, dict) else {}
        for child in field.fields:
            key = child.key
            yield from _texts(child, given.get(key, child.default))
    elif value is not _ABSENT and field.kind != "fixed":
        blank = value is None and (field.nullable or field.kind != "json")
        yield field.name, "" if blank else _text(field, value)


def _text(field: Field, value: Any) -> str:
    if field.kind == "choice":
        sent = (c for c, v in zip(field.choices, field.values, strict=True) if _same(v, value))
        return next(sent, ("", ""))[0]
    if field.kind == "lines" and isinstance(value, list):
        return "\n".join(item if isinstance(item, str) else _json(item) for item in value)
    if field.kind == "moment" and isinstance(value, str):
        return _to_local(value)
    if field.kind != "json" and isinstance(value, str):
        return value
    return _pretty(value) if field.kind == "json" else _json(value)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _to_local(text: str) -> str:
    """A moment as `datetime-local` wants it, in UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    if at.tzinfo is not None:
        at = at.astimezone(UTC).replace(tzinfo=None)
    if not (at.second or at.microsecond):
        return at.isoformat(timespec="minutes")
    return at.isoformat(timespec="milliseconds" if at.microsecond else "seconds")


# --- from texts to a value


def _value(
    field: Field, data: Mapping[str, str], errors: dict[str, str], missing: list[str]
) -> Any:
    if field.kind == "group":
        value = {}
        for child in field.fields:
            read = _value(child, data, errors, missing)
            if read is not _ABSENT:
                key = child.key
                value[key] = read
        return value
    if field.kind == "fixed":
        return field.values[0]
    text = data.get(field.name, "").replace("\r\n", "\n")
    if field.kind == "check" and not field.nullable:
        return text == _YES
    return _blank(field, missing) if text == "" else _read(field, text, errors)


def _blank(field: Field, missing: list[str]) -> Any:
    if field.nullable:
        return None
    if field.kind in ("text", "long") and (field.required or field.default is not _ABSENT):
        return ""
    if field.kind == "lines" and (field.required or field.default is not _ABSENT):
        return []
    if field.required:
        missing.append(field.name)
    return _ABSENT


def _read(field: Field, text: str, errors: dict[str, str]) -> Any:
    match field.kind:
        case "check":
            return {_YES: True, _NO: False}.get(text, text)
        case "integer" | "number":
            return _number(field.kind, text.strip())
        case "choice":
            sent = (v for (c, _), v in zip(field.choices, field.values, strict=True) if c == text)
            return next(sent, text)
        case "moment":
            return _moment(text)
        case "lines":
            return [_item(field.item, line) for line in text.split("\n") if line]
        case "json":
            return _from_json(field, text, errors)
    return text


def _moment(text: str) -> str:
    """What `datetime-local` sends is meant in UTC; anything else as it is."""
    if not _LOCAL.fullmatch(text):
        return text
    return f"{text}Z" if text.count(":") > 1 else f"{text}:00Z"


def _item(kind: str, line: str) -> Any:
    return line if kind == "string" else _number(kind, line.strip())


def _number(kind: str, text: str) -> Any:
    """A number, or the text itself: the server then says that it is none."""
    if _NUMBER.fullmatch(text) and len(text) < 400:
        return int(text)
    if _REAL.fullmatch(text) and abs(number := float(text)) != float("inf"):
        return number
    return text


def _from_json(field: Field, text: str, errors: dict[str, str]) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        errors[field.name] = f"This is not JSON: {error}"
    except RecursionError:
        errors[field.name] = "This is nested too deeply."
    return _ABSENT


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
