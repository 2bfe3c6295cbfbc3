from __future__ import annotations

import argparse
import math
import os
import shlex
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from examples import common
from examples.common import UsageError
from minigrad import backend, nn
from minigrad.io.checkpoints import CheckpointError
from minigrad.io.files import atomic_path
from minigrad.train import TrainingDiverged, TrainingInterrupted
from tests import strict_cupy

DEFAULTS = {"data": "cifar10", "epochs": 10, "lr": 0.1, "limit": None}


# ---- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "", "ten", "٣", "²", "1e3", " 5", "0x10"])
def test_whole_number_above_0_is_demanded(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number above 0"):
        common.positive_int(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e400", "-0.1", "fast", ""])
def test_number_above_0_is_demanded(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected a number above 0"):
        common.positive_float(text)


def test_proper_numbers_are_parsed():
    assert common.positive_int("007") == 7 and common.natural("0") == 0 and common.positive_float("1e-3") == 1e-3


def test_absurdly_long_number_is_refused_in_words(capsys):
    parser = argparse.ArgumentParser()
    common.add_run_arguments(parser)
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(["--epochs", "9" * 5000])
    assert stop.value.code == 2
    assert "--epochs" in capsys.readouterr().err


def test_empty_names_of_variables_that_are_not_set_are_refused(capsys):
    parser = argparse.ArgumentParser()
    common.add_run_arguments(parser)
    for option in ("--out", "--data-dir", "--checkpoint", "--predict"):
        with pytest.raises(SystemExit) as stop:
            parser.parse_args([option, ""])
        assert stop.value.code == 2
        assert f"{option}: expected the name of a file or folder, got ''" in capsys.readouterr().err
    assert parser.parse_args(["--out", "."]).out == Path(".")


# ---- the settings of a run -------------------------------------------------------------------------------------------


def test_given_settings_win_over_defaults():
    assert common.merged_config({"epochs": 3, "lr": None}, None, DEFAULTS) == DEFAULTS | {"epochs": 3}


def test_checkpoints_settings_win_over_defaults():
    saved = DEFAULTS | {"epochs": 3, "limit": 50}
    assert common.merged_config({"epochs": None, "limit": 50}, saved, DEFAULTS) == saved


@pytest.mark.parametrize(
    ("explicit", "words"),
    [({"epochs": 5}, "--epochs 5: the checkpoint was made with 10"), ({"limit": 5}, "--limit 5: .* without --limit")],
)
def test_setting_that_contradicts_the_checkpoint_is_refused(explicit, words):
    with pytest.raises(UsageError, match=words):
        common.merged_config(explicit, DEFAULTS, DEFAULTS)


@pytest.mark.parametrize(
    "saved",
    [
        {},
        {"images": 3},
        DEFAULTS | {"box": 1},
        DEFAULTS | {"epochs": "ten"},
        DEFAULTS | {"limit": "all"},
        DEFAULTS | {"lr": [0.1]},
        DEFAULTS | {"lr": np.zeros(3)},
    ],
)
def test_settings_of_another_example_are_refused(saved):
    with pytest.raises(UsageError, match="another example"):
        common.merged_config({}, saved, DEFAULTS)


def test_setting_that_may_be_given_anew_wins_over_the_checkpoint():
    assert common.merged_config({"epochs": 20, "lr": None}, DEFAULTS, DEFAULTS, ["epochs"]) == DEFAULTS | {"epochs": 20}
    with pytest.raises(UsageError, match="--lr"):
        common.merged_config({"epochs": 20, "lr": 1.0}, DEFAULTS, DEFAULTS, ["epochs"])


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2**5000},
        {"lr": math.nan},
        {"lr": -1.0},
        {"lr": 0.0},
        {"lr": math.inf},
        {"epochs": 0},
        {"epochs": True},
        {"limit": -3},
    ],
)
def test_numbers_that_the_command_line_would_not_take_are_refused_in_a_checkpoint(change):
    with pytest.raises(UsageError, match=f"the checkpoint's {next(iter(change))} is .*, expected a number above 0"):
        common.merged_config({}, DEFAULTS | {"seed": 0} | change, DEFAULTS | {"seed": 0})


def test_seed_of_any_length_is_taken_from_a_checkpoint():
    saved = DEFAULTS | {"seed": 1753000000000000000}
    assert common.merged_config({}, saved, DEFAULTS | {"seed": 0}) == saved


def test_settings_from_a_checkpoint_are_escaped_in_messages():
    with pytest.raises(UsageError) as error:
        common.merged_config({"data": "digits"}, DEFAULTS | {"data": "\x1b[2J\n"}, DEFAULTS)
    assert str(error.value).isprintable()


def test_run_cannot_go_on_to_fewer_epochs_than_it_has_done():
    common.check_extension(2, {"history": [{}, {}]})
    common.check_extension(1, None)
    with pytest.raises(UsageError, match="--epochs 1: the run in --out has done 2 epochs already"):
        common.check_extension(1, {"history": [{}, {}]})


