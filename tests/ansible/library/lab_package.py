#!/usr/bin/python
"""A package manager for lab hosts, as an Ansible module (WANT_JSON): it installs nothing.

A package's name is the path of a file with the newest version. As the real packages do, an upgrade
restarts a vipd that runs.
"""

import json
import subprocess
import sys
from pathlib import Path

INSTALLED = Path("/run/package")

given = json.loads(Path(sys.argv[1]).read_text())
newest = Path(given["name"]).read_text()
present = INSTALLED.read_text() if INSTALLED.exists() else None
changed = present is None or (given["state"] == "latest" and present != newest)
if changed and not given["_ansible_check_mode"]:
    INSTALLED.write_text(newest)
    if subprocess.run(["/etc/init.d/vipd", "status"], stdout=subprocess.DEVNULL).returncode == 0:
        subprocess.run(["/etc/init.d/vipd", "restart"], check=True, stdout=subprocess.DEVNULL)
print(json.dumps({"changed": changed}))
