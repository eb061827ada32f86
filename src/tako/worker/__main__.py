"""``python -m tako.worker JSON``: a worker with the settings in its argument."""

import sys

import msgspec

from tako.worker import WorkerSettings, main

main(msgspec.json.decode(sys.argv[1], type=WorkerSettings))
