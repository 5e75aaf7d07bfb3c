"""What dashboards and alerts ask for is there to be had, and what alerts point at is written."""

import json
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import typer

from app import cli, demo
from tests.e2e.test_kill import Client
from tests.support.program import DEADLINE_S, made_data_dir, running

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "ops" / "grafana" / "evermark.json"
ALERTS = ROOT / "ops" / "prometheus" / "alerts.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"
OWN = {"job", "le", "instance"}
"""Labels that Prometheus gives itself, or that every histogram has."""
FUNCTIONS = {"sum", "rate", "increase", "histogram_quantile", "topk", "min", "max", "by", "label_values"}
SCRAPER = {"up"}


@pytest.fixture(scope="module")
def said() -> Iterator[str]:
    """/metrics of `evermark run` as it is without settings, on which somebody traded; it needs no token there."""
    with made_data_dir() as folder, running(folder, EVERMARK_METRICS_OPEN="1", EVERMARK_FEED="synthetic"):
        found = demo.read(folder)
        assert found is not None
        account = found.accounts[0]
        client = Client(found.url, {"api_key": account.api_key, "secret_key": account.secret_key})
        assert client.order("first", "BUY", price="50000")[0] == 200
        yield metrics_with_prices(found.url)


def metrics_with_prices(url: str) -> str:
    """What is said once every index has had its first price."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        answer = requests.get(f"{url}/metrics", timeout=DEADLINE_S)
        assert answer.status_code == 200
        if not re.search(r"^evermark_index_fresh\S* 0", answer.text, re.MULTILINE):
            return answer.text
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)


def names(said: str) -> set[str]:
    """The metrics that have values."""
    return set(labels(said))


def labels(said: str) -> dict[str, set[str]]:
    """The labels of each metric that has values."""
    found: dict[str, set[str]] = {}
    for name, given in re.findall(r"^([a-z_]+)(\{[^}]*\})? ", said, re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', given))
    return found


def expressions() -> list[str]:
    board: dict[str, Any] = json.loads(DASHBOARD.read_text("utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    alerts = re.findall(r"^\s+expr: (.+)$", ALERTS.read_text("utf-8"), re.MULTILINE)
    assert len(asked) > 50
    assert len(alerts) > 10
    return asked + alerts


def wrong_in(expression: str, found: set[str], labelled: dict[str, set[str]]) -> list[str]:
    """What of an expression Prometheus would find nothing for."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression)
    by = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"by \(([^)]*)\)", bare))))
    selected = set(re.findall(r"(\w+)\s*[=!]~?", " ".join(re.findall(r"\{([^}]*)\}", bare))))
    metrics = set(re.findall(r"[a-z_]+", re.sub(r"\{[^}]*\}|by \([^)]*\)", "", bare))) - FUNCTIONS - SCRAPER
    wrong = sorted(metrics - found)
    for metric in metrics & labelled.keys():
        wrong += sorted((by | selected) - OWN - labelled[metric])
    return wrong


def test_every_metric_that_is_asked_for_is_there(said: str) -> None:
    """OPS-016."""
    found, labelled = names(said), labels(said)
    assert {expression: wrong for expression in expressions() if (wrong := wrong_in(expression, found, labelled))} == {}


@pytest.mark.parametrize(
    "expression, wrong",
    [
        ("evermark_queue_deep", ["evermark_queue_deep"]),
        ("rate(evermark_answers[5m])", ["evermark_answers"]),
        ('sum by (way) (rate(evermark_answers_total{status="500"}[5m]))', ["way"]),
        ('evermark_request_seconds_count{sort="command"}', ["sort"]),
        ("evermark_request_seconds", ["evermark_request_seconds"]),
    ],
)
def test_one_that_is_not_there_would_be_seen(said: str, expression: str, wrong: list[str]) -> None:
    """OPS-016."""
    assert wrong_in(expression, names(said), labels(said)) == wrong


def test_what_an_alert_counts_is_there_before_it_happens(said: str) -> None:
    """OPS-016: a counter that appears with its first event has not grown, as far as Prometheus can tell."""
    counted = re.findall(r"(?:rate|increase)\((\w+_total)\{(\w+=\"\w+\")\}\[", " ".join(expressions()))
    assert len(counted) > 1
    for name, label in counted:
        assert re.search(rf"^{name}\{{[^}}]*{label}[^}}]*\}} ", said, re.MULTILINE), (name, label)


def test_every_metric_of_ours_is_on_the_dashboard_or_in_an_alert(said: str) -> None:
    """OPS-016: what nobody looks at need not be measured."""
    asked = " ".join(expressions())
    ours = set(re.findall(r"^# TYPE (evermark_\w+)", said, re.MULTILINE))
    assert len(ours) > 30
    assert sorted(name for name in ours if name not in asked) == []


def test_what_an_alert_points_at_is_written() -> None:
    """OPS-017."""
    heads = re.findall(r"^#+ (.+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in heads}
    pointed = set(re.findall(r"docs/runbook\.md#([a-z0-9-]+)", ALERTS.read_text("utf-8")))
    assert len(pointed) > 5
    assert sorted(pointed - anchors) == []


def test_panels_stand_beside_each_other() -> None:
    """OPS-016: no two in one place, and each with its own number."""
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def commands() -> list[list[str]]:
    """Every command of ours that the runbook tells somebody to give."""
    blocks = re.findall(r"^```sh\n(.*?)^```", RUNBOOK.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("evermark ")]
    return [shlex.split(line.split(" #")[0])[1:] for line in lines]


def test_the_runbook_has_commands() -> None:
    """OPS-017."""
    assert len(commands()) > 20


@pytest.mark.parametrize("words", commands() if RUNBOOK.exists() else [], ids=" ".join)
def test_the_runbooks_commands_can_be_given(words: list[str]) -> None:
    """OPS-017: each is one that there is, with arguments and options that it takes."""
    command: Any = typer.main.get_command(cli.app)
    context = typer.Context(command, info_name="evermark")
    rest = words[2:] if words[0] == "--data-dir" else words
    while hasattr(command, "commands"):
        assert rest and rest[0] in command.commands, words
        command = command.commands[rest[0]]
        rest = rest[1:]
    command.make_context(" ".join(words), list(rest), parent=context, resilient_parsing=False)
