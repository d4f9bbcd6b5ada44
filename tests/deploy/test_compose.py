"""The compose files: two checkers, what both miss, and the routing table they must agree with."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from daarion_gw.config import defaults
from tests.deploy.checkers import (
    BASE_FILE,
    COMPOSE_SCHEMA,
    FILES,
    OVERLAY,
    PYTHON,
    ROOT,
    Stack,
    compose_config,
    resolved,
    run,
    tool,
)

SERVICES = {
    "postgres",
    "redis",
    "nats",
    "matrix-homeserver",
    "microdao-api",
    "microdao-ws",
    "grafana",
    "prometheus",
    "rag-service",
    "notification-service",
    "gateway",
}
# https://docs.docker.com/reference/compose-file/services/#restart
RESTART = re.compile(r"no|always|unless-stopped|on-failure(:\d+)?")
STAND_INS = ("microdao-api", "microdao-ws", "rag-service", "notification-service")


def schema_problems(path: Path) -> tuple[int, str]:
    """Check one file as it is written against the Compose specification's own schema."""
    as_json = path.with_suffix(".json")
    as_json.write_text(json.dumps(YAML(typ="safe").load(path.read_text())))
    check = (
        "import json, sys, jsonschema\n"
        "schema, found = (json.load(open(name)) for name in sys.argv[1:])\n"
        "jsonschema.Draft7Validator(schema).validate(found)\n"
    )
    tool(COMPOSE_SCHEMA)
    return run(tool(PYTHON / "python"), "-c", check, COMPOSE_SCHEMA, as_json)


def bad_restarts(composed: dict[str, Any]) -> list[str]:
    return [
        name
        for name, service in composed["services"].items()
        if not RESTART.fullmatch(str(service.get("restart", "missing")))
    ]


def published(composed: dict[str, Any]) -> dict[str, list[str]]:
    return {
        name: [str(port).removesuffix("/tcp") for port in service["ports"]]
        for name, service in composed["services"].items()
        if service.get("ports")
    }


# --- the checkers ----------------------------------------------------------------------------


@pytest.mark.parametrize("files", [(BASE_FILE,), FILES], ids=["base", "with the overlay"])
def test_docker_compose_has_nothing_to_say(stack: Stack, files: tuple[str, ...]) -> None:
    assert compose_config(stack, files, "-q") == (0, "")


@pytest.mark.parametrize("file", FILES)
def test_the_schema_of_the_specification_accepts_it(stack: Stack, file: str) -> None:
    assert schema_problems(stack.compose / file) == (0, "")


BREAKS = [
    (BASE_FILE, "    image: ${REDIS_IMAGE", "    imagge: ${REDIS_IMAGE"),
    (
        BASE_FILE,
        "postgres: {condition: service_healthy}",
        "postgresql: {condition: service_healthy}",
    ),
    (BASE_FILE, "  postgres_data:\n", ""),
    (BASE_FILE, '    volumes: ["nats_data:/data"]', "    volumes: nats_data:/data"),
    (OVERLAY, "network_mode: host", "network_mode: [host]"),
]


@pytest.mark.parametrize(("file", "old", "new"), BREAKS)
def test_docker_compose_sees_what_is_broken(stack: Stack, file: str, old: str, new: str) -> None:
    stack.replace(f"compose/{file}", old, new)

    code, said = compose_config(stack, FILES, "-q")

    assert code != 0
    assert said


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (BASE_FILE, "    image: ${REDIS_IMAGE", "    imagge: ${REDIS_IMAGE"),
        (BASE_FILE, "start_period: 60s", "start_periods: 60s"),
        (OVERLAY, "network_mode: host", "network_mode: [host]"),
    ],
)
def test_the_schema_sees_what_is_broken(stack: Stack, file: str, old: str, new: str) -> None:
    stack.replace(f"compose/{file}", old, new)

    code, said = schema_problems(stack.compose / file)

    assert code != 0
    assert "ValidationError" in said


def test_a_missing_env_file_is_said(stack: Stack) -> None:
    (stack.compose / ".env").unlink()

    code, said = compose_config(stack, (BASE_FILE,), "-q")

    assert code != 0
    assert "copy .env.example to .env" in said


def test_restart_has_one_of_the_values_that_exist(stack: Stack) -> None:
    assert bad_restarts(resolved(stack, *FILES)) == []


def test_a_bad_restart_passes_both_checkers_but_not_us(stack: Stack) -> None:
    stack.replace(f"compose/{BASE_FILE}", "restart: unless-stopped", "restart: allways")

    assert compose_config(stack, FILES, "-q") == (0, "")
    assert schema_problems(stack.compose / BASE_FILE) == (0, "")
    assert set(bad_restarts(resolved(stack, BASE_FILE))) == SERVICES


# --- what the stack's documents say ----------------------------------------------------------


def test_the_eleven_services_and_their_volumes(stack: Stack) -> None:
    composed = resolved(stack, BASE_FILE)

    assert set(composed["services"]) == SERVICES
    assert {"postgres_data", "redis_data", "nats_data", "matrix_data"} <= set(composed["volumes"])
    assert list(composed["networks"]) == ["default"]
    assert not [name for name, each in composed["services"].items() if "networks" in each]


