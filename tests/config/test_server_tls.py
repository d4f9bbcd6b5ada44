"""``tls:`` of upstreams and servers: what it says, what is in its files, and its mistakes."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from daarion_gw.config.load import ConfigurationError, load
from daarion_gw.config.reading import Reading
from daarion_gw.config.server_tls import PEMFile, ServerTLS
from daarion_gw.config.settings import Settings
from tests.support.authority import Authority

PIN = "A" * 43 + "="
OTHER_PIN = "/" + "B" * 42 + "="

Load = Callable[..., Settings]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    def load_text(text: str, reading: Reading | None = None) -> Settings:
        (tmp_path / "gateway.yaml").write_text(dedent(text), "utf-8")
        return load("gateway.yaml", {}, tmp_path, reading)

    return load_text


@pytest.fixture
def mistakes(loaded: Load) -> Callable[[str], list[str]]:
    """The messages of all mistakes in a text, without their places."""

    def of_text(text: str) -> list[str]:
        with pytest.raises(ConfigurationError) as found:
            loaded(text)
        return [f"{problem.key}: {problem.message}" for problem in found.value.problems]

    return of_text


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with ca.pem, cert.pem and key.pem, and others that are not what they should be."""
    ca = Authority(tmp_path)
    issued = ca.issue("gateway.example")
    ca.cert.rename(tmp_path / "ca.pem")
    issued.cert.rename(tmp_path / "cert.pem")
    issued.key.rename(tmp_path / "key.pem")
    ca.issue("other.example").key.rename(tmp_path / "other.pem")
    (tmp_path / "text.pem").write_text("no certificate\n")
    (tmp_path / "der.pem").write_bytes(bytes(range(128, 256)))
    (tmp_path / "locked.pem").write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"a password"),
        )
    )
    return tmp_path


def one(tls: str) -> str:
    return f"routes: {{/a/: app}}\nupstreams: {{app: {{servers: 'https://a:1', tls: {tls}}}}}\n"


# what it says


def test_without_it_nothing_is_agreed(loaded: Load) -> None:
    settings = loaded("routes: {/a/: 'https://a:1'}")
    assert settings.upstreams["/a/"].servers[0].tls is None


def test_all_of_it(loaded: Load, files: Path) -> None:
    files_of = "ca: ca.pem, cert: cert.pem, key: key.pem"
    said = f"{{{files_of}, server_name: App.internal, pin: sha256/{PIN}}}"
    settings = loaded(one(said))
    texts = {name: (files / f"{name}.pem").read_text() for name in ("ca", "cert", "key")}
    assert settings.upstreams["app"].servers[0].tls == ServerTLS(
        ca=PEMFile(path="ca.pem", text=texts["ca"]),
        server_name="app.internal",
        pin=(PIN,),
        cert=PEMFile(path="cert.pem", text=texts["cert"]),
        key=PEMFile(path="key.pem", text=texts["key"]),
    )
    # Workers get it this way.
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


def test_no_key_is_in_what_is_printed(loaded: Load, files: Path) -> None:
    settings = loaded(one("{cert: cert.pem, key: key.pem}"))
    assert "key.pem" in repr(settings) and "PRIVATE" not in repr(settings) + str(settings)


def test_what_a_server_says_stands_above_what_all_say(loaded: Load) -> None:
    settings = loaded(f"""
        routes: {{/a/: app}}
        upstreams:
          app:
            servers:
              - https://a:1
              - {{url: "https://b:1", tls: {{pin: sha256/{PIN}}}}}
              - {{url: "https://c:1", tls: {{server_name: c.internal}}}}
            tls: {{server_name: app.internal}}
        """)
    first, second, third = (server.tls for server in settings.upstreams["app"].servers)
    assert first == ServerTLS(server_name="app.internal")
    assert second == ServerTLS(server_name="app.internal", pin=(PIN,))
    assert third == ServerTLS(server_name="c.internal")


def test_a_route_with_a_server_of_its_own(loaded: Load) -> None:
    settings = loaded("routes: {/a/: {to: {url: 'wss://a:1', tls: {server_name: '::1'}}}}")
    assert settings.upstreams["/a/"].servers[0].tls == ServerTLS(server_name="::1")


@pytest.mark.parametrize(
    ("written", "pins"),
    [
        (f"sha256/{PIN}", (PIN,)),
        (f"sha256//{PIN}", (PIN,)),  # as curl writes it
        (f"sha256/{OTHER_PIN}", (OTHER_PIN,)),
        (f"sha256//{OTHER_PIN}", (OTHER_PIN,)),
        (f"[sha256/{PIN}, sha256//{OTHER_PIN}]", (PIN, OTHER_PIN)),
    ],
)
def test_pins(loaded: Load, written: str, pins: tuple[str, ...]) -> None:
    (server,) = loaded(one(f"{{pin: {written}}}")).upstreams["app"].servers
    assert server.tls is not None and server.tls.pin == pins


