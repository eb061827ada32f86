"""The OpenAPI document, and Schemathesis, which holds a real server to every word of it."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis.engine
from jsonschema_rs import validator_for
from schemathesis.config import SchemathesisConfig
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished

from tako.web.api.openapi import statuses
from tako.web.api.table import ROUTES
from tests.web.site import Site, ask, ended


@pytest.fixture(scope="module")
def document(here: Site) -> Any:
    return httpx.get(f"{here.url}/api/openapi.json").json()


def test_the_document_has_every_route_with_every_status(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    there = {(m.upper(), p): op for p, ops in document["paths"].items() for m, op in ops.items()}
    assert there.keys() == {(route.method, route.path) for route in ROUTES}
    for route in ROUTES:
        described = there[route.method, route.path]
        assert sorted(map(int, described["responses"])) == statuses(route)
        assert described["summary"] == route.summary
        assert route.role in described["description"]
    assert len({operation["operationId"] for operation in there.values()}) == len(ROUTES)


def test_every_reference_of_the_document_leads_somewhere(document: Any) -> None:
    known = document["components"]["schemas"]
    for part in json.dumps(document).split('"#/components/schemas/')[1:]:
        assert part.partition('"')[0] in known
    for name in known:
        validator_for({"$ref": f"#/components/schemas/{name}", "components": {"schemas": known}})


def test_schemathesis_finds_no_server_error_and_nothing_that_is_not_documented(
    here: Site, document: Any, seed: int
) -> None:
    with here.client() as api:
        schema = _schema(here, document, api.headers["authorization"], seed)
        known = _known(api)
        schema.hook("map_path_parameters")(lambda context, given: _mixed(context, given, known))
        failures, calls = [], 0
        for event in schemathesis.engine.from_schema(schema).execute():
            if isinstance(event, ScenarioFinished):
                calls += len(event.recorder.interactions)
                failures += list(_failures(event))
            elif isinstance(event, NonFatalError | FatalError):
                failures.append(str(event))
    assert failures == []
    assert calls > 500, "it hardly called anything"


def _schema(here: Site, document: Any, authorization: str, seed: int) -> Any:
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "base-url": here.url,
            "headers": {"Authorization": authorization},
            "generation": {"max-examples": 10, "database": "none"},
            "phases": {"stateful": {"enabled": False}},
            # What fits the schema may still be of an approval that is over, say.
            "checks": {"positive_data_acceptance": {"enabled": False}},
        }
    )
    return schemathesis.openapi.from_dict(document, config=config)


def _known(api: httpx.Client) -> dict[str, str]:
    """An approval that the caller may answer, and a run that has failed."""
    body = {"workflow": "fail", "payload": "as it should"}
    run_id = api.post("/api/enqueue", json=body).json()["run_id"]
    return {"approvals": ask(api, to=["ana"], tell=True), "runs": ended(api, run_id)["id"]}


def _mixed(context: Any, given: dict[str, Any] | None, known: dict[str, str]) -> Any:
    """For half of all ids one that there is."""
    if given and len(str(given["id"])) % 2:
        given["id"] = known[context.operation.path.split("/")[2]]
    return given


def _failures(event: ScenarioFinished) -> Iterator[str]:
    for checks in event.recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                why = check.failure_info.failure
                yield f"{event.label}: {why.title}: {why.message}\n{check.failure_info.code_sample}"
