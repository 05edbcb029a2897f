"""The record of a training: its curve, and going on with it."""

import json
from types import SimpleNamespace

from go_agents.common.curves import Recorder

from go_gym.agent import Improvement, Window


def results(*pairs):
    return [SimpleNamespace(step_time_ns=time, valid=valid) for time, valid in pairs]


def recorded():
    record = Recorder()
    record.note(results((5, False), (7, False)))
    record.note(results((10, True), (30, True), (2, False), (9, True)))
    record.note(results((40, True)))
    record.note(results((8, True), (4, True)))
    return record


def test_each_improvement_has_its_call_and_each_batch_the_mean_of_its_valid():
    record = recorded()
    assert (record.calls, record.best_step_time_ns) == (9, 4)
    assert record.curve.improvements == (
        *(Improvement(3, 10), Improvement(6, 9)),
        *(Improvement(8, 8), Improvement(9, 4)),
    )
    assert record.curve.windows == (Window(6, 16), Window(7, 40), Window(9, 6))


def test_of_a_stretch_only_the_end_is_known():
    record = Recorder()
    record.note_stretch(5, None, [])
    assert (record.calls, record.best_step_time_ns, record.curve.windows) == (5, None, ())
    record.note_stretch(10, 30, [50, 30])
    record.note_stretch(2, 30, [])
    assert record.curve.improvements == (Improvement(15, 30),)
    assert record.curve.windows == (Window(15, 40),) and record.calls == 17


def test_it_goes_on_from_its_numbers():
    record = Recorder.of(json.loads(json.dumps(recorded().numbers())))
    assert record.curve == recorded().curve and record.calls == 9
    record.note(results((4, True), (3, True)))
    assert record.curve.improvements[-1] == Improvement(11, 3)
    assert Recorder.of(Recorder().numbers()).best_step_time_ns is None
