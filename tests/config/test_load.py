"""What a file says becomes settings. (Mistakes: test_load_errors.)"""

from pathlib import Path
from textwrap import dedent

import pytest
from pydantic import ValidationError

from daarion_gw.config.defaults import default_settings, variable
from daarion_gw.config.load import ConfigurationError, find_file, load
from daarion_gw.config.resilience import (
    Balance,
    Breaker,
    Eject,
    HealthCheck,
    Retry,
    Sticky,
    UpstreamLimits,
)
from daarion_gw.config.settings import (
    AccessLog,
    Server,
    Settings,
    Timeouts,
    Upstream,
    WebSocketOptions,
)

EXAMPLE = Path(__file__).parents[2] / "deploy" / "gateway.example.yaml"


@pytest.fixture
def loaded(tmp_path: Path):
    """Load a text as ``gateway.yaml``, with variables of the environment as keywords."""

    def load_text(text: str, **variables: str) -> Settings:
        (tmp_path / "gateway.yaml").write_text(dedent(text), "utf-8")
        return load("gateway.yaml", variables, tmp_path)

    return load_text


def test_the_contract_s_example(loaded) -> None:
    settings = loaded("""
        gateway:
          listen: ["tcp:8080"]
          trusted_proxies: [127.0.0.1/32, "::1/128"]
          access_log: combined

        routes:
          /api/:
            to: http://microdao-api:8000
          /_matrix/:
            to: matrix
            strip_prefix: false
          app.example.com/shop/:
            to: [http://10.0.0.5:8000, http://10.0.0.6:8000]

        upstreams:
          matrix:
            servers: [http://matrix-homeserver:8008]
            health_check: {path: /health, interval: 10s}
        """)
    api, matrix, shop = settings.routes
    assert (api.key, api.host, api.path, api.upstream) == ("/api/", None, "/api/", "microdao-api")
    assert (matrix.upstream, matrix.strip_prefix) == ("matrix", False)
    assert (shop.host, shop.path, shop.is_prefix) == ("app.example.com", "/shop/", True)
    assert [server.label for server in settings.upstream_of(shop).servers] == [
        "10.0.0.5:8000",
        "10.0.0.6:8000",
    ]
    assert settings.upstreams["matrix"] == Upstream(
        name="matrix",
        servers=(Server(host="matrix-homeserver", port=8008),),
        health_check=HealthCheck(path="/health", interval=10),
    )
    assert set(settings.upstreams) == {"microdao-api", "matrix", "app.example.com/shop/"}
    assert settings.source == "gateway.yaml"


def test_every_key_of_a_route(loaded) -> None:
    [route] = loaded("""
        routes:
          /a/:
            to: http://a:1
            strip_prefix: off
            max_body: 1.5M
            timeouts: {connect: 250ms, first_byte: 2m, idle: 0, send: off}
            websocket:
              idle_timeout: 1d
              ping_interval: 30s
              max_message_size: 64K
              origins: [https://App.example.com, "http://localhost:3000"]
            security_headers: false
            access_log: off
            keep_underscores: true
            deny: [admin/, /-/quit]
        """).routes
    assert not route.strip_prefix
    assert route.max_body == 1572864
    assert route.timeouts == Timeouts(connect=0.25, first_byte=120, idle=0, send=0)
    assert route.websocket == WebSocketOptions(
        idle_timeout=86400,
        ping_interval=30,
        max_message_size=65536,
        origins=("https://app.example.com", "http://localhost:3000"),
    )
    assert (route.security_headers, route.access_log, route.keep_underscores) == (
        False,
        False,
        True,
    )
    assert route.deny == ("admin/", "-/quit")


def test_every_key_of_the_gateway(loaded) -> None:
    gateway = loaded("""
        gateway:
          listen: tcp:80
          trusted_proxies: 10.0.0.0/8
          access_log: {format: json, file: /var/log/daarion/access.log}
          admin: off
          keep_alive: 30
          head_timeout: 5s
          drain_timeout: 1m
        """).gateway
    assert gateway.listen == ("tcp:80",)
    assert [str(network) for network in gateway.trusted_proxies] == ["10.0.0.0/8"]
    assert gateway.access_log == AccessLog(format="json", file="/var/log/daarion/access.log")
    assert gateway.admin is None
    assert (gateway.keep_alive, gateway.head_timeout, gateway.drain_timeout) == (30, 5, 60)