# ---- the command of a run --------------------------------------------------------------------------------------------


def arguments_of(**given) -> argparse.Namespace:
    return argparse.Namespace(**{"checkpoint": None, "out": None, "resume": False} | given)


def test_command_is_kept_once_and_going_on_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: sys.executable)
    folder = tmp_path / "a run"
    resume = common.note_command("it", ["--lr", "1"], arguments_of(), folder)
    assert (folder / "command.txt").read_text() == "python -m it --lr 1\n"
    assert shlex.split(resume)[3:] == ["--lr", "1", "--resume", "--out", str(folder)]
    assert common.note_command("it", ["--resume"], arguments_of(resume=True), folder) == "python -m it --resume"
    assert (folder / "command.txt").read_text() == "python -m it --lr 1\n"
    common.note_command("it", ["--resume", "--epochs", "9"], arguments_of(resume=True), folder, extended=True)
    assert (folder / "command.txt").read_text() == "python -m it --lr 1\npython -m it --resume --epochs 9\n"
    assert common.note_command("it", [], arguments_of(out=folder), folder) == "python -m it --resume"


def test_command_is_written_in_utf8_and_keeps_bytes_that_are_no_text(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: sys.executable)
    common.note_command("it", ["--out", "実験\udcff"], arguments_of(out=tmp_path), tmp_path)
    assert (tmp_path / "command.txt").read_bytes() == "python -m it --out '実験".encode() + b"\xff'\n"


# ---- commands --------------------------------------------------------------------------------------------------------


def test_command_is_quoted_for_the_shell(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: sys.executable)
    command = common.command_line("examples.cifar10", ["--out", "my runs/it's"])
    assert shlex.split(command) == ["python", "-m", "examples.cifar10", "--out", "my runs/it's"]


@pytest.mark.parametrize(
    ("cwd", "named"), [("/home/me/repo", ".venv/bin/python"), ("/", "home/me/repo/.venv/bin/python")]
)
def test_command_names_the_interpreter_where_python_means_another_or_none(monkeypatch, cwd, named):
    monkeypatch.setattr("sys.executable", "/home/me/repo/.venv/bin/python")
    monkeypatch.setattr("os.getcwd", lambda: cwd)
    for python in (None, "/usr/bin/python"):
        monkeypatch.setattr("shutil.which", lambda name, python=python: python)
        assert common.command_line("examples.cifar10", []) == f"{named} -m examples.cifar10"


def test_device_that_is_missing_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert common.choose_device("auto") == "cpu"
    with pytest.raises(common.DeviceError, match="pip install 'cupy-cuda12x"):
        common.choose_device("cuda")


def test_a_gpu_that_cannot_be_used_is_not_chosen_and_the_reason_is_said(monkeypatch, capsys):
    strict_cupy.install(monkeypatch)
    assert common.choose_device("auto") == "cuda"
    assert not capsys.readouterr().err
    backend._usable.clear()
    with strict_cupy.launches.without_compiler():
        assert common.choose_device("auto") == "cpu"
        assert "computing on the CPU: device 'cuda:0': CuPy 14.2.0 finds the GPU but cannot" in capsys.readouterr().err
        with pytest.raises(common.DeviceError, match="cannot compile for it"):
            common.choose_device("cuda")


def test_without_cupy_auto_is_the_cpu_without_a_word(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert common.choose_device("auto") == "cpu"
    assert not capsys.readouterr().err


# ---- what goes wrong -------------------------------------------------------------------------------------------------


class StubTrainer:
    """Ends in `error`, if there is one."""

    def __init__(self, error: BaseException | None, checkpoint: Path) -> None:
        self.error, self.checkpoint_path = error, checkpoint

    def fit(self):
        if self.error is not None:
            raise self.error


def unreached():
    pytest.fail("what was not trained is not measured")


def test_interrupted_run_says_how_to_go_on(tmp_path, capsys):
    (tmp_path / "checkpoint").touch()
    stub = StubTrainer(TrainingInterrupted("stopped in epoch 2 after step 7"), tmp_path / "checkpoint")
    with pytest.raises(SystemExit) as stop:
        common.fit(stub, "python -m it --resume", unreached)
    assert stop.value.code == 130
    assert capsys.readouterr().err.splitlines() == [
        "stopped in epoch 2 after step 7; everything is saved. Go on with:",
        "  python -m it --resume",
    ]


def test_run_that_was_terminated_has_the_status_of_its_signal(tmp_path):
    stub = StubTrainer(TrainingInterrupted("stopped", signal.SIGTERM), tmp_path / "checkpoint")
    with pytest.raises(SystemExit) as stop:
        common.fit(stub, "", unreached)
    assert stop.value.code == 143


@pytest.mark.parametrize("saved", [True, False])
def test_run_that_cannot_be_saved_says_what_is_left(tmp_path, capsys, saved):
    checkpoint = tmp_path / "checkpoint"
    if saved:
        checkpoint.touch()
    with pytest.raises(SystemExit) as stop:
        common.fit(StubTrainer(OSError(28, "No space left", "a/file"), checkpoint), "python -m it --resume", unreached)
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: No space left: 'a/file'.") and ("python -m it --resume" in error) == saved


def raising(error):
    def finish():
        raise error

    return finish


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "stopped."),
        (common._Terminated(signal.SIGTERM), 143, "stopped."),
        (OSError(28, "No space left", "a/file"), 1, "error: No space left: 'a/file'."),
    ],
)
def test_run_that_is_stopped_while_it_measures_says_that_it_is_trained_and_how_to_go_on(
    tmp_path, capsys, error, status, words
):
    checkpoint = tmp_path / "checkpoint"
    checkpoint.touch()
    with pytest.raises(SystemExit) as stop:
        common.fit(StubTrainer(None, checkpoint), "python -m it --resume", raising(error))
    assert stop.value.code == status
    assert capsys.readouterr().err.splitlines() == [
        f"{words} The training is done and saved, measures and pictures are not complete. Go on with:",
        "  python -m it --resume",
    ]


