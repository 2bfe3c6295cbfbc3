"""What a user writes on the first day; type checkers must have nothing to say about it."""

from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import Tensor, nn, ops, optim
from minigrad.data import DataLoader, TensorDataset
from minigrad.train import Trainer

mg.manual_seed(0)
x = Tensor([[1.0, -2.0], [3.0, 4.0]], requires_grad=True)
y = (2 * x - x / 2 + 1 - x) ** 2 @ x.T
y = -y * 1e-2 + abs(y) + np.float32(2) * y
z = (y.relu() + y.exp().log().sqrt()).sum(axis=0, keepdims=True).mean()
z.backward()
assert x.grad is not None
print(x.grad.numpy().shape, x[0, 1].item(), x[:, 1].tanh().sigmoid(), x[x > 0].max(), x.T.reshape(-1).argmax())
print(z.item() + float(z), len(x), x.shape[0], x.dtype, x.to("cpu").astype(np.float64).var(axis=1, correction=0))
(slope,) = mg.grad((x**3).sum(), x, create_graph=True)
print(ops.where(x > 0, x, 0.0).clip(0, 1), ops.maximum(x, 0.5), ops.stack([x, x]), ops.softmax(x, axis=1), slope)


class Net(nn.Module):
    """A layer, batch norm and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(4 * 8 * 8, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 3) logits."""
        return self.head(self.norm(self.conv(x)).relu())


class Cube(mg.Function):
    """y = x³  ⇒  ∂L/∂x = g·3x²."""

    reads = {0: (0,)}

    def forward(self, x: np.ndarray) -> np.ndarray:
        return x**3

    def backward(self, grad: Tensor) -> Tensor:
        (x,) = self.inputs
        return grad * 3 * x * x


images, labels = np.zeros((8, 1, 8, 8), np.float32), np.zeros(8, int)
model = Net()
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
schedule = optim.CosineLR(optimizer, 10)
for inputs, targets in DataLoader(TensorDataset(images, labels), batch_size=4, shuffle=True):
    loss = ops.cross_entropy(model(inputs), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    print(f"{loss:.3f}", loss.item(), Cube.apply(loss).item())
Trainer(
    model,
    optimizer,
    lambda model, batch: ops.cross_entropy(model(batch[0]), batch[1]),
    DataLoader((images, labels), 4),
    callbacks=[lambda t, numbers: print(numbers["train_loss"])],
).fit()
mg.save(Path("weights.safetensors"), model.state_dict())
model.load_state_dict(mg.load("weights.safetensors"))
print(model.eval()(Tensor(images)).argmax(axis=1).numpy(), nn.summary(model, (1, 8, 8)))