@pytest.mark.parametrize(
    ("written", "trusted", "ports"),
    [
        ("10.0.0.1", ["10.0.0.1/32"], ()),
        ("[10.0.0.0/8, unix]", ["10.0.0.0/8", "unix"], ()),
        ("{trusted: unix, ports: 443}", ["unix"], (443,)),
        ('{trusted: "::1", ports: [80, "443"]}', ["::1/128"], (80, 443)),
        ("off", [], ()),
        ("{}", [], ()),
        ("[]", [], ()),
    ],
)
def test_who_speaks_the_proxy_protocol(loaded, written, trusted, ports) -> None:
    settings = loaded(f"gateway: {{proxy_protocol: {written}}}")
    said = settings.gateway.proxy_protocol
    assert ([str(member) for member in said.trusted], said.ports) == (trusted, ports)
    # Workers get it so.
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("written", "version"), [("v1", "v1"), ("v2", "v2"), ("off", None), ("false", None)]
)
def test_servers_that_are_spoken_to_so(loaded, written: str, version: str | None) -> None:
    text = f"{{url: 'http://a:1', send_proxy: {written}}}"
    settings = loaded(f"routes: {{/x/: {{to: {text}}}}}\nupstreams: {{u: {{servers: [{text}]}}}}")
    assert [each.servers[0].send_proxy for each in settings.upstreams.values()] == [version] * 2


@pytest.mark.parametrize("written", ["off", "false", "{format: off}"])
def test_the_access_log_can_be_off(loaded, written: str) -> None:
    assert loaded(f"gateway: {{access_log: {written}}}").gateway.access_log.format == "off"


def test_defaults_stand_for_every_route_that_does_not_say_otherwise(loaded) -> None:
    one, two = loaded("""
        gateway:
          defaults:
            max_body: 1M
            strip_prefix: false
            timeouts: {connect: 1s, idle: 2s}
            websocket: {origins: "https://a.example"}
        routes:
          /one/: http://one:1
          /two/:
            to: http://two:1
            strip_prefix: true
            timeouts: {idle: 60s}
            websocket: {origins: off}
        """).routes
    assert (one.max_body, one.strip_prefix) == (1048576, False)
    assert one.timeouts == Timeouts(connect=1, idle=2)
    assert one.websocket.origins == ("https://a.example",)
    assert (two.max_body, two.strip_prefix) == (1048576, True)
    # What a route says wins, even where it says what would hold without any defaults.
    assert two.timeouts == Timeouts(connect=1, idle=60)
    assert two.websocket.origins is None


@pytest.mark.parametrize(
    ("written", "origins"),
    [
        ("same", ("same",)),
        ('"*"', ("*",)),
        ("[same, https://App.example.com]", ("same", "https://app.example.com")),
        ("[]", ()),
    ],
)
def test_origins_may_be_the_same_or_any(loaded, written: str, origins: tuple[str, ...]) -> None:
    text = f"to: http://a:1, websocket: {{origins: {written}}}"
    (route,) = loaded(f"routes: {{/ws/: {{{text}}}}}").routes
    assert route.websocket.origins == origins


@pytest.mark.parametrize("text", ["", "# all commented out\n", "routes:\n  # none\ngateway:\n"])
def test_an_empty_file_is_the_default_table(loaded, text: str) -> None:
    assert loaded(text) == default_settings().model_copy(update={"source": "gateway.yaml"})


def test_a_file_without_routes_keeps_the_default_table(loaded) -> None:
    settings = loaded(
        """
        gateway:
          listen: tcp:80
          defaults: {max_body: 1M, timeouts: {connect: 5s, first_byte: 5s}}
        """,
        DAARION_GRAFANA_URL="http://grafana:3000",
    )
    assert settings.gateway.listen == ("tcp:80",)
    assert settings.upstreams["grafana"].servers[0].label == "grafana:3000"
    assert {route.max_body for route in settings.routes} == {1048576}
    by_path = {route.path: route.timeouts for route in settings.routes}
    assert by_path["/api/"] == Timeouts(connect=5, first_byte=5)
    # The table's own row says otherwise.
    assert by_path["/grafana/"] == Timeouts(connect=5, first_byte=300)


def test_a_file_without_routes_can_give_the_table_its_upstreams(loaded) -> None:
    settings = loaded(
        "upstreams: {grafana: [http://g1:3000, http://g2:3000]}",
        DAARION_GRAFANA_URL="not looked at, hence no mistake",
    )
    assert [server.host for server in settings.upstreams["grafana"].servers] == ["g1", "g2"]
    assert [route.path for route in settings.routes] == [
        route.path for route in default_settings().routes
    ]


