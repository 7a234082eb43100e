"""The soak's judgement; its short run is with the chaos test, on the same servers."""

import pytest
from chaos.soak import Sample, assert_flat

FLAT = [Sample(200.0 + each % 3, 60 + each % 4, 20, 40) for each in range(200)]
WARMING = [Sample(100.0 + 5 * each, 20 + each, 9, 4) for each in range(20)]


def test_what_is_used_while_it_warms_up_and_what_comes_and_goes_is_no_growth() -> None:
    assert_flat([*WARMING, *FLAT])


@pytest.mark.parametrize("name", Sample._fields)
def test_what_grows_is_named(name: str) -> None:
    growing = [
        each._replace(**{name: getattr(each, name) + number / 10})
        for number, each in enumerate(FLAT)
    ]
    with pytest.raises(AssertionError, match=f"grew: {name} by"):
        assert_flat(growing)
