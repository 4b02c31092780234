"""What we give to Prometheus and Grafana is read by Prometheus' own tool, and asks only for metrics
that there are."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vipd.daemon.metrics.families import FAMILIES, VIP_LABELS, OfVips

ROOT = Path(__file__).parents[2]
RULES = ROOT / "packaging/prometheus/vipd.rules.yml"
DASHBOARD = ROOT / "packaging/grafana/vipd.json"
#: What prometheus-client tells of the process, and Prometheus of the scrape.
FOREIGN = {"process_cpu_seconds_total", "process_resident_memory_bytes", "up"}
#: What Grafana puts in before it asks.
FILLED_IN = {"$__rate_interval": "1m", "$instance": ".*", "$id": ".*", "$job": ".*"}


def promtool_program() -> str:
    """Where it is; `packaging/prepare test` puts it beside Python where the machine has none."""
    beside = Path(sys.executable).parent
    program = shutil.which("promtool") or shutil.which("promtool", path=str(beside))
    if program is None:
        pytest.fail("promtool is missing: run packaging/prepare test", pytrace=False)
    return program


def promtool(*words: str | Path) -> str:
    """Run it; it has to find nothing wrong."""
    done = subprocess.run([promtool_program(), *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def objects(node: Any) -> Iterator[dict[str, Any]]:
    """All objects of a JSON document."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, dict | list):
            yield from objects(child)


def dashboard_queries() -> list[str]:
    queries = [
        each["expr"] for each in objects(json.loads(DASHBOARD.read_text())) if "expr" in each
    ]
    for name, value in FILLED_IN.items():
        queries = [query.replace(name, value) for query in queries]
    return queries


def names() -> dict[str, set[str]]:
    """Every time series there is, with its labels."""
    known: dict[str, set[str]] = {}
    for family in FAMILIES:
        labels = {*family.labels, *(VIP_LABELS if isinstance(family, OfVips) else ())}
        if family.kind == "histogram":
            known |= {f"{family.name}_{part}": labels for part in ("count", "sum")}
            known[f"{family.name}_bucket"] = labels | {"le"}
        else:
            known[family.name] = labels
    return known


def used(text: str) -> set[str]:
    return set(re.findall(r"\b(?:vipd|process)_\w+|\bup\b", text))


def test_the_rules_are_loadable() -> None:
    assert "13 rules found" in promtool("check", "rules", RULES)


def test_the_alerts_go_off_when_they_should() -> None:
    tests = Path(__file__).with_name("vipd.rules.test.yml")
    assert "SUCCESS" in promtool("test", "rules", tests)
    alerts = re.findall(r"alert: (\w+)", RULES.read_text())
    expected = re.findall(r"alertname: (\w+)\n +exp_alerts", tests.read_text())
    assert sorted(alerts) == sorted(expected)  # each is seen to go off, and once


def test_the_dashboards_queries_can_be_parsed(tmp_path: Path) -> None:
    queries = dashboard_queries()
    assert len(queries) > 20
    assert not any("$" in query for query in queries)
    rules = [{"record": f"query{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", file)


def test_the_dashboard_has_what_grafana_needs() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["targets"] and panel["title"] and panel["type"] for panel in panels)
    used_variables = set(re.findall(r"\$(\w+)", " ".join(map(str, objects(panels)))))
    there = {each["name"] for each in dashboard["templating"]["list"]}
    assert used_variables - there == {"__rate_interval"}
    taken = {(x, p["gridPos"]["y"] + dy) for p in panels for x, dy in cells(p["gridPos"])}
    assert len(taken) == sum(p["gridPos"]["w"] * p["gridPos"]["h"] for p in panels)  # no overlap


def cells(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    for dx in range(place["w"]):
        for dy in range(place["h"]):
            yield place["x"] + dx, dy


@pytest.mark.parametrize("source", [RULES, DASHBOARD], ids=["rules", "dashboard"])
def test_only_metrics_that_there_are_are_asked_for(source: Path) -> None:
    asked = used(source.read_text()) - FOREIGN
    assert len(asked) > 5
    assert asked <= names().keys()


def test_every_metric_is_on_the_dashboard() -> None:
    shown = used(DASHBOARD.read_text())
    families = {family.name for family in FAMILIES}
    assert families <= shown | {name.removesuffix("_bucket") for name in shown}


@pytest.mark.parametrize("query", dashboard_queries())
def test_labels_that_are_asked_for_are_those_the_metric_has(query: str) -> None:
    known = names()
    for name, matchers in re.findall(r"(vipd_\w+)\{([^}]*)\}", query):
        asked = set(re.findall(r"(\w+)=", matchers)) - {"instance", "job"}
        assert asked <= known[name], name
