"""What is generated is as its sources say."""

from collections.abc import Callable

import pytest

from tests.generate import GROUPS, ROOT, Files, left_over, old


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_what_is_generated_is_as_its_sources_say(group: Callable[[], Files]) -> None:
    stale = [str(path.relative_to(ROOT)) for path in old(group())]
    assert stale == [], "run `make generate`, and read the diff"


def test_every_output_has_an_input() -> None:
    assert list(left_over()) == [], "run `make generate`"
