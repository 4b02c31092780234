"""A real sshd on a host of the lab, and an ssh that may log in there, with keys of their own."""

import shutil
import subprocess
import sys
from pathlib import Path

from vipd.lab import Host, Process
from vipd.lab.errors import require, search_path


class Keys:
    """Key pairs of the hosts and of the one who logs in, and the client's settings."""

    def __init__(self, directory: Path) -> None:
        require("sshd", "ssh", "ssh-keygen")
        self.directory = directory
        directory.mkdir(mode=0o700)
        self._client = self._key("client")
        self._known = directory / "known_hosts"
        self.settings = directory / "ssh_config"
        self.settings.write_text(
            f"User root\nIdentityFile {self._client}\nIdentitiesOnly yes\n"
            f"UserKnownHostsFile {self._known}\nStrictHostKeyChecking yes\n"
        )
        (directory / "authorized").write_text(self._client.with_suffix(".pub").read_text())
        commands = directory / "bin"
        commands.mkdir()
        vipctl = commands / "vipctl"
        vipctl.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m vipd.cli.main "$@"\n')
        vipctl.chmod(0o755)

    def _key(self, name: str) -> Path:
        path = self.directory / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
        subprocess.run(command, check=True, timeout=30)
        return path

    def trust(self, host: Host) -> None:
        """Let this host log in to the others, without options of ssh."""
        host.bind(self.settings, "/etc/ssh/ssh_config")

    def serve(self, host: Host, address: str) -> Process:
        """Start sshd there, with a key of its own; returns when it listens. `vipctl` is in the PATH
        of whoever logs in."""
        key = self._key(host.name)
        public = key.with_suffix(".pub").read_text().split()
        with self._known.open("a") as known:
            known.write(f"{address} {public[0]} {public[1]}\n")
        with self.settings.open("a") as client:
            client.write(f"Host {host.name}\n HostName {address}\n")
        settings = self.directory / f"{host.name}.sshd_config"
        settings.write_text(
            f"ListenAddress {address}\nHostKey {key}\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.directory / 'authorized'}\nStrictModes no\n"
            "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
            f"SetEnv PATH={self.directory / 'bin'}:{search_path()}\n"
        )
        host.must(["mkdir", "-p", "/run/sshd"])
        program = shutil.which("sshd", path=search_path())
        assert program  # by its whole path, as sshd wants to be called
        process = host.start([program, "-D", "-e", "-f", settings], name="sshd")
        process.wait_for("Server listening", timeout=30)
        return process
