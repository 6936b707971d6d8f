# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""A vTPM (swtpm): its state between boots, its process during one, and commands from the host."""

import pathlib
import shutil
import socket
import subprocess

from tpm2 import Tpm


class VirtualTpm:
    """State in a folder that outlives the processes; PCRs begin anew with each of them."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).absolute()
        self.state = self.folder / "state"
        self.process = None

    def create(self):
        """A factory-new TPM."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.state.mkdir(parents=True)
        subprocess.run(
            ["swtpm_setup", "--tpm2", "--tpmstate", self.state, "--pcr-banks", "sha256",
             "--config", self.write_config(), "--logfile", self.folder / "setup.log"],
            check=True, stdout=subprocess.DEVNULL)
        return self

    def write_config(self):
        """swtpm_setup wants tools that make certificates configured; none is made here."""
        path = self.folder / "setup.conf"
        path.write_text("")
        return path

    def copy_to(self, folder):
        """A second TPM with the same state, as a host that copies the file would have."""
        copy = VirtualTpm(folder)
        shutil.rmtree(copy.folder, ignore_errors=True)
        shutil.copytree(self.folder, copy.folder, ignore=shutil.ignore_patterns("*.sock"))
        return copy

    def written(self):
        """Differs whenever the TPM has replaced its state by a new one."""
        return [(path.stat().st_ino, path.stat().st_mtime_ns)
                for path in self.state.glob("*.permall")]

    def listen(self, name):
        """A socket that swtpm takes over, so that it accepts connections from the start."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen(1)
        return server, path

    def launch(self, sockets, options):
        self.stop()
        with open(self.folder / "swtpm.log", "ab") as log:
            self.process = subprocess.Popen(
                ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state}", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[server.fileno() for server in sockets])
        for server in sockets:
            server.close()

    def start(self):
        """For a machine: the path of the control socket. Ends when the machine goes away."""
        control, path = self.listen("control.sock")
        self.launch([control], ["--ctrl", f"type=unixio,fd={control.fileno()}", "--terminate"])
        return path

    def connect(self):
        """For commands from the host: a started TPM with its PCRs at zero."""
        control, _ = self.listen("control.sock")
        server, path = self.listen("server.sock")
        self.launch([control, server], [
            "--ctrl", f"type=unixio,fd={control.fileno()}",
            "--server", f"type=unixio,fd={server.fileno()}",
            "--flags", "not-need-init,startup-clear"])
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(path))
        return Tpm(client)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
