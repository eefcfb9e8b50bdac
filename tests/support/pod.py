"""Starts the container of a rendered pod, with volumes laid out as the kubelet lays them out, without Kubernetes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services.required import unavailable
from tests.support.chart import ROOT, Document, containers
from tests.support.pod_root import Plan

Files = Mapping[str, bytes]
"""Names and contents of a Secret or a ConfigMap."""


class PodSite:
    """Volumes and containers of pods.

    Secrets and folders in memory are file systems in memory, so they have the sticky bit, and others have not; what a
    Secret or a ConfigMap has is reached by two links; ``fsGroup`` gets the right to read, or to write where a volume can be
    written; a volume of its own belongs to root. (Kubernetes, pkg/volume: util/atomic_writer.go, volume_linux.go.)

    Args:
        folder: Where the volumes are.
        objects: Secrets and ConfigMaps by name.
    """

    def __init__(self, folder: Path, objects: Mapping[str, Files]) -> None:
        self._folder = folder
        self._objects = objects
        self._volumes: dict[str, Path] = {}
        self._group = 0
        self._mode = 0

    def replace(self, volume: str, files: Files) -> None:
        """Replace the content of a Secret or a ConfigMap at once, as the kubelet does."""
        self._write(self._volumes[volume], files, group=self._group)

    def start(
        self, pod: Document, *, container: str, changes: Mapping[str, str], output: Path
    ) -> subprocess.Popen[bytes]:
        """Start a container.

        Args:
            pod: Specification of its pod.
            container: Its name.
            changes: Texts of its arguments and configuration that are replaced, such as ports.
            output: File for what it says.
        """
        self._group = pod["securityContext"]["fsGroup"]
        (found,) = [each for each in containers(pod) if each["name"] == container]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = [self._mount(mount, volumes, changes) for mount in found["volumeMounts"]]
        words = [_changed(word, changes) for word in found["args"]]
        stage = Path(tempfile.mkdtemp(dir=self._folder))
        plan: Plan = {
            "stage": str(stage),
            "kept": sorted({str(ROOT), str(Path(sys.prefix).resolve()), str(Path(sys.base_prefix).resolve())}),
            "mounts": mounts,
            "user": found["securityContext"]["runAsUser"],
            "groups": [self._group],
            "command": [str(Path(sys.prefix) / "bin" / "python"), "-m", "telemetry", *words],
            "variables": {"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"},
        }
        file = stage.with_suffix(".json")
        file.write_text(json.dumps(plan))
        command = [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            sys.executable,
            "-m",
            "tests.support.pod_root",
            str(file),
        ]
        with output.open("wb") as stream:
            return subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
            )

    def _mount(self, mount: Document, volumes: dict[str, Document], changes: Mapping[str, str]) -> tuple[str, str]:
        folder = self._volume(volumes.get(mount["name"], {"name": mount["name"]}), changes)
        if "subPath" not in mount:
            return str(folder), mount["mountPath"]
        # A single file is mounted as it is now, not through its links.
        return str((folder / mount["subPath"]).resolve(strict=True)), mount["mountPath"]

    def _volume(self, volume: Document, changes: Mapping[str, str]) -> Path:
        name: str = volume["name"]
        if name in self._volumes:
            return self._volumes[name]
        folder: Path = self._folder / name
        self._volumes[name] = folder
        folder.mkdir()
        kind: str = next((name for name in volume if name != "name"), "claim")
        source: Document = volume.get(kind, {})
        if kind in ("secret", "configMap"):
            folder.chmod(0o1777 if kind == "secret" else 0o777)
            files = self._objects[source.get("secretName") or source["name"]]
            self._mode = source.get("defaultMode", 0o644)
            self._write(
                folder,
                {name: _changed(data.decode(), changes).encode() for name, data in files.items()},
                group=self._group,
            )
        elif kind == "emptyDir":
            os.chown(folder, 0, self._group)
            folder.chmod(0o3777 if source.get("medium") == "Memory" else 0o2777)
        elif kind == "hostPath":
            folder.chmod(0o755)
        else:
            os.chown(folder, 0, self._group)
            folder.chmod(0o2775)
        return folder

    def _write(self, folder: Path, files: Files, *, group: int) -> None:
        content = Path(tempfile.mkdtemp(prefix="..2026_", dir=folder))
        content.chmod(0o2755)
        os.chown(content, 0, group)
        for name, data in files.items():
            file = content / name
            file.write_bytes(data)
            os.chown(file, 0, group)
            file.chmod(self._mode | 0o440)
        link = folder / "..data_tmp"
        link.symlink_to(content.name)
        former = (folder / "..data").resolve() if (folder / "..data").is_symlink() else None
        link.rename(folder / "..data")
        for name in files:
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(f"..data/{name}")
        if former is not None:
            shutil.rmtree(former)


def _changed(text: str, changes: Mapping[str, str]) -> str:
    for before, after in changes.items():
        text = text.replace(before, after)
    return text


@contextmanager
def pod_site(objects: Mapping[str, Files]) -> Iterator[PodSite]:
    """Provide a folder that other users can reach; skips the test where nobody may mount."""
    tried: Any = None
    if os.geteuid() == 0:
        tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, timeout=60, check=False)
    if tried is None or tried.returncode != 0:
        unavailable("a container's mounts need root, and the right to have mounts of one's own")
    folder = Path(tempfile.mkdtemp(prefix="telemetry-pod-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield PodSite(folder, objects)
    finally:
        shutil.rmtree(folder)
