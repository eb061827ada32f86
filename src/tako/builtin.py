"""The names of the workflows that every worker has beside those of its app."""

RESERVED = "tako."  # names of workflows that begin so are ours

OWN_RUNS = "tako-notify-"  # how ids of runs of ours begin

_NOTIFY = f"{RESERVED}notify"


def notifier(group: str) -> str:
    """The workflow that tells people; one for each group, since a workflow belongs to one."""
    return _NOTIFY if group == "default" else f"{_NOTIFY}.{group}"
