"""What a file says of HSTS and of the way to https. (Mistakes: cases/config/tls_policy.yaml.)"""

from pathlib import Path

import pytest

from daarion_gw.config.load import load
from daarion_gw.config.settings import Settings
from daarion_gw.config.tls import TLS
from daarion_gw.config.tls_policy import StrictTransport

DAY = 86400.0


def tls_of(text: str, folder: Path, **variables: str) -> TLS:
    (folder / "g.yaml").write_text(f"tls: {text}\nroutes: {{}}\n")
    return load("g.yaml", variables, folder).tls


@pytest.mark.parametrize(
    ("written", "hsts"),
    [
        ("{}", None),
        ("{hsts: off}", None),
        ("{hsts: false}", None),
        ("{hsts: }", None),
        ("{hsts: on}", StrictTransport()),
        ("{hsts: {}}", StrictTransport()),
        ("{hsts: 365d}", StrictTransport(max_age=365 * DAY)),
        ("{hsts: '${AGE}'}", StrictTransport(max_age=30 * DAY)),
        ("{hsts: 63072000}", StrictTransport(max_age=730 * DAY)),
        # To be forgotten is something that has to be said, too.
        ("{hsts: 0}", StrictTransport(max_age=0)),
        ("{hsts: {max_age: 0s}}", StrictTransport(max_age=0)),
        ("{hsts: {include_subdomains: on}}", StrictTransport(include_subdomains=True)),
        (
            "{hsts: {max_age: 365d, include_subdomains: on, preload: on}}",
            StrictTransport(max_age=365 * DAY, include_subdomains=True, preload=True),
        ),
    ],
)
def test_hsts(written, hsts, tmp_path):
    assert tls_of(written, tmp_path, AGE="30d").hsts == hsts


def test_by_default_browsers_remember_it_for_half_a_year():
    assert StrictTransport().max_age == 180 * DAY


@pytest.mark.parametrize(
    ("written", "redirect"),
    [
        ("{}", "auto"),
        ("{redirect: auto}", "auto"),
        ("{redirect: on}", True),
        ("{redirect: true}", True),
        ("{redirect: off}", False),
        ("{redirect: false}", False),
        ("{redirect: 443}", 443),
        ("{redirect: 1}", 1),
        ("{redirect: '${PORT}'}", 8443),
    ],
)
def test_redirect(written, redirect, tmp_path):
    found = tls_of(written, tmp_path, PORT="8443")
    assert (found.redirect, type(found.redirect)) == (redirect, type(redirect))
    # As a worker gets it.
    there = Settings.model_validate_json(Settings(tls=found).model_dump_json()).tls
    assert (there.redirect, type(there.redirect)) == (redirect, type(redirect))
