"""What is made of an authority's words; the authority itself is in tests/real/test_acme.py."""

import json

import pytest
import requests
from acme import errors, messages

from daarion_gw.config.acme import ACME
from daarion_gw.tls.acme.authority import RefusedError, _NewOrder, checked, in_words, seconds_of

SETTINGS = ACME(domains="app.example.com", directory="https://ca.example/dir")


@pytest.mark.parametrize("token", ["LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0", "a", "_-z" * 9])
def test_a_token_is_taken_as_a_file_name(token):
    assert checked(token) == token


@pytest.mark.parametrize("token", ["", ".", "..", "../x", "a/b", "a.b", "a b", "ü", "a" * 201])
def test_but_not_what_could_be_a_path(token):
    with pytest.raises(RefusedError):
        checked(token)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("120", 120.0), ("0", 0.0), (None, 0.0), ("-1", 0.0), ("1e9", 0.0), ("²", 0.0),
     ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0), ("9" * 30, 0.0)],
)  # fmt: skip
def test_when_it_wants_to_be_asked_again(told, seconds):
    answer = requests.Response()
    if told is not None:
        answer.headers["Retry-After"] = told
    assert seconds_of(answer) == seconds


def test_an_order_says_what_it_renews():
    """RFC 9773 5: authorities that are told so put no limit to renewals."""
    names = (messages.Identifier(typ=messages.IDENTIFIER_FQDN, value="app.example.com"),)
    order = json.loads(_NewOrder(identifiers=names, replaces="a.b").json_dumps())
    assert order == {
        "identifiers": [{"type": "dns", "value": "app.example.com"}],
        "replaces": "a.b",
    }


def test_what_went_wrong_is_told_in_words():
    refused = messages.Error(typ="urn:ietf:params:acme:error:rateLimited", detail="too many")
    wrapped = requests.exceptions.ConnectionError("Max retries exceeded with url")
    wrapped.__cause__ = ConnectionRefusedError(111, "Connection refused")
    told = [
        in_words(error, SETTINGS)
        for error in (
            refused,
            wrapped,
            requests.exceptions.SSLError("certificate verify failed"),
            requests.exceptions.ReadTimeout("read timed out"),
            errors.TimeoutError(),
            errors.IssuanceError(messages.Error(typ="x", detail="CAA forbids it")),
        )
    ]
    assert told == [
        "it refused: too many (urn:ietf:params:acme:error:rateLimited)",
        "https://ca.example/dir cannot be reached: Connection refused",
        "https://ca.example/dir: its certificate is not to be believed, going by the system's "
        "certificate authorities",
        "https://ca.example/dir: no answer within 20 s",
        "it did not decide within 90 s",
        "the order failed: CAA forbids it",
    ]
