"""The manifests: the schemas of Kubernetes, and the routing table they must agree with."""

import re
from pathlib import Path
from typing import Any

import pytest

from daarion_gw.config import defaults
from tests.deploy.checkers import PYTHON, ROOT, Stack, documents, run, tool

FOLDER = ROOT / "deploy" / "kubernetes"
# kubernetes-validate knows no custom resources: httproute.yaml has a test file of its own.
CUSTOM = {"httproute.yaml", "kustomization.yaml"}
MANIFESTS = sorted(path.name for path in FOLDER.glob("*.yaml") if path.name not in CUSTOM)
BREAKS = [
    ("deployment.yaml", "readinessProbe:", "readynessProbe:"),
    ("deployment.yaml", "containerPort: 8080", 'containerPort: "8080"'),
    ("service.yaml", "targetPort: http", "targetport: http"),
    ("hpa.yaml", "maxReplicas: 6", "maxReplicas: many"),
    ("pdb.yaml", "minAvailable", "minAvailible"),
    ("ingress.yaml", "pathType: Prefix", "pathtype: Prefix"),
    ("namespace.yaml", "apiVersion: v1", "apiVersion: v1beta7"),
]


def validate(path: Path) -> tuple[int, str]:
    """Zero and no warning: a kind that the checker does not know is a warning and exit 0."""
    code, said = run(tool(PYTHON / "kubernetes-validate"), "--strict", path)
    return code or int("WARN" in said), said


def one(name: str) -> dict[str, Any]:
    (found,) = documents(FOLDER / name)
    return found


def ingress_rows() -> dict[str, tuple[str, int, bool]]:
    """{path of the table: (service, port, is the prefix stripped)} as ingress.yaml has it."""
    rows = {}
    for ingress in documents(FOLDER / "ingress.yaml"):
        rewrites = (
            "nginx.ingress.kubernetes.io/rewrite-target" in ingress["metadata"]["annotations"]
        )
        (rule,) = ingress["spec"]["rules"]
        assert rule["host"] == "app.daarion.city"
        for row in rule["http"]["paths"]:
            path = re.sub(r"\(/\|\$\).*", "/", row["path"]) if rewrites else row["path"]
            service = row["backend"]["service"]
            rows[path] = (service["name"], service["port"]["number"], rewrites)
    return rows


@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_accepts_it(name: str) -> None:
    code, said = validate(FOLDER / name)

    assert code == 0, said


@pytest.mark.parametrize(("name", "old", "new"), BREAKS)
def test_kubernetes_sees_what_is_broken(stack: Stack, name: str, old: str, new: str) -> None:
    stack.replace(f"kubernetes/{name}", old, new)

    code, _said = validate(stack.folder / "kubernetes" / name)

    assert code != 0


def test_every_manifest_is_broken_once() -> None:
    assert {name for name, _old, _new in BREAKS} == set(MANIFESTS)


def test_the_kustomization_names_the_gateway_s_files() -> None:
    kustomization = one("kustomization.yaml")

    assert set(kustomization["resources"]) == set(MANIFESTS) - {"ingress.yaml"}
    container = one("deployment.yaml")["spec"]["template"]["spec"]["containers"][0]
    assert [image["name"] for image in kustomization["images"]] == [container["image"]]


def test_everything_lives_in_one_namespace() -> None:
    namespace = one("namespace.yaml")["metadata"]["name"]

    for path in FOLDER.glob("*.yaml"):
        if path.name not in {"namespace.yaml", "kustomization.yaml"}:
            found = {each["metadata"]["namespace"] for each in documents(path)}
            assert found == {namespace}, path.name


def test_the_ingress_is_the_default_table() -> None:
    expected = {
        row.path: (row.upstream, defaults.PORTS[row.upstream], row.options.strip_prefix)
        for row in defaults.TABLE
    }

    assert ingress_rows() == expected


@pytest.mark.parametrize(
    ("target", "rest"),
    [
        ("/matrix/client/versions", "client/versions"),
        ("/matrix/", ""),
        ("/matrix", ""),
        ("/matrix/_synapse/admin/v1/users", None),
        ("/matrixx/", None),
    ],
)
def test_the_ingress_rewrites_to_the_rest_and_keeps_the_admin_interface_out(
    target: str, rest: str | None
) -> None:
    """ingress-nginx anchors a path at its start only."""
    paths = [
        row["path"]
        for ingress in documents(FOLDER / "ingress.yaml")
        for row in ingress["spec"]["rules"][0]["http"]["paths"]
    ]

    matched = [found for path in paths if (found := re.match(path, target))]

    assert [found[2] for found in matched] == ([] if rest is None else [rest])


def test_a_websocket_may_stay_open_for_24_hours() -> None:
    (ingress,) = (
        each
        for each in documents(FOLDER / "ingress.yaml")
        if "/ws(/|$)(.*)" in str(each["spec"]["rules"])
    )

    annotations = ingress["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "86400"


def test_the_gateway_runs_under_the_restricted_standard() -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/"""
    pod = one("deployment.yaml")["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"USER {pod['securityContext']['runAsUser']}:" in dockerfile


def test_the_parts_of_the_gateway_fit_together() -> None:
    deployment, service = one("deployment.yaml"), one("service.yaml")
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    labels = template["metadata"]["labels"]

    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == labels
    assert one("pdb.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert one("hpa.yaml")["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": 8080, "admin": 9901}
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"]
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "http"}
    # One that drains is alive, and is to be sent nothing.
    assert container["readinessProbe"]["httpGet"] == {"path": "/healthz?ready", "port": "http"}


def test_the_gateway_finds_each_service_of_the_default_table() -> None:
    (container,) = one("deployment.yaml")["spec"]["template"]["spec"]["containers"]

    assert {each["name"]: each["value"] for each in container["env"]} == {
        defaults.variable(name): f"http://{name}:{port}" for name, port in defaults.PORTS.items()
    }


def test_a_pod_has_time_to_drain() -> None:
    spec = one("deployment.yaml")["spec"]["template"]["spec"]
    before = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = defaults.default_settings().gateway.drain_timeout

    assert spec["terminationGracePeriodSeconds"] > before + drain
