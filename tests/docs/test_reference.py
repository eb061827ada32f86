"""What the pages list is what the code has: settings, commands, exit codes, tests, links."""

import ast
import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer.main

from tako import cli
from tako.asking import Asking
from tako.cli.exits import EXITS
from tako.config import (
    ApprovalsConfig,
    ChannelConfig,
    Defaults,
    DevCommand,
    DevConfig,
    Duration,
    GroupConfig,
    HookConfig,
    OidcConfig,
    ProxyConfig,
    RolesConfig,
    WebConfig,
    load_app,
)
from tako.durations import seconds
from tests.docs.pages import ROOT, blocks, pages

RUNNING, CLI = (ROOT / "docs" / f"{n}.md" for n in ("running", "cli"))
SHOWN = [ROOT / "docs" / f"{n}.md" for n in ("who-wins", "threats")]  # each row by a test
README = ROOT / "README.md"

TABLES: dict[str, type[Any]] = {
    "defaults.": Defaults,
    "groups.*.": GroupConfig,
    "web.": WebConfig,
    "web.oidc.": OidcConfig,
    "web.proxy.": ProxyConfig,
    "roles.": RolesConfig,
    "notify.*.": ChannelConfig,
    "hooks.*.": HookConfig,
    "approvals.": ApprovalsConfig,
    "dev.": DevConfig,
    "dev.commands.*.": DevCommand,
}
TOP = {"name", "data_dir", "python", "people"}  # their defaults depend on where the app is
LINK = re.compile(r"\]\((?!https?://)([^)#]*)(#[^)]*)?\)")
ALL_PAGES = [*pages(), ROOT / "CHANGELOG.md", ROOT / "examples" / "shop" / "README.md"]


def rows(page: Path) -> Iterator[list[str]]:
    """The cells of every row of every table of a page."""
    for line in page.read_text().splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


# --- tako.toml


def settings() -> dict[str, Any]:
    """Every key that tako.toml may have, and its default."""
    fields = {p + f.name: f for p, kind in TABLES.items() for f in msgspec.structs.fields(kind)}
    for table in ("dev.commands", "web.oidc", "web.proxy"):
        del fields[table]  # whose keys are of their own
    defaults = {key: {} if f.default_factory is dict else f.default for key, f in fields.items()}
    return defaults | dict.fromkeys(TOP)


def documented_settings() -> dict[str, str]:
    table = RUNNING.read_text().partition("| key | default |")[2].partition("\n\n")[0]
    found = re.findall(r"(?m)^\| `([\w.*]+)` \| ([^|]*) \|", table)
    return {key: default.strip("` ") for key, default in found}


def test_every_key_of_tako_toml_is_in_the_table_and_no_other() -> None:
    assert documented_settings().keys() == settings().keys()


@pytest.mark.parametrize(("key", "default"), sorted(settings().items()), ids=sorted(settings()))
def test_the_default_of_a_key_is_the_one_in_the_table(key: str, default: object) -> None:
    said = documented_settings()[key]
    if key in TOP:
        return
    if default is msgspec.NODEFAULT:
        assert said == "(needed)"
    elif default is None:
        assert said == "(none)"
    elif isinstance(default, Duration):
        assert seconds(said.strip('"'), what=key) == default
    else:
        plain = list(default) if isinstance(default, tuple) else default
        assert tomllib.loads(f"value = {said}")["value"] == plain


def test_the_example_of_tako_toml_holds_every_key_and_the_defaults(tmp_path: Path) -> None:
    (example,) = (b for b in blocks(RUNNING.read_text(), "running.md") if b.path == "tako.toml")
    (tmp_path / "tako.toml").write_text(example.text)
    app = load_app(tmp_path)
    assert app.defaults == Defaults()
    assert app.groups["default"] == GroupConfig()
    assert app.dev.idle_timeout == DevConfig().idle_timeout
    for key in settings():
        assert re.search(rf"(?m)^(# )?{key.rpartition('.')[2]} = ", example.text), key


# --- the command line


