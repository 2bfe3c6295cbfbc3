"""ResNet18 (He et al. 2016, arXiv:1512.03385), with torchvision's architecture, names and published weights.

model = resnet18(weights="imagenet").eval()
scores = model(Tensor(preprocess(Image.open("cat.jpg"))[None]))     # (1, 1000)
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from datasets.download import data_root, fetch
from datasets.photos import IMAGENET_MEAN, IMAGENET_STD, eight_bits
from datasets.transforms import Normalize
from minigrad import Tensor, nn
from minigrad.io.torch_file import load_torch, source_name
from minigrad.nn import init
from minigrad.nn.fusion import conv_norm, register
from minigrad.ops import relu
from minigrad.quoting import quoted

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger(__name__)

IMAGENET_URL = "https://download.pytorch.org/models/resnet18-f37072fd.pth"  # 46.8 MB
IMAGENET_SHA256 = "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"

# Parts that are added to names by DataParallel, by torch.compile, by FSDP and by checkpointing of activations.
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}

MAX_ELONGATION = 100


class BasicBlock(nn.Module):
    """relu(x + F(x)) with F two 3×3 convolutions: what the block learns is the difference to its input (section 3.1).

    Where F halves the picture (stride 2) or changes the number of channels, x passes through a 1×1 convolution first
    (option B of section 4.1).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉) of x (N, in_channels, H, W)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return relu(self.bn2(self.conv2(relu(self.bn1(self.conv1(x))))) + shortcut)


@register(BasicBlock)
class FusedBlock(BasicBlock):
    """The same, computed in fewer passes: what `nn.fused` puts in a BasicBlock's place."""

    def forward(self, x: Tensor) -> Tensor:
        """Return what a BasicBlock does."""
        shortcut = x if self.downsample is None else self.downsample(x)
        difference = conv_norm(self.conv1, self.bn1, x, relu=True)
        return conv_norm(self.conv2, self.bn2, difference, shortcut, relu=True)


