#!/usr/bin/env python3
"""make test-oci: the image is what the Dockerfile says, small, reproducible, and serves as its user without privileges.

Needs root, for chroot and namespaces. Ports of the machine are not used, and no process is left.
"""

import gzip
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "deb"))
import world  # noqa: E402
from world import ask, eventually, is_open  # noqa: E402

# Of all files, in bytes.
LARGEST = 40 << 20
PACKAGING = world.REPOSITORY / "packaging" / "oci"
HTTPS, HTTP, STATUS = 8443, 8080, 9090


def require():
    """Ends the test, with the reason, where it cannot run."""
    if os.geteuid() != 0:
        sys.exit("test-oci: needs root, for chroot and namespaces: sudo make test-oci")
    tools = {"umoci": "umoci", "ip": "iproute2"}
    missing = [package for tool, package in tools.items() if not shutil.which(tool)]
    if missing:
        sys.exit(f"test-oci: missing packages: {' '.join(missing)}; scripts/test-deps.sh installs them")


class Image:
    """The only image of a layout."""

    def __init__(self, layout):
        self.layout = layout
        self.index = json.loads((layout / "index.json").read_text())
        [entry] = self.index["manifests"]
        self.tag = entry["annotations"]["org.opencontainers.image.ref.name"]
        self.manifest = json.loads(self.blob(entry))
        self.config = json.loads(self.blob(self.manifest["config"]))

    def blob(self, descriptor):
        algorithm, _, digest = descriptor["digest"].partition(":")
        return (self.layout / "blobs" / algorithm / digest).read_bytes()

    def size(self):
        """Of the archives of its layers, uncompressed."""
        return sum(len(gzip.decompress(self.blob(layer))) for layer in self.manifest["layers"])


def dockerfile():
    """The settings of the image that the Dockerfile makes, as an image's configuration has them."""
    settings, last = {}, (PACKAGING / "Dockerfile").read_text().split("\nFROM scratch\n")[1]
    for line in last.splitlines():
        instruction, _, value = line.partition(" ")
        match instruction:
            case "USER" | "STOPSIGNAL":
                settings[{"USER": "User", "STOPSIGNAL": "StopSignal"}[instruction]] = value
            case "WORKDIR":
                settings["WorkingDir"] = value
            case "ENTRYPOINT" | "CMD":
                settings[{"ENTRYPOINT": "Entrypoint", "CMD": "Cmd"}[instruction]] = json.loads(value)
            case "EXPOSE":
                settings["ExposedPorts"] = {port: {} for port in value.split()}
    return settings


def the_settings_are_those_of_the_dockerfile(image):
    expected = dockerfile()
    assert expected["User"] == "65532:65532" and len(expected) == 6, expected
    found = {name: image.config["config"].get(name) for name in expected}
    assert found == expected, (found, expected)
    assert image.config["os"] == "linux", image.config


def it_is_small(image):
    assert image.size() <= LARGEST, image.size()


def the_same_files_give_the_same_image(image, root):
    again = image.layout.parent / "again"
    epoch = str(int(datetime.fromisoformat(image.config["created"].replace("Z", "+00:00")).timestamp()))
    command = [PACKAGING / "image.sh", again, root / "usr/bin/ianitor", image.tag]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env={**os.environ, "SOURCE_DATE_EPOCH": epoch, "TZ": "Asia/Tokyo"})
    assert Image(again).index == image.index
    shutil.rmtree(again)


def unpack(image, root):
    shutil.rmtree(root.parent, ignore_errors=True)
    subprocess.run(["umoci", "unpack", "--image", f"{image.layout}:{image.tag}", root.parent], check=True)


def files(root):
    """Each file with what changes when it is written."""
    found = {}
    for path in root.rglob("*"):
        if path.relative_to(root).parts[0] not in ("dev", "proc"):
            status = path.lstat()
            found[path] = (status.st_uid, status.st_mtime_ns, status.st_size)
    return found


def start(image, root):
    """As a container's runtime does: as the user of the image, without capabilities."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for folder in ["proc", "dev"]:
        (root / folder).mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
    subprocess.run(["mount", "--bind", "/dev", root / "dev"], check=True)
    config = image.config["config"]
    command = ["env", "-i", shutil.which("chroot"), f"--userspec={config['User']}", "--groups=", root,
               *config["Entrypoint"], *config["Cmd"]]
    log = open(root.parent / "gateway.log", "wb")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    eventually("the gateway listens", lambda: process.poll() is not None or is_open(HTTPS))
    assert process.poll() is None, (root.parent / "gateway.log").read_text()
    return process


def it_has_no_privileges(process):
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert status["Uid"].split() == ["65532"] * 4 and status["Groups"].split() in ([], ["65532"]), status
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0, status


def connect(port):
    return socket.create_connection(("127.0.0.1", port), 30)


def it_answers(root):
    context = ssl.create_default_context(cafile=root / "etc/ianitor/certs/ca.pem")
    status, page = ask(context.wrap_socket(connect(HTTPS), server_hostname="localhost"), "/")
    assert "200" in status and "ianitor is installed" in page, (status, page)
    status, _ = ask(connect(HTTP), "/")
    assert "308" in status, status
    for path in ["/healthz", "/readyz", "/metrics"]:
        status, _ = ask(connect(STATUS), path)
        assert "200" in status, (path, status)


def it_ends_on_its_stop_signal(image, process):
    process.send_signal(signal.Signals[image.config["config"]["StopSignal"]])
    assert process.wait(30) == 0


def only_its_own_folders_are_written(root, before):
    written = {path for path, status in files(root).items() if before.get(path) != status}
    assert written, "not even a certificate"
    own = [root / folder for folder in ["etc/ianitor/certs", "run/ianitor", "var/lib/ianitor"]]
    for path in written:
        assert any(path == folder or folder in path.parents for folder in own), path
        assert path.lstat().st_uid == 65532, path


def main(layout):
    require()
    image = Image(layout)
    root = layout.parent / "bundle" / "rootfs"
    # This starts again in namespaces, where no packages can be downloaded.
    if not world.is_isolated():
        the_settings_are_those_of_the_dockerfile(image)
        it_is_small(image)
        unpack(image, root)
        the_same_files_give_the_same_image(image, root)
    world.isolate()
    before = files(root)
    process = start(image, root)
    it_has_no_privileges(process)
    it_answers(root)
    it_ends_on_its_stop_signal(image, process)
    only_its_own_folders_are_written(root, before)
    print(f"test-oci: {image.size() / (1 << 20):.1f} MiB, reproducible, served as {image.config['config']['User']}")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1], "index.json").is_file():
        sys.exit("usage: oci.py LAYOUT; make image makes one, and make test-oci runs this with it")
    main(Path(sys.argv[1]).resolve())
