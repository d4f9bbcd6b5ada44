"""What tests/front says of Twisted's TLS holds for ours, word for word."""

import pytest

from tests.front.test_tls import (
    CONFIG,
    client,
    test_a_client_that_does_not_read_holds_the_server_back,
    test_a_client_that_goes_away_takes_the_upstream_with_it,
    test_a_client_that_still_sends_sees_why_it_was_refused,
    test_a_handshake_that_never_comes_is_not_waited_for,
    test_a_head_that_does_not_end_in_time,
    test_a_websocket,
    test_a_websocket_violation,
    test_a_websocket_violation_of_a_client_that_goes_on_sending,
    test_a_websocket_whose_client_dies,
    test_an_answer_cut_short_is_no_end,
    test_an_early_answer,
    test_large_bodies_in_both_directions,
    test_one_request_after_the_other,
    test_plain_http_on_the_tls_port_is_closed,
    test_the_end_is_said_before_the_connection_closes,
    test_the_upstream_is_told_about_it,
    test_what_alpn_agrees_on,
    test_who_speaks_http_2_without_having_agreed_on_it_is_told,
)
from tests.support.gateway import ANYWHERE, GatewayProcess

__all__ = [
    "client",
    "test_a_client_that_does_not_read_holds_the_server_back",
    "test_a_client_that_goes_away_takes_the_upstream_with_it",
    "test_a_client_that_still_sends_sees_why_it_was_refused",
    "test_a_handshake_that_never_comes_is_not_waited_for",
    "test_a_head_that_does_not_end_in_time",
    "test_a_websocket",
    "test_a_websocket_violation",
    "test_a_websocket_violation_of_a_client_that_goes_on_sending",
    "test_a_websocket_whose_client_dies",
    "test_an_answer_cut_short_is_no_end",
    "test_an_early_answer",
    "test_large_bodies_in_both_directions",
    "test_one_request_after_the_other",
    "test_plain_http_on_the_tls_port_is_closed",
    "test_the_end_is_said_before_the_connection_closes",
    "test_the_upstream_is_told_about_it",
    "test_what_alpn_agrees_on",
    "test_who_speaks_http_2_without_having_agreed_on_it_is_told",
]


@pytest.fixture(scope="module")
def running(tmp_path_factory, far_side, certificate):
    cert, key = certificate
    gateway = GatewayProcess(
        tmp_path_factory.mktemp("gateway"),
        CONFIG,
        listen=[ANYWHERE, f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"],
        ORIGIN=far_side["ORIGIN"].url,
    )
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()