def test_the_images_are_of_the_promised_versions(stack: Stack) -> None:
    services = resolved(stack, BASE_FILE)["services"]

    assert services["postgres"]["image"].startswith("postgres:15")
    assert services["redis"]["image"].startswith("redis:7")
    assert "--jetstream" in services["nats"]["command"]
    assert {services[name]["image"] for name in (*STAND_INS, "gateway")} == {"daarion-gw:local"}


def test_every_service_has_a_health_check_a_log_limit_and_no_new_privileges(stack: Stack) -> None:
    for name, service in resolved(stack, BASE_FILE)["services"].items():
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}, name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}, name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_nothing_but_the_gateway_is_published(stack: Stack) -> None:
    assert published(resolved(stack, BASE_FILE)) == {"gateway": ["0.0.0.0:8080:8080"]}


def test_the_overlay_publishes_on_the_loopback_address_only(stack: Stack) -> None:
    composed = resolved(stack, *FILES)
    ports = published(composed)
    # In host mode Docker discards the ports of the base file.
    del ports["gateway"]

    assert composed["services"]["gateway"]["network_mode"] == "host"
    assert ports == {name: [f"127.0.0.1:{port}:{port}"] for name, port in defaults.PORTS.items()}


def test_the_gateway_finds_each_service_of_the_default_table(stack: Stack) -> None:
    environment = resolved(stack, BASE_FILE)["services"]["gateway"]["environment"]
    on_the_host = resolved(stack, *FILES)["services"]["gateway"]["environment"]

    names = {defaults.variable(name): (name, port) for name, port in defaults.PORTS.items()}
    assert environment == {key: f"http://{name}:{port}" for key, (name, port) in names.items()}
    assert on_the_host == {key: f"http://127.0.0.1:{port}" for key, (_n, port) in names.items()}


def test_health_checks_ask_the_port_of_the_default_table(stack: Stack) -> None:
    services = resolved(stack, BASE_FILE)["services"]

    for name, port in defaults.PORTS.items():
        assert re.search(rf"\b{port}\b", services[name]["healthcheck"]["test"][-1]), name


def test_stand_ins_bear_the_names_of_their_services(stack: Stack) -> None:
    services = resolved(stack, BASE_FILE)["services"]

    for name in STAND_INS:
        assert services[name]["environment"]["DAARION_STAND_IN"] == name
        # A command of ours would override that of the image which takes the stand-in's place.
        assert not services[name].get("command")
        assert not services[name].get("entrypoint")


def test_an_image_of_ones_own_takes_one_variable(stack: Stack) -> None:
    stack.replace("compose/.env", "RAG_SERVICE_IMAGE=daarion-gw:local", "RAG_SERVICE_IMAGE=rag:3")

    services = resolved(stack, BASE_FILE)["services"]

    assert services["rag-service"]["image"] == "rag:3"
    assert services["microdao-api"]["image"] == "daarion-gw:local"


def test_grafana_and_prometheus_are_told_their_prefix(stack: Stack) -> None:
    services = resolved(stack, BASE_FILE)["services"]
    grafana = services["grafana"]["environment"]

    assert grafana["GF_SERVER_ROOT_URL"] == "%(protocol)s://%(domain)s/grafana/"
    assert grafana["GF_SERVER_SERVE_FROM_SUB_PATH"] == "true"
    assert "--web.external-url=/prometheus/" in services["prometheus"]["command"]


def test_the_example_names_every_variable_and_no_other(stack: Stack) -> None:
    texts = [(ROOT / "deploy" / "compose" / file).read_text() for file in FILES]
    used = {name for text in texts for name in re.findall(r"(?<!\$)\$\{(\w+)", text)}
    example = (stack.compose / ".env.example").read_text()
    named = set(re.findall(r"^([A-Z][A-Z0-9_]*)=", example, re.MULTILINE))

    assert named == used | {"COMPOSE_PROJECT_NAME"}


def test_defaults_in_the_file_and_in_the_example_are_the_same(stack: Stack) -> None:
    """Else a line that somebody leaves out of his .env would change what he runs."""
    text = (stack.compose / BASE_FILE).read_text()
    example = (stack.compose / ".env.example").read_text()
    values = dict(re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", example, re.MULTILINE))

    inline = re.findall(r"\$\{(\w+):-([^}]*)\}", text)
    differing = [
        name for name, default in inline if not name.endswith("_HEALTH") and values[name] != default
    ]

    assert len(inline) > 20
    assert differing == []


def test_the_command_of_the_readme_replaces_every_secret(stack: Stack) -> None:
    readme = (stack.folder / "README.md").read_text()
    command = next(line for line in readme.splitlines() if "change-me" in line and "for " in line)

    subprocess.run(["sh", "-ec", command], cwd=stack.compose, check=True)

    services = resolved(stack, BASE_FILE)["services"]
    postgres, grafana = services["postgres"]["environment"], services["grafana"]["environment"]
    secrets = {
        postgres["POSTGRES_PASSWORD"],
        postgres["SYNAPSE_POSTGRES_PASSWORD"],
        grafana["GF_SECURITY_ADMIN_PASSWORD"],
    }
    assert len(secrets) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", secret) for secret in secrets)
    url = services["microdao-api"]["environment"]["DATABASE_URL"]
    assert f":{postgres['POSTGRES_PASSWORD']}@" in url
    assert "change-me-" not in re.sub("(?m)^#.*", "", (stack.compose / ".env").read_text())
