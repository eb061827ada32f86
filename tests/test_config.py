"""tako.toml: what it means, and what is said when it cannot be used."""

from pathlib import Path

import pytest

from tako.config import AppConfig, find_app, load_app, require_filled
from tako.errors import AppNotFound, ConfigError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TAKO_APP", "TAKO_DATA_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tako.toml").write_text(text)
    return folder


def load(folder: Path, text: str) -> AppConfig:
    return load_app(write(folder, text))


def test_an_empty_file_is_an_app_named_after_its_folder(tmp_path: Path) -> None:
    app = load(tmp_path / "shop", "")
    assert app.name == "shop"
    assert app.dir == tmp_path / "shop"
    assert app.data_dir == Path("~/.local/share/tako/apps/shop").expanduser()
    assert app.socket.name == "tako.sock"
    assert app.group("default").workers == 0
    assert app.group("default").concurrency == 20
    assert app.group("default").idle_timeout.ms == 60_000


def test_the_data_folder_is_relative_to_the_app(tmp_path: Path) -> None:
    app = load(tmp_path / "a", 'name = "shop"\ndata_dir = ".tako"')
    assert app.data_dir == tmp_path / "a" / ".tako" / "apps" / "shop"


def test_the_environment_says_where_data_is_before_the_file_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAKO_DATA_DIR", str(tmp_path / "elsewhere"))
    app = load(tmp_path / "shop", 'data_dir = ".tako"')
    assert app.data_dir == tmp_path / "elsewhere" / "apps" / "shop"


def test_without_data_dir_the_users_data_home_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    assert load(tmp_path / "shop", "").data_dir == tmp_path / "home" / "tako" / "apps" / "shop"


def test_durations_are_texts_or_seconds(tmp_path: Path) -> None:
    app = load(
        tmp_path / "shop",
        """
        [defaults]
        signal_ttl = "2h"
        lease = 12.5
        [groups.gpu]
        workers = 2
        idle_timeout = "500ms"
        """,
    )
    assert app.defaults.signal_ttl.ms == 7_200_000
    assert app.defaults.lease.ms == 12_500
    assert app.group("gpu").workers == 2
    assert app.group("gpu").idle_timeout.ms == 500


def test_dev_has_its_commands_and_a_short_idle_timeout(tmp_path: Path) -> None:
    app = load(
        tmp_path / "shop",
        """
        [groups.default]
        workers = 1
        [dev]
        idle_timeout = "2s"
        [dev.commands.web]
        run = "python -m shop.web"
        env = { PORT = "8000" }
        """,
    )
    assert app.dev.commands["web"].run == "python -m shop.web"
    assert app.dev.commands["web"].env == {"PORT": "8000"}
    assert app.for_dev().group("default").idle_timeout.ms == 2000
    assert app.for_dev().group("default").workers == 1


def test_a_relative_interpreter_is_relative_to_the_app(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    assert load(shop, 'python = ".venv/bin/python"').python == str(shop / ".venv/bin/python")
    assert load(shop, 'python = "python3.12"').python == "python3.12"


@pytest.mark.parametrize(
    ("text", "key", "why"),
    [
        ("nmae = 'x'", "tako.toml: unknown", "unknown key `nmae`; known are name, data_dir"),
        ("name = 3", "name", "Expected `str | null`, got `int`"),
        ("name = '../x'", "name", "cannot name an app"),
        ("[groups.a]\nidle_timeout = 'soon'", "groups.a.idle_timeout", "is no duration"),
        ("[groups.a]\nidle_timeout = -1", "groups.a.idle_timeout", "must not be negative"),
        ("[groups.a]\nidle_timeout = []", "groups.a.idle_timeout", "is no duration"),
        ("[groups.a]\nidle_timeout = true", "groups.a.idle_timeout", "is no duration"),
        ("[groups.a]\nworker = 1", "groups.a", "unknown key `worker`; known are workers"),
        ("[groups.a]\nconcurrency = 0", "groups.a.concurrency", ">= 1"),
        ("[groups.a]\nstart = 'spawn'", "groups.a.start", "Invalid enum value 'spawn'"),
        ("[groups]\na = 3", "groups[...]", "Expected `object`"),
        ("[dev.commands.web]\nenv = {}", "dev.commands.web", "missing required field `run`"),
        ("[dev]\ncommands = 3", "dev.commands", "expected a table"),
        ("[defaults]\nmax_value = 1", "defaults.max_value", ">= 1024"),
        ("[web]\nlisten = '8400'", "web.listen", 'expected "host:port"'),
        ("[web]\nlisten = '127.0.0.1:0'", "web.listen", 'expected "host:port"'),
        ("[web]\nlisten = '127.0.0.1:65536'", "web.listen", 'expected "host:port"'),
        ("[web]\nauth = 'none'", "web.auth", "Invalid enum value 'none'"),
        ("[web]\nauth = 'oidc'", "web.auth", "needs a table [web.oidc]"),
        ("[web]\nauth = 'proxy'", "web.auth", "needs a table [web.proxy]"),
        ("[web.proxy]\ntrusted = []", "web.proxy.trusted", "length >= 1"),
        ("[roles]\nadmin = ['ana']", "roles", "unknown key `admin`; known are viewer"),
        ("[hooks.x]\nkind = 'hmac'", "hooks.x", "missing required field `secret`"),
        ("people = 'nobody.toml'", "people", "there is no file"),
        ("name = x", "not valid TOML", "line 1"),
    ],
)
def test_what_cannot_be_used_is_named_with_file_and_key(
    tmp_path: Path, text: str, key: str, why: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "shop", text)
    assert str(tmp_path / "shop" / "tako.toml") in str(caught.value)
    assert key in str(caught.value)
    assert why in str(caught.value)


def test_secrets_come_from_the_environment_and_nobody_needs_them_who_does_not_use_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "[web]\nlisten = '${HOST:-127.0.0.1}:8400'\n[hooks.x]\nkind = 'hmac'\nevent = 'x'\n"
    monkeypatch.setenv("HOOK", "secret")
    app = load(tmp_path / "shop", text + "secret = '${HOOK}'")
    assert app.web is not None and app.web.base == "http://127.0.0.1:8400"
    assert app.hooks["x"].secret == "secret"
    monkeypatch.delenv("HOOK")
    without = load(tmp_path / "shop", text + "secret = '${HOOK}'").hooks["x"]
    with pytest.raises(ConfigError, match="the environment variable HOOK is not set"):
        require_filled("hooks.x", without)


def test_the_nearest_app_above_the_working_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = write(tmp_path / "shop", "")
    (shop / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(shop / "deep" / "er")
    assert find_app() == shop


def test_an_app_is_named_by_argument_then_environment_then_workflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = (write(tmp_path / name, "") for name in ("one", "two", "three"))
    monkeypatch.chdir(tmp_path)
    assert find_app(near=three) == three
    monkeypatch.setenv("TAKO_APP", str(two))
    assert find_app(near=three) == two
    assert find_app(one, near=three) == one


def test_no_app_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AppNotFound, match=r"name it with `tako --app`, TAKO_APP"):
        find_app()
    with pytest.raises(AppNotFound, match=r"no tako.toml in .*nowhere"):
        load_app(tmp_path / "nowhere")
    monkeypatch.setenv("TAKO_APP", str(tmp_path / "gone"))
    with pytest.raises(AppNotFound, match="which TAKO_APP names"):
        find_app()
