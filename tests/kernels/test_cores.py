from __future__ import annotations

import pytest

from minigrad.kernels import cores


def group(root, path, **files):
    """A control group of a machine made of files."""
    folder = root / "sys/fs/cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


def member_of(root, groups):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)


@pytest.mark.parametrize(
    ("limit", "quotas"),
    [("150000 100000\n", [1.5]), ("max 100000\n", []), ("", []), ("50000 0\n", []), ("what?\n", [])],
)
def test_quota_of_a_container_is_read(tmp_path, limit, quotas):
    member_of(tmp_path, "0::/\n")
    group(tmp_path, "", cpu__max=limit)
    assert list(cores.cpu_quotas(str(tmp_path))) == quotas


def test_quotas_of_all_groups_above_count(tmp_path):
    member_of(tmp_path, "0::/user.slice/job/../step\n")
    group(tmp_path, "user.slice", cpu__max="400000 100000")
    group(tmp_path, "user.slice/job", cpu__max="max 100000")
    group(tmp_path, "user.slice/job/step", cpu__max="200000 100000")
    assert list(cores.cpu_quotas(str(tmp_path))) == [4, 2]


def test_quota_of_control_groups_version_1(tmp_path):
    member_of(tmp_path, "5:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n0::/\n")
    group(tmp_path, "cpu", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    group(tmp_path, "cpu/docker/abc", cpu__cfs_quota_us="50000\n", cpu__cfs_period_us="100000\n")
    assert list(cores.cpu_quotas(str(tmp_path))) == [0.5]


def test_machine_without_control_groups_has_no_quota(tmp_path):
    assert list(cores.cpu_quotas(str(tmp_path))) == []


@pytest.mark.parametrize(("quotas", "threads"), [([], 8), ([1.5], 2), ([0.2], 1), ([4.0, 3.0], 3), ([64.0], 8)])
def test_threads_heed_the_smallest_quota(monkeypatch, quotas, threads):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.setattr(cores, "cpu_quotas", lambda: iter(quotas))
    assert cores.usable_cores() == threads