def test_files_are_looked_after(loaded: Load, files: Path) -> None:
    reading = Reading()
    loaded(one("{ca: ca.pem, cert: cert.pem, key: key.pem}"), reading)
    assert {files / "ca.pem", files / "cert.pem", files / "key.pem"} <= set(reading.stamps)


# mistakes


TRUSTED = "expected a file with certificates in PEM form (-----BEGIN CERTIFICATE-----)"
KEY = "expected a private key in PEM form (-----BEGIN PRIVATE KEY-----), without a password"
PINS = "expected sha256/ and the base64 of the SHA-256 of a public key (44 characters), or a list"


@pytest.mark.parametrize(
    ("tls", "told"),
    [
        ("{ca: none.pem}", 'ca: found "none.pem" (cannot be read: No such file or directory); '
         f"{TRUSTED}"),
        ("{ca: .}", f'ca: found "." (cannot be read: Is a directory); {TRUSTED}'),
        ("{ca: }", f"ca: found nothing; {TRUSTED}"),
        ("{ca: text.pem}", f'ca: found "text.pem" (it has none that can be read); {TRUSTED}'),
        ("{ca: der.pem}", f'ca: found "der.pem" (it is no text; DER is not read); {TRUSTED}'),
        ("{ca: key.pem}", 'ca: found "key.pem" (there is a private key in it, and no certificate '
         f"that can be read); {TRUSTED}"),
        ("{cert: cert.pem}", "found a mapping (key: is missing); expected cert: and key:, both or "
         "none"),
        ("{key: key.pem}", "found a mapping (cert: is missing); expected cert: and key:, both or "
         "none"),
        ("{cert: cert.pem, key: cert.pem}", 'key: found "cert.pem" (it has none that can be read); '
         f"{KEY}"),
        ("{cert: cert.pem, key: other.pem}", 'key: found "other.pem" (it does not belong to the '
         "certificate in cert.pem); expected the private key of cert.pem"),
        ("{pin: sha256/abc}", f'pin: found "sha256/abc"; {PINS}'),
        (f"{{pin: {PIN}}}", f'pin: found "{PIN}"; {PINS}'),
        ("{pin: []}", f"pin: found a list (the list is empty); {PINS}"),
        ("{server_name: 'a b'}", 'server_name: found "a b" (the host is no name and no address); '
         "expected the name or address in the server's certificate, such as app.internal"),
        ("{sni: a}", "sni: unknown key"),
    ],
)  # fmt: skip
def test_mistakes(files: Path, mistakes, tls: str, told: str) -> None:
    (said,) = mistakes(one(tls))
    assert said.startswith(
        f"upstreams.app.tls{'.' if not told.startswith('found') else ': '}{told}"
    )


def test_a_key_that_is_locked(files: Path, mistakes) -> None:
    (said,) = mistakes(one("{cert: cert.pem, key: locked.pem}"))
    assert "the key is encrypted, and nobody is there to ask for its password" in said


def test_all_mistakes_are_told_at_once_and_at_their_places(files: Path, loaded: Load) -> None:
    with pytest.raises(ConfigurationError) as found:
        loaded("""
            routes: {/a/: app}
            upstreams:
              app:
                servers: https://a:1
                tls:
                  ca: none.pem
                  cert: text.pem
                  key: key.pem
            """)
    assert [(each.line, each.column) for each in found.value.problems] == [(7, 11), (8, 13)]


@pytest.mark.parametrize(
    ("servers", "tls", "told"),
    [
        ("'http://a:1'", "{server_name: a}", "upstreams.app.tls: found a mapping "
         "(they do not speak TLS); expected https:// or wss:// in servers"),
        ("'unix:/a.sock'", "{server_name: a}", "upstreams.app.tls: found a mapping "
         "(they do not speak TLS); expected https:// or wss:// in servers"),
        ("{url: 'http://a:1', tls: {server_name: a}}", None, "upstreams.app.servers.tls: found "
         "a mapping (the server does not speak TLS); expected https:// or wss:// in url"),
        ("{url: 'https://a:1', verify: off, tls: {ca: ca.pem}}", None, "upstreams.app.servers.tls: "
         "found a mapping (with verify: off no CA is asked); expected either ca: or verify: off"),
    ],
)  # fmt: skip
def test_it_must_mean_something(files: Path, mistakes, servers, tls, told) -> None:
    said = "" if tls is None else f", tls: {tls}"
    assert mistakes(
        f"routes: {{/a/: app}}\nupstreams: {{app: {{servers: {servers}{said}}}}}\n"
    ) == [told]
