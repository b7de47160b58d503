"""Tables for people: they fit the terminal, numbers are whole or not there, and --wide and pipes have all."""

import pytest

from administration import Place, on_terminal
from command import turnpike

NAME = "a-very-long-name-of-a-key-for-the-recommendation-service-in-production"
TEAM = "platform-engineering-and-infrastructure"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("tables"))
    data = ["--data", place.data]
    turnpike("key", "create", "--name", NAME, "--team", TEAM, "--expires", "90d", *data)
    turnpike("key", "create", "--name", "x", "--team", TEAM, *data)
    turnpike("budget", "create", "--team", TEAM, "--amount", "5000000.5", "--period", "month", *data)
    turnpike("limit", "create", "--team", TEAM, "--tokens", "1000000", "--per", "1m", *data)
    turnpike("network", "rule", "create", "--team", TEAM, "--allow", "2001:db8:aaaa:bbbb::/64", *data)
    turnpike("admin", "key", "create", "--name", NAME, "--role", "operator", *data)
    return place


def lines_of(width, *arguments):
    code, shown = on_terminal(*arguments, width=width)
    assert code == 0, shown
    return shown.replace("\r", "").rstrip("\n").split("\n")


LISTS = [["team", "list"], ["key", "list"], ["budget", "list"], ["limit", "list"], ["network", "rule", "list"], ["admin", "key", "list"], ["audit"]]


@pytest.mark.parametrize("verb", LISTS, ids=" ".join)
@pytest.mark.parametrize("width", [200, 80, 40, 24])
def test_a_table_fits(place, verb, width):
    lines = lines_of(width, *verb, "--data", place.data)
    assert max(map(len, lines)) <= width
    # A row each, whatever is cut; and where columns are left out that is said in each row.
    whole = turnpike(*verb, "--data", place.data).stdout.rstrip("\n").split("\n")
    assert len(lines) == len(whole)
    assert lines[0].endswith("…") == (lines[0].split()[-1] == "…")


@pytest.mark.parametrize("verb", LISTS, ids=" ".join)
def test_wide_is_what_a_pipe_gets(place, verb):
    piped = turnpike(*verb, "--data", place.data).stdout.split("\n")
    wide = lines_of(40, *verb, "--data", place.data, "--wide")
    assert wide[0].split() == piped[0].split()
    assert len(max(wide, key=len)) > 40 and not any(line.endswith("…") for line in wide)
    assert turnpike(*verb, "--data", place.data, "--wide").stdout.split("\n")[0] == piped[0]


def test_numbers_are_never_cut(place):
    for width in range(24, 90, 3):
        for line in lines_of(width, "budget", "list", "--data", place.data):
            assert "$5,000,000.50" in line or "$5" not in line


def test_wide_takes_no_value():
    done = turnpike("key", "list", "--wide=yes", code=2)
    assert "--wide takes no value" in done.stderr