class ResNet(nn.Module):
    """Residual network of four stages of basic blocks; pictures (N, 3, H, W), normalised as `preprocess` does.

    Stages have 64, 128, 256 and 512 channels; H and W shrink to a quarter before the first and by half with each other
    one, to a 32nd in all (224 to 7, 64 to 2). Convolutions start normal with variance 2/fan_out (He et al. 2015,
    arXiv:1502.01852), which keeps the gradients' scale through the layers.

    Args:
        blocks: number of blocks in each stage; (2, 2, 2, 2) is ResNet18, (3, 4, 6, 3) ResNet34.
        num_classes: number of outputs.
    """

    def __init__(self, blocks: Sequence[int] = (2, 2, 2, 2), num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, blocks[0], stride=1)
        self.layer2 = _stage(64, 128, blocks[1], stride=2)
        self.layer3 = _stage(128, 256, blocks[2], stride=2)
        self.layer4 = _stage(256, 512, blocks[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc: nn.Module = nn.Linear(512, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.data[...] = init.kaiming_normal(module.weight.shape, mode="fan_out")

    def stem(self, x: Tensor) -> Tensor:
        """Return what comes before the stages: (N, 64, ⌈H/4⌉, ⌈W/4⌉)."""
        return self.maxpool(relu(self.bn1(self.conv1(x))))

    def feature_map(self, x: Tensor) -> Tensor:
        """Return what the last stage sees where: (N, 512, ⌈H/32⌉, ⌈W/32⌉)."""
        return self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))

    def features(self, x: Tensor) -> Tensor:
        """Return the feature map averaged over the picture, (N, 512): what the last layer classifies."""
        return self.avgpool(self.feature_map(x)).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores (N, num_classes)."""
        return self.fc(self.features(x))


@register(ResNet)
class FusedResNet(ResNet):
    """The same, computed in fewer passes: what `nn.fused` puts in a ResNet's place."""

    def stem(self, x: Tensor) -> Tensor:
        """Return what a ResNet does: with the maximum before the ReLU, a quarter of the work."""
        return relu(self.maxpool(conv_norm(self.conv1, self.bn1, x)))


def _stage(in_channels: int, out_channels: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(in_channels, out_channels, stride)
    return nn.Sequential(first, *(BasicBlock(out_channels, out_channels) for _ in range(blocks - 1)))


def resnet18(weights: str | os.PathLike[str] | BinaryIO | None = None, num_classes: int | None = 1000) -> ResNet:
    """Return a ResNet18 in training mode: 11.7 million parameters, 122 entries in the state dict.

    Args:
        weights: None for random ones; "imagenet" for those that torchvision publishes (IMAGENET1K_V1, 69.8 % of
            ImageNet's validation pictures right), downloaded once into the folder for data sets (`datasets.data_root`,
            46.8 MB) and compared with their SHA-256; or a file that `mg.load_torch` reads, by its path or open. What
            modules around the network have put in front of its names (`module.`, `_orig_mod.`, `model.`) is taken off,
            and what else they hold (`criterion.weight`, `n_averaged`) is left out, as the logger says.
        num_classes: number of outputs. If the weights are for another number, the last layer is left at its random
            start, and a message of the logger says so. None: as many as the weights are for.

    Raises:
        DatasetUnavailable: the published file is neither there nor to be downloaded; says where to put it.
        FileNotFoundError: there is no file `weights`.
        TorchFileError: it is not a file of PyTorch's or is damaged.
        ValueError: it holds the weights of something else.
    """
    if weights is None:
        return ResNet((2, 2, 2, 2), 1000 if num_classes is None else num_classes)
    if weights == "imagenet":
        weights = fetch(IMAGENET_URL, f"sha256:{IMAGENET_SHA256}", data_root())
    state = _network(load_torch(weights), source_name(weights))
    if num_classes is None:
        num_classes = len(state["fc.bias"]) if np.ndim(state.get("fc.bias")) == 1 else 1000
    model = ResNet((2, 2, 2, 2), num_classes)
    _load(model, state, source_name(weights))
    return model


def _network(state: Mapping[str, np.ndarray], path: str) -> dict[str, np.ndarray]:
    """Return the network's entries of `state` under its own names, without the modules around it.

    A network is where both its first layer and its last one are.
    """
    starts = _starts(state, "conv1") & _starts(state, "fc")
    if not starts:  # wrappers around parts of it
        bare = {_without_wrappers(name): array for name, array in state.items()}
        state = bare if len(bare) == len(state) else state
        starts = _starts(state, "conv1") & _starts(state, "fc")
    if len(starts) > 1:
        names = ", ".join(quoted(name) for name in sorted(starts)[:3])
        raise ValueError(f"resnet18: {path} holds several networks, expected one: their names begin with {names}")
    start = "".join(starts)
    own = {name: _without_wrappers(name.removeprefix(start)) for name in state if name.startswith(start)}
    if len(own) < len(state):
        logger.info("resnet18: %s: left out is %s", path, _some(state.keys() - own.keys()))
    named = {own_name: state[name] for name, own_name in own.items()}
    return named if len(named) == len(own) else dict(state)


def _starts(state: Mapping[str, np.ndarray], layer: str) -> set[str]:
    """Return what stands before the name `layer` wherever there are the weights of such a layer."""
    ending = f".{layer}.weight"
    places = (name.rpartition(f"{layer}.") for name in state if f".{_without_wrappers(name)}".endswith(ending))
    return {start for start, _, _ in places}


def _without_wrappers(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _load(model: ResNet, state: Mapping[str, np.ndarray], path: str) -> None:
    """Copy the weights from the file `path` into `model`, but for a last layer of another number of classes."""
    own = model.state_dict()
    # Files from before PyTorch 0.4.1 do not count batches.
    values = {name: value for name, value in own.items() if name.endswith("num_batches_tracked")} | dict(state)
    missing, unexpected = own.keys() - values.keys(), values.keys() - own.keys()
    if missing or unexpected:
        names = f"{_some(missing)} missing, {_some(unexpected)} unexpected"
        raise ValueError(f"resnet18: {path} does not hold a ResNet18's weights: {names}")
    given, wanted = values["fc.weight"].shape, own["fc.weight"].shape
    if given[:1] != wanted[:1] and given[1:] == wanted[1:]:
        logger.warning(
            "resnet18: %s classifies %d classes, %d are wanted: the last layer starts anew, from random weights",
            path, given[0], wanted[0],
        )  # fmt: skip
        values |= {"fc.weight": own["fc.weight"], "fc.bias": own["fc.bias"]}
    try:
        model.load_state_dict(values)
    except ValueError as error:
        raise ValueError(f"resnet18: {path} does not hold a ResNet18's weights: {error}") from error


def _some(names: set[str]) -> str:
    """Name the first three of `names`."""
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (", ".join(quoted(name)[:60] for name in sorted(names)[:3]) or "nothing") + rest


def preprocess(image: Image.Image, resize: int = 256, crop: int = 224) -> np.ndarray:
    """Return a picture as the published weights expect it: float32 (3, crop, crop), as torchvision prepares it.

    A camera's note on how it was held (EXIF) is not obeyed, as there; `PIL.ImageOps.exif_transpose` turns a photo.

    The shorter side is resized to `resize` pixels (bilinear, averaging where it shrinks), the middle `crop`×`crop`
    pixels are cut out, and every channel becomes (value/255 − mean)/std with mean 0.485, 0.456, 0.406 and standard
    deviation 0.229, 0.224, 0.225 for red, green and blue.

    Args:
        image: a Pillow image of any mode; transparency is ignored, and 16 bits of grey become 8.
        resize: length of the shorter side after resizing, at least `crop`.
        crop: height and width of the result.

    Raises:
        ValueError: `resize` is smaller than `crop`, or the picture is empty or over 100 times as long as wide.
    """
    from PIL import Image  # only here: the networks do without

    if not 0 < crop <= resize:
        raise ValueError(f"preprocess: resize={resize} must be at least crop={crop}, and both positive")
    width, height = image.size
    short = min(width, height)
    if short == 0 or max(width, height) > MAX_ELONGATION * short:
        raise ValueError(f"preprocess: a picture of {width}×{height} pixels is empty or too elongated")
    width, height = width * resize // short, height * resize // short
    left, top = round((width - crop) / 2), round((height - crop) / 2)
    picture = eight_bits(image).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture.crop((left, top, left + crop, top + crop)))
    return Normalize(IMAGENET_MEAN, IMAGENET_STD)(pixels.transpose(2, 0, 1)[None])[0]
