"""An app that people log in to with a password, and the people."""

from pathlib import Path

from argon2 import PasswordHasher

from tests.support import AppFixture, free_port, make_app

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # a test checks many
PEOPLE = f"""
    # everybody
    [Ana]
    name = "Ana Lima"
    email = "ana@example.com"
    aliases = ["al"]
    groups = ["finance"]
    password = "{CHEAP.hash("ana's password")}"

    [ben]
    password = "{CHEAP.hash("bens password")}"

    [cleo]
    email = "cleo@example.com"

    [slow]
    password = "{PasswordHasher().hash("slow password")}"
"""
USERS = """
    [web]
    listen = "127.0.0.1:{port}"
    auth = "users"
    {more}

    [roles]
    operator = ["group:finance"]
    viewer = ["ben"]
"""


def users_app(folder: Path, more: str = "", people: str = PEOPLE) -> AppFixture:
    app = make_app(folder, {"people.toml": people}, toml=USERS.format(port=free_port(), more=more))
    (app.dir / "people.toml").chmod(0o600)
    return app
