"""Which code ran: true in a checkout, silent elsewhere, untouched by results."""

import os
import subprocess

import pytest

from harness.measure import git_state as module
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
    state = git_state(checkout)
    assert len(state["commit"]) == 40
    assert state["clean"] is True


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


def test_no_git_on_the_machine(checkout, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    module._say_unread.cache_clear()
    for _ in range(2):
        assert git_state(checkout) == {"commit": None, "clean": None}
    said = capsys.readouterr().err
    assert said.count("harness: git does not give the commit of") == 1, "once is enough"
    assert "or set HARNESS_COMMIT." in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GIT_DIR", "{other}/.git"),
        ("GIT_COMMON_DIR", "{other}/.git"),
        ("GIT_INDEX_FILE", "{other}/.git/index"),
        ("GIT_WORK_TREE", "{other}"),
        ("GIT_OBJECT_DIRECTORY", "{other}/.git/objects"),
        ("GIT_NAMESPACE", "x"),
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("GIT_CEILING_DIRECTORIES", "{other}/.."),
        ("GIT_CONFIG_PARAMETERS", "'core.worktree'='{other}'"),
    ],
)
def test_the_environment_names_no_other_repository(checkout, tmp_path, monkeypatch, name, value):
    right = git_state(checkout)
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init")
    git(other, "commit", "--allow-empty", "-m", "another")
    (checkout / "results").mkdir()
    (checkout / "results" / "record.json").write_text("{}")
    monkeypatch.setenv(name, value.format(other=other))
    assert git_state(checkout) == right


def test_settings_that_hide_new_files_do_not_count(checkout):
    git(checkout, "config", "status.showUntrackedFiles", "no")
    (checkout / "new.py").write_text("")
    assert git_state(checkout)["clean"] is False


def test_a_program_that_the_checkout_names_is_not_started(checkout, tmp_path):
    hook, started = tmp_path / "hook", tmp_path / "started"
    hook.write_text(f"#!/bin/sh\ntouch {started}\n")
    hook.chmod(0o755)
    git(checkout, "config", "core.fsmonitor", str(hook))
    assert git_state(checkout)["clean"] is True
    assert not started.exists()


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root gives files away")
def test_a_checkout_of_another_owner_has_its_commit(checkout):
    right = git_state(checkout)
    for path in (checkout, *checkout.rglob("*")):
        os.chown(path, 4242, 4242)
    assert git_state(checkout) == right
    assert right["commit"] is not None


def test_a_damaged_history_is_said(checkout, capsys):
    (checkout / ".git" / "HEAD").write_text("nonsense")
    module._say_unread.cache_clear()
    assert git_state(checkout) == {"commit": None, "clean": None}
    assert "harness: git does not give the commit of" in capsys.readouterr().err


def test_papers_that_the_commit_does_not_have_are_not_clean(checkout, tmp_path):
    (checkout / "papers").mkdir()
    (checkout / "papers" / "method.py").write_text("")
    (checkout / ".gitignore").write_text("ignored/\n")
    git(checkout, "add", ".")
    git(checkout, "commit", "-m", "papers")
    assert git_state(checkout, checkout / "papers")["clean"] is True
    for elsewhere in (tmp_path / "outside", checkout / "ignored"):
        elsewhere.mkdir()
        (elsewhere / "method.py").write_text("")
        assert git_state(checkout)["clean"] is True
        assert git_state(checkout, elsewhere)["clean"] is False
