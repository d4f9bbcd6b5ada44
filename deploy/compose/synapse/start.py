"""Start Synapse, from an empty volume too.

Synapse's image refuses to start without a configuration file. On the first start this lets the
image generate one (/data/homeserver.yaml, with its keys; edit it as you like, it is never
written again). At each start it writes /data/stack.yaml from the environment and passes it as
the second file: what stands there wins, key by key.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

IMAGE_START = os.environ.get("SYNAPSE_IMAGE_START", "/start.py")
DATA = Path(os.environ.get("SYNAPSE_DATA_DIR", "/data"))
# The user that Synapse's image changes to.
SYNAPSE_UID = 991


def stack_settings(environ: Mapping[str, str]) -> dict[str, object]:
    """What the compose file decides: the listener, the database, the public address."""
    listener = {
        "port": 8008,
        "type": "http",
        "tls": False,
        "bind_addresses": ["0.0.0.0"],
        # The gateway writes X-Forwarded-For afresh and is the only way in.
        "x_forwarded": True,
        "resources": [{"names": ["client", "federation"], "compress": False}],
    }
    database = {
        "name": "psycopg2",
        "args": {
            "host": environ.get("SYNAPSE_POSTGRES_HOST", "postgres"),
            "port": int(environ.get("SYNAPSE_POSTGRES_PORT", "5432")),
            "user": "synapse",
            "password": environ["SYNAPSE_POSTGRES_PASSWORD"],
            "dbname": "synapse",
            "cp_min": 5,
            "cp_max": 10,
        },
    }
    settings: dict[str, object] = {"listeners": [listener], "database": database}
    if environ.get("SYNAPSE_PUBLIC_BASEURL"):
        settings["public_baseurl"] = environ["SYNAPSE_PUBLIC_BASEURL"]
    return settings


def write_private(path: Path, text: str) -> None:
    """Write `path` so that only Synapse's user reads it: it holds the database's password."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    if os.getuid() == 0:
        os.chown(path, SYNAPSE_UID, SYNAPSE_UID)


def main() -> None:
    generated, stack = DATA / "homeserver.yaml", DATA / "stack.yaml"
    if not generated.exists():
        subprocess.run([IMAGE_START, "generate"], check=True)
    # JSON is YAML, and quotes any password.
    write_private(stack, json.dumps(stack_settings(os.environ), indent=2) + "\n")
    files = [f"--config-path={path}" for path in (generated, stack)]
    os.execv(IMAGE_START, [IMAGE_START, "run", *files])


if __name__ == "__main__":
    main()
