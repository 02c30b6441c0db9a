"""The greatest of each group."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.ops.topk import leading


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3))), st.integers(1, 5))
def test_gives_the_greatest_of_each_group_in_order(pairs: list[tuple[int, int]], most: int) -> None:
    groups = torch.tensor([g for g, _ in pairs], dtype=torch.int64)
    values = torch.tensor([float(v) for _, v in pairs])
    expected = []
    for group in sorted({g for g, _ in pairs}):
        default = [i for i, (g, _) in enumerate(pairs) if g == group]
        expected += sorted(default, key=lambda i: (-pairs[i][1], i))[:most]
    assert leading(groups, values, most).tolist() == expected
