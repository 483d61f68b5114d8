"""`harness env` prints what a bug report needs."""

import json
import re

import torch

from harness.cli import main as cli


def test_table(capsys, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", "/some/where")
    assert cli.main(["env"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = dict(re.split(r"  +", line, maxsplit=1) for line in lines)
    assert rows["HARNESS_DATA"] == "/some/where"
    assert rows["libraries torch"] == torch.__version__
    assert rows["tf32 matmul"] in ("yes", "no")


def test_json(capsys):
    assert cli.main(["env", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["libraries"]["torch"] == torch.__version__
    assert {"commit", "clean", "processor", "settings"} <= set(report)
