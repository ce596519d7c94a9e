#!/usr/bin/env python3
"""From an empty Debian root to calls: the five commands of the README, before the packaged Janus and coturn.

The commands run in the root; Janus and coturn are those of this machine, with private copies of their files, to which
the lines of changes.md are applied as an administrator would. Needs root; everything is in namespaces of its own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import world
from world import CONFIG, Root, eventually, is_open

HOST = "media.example.com"
CLIENTS = world.REPOSITORY / "tests/real"


def changes(root):
    """The lines of changes.md by file, each with the block that it goes into."""
    found = {}
    for part in root.file("/etc/ianitor/changes.md").read_text().split("\n## ")[1:]:
        file, code = part.splitlines()[0], re.search(r"```\n(.*?)```", part, re.DOTALL)
        if code:
            found.setdefault(file, []).append(code[1])
    return found


def apply_to_jcfg(text, lines):
    """Puts lines such as `key = value` into a block, instead of those that set the same keys."""
    block = re.match(r"(\w+): \{\n(.*)\}\n", lines, re.DOTALL)
    name, settings = block[1], block[2]
    start = re.search(rf"(?m)^{name}\s*[:=]?\s*\{{", text)
    end = re.compile(r"(?m)^\}").search(text, start.end()).start()
    body = text[start.end():end]
    for key in re.findall(r"(?m)^\t(\w+) =", settings):
        body = re.sub(rf"(?m)^\s*{key}\s*[=:].*$", "", body)
    return text[:start.end()] + "\n" + settings + body + text[end:]


def start_janus(folder, lines):
    shutil.copytree("/etc/janus", folder)
    for file, parts in lines.items():
        if file.startswith("/etc/janus/"):
            copy = folder / Path(file).name
            for part in parts:
                copy.write_text(apply_to_jcfg(copy.read_text(), part))
    log = open(folder / "janus.log", "wb")
    janus = subprocess.Popen(["janus", "-F", folder, "-C", folder / "janus.jcfg"],
                             stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    eventually("Janus listens", lambda: janus.poll() is not None or all(map(is_open, [8088, 8188, 7088])))
    assert janus.poll() is None, (folder / "janus.log").read_text(errors="replace")[-3000:]


def start_coturn(folder, lines):
    folder.mkdir()
    # What a machine without a network needs is added; the lines are those of changes.md.
    text = "\n".join(lines["/etc/turnserver.conf"]).replace("denied-peer-ip=127.0.0.0-127.255.255.255\n", "")
    text += f"listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nallow-loopback-peers\nno-tls\nno-dtls\n"
    text += f"userdb={folder}/db\npidfile={folder}/pid\nlog-file=stdout\n"
    (folder / "turnserver.conf").write_text(text)
    log = open(folder / "coturn.log", "wb")
    subprocess.Popen(["turnserver", "-c", folder / "turnserver.conf"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    eventually("coturn listens", lambda: is_open(3478))


def host_names(folder):
    """The host of the gateway is this machine, in this namespace."""
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {HOST}\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)


def token(root, *claims):
    return root.run("ianitor", "token", "mint", "--config", CONFIG, "--issuer", "app", "--sub", "ada", *claims).strip()


def curl(ca, path, *words):
    done = subprocess.run(["curl", "-s", "--cacert", ca, *words, f"https://{HOST}{path}"],
                          stdout=subprocess.PIPE, text=True, check=True, timeout=30)
    return json.loads(done.stdout)


def janode_works(ca, access):
    environment = {**os.environ, "NODE_EXTRA_CA_CERTS": str(ca)}
    done = subprocess.run(["node", "janode.js", f"wss://{HOST}/janus-ws?token={access}"], cwd=CLIENTS, env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == 0 and "joined and left room 1234" in done.stdout, done.stdout


def turn_works(ca, access):
    given = curl(ca, "/turn", "-H", f"Authorization: Bearer {access}")
    words = ["-y", "-n", "5", "-m", "1", "-u", given["username"], "-w", given["password"], "-p", "3478", "127.0.0.1"]
    done = subprocess.run(["turnutils_uclient", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == 0 and re.search(r"tot_recv_msgs=[1-9]", done.stdout), done.stdout
    done = subprocess.run(["turnutils_uclient", *words[:6], "-w", "wrong", *words[8:]], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode != 0, done.stdout


def main(package):
    world.require()
    world.make_fresh()
    world.isolate()
    root = Root()
    folder = root.path.parent / "servers"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    host_names(folder)
    begun = time.monotonic()
    root.install(package)                                                                           # 1
    said = root.run("ianitor", "init", "janus", "coturn", "--host", HOST, "--yes")                  # 2
    assert f"written: {CONFIG}" in said, said
    assert root.mode("/etc/ianitor/secrets/turn") == "640 root:ianitor"
    assert root.mode("/etc/ianitor/changes.md") == "600 root:root"
    lines = changes(root)
    start_janus(folder / "janus", lines)
    start_coturn(folder / "coturn", lines)
    checked = root.run("ianitor", "check", "--config", CONFIG, "--live")                            # 3
    assert "Janus" in checked, checked
    root.start()                                                                                    # 4
    ca = root.file("/etc/ianitor/certs/ca.pem")
    eventually("the certificate is made", ca.exists)
    access = token(root, "--claim", "room_ids=[1234]")                                              # 5
    took = time.monotonic() - begun
    answer = curl(ca, "/janus", "-H", f"Authorization: Bearer {access}", "-d", '{"janus":"create","transaction":"1"}')
    assert answer["janus"] == "success", answer
    janode_works(ca, access)
    turn_works(ca, access)
    # Guarded: nothing without a token, and another room is not this token's.
    without = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", ca,
                              f"https://{HOST}/turn"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert without == "401", without
    other = token(root, "--claim", "room_ids=[4321]")
    try:
        janode_works(ca, other)
    except AssertionError:
        pass
    else:
        raise AssertionError("a token of another room has entered room 1234")
    print(f"test-deb: five commands in {took:.0f} s, then janode, REST and a relay worked")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit("usage: five_commands.py PACKAGE; make deb builds one, and make test-deb runs this with it")
    main(Path(sys.argv[1]))
