# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The whole story, in one notebook
#
# From one multiplication to a network that says what is in a photo and where. `make story` opens this page in Jupyter;
# run it from top to bottom, look at each figure, then change something.
#
# With `DATA = "small"` everything is bundled: handwritten digits, and a backbone with random weights. With
# `DATA = "real"` it is CIFAR-10, photos of cats and dogs, and a ResNet18 with published weights; what is not on this
# machine is downloaded first. Where it cannot be had, the next cell says so, and the digits take its place.
#
# With the small data it takes one to three minutes on two cores: about a third of it training in section 5, the rest in
# section 7. With the real data these two take a quarter of an hour.

# %%
import time

import numpy as np
from IPython.display import display  # pyright: ignore[reportMissingImports]

import minigrad as mg
from datasets import CIFAR10, DatasetUnavailable, Digits, OxfordPets, PlacedDigits
from datasets.transforms import Normalize
from examples import cifar10, localization_parts
from examples.localization_report import overlap
from examples.report import classification_report
from minigrad import Tensor, nn, ops, plots
from minigrad.data import DataLoader
from minigrad.train import Trainer, predict
from models.resnet import resnet18

DATA = "small"  # or "real"
EPOCHS = {"small": 4, "real": 8}[DATA]  # of the classifier
LIMIT = {"small": 800, "real": None}[DATA]  # pictures to learn from; None: all

mg.manual_seed(0)
begun = time.perf_counter()

# %% [markdown]
# ## 1. What is here
#
# minigrad computes on NumPy arrays, or, if CuPy and an NVIDIA GPU are there, on the GPU: the same code, with
# `.to("cuda")`.

# %%
DEVICE = "cuda" if mg.cuda_is_available() else "cpu"
print("device:", DEVICE)


def available(build, instead, what, substitute="Digits"):
    """Return `build()`, or `instead()` with a sentence where the data cannot be had."""
    if DATA == "real":
        try:
            return build()
        except DatasetUnavailable as error:
            reason = str(error).splitlines()[0]
            print(f"{what}: not here, and not to be had. {reason}\n{substitute} take their place.\n")
    return instead()


def published_weights():
    """Return the name of the weights once they are here."""
    resnet18("imagenet")
    return "imagenet"


pictures = available(lambda: CIFAR10(train=True, download=True), lambda: Digits(train=True), "CIFAR-10")
test = Digits(train=False) if isinstance(pictures, Digits) else CIFAR10(train=False, download=True)
photos = available(
    lambda: OxfordPets(None, True, download=True, size=128), lambda: PlacedDigits(600, 64), "photos of pets"
)
held_out = (
    PlacedDigits(150, 64, train=False)
    if isinstance(photos, PlacedDigits)
    else OxfordPets(None, False, download=True, size=128)
)
weights = "none"  # drawn digits need a small network only
if isinstance(photos, OxfordPets):
    weights = available(published_weights, lambda: "none", "ResNet18's published weights", "Random numbers")
print(pictures, test, photos, held_out, f"weights of the backbone: {weights}", sep="\n")

# %% [markdown]
# ## 2. Forwards and backwards, by hand
#
# Take `L = x·x + 3x` at x = 2. Forwards: the square is 4, three times x is 6, L is 10. Backwards, from the end:
# ∂L/∂L = 1; an addition passes its gradient on to both sides; the square sends back 1·2 + 1·2 (x is used twice in x·x),
# the product sends back 3. The three shares add up: ∂L/∂x = 2 + 2 + 3 = 7.
#
# **Look at:** the engine says the same, and so does the slope of a secant, without any rule of calculus.

# %%
x = Tensor(2.0, requires_grad=True)
L = x * x + 3 * x
L.backward()
secant = ((2.001**2 + 3 * 2.001) - (1.999**2 + 3 * 1.999)) / 0.002
print(f"L = {L.item()}, ∂L/∂x = {x.grad:.1f}, slope of the secant = {secant:.6f}")

