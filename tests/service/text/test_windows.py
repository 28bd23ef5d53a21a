from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from service.text.windows import Window, home, windows

LENGTHS = st.integers(min_value=1, max_value=300)
LIMITS = st.integers(min_value=4, max_value=130)


def ids(length: int) -> tuple[int, ...]:
    """Return a text whose tokens are their own positions, with [CLS] and [SEP]."""
    return tuple(range(length + 2))


@given(length=LENGTHS, limit=LIMITS)
def test_every_token_is_seen_and_stands_where_the_window_says(length: int, limit: int) -> None:
    seen = set()
    for view in windows(ids(length), limit):
        inner = view.ids[1:-1]
        assert [position - view.start for position in inner] == list(range(1, len(inner) + 1))
        seen |= set(inner)
    assert seen == set(range(1, length + 1))


@given(length=LENGTHS, limit=LIMITS)
def test_windows_are_as_long_as_allowed_and_share_a_quarter(length: int, limit: int) -> None:
    views = windows(ids(length), limit)
    if length + 2 <= limit:
        assert views == (Window(ids(length), 0),)
        return
    assert {len(view.ids) for view in views} == {limit}
    assert all((view.ids[0], view.ids[-1]) == (0, length + 1) for view in views)
    size = limit - 2
    for one, other in pairwise(views):
        assert other.start - one.start <= max(1, size - size / 4 + 1)


@given(length=LENGTHS, limit=LIMITS, data=st.data())
def test_a_token_is_at_home_where_it_has_most_text_around_it(
    length: int, limit: int, data: st.DataObject
) -> None:
    views = windows(ids(length), limit)
    position = data.draw(st.integers(1, length))
    chosen = views[home(views, position)]
    assert chosen.ids[position - chosen.start] == position
    assert chosen.depth(position) == max(view.depth(position) for view in views) > 0


@given(length=LENGTHS, limit=LIMITS)
def test_homes_follow_the_text(length: int, limit: int) -> None:
    views = windows(ids(length), limit)
    homes = [home(views, position) for position in range(1, length + 1)]
    assert homes == sorted(homes)
