# SPDX-License-Identifier: GPL-2.0-only
"""Results by the checksum of all that they were made of."""
import json
import os


class Cache:
    """Files of JSON by key; written under another name first."""

    def __init__(self, path):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def has(self, key):
        return (self.path / key).exists()

    def get(self, key):
        return json.loads((self.path / key).read_text())

    def put(self, key, value):
        new = self.path / f"{key}.{os.getpid()}"
        new.write_text(json.dumps(value))
        new.rename(self.path / key)

    def through(self, key, make):
        """make(log) -> value, if the key is not known; the log is kept with it."""
        if not self.has(key):
            log = []
            self.put(key, {"value": make(log), "log": "".join(log)})
        return self.get(key)