def test_routes_that_are_empty_are_no_routes(loaded) -> None:
    assert loaded("routes: {}").routes == ()


def test_a_file_with_routes_does_not_look_at_the_table_s_variables(loaded) -> None:
    settings = loaded("routes: {/x/: 'http://x:1'}", DAARION_GRAFANA_URL="nonsense")
    assert set(settings.upstreams) == {"/x/"}


def test_an_upstream_is_named_after_the_default_table_where_the_route_is_its(loaded) -> None:
    settings = loaded("""
        routes:
          /api/: http://a:1
          /matrix/: http://m:1
          /_matrix/: http://m:1
          /grafana/: http://g:1
          app.example.com/api/: http://b:1
        upstreams:
          grafana: {servers: "http://g:1", health_check: {path: /health}}
        """)
    assert [route.upstream for route in settings.routes] == [
        "microdao-api",
        "matrix-homeserver",
        "matrix-homeserver",
        # The name is taken by an upstream of the operator's own.
        "/grafana/",
        "app.example.com/api/",
    ]
    assert settings.upstreams["grafana"].health_check is not None
    assert settings.upstreams["/grafana/"].health_check is None


def test_two_rows_of_one_name_with_different_servers_stay_apart(loaded) -> None:
    settings = loaded("routes: {/matrix/: 'http://m1:1', /_matrix/: 'http://m2:1'}")
    assert {
        route.path: settings.upstream_of(route).servers[0].host for route in settings.routes
    } == {"/matrix/": "m1", "/_matrix/": "m2"}


def test_a_certificate_is_verified_unless_told_otherwise(loaded) -> None:
    first, second = (
        loaded("""
        routes:
          /a/: [https://a:1, {url: "https://b:1", verify: false}]
        """)
        .upstreams["/a/"]
        .servers
    )
    assert (first.verify, second.verify) == (True, False)


def test_a_route_can_be_a_server_mapping_or_a_socket(loaded) -> None:
    settings = loaded("""
        routes:
          /a/: {to: {url: "https://a:1", verify: false}}
          /b: unix:/run/b.sock
        """)
    assert settings.upstreams["/a/"].servers == (
        Server(scheme="https", host="a", port=1, verify=False),
    )
    assert settings.upstreams["/b"].servers[0].label == "unix:/run/b.sock"
    assert not settings.routes[1].is_prefix


