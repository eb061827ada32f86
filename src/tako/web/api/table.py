"""Every route of the API, and what all have in common."""

from tako.web.api import approvals, many, runs, sending, standing, workflows

_PARTS = (sending, approvals, many, runs, workflows, standing)
ROUTES = tuple(route for part in _PARTS for route in part.ROUTES)
ALWAYS = (400, 401, 403, 413, 421, 422, 503)  # statuses that every route may answer
OF_BODIES = (415,)
OPENAPI = "/api/openapi.json"
