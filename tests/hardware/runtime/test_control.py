"""Signals between workers: messages arrive once, in order, and a halt ends every wait."""

import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from go_gym.hardware.runtime.control import Control, Inbox, Message, Outbox
from go_gym.hardware.runtime.schedule import Channel
from tests.hardware.requirements import runs_workers

pytestmark = runs_workers
CHANNELS = [Channel(0, 0, 2), Channel(1, 1, 2), Channel(2, 0, 2), Channel(3, 0, 1)]


@given(st.lists(st.permutations(range(4)), max_size=5), st.integers(0, 2**20))
def test_each_message_is_found_once_by_its_receiver_in_the_sender_s_order(steps, polls):
    """Against lists, over several steps; which posts are followed by a poll is random."""
    control = Control(CHANNELS, 3)
    outboxes, inboxes = ([kind(control, n) for n in range(3)] for kind in (Outbox, Inbox))
    found: dict[int, list[Message]] = {0: [], 1: [], 2: []}
    now, sent = 0, []
    for order in steps:
        for channel in order:
            now += 1
            _, sender, receiver = CHANNELS[channel]
            outboxes[sender].post(channel, receiver, now)
            sent.append(Message(channel, now))
            if polls >> (now % 20) & 1:
                found[receiver] += inboxes[receiver].poll()
        for receiver, inbox in enumerate(inboxes):  # as a step ends when all has arrived
            found[receiver] += inbox.poll()
            assert not inbox.poll()
    for sender in range(3):
        for receiver in range(3):
            between = [n for n, each in enumerate(CHANNELS) if each[1:] == (sender, receiver)]
            assert [each for each in found[receiver] if each.channel in between] == [
                each for each in sent if each.channel in between
            ]


def test_a_message_of_a_forked_process_ends_the_wait():
    control = Control(CHANNELS, 3)
    inbox = Inbox(control, 1)
    child = os.fork()
    if child == 0:
        time.sleep(0.05)
        Outbox(control, 0).post(3, 1, 77)
        os._exit(0)
    assert answers_of(inbox.wait) == [True]
    assert inbox.poll() == [Message(3, 77)]
    os.waitpid(child, 0)


def answers_of(call, halt_of=None) -> list[bool]:
    """What ``call`` answers; if it waits, once ``halt_of`` is halted; nothing if it still waits."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    if halt_of is not None:
        thread.join(0.05)
        assert not answers, "it did not wait"
        halt_of.halt[0] = 1
    thread.join(60)
    return answers


@pytest.mark.parametrize("waits", [lambda c: Inbox(c, 1).wait(), lambda c: c.wait_for_all(1)])
def test_a_halt_ends_a_wait(waits):
    control = Control(CHANNELS, 3)
    control.ready_for[:2] = 1
    assert answers_of(lambda: waits(control), control) == [False]


def test_all_go_on_once_all_are_ready():
    control = Control(CHANNELS, 3)
    control.ready_for[:] = [4, 3, 5]
    assert answers_of(lambda: control.wait_for_all(3)) == [True]
