"""Strangers, however many names they make up, are told of at a bounded rate."""

from __future__ import annotations

from seed.lately import Lately


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_is_told_of_once_in_a_while() -> None:
    clock = Clock()
    lately = Lately(8, 60, clock)
    assert [lately.is_new(name) for name in ("a", "b", "a")] == [True, True, False]
    clock.now = 59.9
    assert not lately.is_new("a")
    clock.now = 60
    assert lately.is_new("a")
    assert not lately.is_new("a")


def test_no_more_are_told_of_than_that() -> None:
    clock = Clock()
    lately = Lately(8, 60, clock)
    for minute in range(3):
        clock.now = 60 * minute
        assert sum(lately.is_new(name) for name in range(1000)) == 8
