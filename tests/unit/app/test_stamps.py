"""The lives of requests, counted."""

import pytest

from app.stamps import ENDED_MAX, STEPS, Lives, Stamps


def of_a_command(*moments: float) -> Stamps:
    stamps = Stamps()
    stamps.begun_s, stamps.queued_s, stamps.taken_s, stamps.durable_s, stamps.applied_s = moments
    return stamps


@pytest.mark.parametrize("count", [1, ENDED_MAX - 1, ENDED_MAX, 2 * ENDED_MAX + 3])
def test_each_request_is_counted_once(count: int) -> None:
    """OPS-012: whoever reads settles first, and what has gathered meanwhile is bounded."""
    lives = Lives()
    for _ in range(count):
        lives.end(of_a_command(1.0, 1.25, 1.75, 2.0, 2.5))
        lives.end(Stamps())
    assert lives.whole.count + lives.others.count > 2 * count - ENDED_MAX
    for _ in range(2):
        lives.settle()
        assert (lives.whole.count, lives.others.count) == (count, count)
        assert [step.count for step in lives.steps] == [count] * len(STEPS)


def test_the_steps_of_a_command_add_up_to_the_whole() -> None:
    """OPS-012."""
    lives = Lives()
    lives.end(of_a_command(1.0, 1.25, 1.75, 2.0, 2.5))
    lives.settle()
    assert [step.total for step in lives.steps[:-1]] == [0.25, 0.5, 0.25, 0.5]
    assert sum(step.total for step in lives.steps) == pytest.approx(lives.whole.total)
