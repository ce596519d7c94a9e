#!/usr/bin/env python3
"""make test-deb: the package in a Debian root without systemd, from the first installation to the purge.

Needs root. Everything happens in namespaces of its own: ports of the machine are not used, and no process is left.
"""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import world
from world import CONFIG, Root, WebSocket, ask, connect, echo_server, eventually, is_alive

# Of the program, in bytes, so that growth is noticed: it had 20.6 MB when this was written.
LARGEST = 24 << 20
ENABLED = "/etc/systemd/system/multi-user.target.wants/ianitor.service"
MODES = {
    "/usr/bin/ianitor": "755 root:root",
    CONFIG: "644 root:root",
    "/etc/ianitor": "755 root:root",
    "/etc/ianitor/secrets": "750 root:ianitor",
    "/etc/ianitor/certs": "755 ianitor:ianitor",
    "/var/lib/ianitor": "700 ianitor:ianitor",
    "/usr/lib/systemd/system/ianitor.service": "644 root:root",
    "/usr/lib/systemd/system/ianitor.socket": "644 root:root",
    "/usr/lib/sysusers.d/ianitor.conf": "644 root:root",
    "/usr/lib/tmpfiles.d/ianitor.conf": "644 root:root",
    "/usr/share/man/man1/ianitor.1.gz": "644 root:root",
    "/usr/share/man/man1/ianitor-check.1.gz": "644 root:root",
    "/usr/share/bash-completion/completions/ianitor": "644 root:root",
    "/usr/share/zsh/vendor-completions/_ianitor": "644 root:root",
    "/usr/share/fish/vendor_completions.d/ianitor.fish": "644 root:root",
    "/usr/share/doc/ianitor/copyright": "644 root:root",
    "/usr/share/doc/ianitor/changelog.gz": "644 root:root",
    "/usr/share/doc/ianitor/changelog.Debian.gz": "644 root:root",
    "/usr/share/doc/ianitor/reference.md": "644 root:root",
    "/usr/share/doc/ianitor/recipes/janus.md": "644 root:root",
}
GATEWAY = """[listen]
https = ["127.0.0.1:443"]
[tls]
self_signed = ["localhost"]
[upstreams.echo]
servers = ["http://127.0.0.1:{port}"]
[[routes]]
path = "/"
upstream = "echo"
policy = "open"
[[routes]]
path = "/page"
files = "/usr/share/ianitor/www/index.html"
policy = "open"
"""


