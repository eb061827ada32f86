"""The base of everything that travels."""

import msgspec


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """What travels: a msgpack array whose first item is the name of the class."""