# %% [markdown]
# Now step through the same graph yourself, with the arrow keys. **Look at:** the three shares that meet at x.

# %%
mg.tour(lambda: x * x + 3 * x, names={"x": x})

# %% [markdown]
# A gradient check does that for every entry of every input, and for the gradient of the gradient, too.

# %%
a = Tensor(np.random.default_rng(0).standard_normal((2, 3)), requires_grad=True)
b = Tensor(np.random.default_rng(1).standard_normal((3, 2)), requires_grad=True)
print("first order: ", mg.gradcheck(lambda a, b: (a @ b).tanh().sum(), [a, b]))
print("second order:", mg.gradgradcheck(lambda a, b: (a @ b).tanh().sum(), [a, b]))

# %% [markdown]
# ## 3. Pictures
#
# A picture is three times 32×32 numbers from 0 to 255. A network learns best from numbers around 0: the mean of each
# colour is subtracted, and the rest divided by the standard deviation, both of the training pictures.
#
# **Look at:** how small the pictures are, and which classes you would confuse yourself.

# %%
normalize = Normalize(pictures.mean, pictures.std)
normalized = normalize(pictures.images[:1000], np.random.default_rng(0))
print(f"before: mean {pictures.images[:1000].mean():.1f}, deviation {pictures.images[:1000].std():.1f}")
print(f"after:  mean {normalized.mean():.2f}, deviation {normalized.std():.2f}")
first = pictures.labels[:16]
plots.plot_gallery(pictures.images[:16], first, first, np.ones(16), pictures.classes)

# %% [markdown]
# ## 4. The network
#
# Convolutions find patterns, batch normalisation keeps numbers in range, pooling makes pictures smaller, and a linear
# layer at the end gives each class a score.
#
# **Look at:** where the parameters are, and where the work is. They are not in the same layers.

# %%
config = {
    "data": "digits" if isinstance(pictures, Digits) else "cifar10",
    "model": "cnn",
    "seed": 0,
    "limit": LIMIT,
    "batch_size": 64 if DATA == "small" else 128,
    "epochs": EPOCHS,
    "lr": 0.02 if DATA == "small" else 0.1,
}
trainer = cifar10.build_trainer(config, pictures, None, DEVICE)
nn.summary(trainer.model, (3, 32, 32))

# %% [markdown]
# ## 5. Training
#
# One step: a batch of pictures, the loss, its gradients, and each parameter a little downhill. An epoch is one pass
# over all pictures.
#
# **Look at:** both curves. Where training goes on to improve and validation does not, the network learns by heart.


# %%
def drawn(metrics):
    """Return a callback that draws the curves anew after each epoch."""
    shown = None

    def draw(trainer: Trainer, row) -> None:
        nonlocal shown
        figure = plots.plot_history(trainer.history, metrics=metrics)
        if shown is None:
            shown = display(figure, display_id=True)
        else:
            shown.update(figure)

    return draw


trainer.callbacks = [drawn(("accuracy",))]
history = trainer.fit()

# %% [markdown]
# ## 6. What it learned
#
# Accuracy is the share of test pictures whose highest score belongs to the right class. The confusion matrix says more:
# row by row, what the pictures of a class were taken for.
#
# **Look at:** the largest numbers beside the diagonal.

# %%
model = trainer.model
logits, (targets,) = predict(model, cifar10.evaluation_loader(test, normalize, DEVICE))
probabilities = ops.softmax(Tensor(logits), axis=1).numpy()
report = classification_report(targets, probabilities, test.classes)
print(f"accuracy {report['accuracy']:.1%}")
plots.plot_confusion_matrix(np.array(report["confusion_matrix"]), test.classes)

# %% [markdown]
# ### Why accuracy alone is not enough
#
# Suppose one picture in a hundred shows a ship. A network that never says "ship" is right in 99 of 100, and useless to
# whoever looks for ships. *Precision* asks: of the pictures called ship, how many are ships? *Recall*: of the ships,
# how many were found? F1 is their harmonic mean, low if either is low.

