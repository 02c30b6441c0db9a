"""Two-stage detectors by our own steps, which can be exported, say what torchvision's own steps say."""

from __future__ import annotations

import torch

from sightline.models.adapters.torchvision_rcnn import concatenate_boxes, listed, maps_of, pooled, proposed
from tests.unit.tasks._detectors import batch_for, build


def test_proposals_are_those_of_torchvision() -> None:
    model, images = build("faster-rcnn").eval(), batch_for("faster-rcnn").images
    net, place = model.network.net, model.place(images)
    net.rpn._post_nms_top_n = {"training": 500, "testing": 1000}
    with torch.no_grad():
        net.rpn.head.cls_logits.weight *= 30  # else their scores are all but equal
        net.rpn.head.bbox_pred.weight *= 10
        maps = maps_of(model.raw(images))
        result, real, logits, offsets = proposed(net, maps, place)
        boxes = net.rpn.box_coder.decode(offsets, [place.anchors] * 4).view(4, -1, 4)
        theirs, _ = net.rpn.filter_proposals(boxes, logits, [place.size] * 4, place.counts)
    mine = listed(result, real)
    assert [len(first) for first in mine] == [len(first) for first in theirs]
    assert 20 < min(len(first) for first in mine) < result.shape[1]
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_boxes_are_looked_into_at_the_level_of_torchvision() -> None:
    net = build("faster-rcnn").network.net
    generator = torch.Generator().manual_seed(0)
    size = (640, 576)
    maps = {
        str(i): torch.rand(2, 8, size[0] // stride, size[1] // stride, generator=generator)
        for i, stride in enumerate((4, 8, 16, 32))
    }
    near = torch.rand(2, 60, 2, generator=generator) * 300
    sides = 2 ** (torch.rand(2, 60, 2, generator=generator) * 8)
    sides[:, :4] = torch.tensor([111.9, 112, 224, 448])[:, None]  # around where another level begins
    boxes = list(torch.cat([near, near + sides], 2))
    mine = pooled(net.roi_heads.box_roi_pool, maps, *concatenate_boxes(boxes), size)
    theirs = net.roi_heads.box_roi_pool(maps, boxes, [size, size])
    torch.testing.assert_close(mine, theirs)
