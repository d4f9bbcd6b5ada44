"""Prometheus' configuration, Grafana's provisioning and the dashboard of the gateway's metrics."""

import json
import re

from prometheus_client.parser import text_string_to_metric_families

from daarion_gw.observe.counters import Counters
from daarion_gw.observe.metrics import Metrics
from tests.deploy.checkers import BASE_FILE, ROOT, Stack, documents, resolved, run, tool

PROMETHEUS = ROOT / "deploy" / "prometheus" / "prometheus.yml"
GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARD = GRAFANA / "dashboards" / "gateway.json"


def known_metrics() -> set[str]:
    """The names and labels of all samples that a gateway with one busy route shows."""
    counters = Counters()
    route = counters.route("/api/", "microdao-api")
    route.took(0.1)
    route.failed("REFUSED")
    counters.server("microdao-api", "127.0.0.1:8000")
    counters.front.refuse(400)
    text, _content_type = Metrics(counters, "1.0").text("")
    families = text_string_to_metric_families(text.decode())
    return {
        name
        for family in families
        for sample in family.samples
        for name in (sample.name, *sample.labels)
    }


def test_promtool_accepts_the_configuration() -> None:
    code, said = run(tool("promtool"), "check", "config", PROMETHEUS)

    assert code == 0, said


def test_promtool_sees_what_is_broken(stack: Stack) -> None:
    stack.replace("prometheus/prometheus.yml", "metrics_path", "metric_path")

    code, _said = run(
        tool("promtool"), "check", "config", stack.folder / "prometheus" / "prometheus.yml"
    )

    assert code != 0


def test_prometheus_scrapes_the_gateway_s_admin_listener_and_itself(stack: Stack) -> None:
    (config,) = documents(PROMETHEUS)
    services = resolved(stack, BASE_FILE)["services"]

    targets = {
        job["static_configs"][0]["targets"][0] + job.get("metrics_path", "/metrics")
        for job in config["scrape_configs"]
    }
    assert targets == {"gateway:9901/metrics", "localhost:9090/prometheus/metrics"}
    assert services["gateway"]["command"][-2:] == ["--admin", "tcp:9901"]


def test_grafana_finds_prometheus_and_the_dashboards_where_compose_puts_them(stack: Stack) -> None:
    (sources,) = documents(GRAFANA / "provisioning" / "datasources" / "prometheus.yml")
    (providers,) = documents(GRAFANA / "provisioning" / "dashboards" / "daarion.yml")
    volumes = resolved(stack, BASE_FILE)["services"]["grafana"]["volumes"]
    mounted = {volume.split(":")[1] for volume in volumes}

    assert [source["url"] for source in sources["datasources"]] == [
        "http://prometheus:9090/prometheus"
    ]
    assert providers["providers"][0]["options"]["path"] in mounted
    assert "/etc/grafana/provisioning" in mounted


def test_every_file_that_compose_mounts_exists(stack: Stack) -> None:
    for name, service in resolved(stack, BASE_FILE)["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("/"):
                assert (stack.folder / source.removeprefix(f"{stack.folder}/")).exists(), name


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in (
            *re.findall(r"daarion_\w+", target["expr"]),
            *(
                label
                for by in re.findall(r"by \(([^)]*)\)", target["expr"])
                for label in by.split(", ")
            ),
            *re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]),
        )
    }

    assert len(asked) > 10
    assert asked <= known_metrics()


def test_the_dashboard_s_panels_ask_the_provisioned_source_and_do_not_overlap() -> None:
    (sources,) = documents(GRAFANA / "provisioning" / "datasources" / "prometheus.yml")
    panels = json.loads(DASHBOARD.read_text())["panels"]

    uids = {panel["datasource"]["uid"] for panel in panels}
    assert uids == {source["uid"] for source in sources["datasources"]}
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _y in cells) < 24
