"""Published lines: a number without its source does not come in."""

import pytest

from harness.errors import HarnessError
from harness.published import COLUMNS, read_published

RIGHT = {
    "cell": "images",
    "variants": "plain fancy",
    "metric": "accuracy",
    "value": "98.7",
    "interval": "0.4",
    "interval_kind": "ci95",
    "episodes": "600",
    "seeds": "",
    "table": "Table 1",
    "source": "Doe and Roe 2020",
    "confidence": "high",
    "note": "",
}


def write(folder, **change):
    path = folder / "published.csv"
    row = RIGHT | change
    path.write_text(",".join(COLUMNS) + "\n" + ",".join(row[c] for c in COLUMNS) + "\n")
    return path


def test_a_right_line_is_read(tmp_path):
    (line,) = read_published(write(tmp_path), "toy")
    assert (line.paper, line.cell, line.variants) == ("toy", "images", ("plain", "fancy"))
    assert (line.value, line.interval, line.episodes) == (98.7, 0.4, 600)
    (line,) = read_published(write(tmp_path, interval_kind="std-seeds", seeds="3"), "toy")
    assert (line.interval_kind, line.seeds) == ("std-seeds", 3)


def test_what_a_paper_does_not_report_is_none(tmp_path):
    lacks = {"interval": "", "interval_kind": "none", "episodes": "", "variants": ""}
    (line,) = read_published(write(tmp_path, **lacks), "toy")
    assert (line.interval, line.episodes, line.seeds, line.variants) == (None, None, None, ())


@pytest.mark.parametrize(
    "needed", ["cell", "metric", "value", "interval_kind", "table", "source", "confidence"]
)
def test_a_line_needs_its_parts(tmp_path, needed):
    path = write(tmp_path, **{needed: " "})
    with pytest.raises(HarnessError) as caught:
        read_published(path, "toy")
    assert str(caught.value) == f"{path}:2: a published line needs its {needed}; found it empty."


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"confidence": "hihg"}, "found confidence 'hihg' (did you mean 'high'?); wanted one of"),
        ({"value": "98,7"}, "found 13 columns, wanted 12 columns; quote text that has commas."),
        ({"value": "98.7%"}, "value: found '98.7%', wanted a number."),
        ({"interval": "±0.4"}, "interval: found '±0.4', wanted a number."),
        ({"seeds": "0"}, "seeds: found '0', wanted a whole number of at least 1."),
        (
            {"interval_kind": "CI95"},
            "interval_kind: found 'CI95'; wanted one of ci95, sem, std-",
        ),
        (
            {"interval_kind": "std-seed"},
            "interval_kind: found 'std-seed' (did you mean 'std-seeds'",
        ),
        (
            {"interval_kind": "none"},
            "interval_kind: found none with the interval 0.4, wanted what its ± means, or unknown.",
        ),
        ({"interval": ""}, "interval_kind: found ci95 with no interval, wanted none."),
        ({"interval": "-0.4"}, "interval: found '-0.4', wanted a number of at least 0."),
        ({"note": '"open'}, "found a quote that is never closed; write each line whole, with"),
        ({"episodes": "many"}, "episodes: found 'many', wanted a whole number of at least 1."),
    ],
)
def test_a_wrong_line_names_file_and_line(tmp_path, change, sentence):
    path = write(tmp_path, **change)
    with pytest.raises(HarnessError) as caught:
        read_published(path, "toy")
    assert str(caught.value).startswith(f"{path}:2: {sentence}")


def test_a_wrong_header_is_shown(tmp_path):
    path = tmp_path / "published.csv"
    path.write_text("cell,value\nimages,98.7\n")
    with pytest.raises(
        HarnessError, match=r"published.csv:1: found columns cell,value; wanted cel"
    ):
        read_published(path, "toy")


def test_a_short_line_is_refused(tmp_path):
    path = tmp_path / "published.csv"
    path.write_text(",".join(COLUMNS) + "\nimages,plain\n")
    with pytest.raises(HarnessError, match=r":2: found 2 columns, wanted 12 columns"):
        read_published(path, "toy")


def test_what_places_a_quoted_line_may_be_left_out(tmp_path):
    path = write(tmp_path)
    first, line = path.read_text().splitlines()
    wide = f"{first},method,inference,dataset"
    path.write_text(f"{wide}\n{line}\n{line},A net,transductive,cub\n")
    short, long = read_published(path, "toy")
    assert (short.method, short.inference, short.dataset) == ("", "", "")
    assert (long.method, long.inference, long.dataset) == ("A net", "transductive", "cub")
    path.write_text(f"{wide}\n{line},A net,both,\n")
    with pytest.raises(HarnessError, match="2: found inference 'both', wanted inductive"):
        read_published(path, "toy")
    path.write_text(f"{wide}\n{line.rpartition(',')[0]}\n")
    with pytest.raises(HarnessError, match="2: found 11 columns, wanted 15 columns"):
        read_published(path, "toy")
    path.write_text(f"{first},method\n{line},A net\n")
    with pytest.raises(HarnessError, match="after them method,inference,dataset or nothing"):
        read_published(path, "toy")