def commands(command: Any = None, path: str = "tako") -> Iterator[tuple[str, set[str]]]:
    """Every command of the program with its options, but --json."""
    command = command or typer.main.get_command(cli.app)
    for name, sub in command.commands.items():
        if hasattr(sub, "commands"):
            yield from commands(sub, f"{path} {name}")
        else:
            yield f"{path} {name}", set(chain(*(p.opts for p in sub.params))) & _options(sub)


def _options(command: Any) -> set[str]:
    options = (p.opts for p in command.params if p.param_type_name == "option")
    return set(chain(*options)) - {"--json"}


def documented_commands() -> dict[str, set[str]]:
    found = [row for row in rows(CLI) if row[0].startswith("`tako ")]
    names = [re.match(r"`(tako(?: [a-z]+)+)", row[0]) for row in found]
    return {
        name[1]: set(re.findall(r"--[\w-]+", row[2]))
        for name, row in zip(names, found, strict=True)
        if name
    }


def test_every_command_is_in_the_table_with_its_options() -> None:
    assert documented_commands() == dict(commands())


def test_the_exit_codes_of_the_page_are_those_of_the_help() -> None:
    table = CLI.read_text().partition("## Exit codes")[2].partition("```")[0]
    said = dict(re.findall(r"(?m)^\| (\d+) \| (.*) \|$", table))
    assert said == dict(re.findall(r"(?m)^  (\d+) +(.*)$", EXITS))


# --- the public names


def test_every_public_name_that_is_no_error_is_on_the_page_of_the_api() -> None:
    import tako

    public = {name for name in tako.__all__ if not _is_error(getattr(tako, name))}
    text = README.read_text()
    missing = {name for name in public if not re.search(rf"\b{name.removesuffix('_sync')}\b", text)}
    assert missing - {"Workflow", "Handle", "SyncStep", "SignalResult", "RunInfo"} == set()


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def test_every_option_of_an_approval_is_in_its_table_and_no_other() -> None:
    page = (ROOT / "docs" / "approvals.md").read_text()
    table = page.partition("| option | default | |")[2].partition("\n\n")[0]
    documented = re.findall(r"(?m)^\| `(\w+)` \|", table)
    assert documented[0] == "name"
    assert set(documented[1:]) == {"title", "form", "on_timeout", *Asking.__annotations__}


# --- tests that pages name, and links


def _written_tests() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_test_that_a_page_names_exists() -> None:
    known = _written_tests()
    named = {name for page in pages() for name in re.findall(r"`(test_\w+)`", page.read_text())}
    assert named - known == set()


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.name)
def test_every_row_of_what_wins_or_is_defended_names_a_test(page: Path) -> None:
    claims = [row for row in rows(page) if len(row) == 3]
    assert claims
    silent = [row for row in claims if not row[-1].startswith("`test_")]
    assert [row for row in silent if row[-1] != "test"] == []


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        found = page if not target else page.parent / target
        assert found.exists(), target
        if anchor:
            assert anchor[1:] in anchors(found), target + anchor


def anchors(page: Path) -> set[str]:
    """What its headings are called, as GitHub makes it."""
    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- the map of the code


ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
HOME = ROOT / "src" / "tako"
FILES = sorted(set(re.findall(r"`([\w/]+\.(?:py|sql))`", ARCHITECTURE)))


@pytest.mark.parametrize("name", FILES)
def test_every_file_that_the_architecture_names_exists(name: str) -> None:
    assert (HOME / name).exists() or list(HOME.glob(f"*/{name}")), name


@pytest.mark.parametrize(("name", "file"), re.findall(r"`(\w+)` in `([\w/.]+)`", ARCHITECTURE))
def test_every_name_that_the_architecture_puts_into_a_file_is_there(name: str, file: str) -> None:
    assert re.search(rf"\b{name}\b", (HOME / file).read_text())


def test_every_house_is_in_the_architecture() -> None:
    houses = {p.name for p in HOME.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    named = {name for name in houses if re.search(rf"`{re.escape(name)}[`/]", ARCHITECTURE)}
    assert houses - named - {"__init__.py", "__main__.py"} == set()
