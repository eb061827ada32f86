"""Where we are: at the root of a host, or below a path of another application."""

from urllib.parse import quote

from starlette.types import Scope


def root_of(scope: Scope) -> str:
    """What all our paths begin with, without a slash at the end; "" at the root."""
    return str(scope.get("root_path", "")).rstrip("/")


def below(scope: Scope) -> str:
    """The path of a request as our own routes have it."""
    path, root = str(scope["path"]), root_of(scope)
    return path[len(root) :] if root and is_below(path, root) else path


def address_of(scope: Scope) -> str:
    """The path of a request as an address has it: `request.url.path` quotes only some of it."""
    return quote(scope["path"])


def is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")