def test_variables_stand_anywhere_keys_included(loaded, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DOMAIN=App.example.com\nLIMIT=5M\nSTRIP=false\n")
    (tmp_path / "host").write_text("secret-host\n")
    [route] = (
        settings := loaded(
            """
            routes:
              ${DOMAIN}/shop/:
                to: http://${file:host}:${PORT:-8000}
                max_body: ${LIMIT}
                strip_prefix: ${STRIP}
            """,
            LIMIT="1M",
        )
    ).routes
    assert (route.host, route.path) == ("app.example.com", "/shop/")
    assert (route.max_body, route.strip_prefix) == (1048576, False)
    assert settings.upstream_of(route).servers[0].label == "secret-host:8000"


def test_yaml_is_1_2_with_anchors_and_merge_keys(loaded) -> None:
    settings = loaded("""
        routes:
          /a/: &slow
            to: http://a:1
            timeouts: {first_byte: 010}
          /b/:
            <<: *slow
            to: http://b:1
          /no/: {to: 'http://c:1', access_log: on}
        """)
    assert [route.timeouts.first_byte for route in settings.routes] == [10, 10, 60]
    assert [settings.upstream_of(route).servers[0].host for route in settings.routes] == [
        "a",
        "b",
        "c",
    ]


def test_the_example_file_is_the_default_table_of_the_compose_file(tmp_path: Path) -> None:
    ports = {
        name: upstream.servers[0].port for name, upstream in default_settings().upstreams.items()
    }
    environ = {variable(name): f"http://{name}:{port}" for name, port in ports.items()}
    table = load(None, environ, tmp_path)
    example = load(str(EXAMPLE), {}, tmp_path)
    assert example.gateway == table.gateway
    assert example.routes == table.routes
    assert example.upstreams == table.upstreams
    assert {upstream.servers[0].host for upstream in table.upstreams.values()} == set(ports)


def test_the_example_s_comments_are_good_too(tmp_path: Path) -> None:
    """What is commented out loads when the comment signs are taken away."""
    text = EXAMPLE.read_text("utf-8")
    head, more = text.split("  # More of what a route can be:\n  #\n")
    more = more.replace("\n  # ", "\n  ").replace("\n# ", "\n").replace("  # app", "  app", 1)
    (tmp_path / "g.yaml").write_text(head + more, "utf-8")
    settings = load("g.yaml", {}, tmp_path)
    assert len(settings.routes) == 8 + 3
    assert settings.upstreams["billing"].health_check == HealthCheck(path="/health", interval=10)


def test_a_file_is_looked_for_where_the_manual_says(tmp_path: Path) -> None:
    assert find_file("given.yaml", tmp_path) == "given.yaml"
    if not Path("/etc/daarion-gw/gateway.yaml").exists():
        assert find_file(None, tmp_path) is None
    (tmp_path / "gateway.yaml").symlink_to("nowhere")
    # A link to nowhere is a mistake to be told, not "no file".
    assert find_file(None, tmp_path) == "gateway.yaml"
    with pytest.raises(ConfigurationError):
        load("gateway.yaml", {}, tmp_path)


def test_settings_never_change_and_take_no_other_names() -> None:
    settings = default_settings()
    with pytest.raises(ValidationError):
        settings.gateway.keep_alive = 1
    with pytest.raises(ValidationError):
        Timeouts(conect=1)  # type: ignore[call-arg]
    with pytest.raises(ValidationError) as refusal:
        Timeouts(connect="hunter2")  # type: ignore[arg-type]
    assert "hunter2" not in str(refusal.value)
    assert Timeouts(connect="5s").connect == 5  # type: ignore[arg-type]


def test_every_key_of_an_upstream(loaded) -> None:
    api = loaded("""
        routes:
          /api/: api
        upstreams:
          api:
            servers:
              - {url: "http://a:1", weight: 3}
              - {url: "http://b:1", drain: on}
            balance: {hash: "header X-User"}
            sticky: {cookie: seat, max_age: 1d, secret: sixteen characters}
            health_check: {path: /h, statuses: [200-299, 304], body: ok, rise: 1, host: App.example}
            eject: {failures: off, ratio: 30%}
            breaker: on
            limits: {in_flight: 10, waiting: 20, wait: 5s}
            retry: {tries: 2, statuses: 503, budget: 0.1, delay: off}
            wait_for: 10s
        """).upstreams["api"]
    assert [(server.weight, server.drain) for server in api.servers] == [(3, False), (1, True)]
    assert api.balance == Balance(policy="hash", source="header", name="x-user")
    assert api.sticky == Sticky(cookie="seat", max_age=86400, secret="sixteen characters")
    assert api.health_check == HealthCheck(
        path="/h", statuses=((200, 299), (304, 304)), body="ok", rise=1, host="app.example"
    )
    assert api.eject == Eject(failures=0, ratio=0.3)
    assert api.breaker == Breaker()
    assert api.limits == UpstreamLimits(in_flight=10, waiting=20, wait=5)
    assert api.retry == Retry(tries=2, statuses=(503,), budget=0.1, delay=0)
    assert api.wait_for == 10


def test_a_server_is_left_out_for_as_long_as_the_file_says(loaded) -> None:
    text = "routes: {{/a/: a}}\nupstreams: {{a: {{servers: 'http://a:1', eject: {eject}}}}}"
    for eject, longest in (("{time: 1h}", 3600), ("{time: 1m}", 300), ("{longest: 2h}", 7200)):
        said = loaded(text.format(eject=eject)).upstreams["a"].eject
        assert said is not None and said.longest == longest


def test_what_an_upstream_is_without_a_word(loaded) -> None:
    text = """
        routes:
          /api/: api
        upstreams:
          api: {servers: "http://a:1", eject: off, retry: off, sticky: off, breaker: off}
          plain: http://b:1
        """
    upstreams = loaded(text).upstreams
    assert (upstreams["api"].eject, upstreams["api"].retry) == (None, Retry(tries=0))
    assert upstreams["plain"] == Upstream(name="plain", servers=(Server(host="b", port=1),))
    assert (upstreams["plain"].sticky, upstreams["plain"].breaker) == (None, None)


def test_a_secret_of_the_file_is_in_no_repr(loaded) -> None:
    settings = loaded("""
        routes: {/api/: api}
        upstreams: {api: {servers: "http://a:1", sticky: {secret: sixteen characters}}}
        """)
    assert "sixteen" not in repr(settings)
