"""What TLS says about its failures, in words for the operator."""

from OpenSSL.SSL import Error, SysCallError
from service_identity import VerificationError
from twisted.internet.error import ConnectionDone, ConnectionLost

from daarion_gw.upstream.security import tls_failure


def test_a_certificate_that_is_not_believed():
    error = Error([("SSL routines", "", "certificate verify failed")])
    assert tls_failure(error) == "cannot be talked to over TLS: certificate verify failed"


def test_a_certificate_for_another_name():
    assert tls_failure(VerificationError(errors=[])) == "has a certificate for another name"


def test_an_end_that_is_none_of_its_affair():
    for reason in (ConnectionDone(), ConnectionLost(), Error([]), Error(), None, OSError(5, "x")):
        assert tls_failure(reason) == ""


def test_a_peer_that_leaves_within_a_handshake():
    assert tls_failure(SysCallError(-1, "Unexpected EOF")) == ""
