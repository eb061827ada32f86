"""The HTTP API for programs: JSON in, JSON out, and what went wrong as problem+json.

`table.py` lists every route; the application, the OpenAPI document and docs/api.md come from it.
"""

from tako.web.api.dispatch import routes as routes
