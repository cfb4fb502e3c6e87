import cv2
import numpy as np
import pytest

from comparing.findings import find
from comparing.gallery import draw, gallery, score
from comparing.pictures import Seen


def boxes(*lines):
    return np.array(lines, np.float32).reshape(-1, 5)


def test_boxes_by_their_f_measure():
    truth = boxes([0, 0, 10, 10, 0], [20, 20, 30, 30, 1])
    assert score(Seen('', truth, truth)) == 1
    # one of two is found, with another that is none: 2 x 1 / (2 + 2)
    assert score(Seen('', truth, boxes([0, 0, 10, 9, 0], [50, 50, 60, 60, 1]))) == 0.5
    # of another class, or found twice
    assert score(Seen('', truth[:1], boxes([0, 0, 10, 10, 1]))) == 0
    assert score(Seen('', truth[:1], truth[[0, 0]])) == pytest.approx(2 / 3)
    assert score(Seen('', truth[:0], truth[:0])) == 1
    assert score(Seen('', truth, truth[:0])) == 0


def test_labels_by_their_mean_iou():
    truth = np.array([[0, 0, 1, 255]], np.uint8)
    assert score(Seen('', truth, np.array([[0, 0, 1, 0]], np.uint8))) == 1
    # class 0: one of two; class 1: one of two
    found = np.array([[0, 1, 1, 1]], np.uint8)
    assert score(Seen('', truth, found)) == pytest.approx(0.5)


def test_the_picture_that_differs_comes_first(plan, records, with_pictures):
    shown = gallery(find(plan, records), plan.folder)
    assert [picture.name for picture in shown] == ['two.png', 'one.png']
    assert list(shown[0].copies) == ['truth', 'nearest', 'bilinear', 'dysample']
    assert shown[0].scores == dict(nearest=1, bilinear=1, dysample=0)
    assert not np.array_equal(shown[0].copies['truth'], shown[0].copies['dysample'])
    assert np.array_equal(shown[1].copies['truth'], shown[1].copies['dysample'])


def test_wrong_labels_are_white(tmp_path):
    path = str(tmp_path / 'black.png')
    cv2.imwrite(path, np.zeros((320, 320, 3), np.uint8))
    truth = np.zeros((320, 320), np.uint8)
    found = truth.copy()
    found[100:200] = 1
    drawn = draw(path, found, truth)
    assert drawn.shape == (320, 320, 3)
    assert (drawn[150] == drawn[150].max()).all() and drawn[150].min() == 153
    assert not (drawn[10] == drawn[10].max()).all()