@pytest.mark.parametrize("saved", [True, False])
def test_run_that_is_stopped_at_once_says_what_is_left(tmp_path, capsys, saved):
    checkpoint = tmp_path / "checkpoint"
    if saved:
        checkpoint.touch()
    with pytest.raises(SystemExit) as stop:
        common.fit(StubTrainer(KeyboardInterrupt(), checkpoint), "python -m it --resume", unreached)
    assert stop.value.code == 130
    told = (
        "What was saved before is whole. Go on with:\n  python -m it --resume" if saved else "Nothing was saved before."
    )
    assert capsys.readouterr().err == f"stopped. {told}\n"


@pytest.mark.parametrize("saved", [True, False])
def test_diverged_run_says_what_to_try(tmp_path, capsys, saved):
    checkpoint = tmp_path / "checkpoint"
    if saved:
        checkpoint.touch()
    with pytest.raises(SystemExit) as stop:
        common.fit(StubTrainer(TrainingDiverged("the loss became nan at step 7"), checkpoint), "", unreached)
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: the loss became nan at step 7. Try a smaller --lr")
    assert (str(checkpoint) in error) == saved


@pytest.mark.parametrize(
    "error",
    [UsageError("words"), CheckpointError("words"), FileNotFoundError("words"), PermissionError("words"),
     common.DatasetUnavailable("words"), common.DeviceError("words"), ModuleNotFoundError("words")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_foreseeable_errors_are_one_line_and_status_2(error, capsys):
    def main(argv):
        raise error

    assert common.guarded(main, []) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: words") and captured.err.count("\n") == 1 and not captured.out


def test_mistakes_in_the_program_keep_their_traceback():
    def main(argv):
        raise IndexError("a bug")

    with pytest.raises(IndexError):
        common.guarded(main, [])


SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_outside_training_ends_cleanly(tmp_path, capsys, number):
    handler = signal.getsignal(number)

    def main(argv):
        with atomic_path(tmp_path / "file") as temporary:
            temporary.touch()
            signal.raise_signal(number)

    assert common.guarded(main, []) == 128 + number
    assert capsys.readouterr().err == "stopped\n"
    assert list(tmp_path.iterdir()) == [] and signal.getsignal(number) is handler


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_that_is_ignored_from_the_start_ends_nothing(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert common.guarded(lambda argv: signal.raise_signal(number), []) == 0
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_errors_of_the_system_are_told_without_their_number(capsys):
    assert common.guarded(lambda argv: os.stat("no such file"), []) == 2
    assert capsys.readouterr().err == "error: No such file or directory: 'no such file'\n"


def test_wrong_number_of_threads_is_told_before_the_work(monkeypatch, capsys):
    monkeypatch.setattr("minigrad.kernels.threads._crew", None)
    monkeypatch.setenv("MINIGRAD_NUM_THREADS", "0")
    assert common.guarded(lambda argv: pytest.fail("it works"), []) == 2
    assert capsys.readouterr().err == "error: MINIGRAD_NUM_THREADS: expected a number from 1 to 1024, got '0'\n"


def test_weights_that_do_not_fit_are_refused_with_the_files_name():
    with pytest.raises(CheckpointError, match=r"some\.file does not fit this model: .*missing \['weight', 'bias'\]"):
        common.load_weights(nn.Linear(2, 2), {"model": {}}, Path("some.file"))


@pytest.mark.parametrize(("platform", "expected"), [("linux", "a 'my run'"), ("win32", 'a "my run"')])
def test_commands_are_quoted_as_the_systems_shell_reads_them(monkeypatch, platform, expected):
    monkeypatch.setattr(common.sys, "platform", platform)
    assert common.quoted(["a", "my run"]) == expected