# %%
plots.plot_class_metrics(report["per_class"])

# %% [markdown]
# **Look at:** the mistakes it was most certain of. Would you have known?

# %%
answers = targets, probabilities.argmax(axis=1), probabilities.max(axis=1)
plots.plot_confident_errors(test.images, *answers, test.classes)

# %% [markdown]
# ## 7. Where is it? Localization as regression
#
# A second network says what is in a photo and where: four numbers, the box's corners as shares of width and height. Its
# *backbone* turns a photo into a map of features. A ResNet18 that has seen a million photos already knows edges,
# textures, ears and eyes: that is *transfer*. Two small heads learn from its maps: a classifier, and a regressor for
# the box. They share one loss, class loss + λ·box loss.

# %%
has_pets = isinstance(photos, OxfordPets)
boxes_config = {
    "data": "pets" if has_pets else "digits",
    "classes": photos.classes,
    "size": 128 if has_pets else 64,
    "backbone": "resnet18" if has_pets else "small",
    "weights": weights,
    "regime": "features" if weights == "imagenet" else "finetune",
    "train": "all",
    "epochs": 30 if has_pets else 6,
    "batch_size": 32,
    "lr": 1e-3 if has_pets else 3e-3,
    "lambda_box": 10.0,
    "box_loss": "smooth_l1",
    "limit": None,
    "seed": 0,
}
mg.manual_seed(0)
localizer = localization_parts.build_model(boxes_config, weights).to(DEVICE)
one = localization_parts.NORMALIZE(photos.images[:1], np.random.default_rng(0))
with mg.no_grad():
    features = localizer.eval().backbone.feature_map(Tensor(one, device=DEVICE)).numpy()
print(f"one photo {photos.images.shape[1:]} becomes a map of features {features.shape[1:]}")
nn.summary(localizer, (3, boxes_config["size"], boxes_config["size"]))

# %% [markdown]
# IoU measures a box: the area that it has in common with the true one, divided by the area of both together. 1 is
# perfect, 0 a miss.
#
# **Look at:** accuracy, IoU and both losses over the epochs. Which of the two tasks is learned first?

# %%
box_trainer = localization_parts.build_trainer(boxes_config, localizer, photos, held_out, None, DEVICE)
box_trainer.callbacks = [drawn(("accuracy", "iou", "class_loss", "box_loss"))]
box_history = box_trainer.fit()

# %% [markdown]
# ## 8. Boxes: the best and the worst
#
# Solid is the truth, dashed the network's answer.
#
# **Look at:** what the worst have in common. Small and narrow things suffer most: a box that is off by the same few
# pixels loses more of them. The cell after the figure counts it.

# %%
loader = DataLoader(
    held_out, localization_parts.EVALUATION_BATCH, transform=localization_parts.NORMALIZE, device=DEVICE
)
(scores, found), (labels, truth) = predict(localizer, loader)
ious = overlap(truth, found)
said = scores.argmax(axis=1)
captions = [
    f"{'✓' if right else '✗'} {held_out.classes[answer]}" for answer, right in zip(said, said == labels, strict=True)
]
print(f"accuracy {(said == labels).mean():.1%}, mean IoU {ious.mean():.2f}")
plots.plot_box_gallery(held_out.images, truth, found, ious, captions)

# %%
area = (truth[:, 2] - truth[:, 0]) * (truth[:, 3] - truth[:, 1])
order = np.argsort(ious)
worst, best = order[: len(order) // 4], order[-len(order) // 4 :]
of_best, of_worst = area[best].mean(), area[worst].mean()
print(f"the thing takes {of_best:.1%} of the picture in the best quarter, {of_worst:.1%} in the worst")
print(f"the story took {(time.perf_counter() - begun) / 60:.1f} minutes on {DEVICE}")
