from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.errors import HarnessError
from harness.explain.effect import PAIRED, TRAINED
from harness.explain.explain import explain
from harness.explain.explanation import (
    explanation_path,
    find_explanations,
    read_explanation,
    write_explanation,
)
from harness.explain.question import Question
from harness.protocol import digest
from harness.report.markers import Tables, replace_tables, stale_markers
from harness.report.render import FORMATS, render_explanations


@pytest.fixture(scope="module")
def explanation(sine):
    return explain(sine, Question(switches=("method.test_steps", "tasks.test_queries")))


def test_what_is_written_is_read_again(explanation, tmp_path):
    path = write_explanation(tmp_path, explanation)
    assert path == explanation_path(tmp_path, explanation)
    where = path.relative_to(tmp_path).as_posix()
    assert where.startswith("explain/maml/sinusoid-5shot/maml-seed0-0.0001-")
    assert find_explanations(tmp_path, "maml/sinusoid-5shot") == [explanation]
    assert find_explanations(tmp_path, "maml/sinusoid-10shot") == []
    assert write_explanation(tmp_path, explanation) == path, "a newer one takes its place"
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("form", FORMATS)
def test_two_trainings_of_an_older_explanation_have_no_p(explanation, form):
    row = replace(explanation.rows[0], p=0.0123, comparison=TRAINED)
    older = replace(explanation, rows=(row,))
    assert "0.012" in render_explanations(
        [replace(explanation, rows=(replace(row, comparison=PAIRED),))], form
    )
    assert "0.012" not in render_explanations([older], form)


@pytest.mark.parametrize("form", ["table", "md", "latex"])
@pytest.mark.parametrize("clean", [False, True, None])
def test_changes_in_no_commit_are_said_where_it_is_shown(explanation, form, clean):
    tested = replace(explanation, tested=explanation.tested | {"clean": clean})
    said = "tested from a working tree with changes that are in no commit"
    assert (said in render_explanations([tested], form)) == (clean is False)


def test_an_edited_number_is_refused(explanation, tmp_path):
    path = write_explanation(tmp_path, explanation)
    table = json.loads(path.read_text())
    table["rows"][0]["effect"] = 12.5
    path.write_text(json.dumps(table))
    with pytest.raises(HarnessError, match="its numbers do not fit its digest"):
        read_explanation(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not a readable explanation"),
        ("[]", "found schema 'list', wanted 1"),
        ('{"schema": 7}', "found schema 7, wanted 1"),
    ],
)
def test_what_is_no_explanation_is_refused(tmp_path, text, sentence):
    path = tmp_path / "e.json"
    path.write_text(text)
    with pytest.raises(HarnessError, match=sentence):
        read_explanation(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.update(seed="0"), "seed: found '0', wanted an integer."),
        (lambda r: r.update(mean="x"), "mean: found 'x', wanted a number."),
        (lambda r: r.update(rows=3), "rows: found 3, wanted a list."),
        (lambda r: r.update(rows=[3]), "rows[0]: found 3, wanted a table."),
        (lambda r: r.update(published=3), "published: found 3, wanted a list."),
        (lambda r: r.update(tested={"commit": 3}), "tested: commit: found 3, wanted text."),
        (lambda r: r["rows"][0].update(tasks=1.5), "tasks: found 1.5, wanted an integer."),
        (lambda r: r.update(variant="oracle"), "found an explanation of maml/sinusoid-5shot/ora"),
    ],
)
def test_a_value_of_another_type_is_one_sentence(explanation, tmp_path, change, sentence):
    path = write_explanation(tmp_path, explanation)
    raw = json.loads(path.read_text())
    del raw["digest"]
    change(raw)
    path.write_text(json.dumps(raw | {"digest": digest(raw)}))
    with pytest.raises(HarnessError) as caught:
        read_explanation(path)
    assert sentence in str(caught.value)


def test_a_page_shows_what_is_on_record(explanation, tmp_path):
    name = "explain/maml/sinusoid-5shot"
    page = f"<!-- results:begin {name} -->\nold\n<!-- results:end {name} -->\n"
    results = tmp_path / "results"
    write_explanation(results, explanation)
    text = replace_tables(page, Tables(tmp_path, results), "README.md")
    assert render_explanations([explanation], "md") in text
    (tmp_path / "README.md").write_text(page)
    assert stale_markers(tmp_path, results) == ["README.md"]
    (tmp_path / "README.md").write_text(text)
    assert stale_markers(tmp_path, results) == []


def test_every_format_has_every_row(explanation):
    for form in FORMATS:
        text = render_explanations([explanation], form)
        assert text.count("steps") >= 2, form  # its underscore is escaped in some
    [whole] = json.loads(render_explanations([explanation], "json"))
    assert [r["effect"] for r in whole["rows"]] == [r.effect for r in explanation.rows]
    lines = render_explanations([explanation], "csv").splitlines()
    assert len(lines) == 1 + len(explanation.rows)
    assert "record_digest" in lines[0]
    assert explanation.record_digest in lines[1]
