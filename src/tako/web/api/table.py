"""Every route of the API, and what all have in common."""

from tako.web.api import approvals, many, runs, sending, standing

ROUTES = (*sending.ROUTES, *approvals.ROUTES, *many.ROUTES, *runs.ROUTES, *standing.ROUTES)
ALWAYS = (400, 401, 403, 413, 421, 422, 503)  # statuses that every route may answer
OF_BODIES = (415,)
OPENAPI = "/api/openapi.json"
