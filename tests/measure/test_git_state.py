"""Which code ran: true in a checkout, silent elsewhere, untouched by results."""

import subprocess

import pytest

from harness.measure.git_state import git_state


def git(folder, *words):
    who = ["-c", "user.name=Doe", "-c", "user.email=doe@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.delenv("HARNESS_COMMIT", raising=False)
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init")
    (folder / "code.py").write_text("x = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return folder


def test_a_clean_checkout(checkout):
    found = git_state(checkout)
    assert len(found["commit"]) == 40
    assert found["clean"] is True


def test_changed_and_new_code_is_not_clean(checkout):
    (checkout / "code.py").write_text("x = 2\n")
    assert git_state(checkout)["clean"] is False
    git(checkout, "checkout", "code.py")
    assert git_state(checkout)["clean"] is True
    (checkout / "new.py").write_text("")
    assert git_state(checkout)["clean"] is False


def test_new_results_leave_the_code_clean(checkout):
    (checkout / "results").mkdir()
    (checkout / "results" / "record.json").write_text("{}")
    assert git_state(checkout)["clean"] is True


def test_a_folder_inside_another_checkout_is_not_that_checkout(checkout):
    inside = checkout / "site-packages"
    inside.mkdir()
    assert git_state(inside) == {"commit": None, "clean": None}


def test_the_variable_speaks_only_where_there_is_no_history(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_COMMIT", "abc123")
    assert git_state(checkout)["commit"] != "abc123"
    assert git_state(tmp_path) == {"commit": "abc123", "clean": None}


def test_no_git_on_the_machine(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_state(checkout) == {"commit": None, "clean": None}
