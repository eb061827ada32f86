"""What stands in the log of the HTTP doors, and what does not: links are secrets."""

import sqlite3
from pathlib import Path

import httpx

from tests.web.site import ask, site


def test_when_a_link_goes_wrong_the_log_has_the_error_and_not_the_link(tmp_path: Path) -> None:
    with site(tmp_path) as here, here.client() as api:
        approval = ask(api, form=True, to=["bob"])
        url = api.post(f"/api/approvals/{approval}/links", json={"person": "bob"}).json()["url"]
        assert httpx.get(url).status_code == 200
        with sqlite3.connect(here.app.db, timeout=5) as outside:
            outside.execute("UPDATE schemas SET schema = 'nonsense'")
        assert httpx.get(url).status_code == 500
        log = here.server.wait_log("GET /l/...\n")
        assert "Traceback" in log
        assert url.rpartition("/")[2] not in log
