"""What is named on the command line and is not what it should be: each message says what it is, where, and what to do."""

import os
import subprocess

import pytest

from administration import Place
from command import BINARY, turnpike


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    turnpike("key", "create", "--name", "app", "--data", place.data)
    return place


def test_configurations_that_are_none(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    for file, said in [("folder", "it is a directory: name the file in it"), ("none", "there is no such file; `turnpike init`"),
                       ("file/turnpike.yaml", "a part of its path is a file")]:
        for verb in (["check"], ["serve", "--data", tmp_path / "data", "--config"], ["preview", "--config"],
                     ["route", "explain", "m", "--config"]):
            done = turnpike(*verb, tmp_path / file, code=2 if verb == ["check"] else 1)
            assert f"{file}: {said}" in done.stdout + done.stderr, (verb, done)


def test_a_configuration_through_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["sh", "-c", 'sleep 0.3; echo "providers: {}" > "$0"', tmp_path / "pipe"]):
        assert "providers: it is empty" in turnpike("check", tmp_path / "pipe", code=1).stdout


def test_data_directories_that_are_none(tmp_path):
    (tmp_path / "file").write_text("x")
    for verb in (["key", "list"], ["key", "create", "--name", "x"], ["bounces"], ["audit"], ["export"], ["rollback", "--list"]):
        done = turnpike(*verb, "--data", tmp_path / "file", code=1)
        assert "file is not a directory; --data DIR names" in done.stderr, verb
    assert "make that first" in turnpike("key", "create", "--name", "x", "--data", tmp_path / "no" / "where", code=1).stderr
    assert "Not a directory" in turnpike("usage", "--data", tmp_path / "file", code=1).stderr
    assert "there is no store yet" in turnpike("usage", "--data", tmp_path, code=1).stderr
    assert "it is not a directory" in turnpike("doctor", "--data", tmp_path / "file", code=1).stdout


def test_output_that_cannot_be_written(place):
    for verb in (["key", "list"], ["audit"], ["export"], ["usage"]):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([BINARY, *verb, "--data", place.data], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 1 and "the output could not be written" in done.stderr, verb


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_key_that_nobody_has_seen(place, form):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([BINARY, "key", "create", "--name", "lost", "--data", place.data, *form], stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)
    assert done.returncode == 1 and "cannot be shown again: rotate it" in done.stderr
    told = done.stderr.split("the key ")[1].split()[0]
    assert told in turnpike("key", "list", "--data", place.data).stdout
