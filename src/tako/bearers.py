"""The secrets of sessions and API tokens: who bears one is who it was given to."""

import hashlib
import secrets

TOKEN = "tako_"  # what API tokens begin with, so that people and scanners know them when they leak


def new_secret(prefix: str = "") -> str:
    """``prefix``, and 32 random bytes as text."""
    return prefix + secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """What is stored instead: SHA-256 in hex. 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
