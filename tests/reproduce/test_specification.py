"""The TOML of an experiment: read whole, refused in one line."""

import jinja2
import pytest

from go_gym.errors import GoGymError
from go_gym.reproduce.catalogue import experiment_of, experiments
from go_gym.reproduce.report import TEMPLATES
from go_gym.reproduce.specification import read_specification

WHOLE = """
title = "Both"
task = "placement"
agents = ["heft"]
priorities = ["fifo"]
compared = ["fifo"]
reference = "heft"
[graphs]
rnnlm-2 = "p100x2"
"""


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "both.toml"
    path.write_text(WHOLE)
    made = read_specification(path)
    assert (made.name, made.agents, made.graphs) == ("both", ("heft",), {"rnnlm-2": "p100x2"})
    assert made.timed_by == "" and made.paper == {}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Both"', "title = 3", "entry 'title': 3, expected str"),
        ('["heft"]', '"heft"', "entry 'agents': 'heft', expected tuple"),
        ('["heft"]', '["heft", 1]', "entry 'agents': .*expected tuple"),
        ('"p100x2"', "2", "entry 'graphs': .*expected Mapping"),
        ("reference =", "refrence =", "entry 'refrence': expected one of title, task"),
        ('task = "placement"', 'task = "sleeping"', "task 'sleeping': expected one of placement"),
        ('compared = ["fifo"]', "compared = []", "expected fifo, best or both"),
        ('title = "Both"', "", "title"),
        ('title = "Both"', "title = ", "not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path, old, new, message):
    path = tmp_path / "both.toml"
    path.write_text(WHOLE.replace(old, new))
    with pytest.raises(GoGymError, match=f"both.toml.*{message}"):
        read_specification(path)


@pytest.mark.parametrize("name", experiments())
def test_every_experiment_has_a_template_and_refers_to_its_own_agents(name):
    what = experiment_of(name).what
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES))
    environment.get_template(f"{name}.md.jinja")
    named = {
        what.reference,
        *what.searchers,
        *what.paper,
        *filter(None, [what.timed_by, what.harder]),
    }
    assert named <= set(what.agents)
