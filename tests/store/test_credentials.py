"""Sessions and API tokens: known by the hash of their secret, until their time or a word."""

import asyncio
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tako.commands import (
    Count,
    Grant,
    Identified,
    Identify,
    ListCredentials,
    Ok,
    RevokeCredential,
)
from tako.model import Credential
from tests.store.asking import driver_with_people
from tests.store.driver import START, Driver


@pytest.fixture
def driver(tmp_path: Path, runner: asyncio.Runner) -> Iterator[Driver]:
    driver = driver_with_people(tmp_path / "runs.db", runner)
    yield driver
    driver.store.close()


def hashed(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def credential(id_: str = "c1", person: str = "ana", **options: Any) -> Credential:
    fields = {
        "kind": "token",
        "auth": "password",
        "groups": ("finance", "group:ops"),
        "scopes": ("viewer", "approver"),
        "name": "ci",
        "created_at": START,
        "expires_at": START + 1000,
        **options,
    }
    return Credential(id=id_, person=person, **fields)


def granted(driver: Driver, id_: str = "c1", person: str = "ana", **options: Any) -> Credential:
    given = credential(id_, person, **options)
    assert driver.do(Grant(hashed(id_), given)) == Ok()
    return given


def ids(driver: Driver, **options: Any) -> list[str]:
    return [c.id for c in driver.do(ListCredentials(**options)).credentials]


def test_a_secret_is_known_by_its_hash_with_all_that_was_granted(driver: Driver) -> None:
    given = granted(driver)
    assert driver.do(Identify(hashed("c1"))) == Identified(given)
    driver.restart()
    assert driver.do(Identify(hashed("c1"))).credential == given


def test_without_groups_and_scopes_too(driver: Driver) -> None:
    given = granted(driver, kind="session", groups=(), scopes=(), name="")
    assert driver.do(Identify(hashed("c1"))).credential == given


@pytest.mark.parametrize("secret", ["c2", "", "C1"])
def test_any_other_secret_is_unknown(driver: Driver, secret: str) -> None:
    granted(driver)
    assert driver.refused(Identify(hashed(secret))) == "unknown_credential"
    assert driver.refused(Identify("c1")) == "unknown_credential"


def test_a_credential_is_unknown_from_the_moment_it_expires(driver: Driver) -> None:
    granted(driver)
    driver.now = START + 999
    assert driver.do(Identify(hashed("c1")))
    assert ids(driver) == ["c1"]
    driver.now = START + 1000
    assert driver.refused(Identify(hashed("c1"))) == "unknown_credential"
    assert ids(driver) == []


def test_what_is_over_is_deleted_when_the_next_one_is_granted(driver: Driver) -> None:
    granted(driver)
    driver.now = START + 1000
    granted(driver, "c2", expires_at=START + 5000)
    driver.now = START  # as if it were still good, were it still there
    assert ids(driver) == ["c2"]


def test_granted_twice_after_a_lost_reply_it_is_there_once(driver: Driver) -> None:
    given = granted(driver)
    granted(driver)
    assert driver.do(Identify(hashed("c1"))).credential == given
    assert ids(driver) == ["c1"]


def test_two_secrets_cannot_have_one_id(driver: Driver) -> None:
    granted(driver)
    assert driver.refused(Grant(hashed("other"), credential("c1", "ben"))) == "refused"
    assert driver.do(Identify(hashed("c1"))).credential.person == "ana"


def test_a_person_is_the_same_under_every_name(driver: Driver) -> None:
    granted(driver, "c1", "A.Silva")
    granted(driver, "c2", "ana@shop.test")
    assert driver.do(Identify(hashed("c1"))).credential.person == "ana"
    assert ids(driver, person="ANA") == ["c2", "c1"]
    assert driver.do(RevokeCredential(person="a.silva")) == Count(2)


def test_one_is_revoked_by_its_id(driver: Driver) -> None:
    granted(driver, "c1")
    granted(driver, "c2")
    assert driver.do(RevokeCredential(id="c1")) == Count(1)
    assert driver.do(RevokeCredential(id="c1")) == Count(0)
    assert driver.refused(Identify(hashed("c1"))) == "unknown_credential"
    assert driver.do(Identify(hashed("c2")))


def test_an_id_with_a_person_revokes_only_what_is_theirs(driver: Driver) -> None:
    granted(driver)
    assert driver.do(RevokeCredential("c1", "ben")) == Count(0)
    assert driver.do(RevokeCredential("c1", "ana")) == Count(1)


def test_all_of_a_person_are_revoked_and_nobody_elses(driver: Driver) -> None:
    for id_, person in (("c1", "ana"), ("c2", "ben"), ("c3", "ana")):
        granted(driver, id_, person)
    assert driver.do(RevokeCredential(person="ana")) == Count(2)
    assert ids(driver) == ["c2"]


def test_revoking_nobody_in_particular_is_refused(driver: Driver) -> None:
    granted(driver)
    assert driver.refused(RevokeCredential()) == "refused"
    assert ids(driver) == ["c1"]


def test_the_list_is_newest_first_and_can_be_narrowed(driver: Driver) -> None:
    granted(driver, "c1", "ana", kind="session")
    granted(driver, "c2", "ben", created_at=START + 1)
    granted(driver, "c3", "ana", created_at=START + 2)
    assert ids(driver) == ["c3", "c2", "c1"]
    assert ids(driver, kind="token") == ["c3", "c2"]
    assert ids(driver, kind="token", person="ana") == ["c3"]
    assert ids(driver, limit=2) == ["c3", "c2"]


@pytest.mark.parametrize("kind", ["cookie", ""])
def test_there_are_sessions_and_tokens_and_nothing_else(driver: Driver, kind: str) -> None:
    odd = replace(credential(), kind=kind)
    assert driver.refused(Grant(hashed("c1"), odd)) == "refused"