def revision(package, number):
    """The same package with another revision."""
    folder = package.parent / "repacked"
    subprocess.run(["rm", "-rf", folder], check=True)
    subprocess.run(["dpkg-deb", "-R", package, folder], check=True)
    control = folder / "DEBIAN/control"
    text, changes = re.subn(r"(?m)^(Version: .*)-1$", rf"\1-{number}", control.read_text())
    assert changes == 1, text
    control.write_text(text)
    repacked = package.parent / f"ianitor-{number}.deb"
    subprocess.run(["dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "-b", folder, repacked],
                   check=True, stdout=subprocess.DEVNULL)
    return repacked


def the_package_is_installed(root, package):
    root.install(package)
    for path, mode in MODES.items():
        assert root.mode(path) == mode, f"{path}: {root.mode(path)}"
    assert root.file("/usr/bin/ianitor").stat().st_size <= LARGEST
    version = re.search(r'(?m)^version = "(.*)"', (world.REPOSITORY / "Cargo.toml").read_text())[1]
    said = json.loads(root.run("ianitor", "version", "--json"))
    assert said["version"] == version and re.fullmatch("[0-9a-f]{12}(-dirty)?", said["commit"]), said
    assert root.run("ianitor", "check", "--config", CONFIG)
    assert CONFIG in root.run("dpkg-query", "-W", "-f", "${Conffiles}", "ianitor")
    assert "nologin" in root.run("getent", "passwd", "ianitor")
    assert root.file(ENABLED).is_symlink()
    assert not list(root.file("/etc/systemd/system").glob("sockets.target.wants/*"))
    assert ".TH ianitor 1" in root.run("zcat", "/usr/share/man/man1/ianitor.1.gz")
    for unit in ["service", "socket"]:
        assert "/usr/local" not in root.file(f"/usr/lib/systemd/system/ianitor.{unit}").read_text()


def it_starts_as_installed_and_answers_with_one_page(root):
    root.start()
    eventually("the certificate is made", root.file("/etc/ianitor/certs/ca.pem").exists)
    status, page = ask(connect(root), "/")
    assert "200" in status and "ianitor is installed" in page, (status, page)
    status, _ = ask(connect(root), "/etc/passwd")
    assert "404" in status, status
    status, _ = ask(socket.create_connection(("127.0.0.1", 80), 30), "/")
    assert "308" in status, status


def configure(root, text):
    root.write(CONFIG, text)
    return root.run("ianitor", "reload", "--config", CONFIG)


def an_upgrade_keeps_websockets(root, package, old, client):
    said = root.install(package)
    upgraded = re.search(r"upgraded: process (\d+) accepts connections, and process (\d+) drains", said)
    assert upgraded, said
    client.echo("after the upgrade")
    new = int(upgraded[1])
    assert is_alive(new) and is_alive(old)
    serves(root)
    return new


def serves(root):
    status, page = ask(connect(root), "/page")
    assert "200" in status and "ianitor is installed" in page, (status, page)


def a_broken_configuration_stops_nothing(root, package, running, client, text, problem):
    good = root.file(CONFIG).read_text()
    root.write(CONFIG, text)
    said = root.install(package)
    assert problem in said and "the running gateway was not upgraded" in said, said
    client.echo("still there")
    assert is_alive(running)
    serves(root)
    root.write(CONFIG, good)


def policy_forbids_upgrades(root, package, running):
    policy = root.file("/usr/sbin/policy-rc.d")
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    said = root.install(package)
    assert "policy-rc.d forbids" in said and "drains" not in said, said
    policy.unlink()
    assert is_alive(running)


def a_removal_keeps_what_was_written(root):
    root.write("/etc/ianitor/secrets/janus-api", "secret")
    root.write("/var/lib/ianitor/account", "key")
    root.run("dpkg", "-r", "ianitor")
    assert not root.file("/usr/bin/ianitor").exists()
    for path in [CONFIG, "/etc/ianitor/secrets/janus-api", "/etc/ianitor/certs/ca.pem", "/var/lib/ianitor/account"]:
        assert root.file(path).exists(), path


def a_purge_leaves_nothing(root):
    root.run("dpkg", "-P", "ianitor")
    for path in ["/etc/ianitor", "/var/lib/ianitor", "/usr/share/ianitor", ENABLED]:
        assert not root.file(path).exists() and not root.file(path).is_symlink(), path


def beside_another_web_server_it_is_not_enabled(root, package, newer):
    with socket.create_server(("127.0.0.1", 443)):
        said = root.install(package)
        assert "port 80 or 443 is in use" in said, said
    # Neither does an upgrade enable it.
    for package in [None, newer]:
        if package:
            root.install(package)
        assert not root.file(ENABLED).is_symlink()
    root.run("dpkg", "-P", "ianitor")


def main(package):
    world.require()
    world.make_fresh()
    world.isolate()
    root = Root()
    newer, third = revision(package, 2), revision(package, 3)
    the_package_is_installed(root, package)
    it_starts_as_installed_and_answers_with_one_page(root)
    configure(root, GATEWAY.format(port=echo_server()))
    client = WebSocket(connect(root), "/socket")
    client.echo("before the upgrade")
    old = root.gateways[0].pid
    new = an_upgrade_keeps_websockets(root, newer, old, client)
    wrong = GATEWAY.format(port=1) + "polic = 1\n"
    a_broken_configuration_stops_nothing(root, third, new, client, wrong, 'did you mean "policy"')
    missing = GATEWAY.format(port=1).replace("self_signed", "certificates = [{ cert = 'none.pem' }]\nself_signed")
    a_broken_configuration_stops_nothing(root, third, new, client, missing, "none.pem")
    policy_forbids_upgrades(root, third, new)
    client.echo("at the end")
    a_removal_keeps_what_was_written(root)
    for pid in [old, new]:
        subprocess.run(["kill", "-KILL", str(pid)], check=True)
    a_purge_leaves_nothing(root)
    beside_another_web_server_it_is_not_enabled(root, package, newer)
    print("test-deb: installed, started, upgraded, removed and purged")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit("usage: deb.py PACKAGE; make deb builds one, and make test-deb runs this with it")
    main(Path(sys.argv[1]))
