"""What to do with a certificate for development: how it is used, and how browsers come to trust it.

Text alone; that the commands are right is seen by tests.
"""

import shlex

from .development import AUTHORITY, AUTHORITY_KEY, CERTIFICATE, KEY, Made

_TOLD = """\
{made}
{cert} and {key} are for {names}, until {until:%Y-%m-%d}.

gateway.yaml:

  gateway:
    listen: ["daarion-tls:8443"]
  tls:
    certificates: [{{cert: {plain_cert}, key: {plain_key}}}]

Try it:

  curl --cacert {ca} {there}https://{host}:8443/healthz

Browsers have to be told once whom to trust:

  Chromium and Chrome on Linux (certutil is in libnss3-tools):
    certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n {called} -i {ca}
  Firefox:
    Settings, Privacy & Security, View Certificates, Authorities, Import: {plain_ca}
  Debian and Ubuntu (curl, Python and the like):
    sudo cp {ca} /usr/local/share/ca-certificates/daarion-gw-dev.crt && sudo update-ca-certificates
  macOS:
    security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db {ca}
  Windows:
    certutil -user -addstore Root {plain_ca}

Give {plain_ca_key} to nobody, and trust no authority whose key somebody else has.
"""


def told(made: Made) -> str:
    """All of it, for a terminal."""
    ca, ca_key = made.folder / AUTHORITY, made.folder / AUTHORITY_KEY
    cert, key = made.folder / CERTIFICATE, made.folder / KEY
    first = made.names[0]
    host = f"[{first}]" if ":" in first else first.replace("*", "www")
    # Names for development are seldom known to DNS; localhost and addresses need nobody to know.
    is_known = host == "localhost" or host.startswith("[") or host.replace(".", "").isdigit()
    text = _TOLD.format(
        made=f"{ca} is {'a new' if made.is_new else 'the'} authority ({made.authority}).",
        names=", ".join(made.names),
        until=made.until,
        host=host,
        there="" if is_known else f"--resolve {host}:8443:127.0.0.1 ",
        called=shlex.quote(made.authority.removeprefix("CN=")),
        ca=shlex.quote(str(ca)),
        cert=cert,
        key=key,
        plain_cert=cert,
        plain_key=key,
        plain_ca=ca,
        plain_ca_key=ca_key,
    )
    if made.ignored:
        return text
    return f"{text}\n{made.folder / '.gitignore'} does not keep *.pem out of git: add that line.\n"
