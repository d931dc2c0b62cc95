"""Where the heart beats, which beats have one shape, and what a beat of that shape looks like on average."""

from ecg.beats.averages import average as average
from ecg.beats.detector import detect as detect
from ecg.beats.finder import found as found
from ecg.beats.finder import whole as whole
from ecg.beats.shapes import Shapes as Shapes
from ecg.beats.shapes import sort_by_shape as sort_by_shape
