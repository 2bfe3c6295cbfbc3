"""Pictures of a training run: figures, which notebooks show, and PNG files.

Every function takes NumPy arrays or plain lists, checks them, draws one figure and returns it. Given a path, it writes
the figure there first; `figure.path` says where.
Matplotlib is imported only when a picture is drawn, and only its object-oriented part: no display, no pyplot.
All pictures share one look, which `look.py` defines once.

Names are shortened where they would take the room of the picture, and drawn in fonts that have their letters.

No picture relies on colour alone: markers, line styles, words and signs say the same again.
"""

from minigrad.plots.boxes import plot_box_gallery, plot_detection, plot_iou_histogram
from minigrad.plots.classification import plot_class_metrics, plot_confusion_matrix
from minigrad.plots.curves import plot_history
from minigrad.plots.look import COLORS, LOOK, PathLike, shorten
from minigrad.plots.pictures import plot_answers, plot_confident_errors, plot_filters, plot_gallery

__all__ = [
    "COLORS",
    "LOOK",
    "PathLike",
    "plot_answers",
    "plot_box_gallery",
    "plot_class_metrics",
    "plot_confident_errors",
    "plot_confusion_matrix",
    "plot_detection",
    "plot_filters",
    "plot_gallery",
    "plot_history",
    "plot_iou_histogram",
    "shorten",
]
