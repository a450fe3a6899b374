# SPDX-License-Identifier: MIT
"""Real mail servers, each on a free port of 127.0.0.1 with all that it writes in a folder of
its own. scripts/setup-servers has unpacked them."""

import fcntl
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from . import content, queues
from .command import REPOSITORY
from .waiting import Process, free_port, wait_until

UNPACKED = pathlib.Path(os.environ.get("SERVERS_DIR", REPOSITORY / "build" / "servers")).absolute()

# Header fields that a server puts on top of what it was sent.
TRACE = (b"received", b"return-path", b"delivered-to", b"x-original-to", b"envelope-to")

# Addresses that the servers refuse when they are asked to: every 10th of the lists of the tests.
REFUSED = "refused"


@dataclass
class Stored:
    """One delivery as a server stored it."""

    sender: str
    recipients: list
    content: bytes  # without the trace that the server put on top, every line end CR LF
    queue_id: str  # the same for all recipients of one transaction


def take_trace(stored):
    """Parts the header fields that the server added from what it was sent."""
    trace = {}
    rest = stored
    while True:
        found = re.match(rb"([!-9;-~]+):[^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n", rest)
        if not found or found.group(1).lower() not in TRACE:
            return trace, rest
        trace.setdefault(found.group(1).lower(), content.value_of(found.group(0)))
        rest = rest[found.end() :]


def address_in(value):
    return value.decode("latin-1").strip("<> ")


def stored_from_file(path, id_pattern, recipient_field):
    # A maildir holds lines as the system has them.
    text = path.read_bytes().replace(b"\n", b"\r\n")
    trace, sent = take_trace(text)
    found = re.search(id_pattern, trace[b"received"])
    assert found, trace
    sender, recipient = address_in(trace[b"return-path"]), address_in(trace[recipient_field])
    return Stored(sender, [recipient], sent, found.group(1).decode())


class Server:
    """Makes the folder; start(), collect() and stop() are the tests' side."""

    name = None
    recipient_field = b"delivered-to"
    id_pattern = rb"\bid ([^\s;]+)"

    def __init__(self, refuses=False, keeps=False):
        """keeps: what is accepted stays in the queue and is not delivered."""
        self.refuses = refuses
        self.keeps = keeps
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"e2e-{self.name}-"))
        # The servers' own users have to come in.
        self.folder.chmod(0o755)
        self.port = free_port()
        self.process = None

    def compiled(self, name):
        """A library to preload."""
        path = self.folder / f"{name}.so"
        source = pathlib.Path(__file__).with_name(f"{name}.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(path), str(source)], check=True)
        return str(path)

    def preload(self):
        return {"LD_PRELOAD": self.compiled("no_waits")}

    def start(self):
        try:
            self.prepare()
            self.process = self.launch()
            self.wait_for_greeting()
        except BaseException:
            self.stop()
            raise
        return self

    def wait_for_greeting(self):
        self.process.wait_for_greeting(self.port)

    def stop(self):
        if self.process:
            self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def forget(self):
        """Removes what is stored."""
        for path in self.stored_files():
            path.unlink()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def write(self, name, text, mode=0o644):
        path = self.folder / name
        path.write_text(text, encoding="ascii")
        path.chmod(mode)
        return path

    def owned_folder(self, name, user, mode=0o700):
        path = self.folder / name
        path.mkdir()
        shutil.chown(path, user)
        path.chmod(mode)
        return path

    def stored_files(self):
        # "new" only: what is being written lies in "tmp"
        return list((self.folder / "store").glob("**/new/*"))

    def queued(self):
        """What lies in the queue of a server that keeps."""
        return [Stored(sender, to, take_trace(text)[1], name) for name, sender, to, text in self.queue_entries()]

    def log_text(self):
        return (self.folder / self.log_name).read_text(errors="replace")

    def refused_in_log(self):
        """Whom it refused at RCPT, one entry a time, by its own log."""
        return re.findall(self.refusal_pattern, self.log_text())

    def logs(self):
        paths = [path for path in sorted(self.folder.glob("*log*")) if path.is_file()]
        return "\n".join(f"{path.name}: ...{path.read_text(errors='replace')[-2000:]}" for path in paths)

    def wait_for(self, stored, count, seconds):
        try:
            wait_until(lambda: stored() >= count, seconds, f"{self.name} stores {count} deliveries")
        except AssertionError as error:
            raise AssertionError(f"{error}; it has {stored()}\n{self.logs()}") from None

    def collect(self, count, seconds=60):
        """Waits until `count` deliveries are stored, and returns all that are."""
        self.wait_for(lambda: len(self.stored_files()), count, seconds)
        return [stored_from_file(path, self.id_pattern, self.recipient_field) for path in self.stored_files()]


class Postfix(Server):
    name = "postfix"
    log_name = "maillog"
    refusal_pattern = r"reject: RCPT from [^:]*: 550 5\.1\.1 <([^>]*)>"

    MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {root}/usr/lib/postfix/sbin
command_directory = {root}/usr/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {folder}/conf
import_environment = LD_LIBRARY_PATH={root}/usr/lib/postfix LD_PRELOAD MAIL_CONFIG TZ LANG=C
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
myhostname = postfix.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:store/
virtual_mailbox_base = {folder}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_mailbox_limit = 0
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = {restrictions}
smtpd_client_connection_count_limit = 0
"""

    MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

    def prepare(self):
        root = UNPACKED / "postfix"
        nobody = pwd.getpwnam("nobody")
        restrictions = "permit_mynetworks, reject"
        if self.refuses or self.keeps:
            rules = f"/^{REFUSED}/ 550 5.1.1 no such user\n" + "/./ HOLD\n" * self.keeps
            access = self.write("access", rules)
            restrictions = f"check_recipient_access regexp:{access}, " + restrictions
        (self.folder / "conf").mkdir()
        values = dict(folder=self.folder, root=root, port=self.port, uid=nobody.pw_uid, gid=nobody.pw_gid)
        self.write("conf/main.cf", self.MAIN.format(restrictions=restrictions, **values))
        self.write("conf/master.cf", self.MASTER.format(**values))
        # virtual(8) makes the maildir as the recipient's user
        self.owned_folder("store", "nobody")
        self.owned_folder("data", "postfix")
        self.make_queue()

    def queue_entries(self):
        return queues.postfix(self.folder)

    def forget(self):
        super().forget()
        for path in (self.folder / "queue" / "hold").rglob("*"):
            path.unlink()

    def make_queue(self):
        queue = self.owned_folder("queue", "root", 0o755)
        for name in "active bounce corrupt defer deferred flush hold incoming private saved trace".split():
            self.owned_folder(f"queue/{name}", "postfix")
        self.owned_folder("queue/pid", "root", 0o755)
        for name, mode in (("public", 0o710), ("maildrop", 0o730)):
            self.owned_folder(f"queue/{name}", "postfix")
            shutil.chown(queue / name, "postfix", "postdrop")
            (queue / name).chmod(mode)

    def launch(self):
        root = UNPACKED / "postfix"
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LD_LIBRARY_PATH": str(root / "usr/lib/postfix")}
        environment |= self.preload()
        arguments = [root / "usr/lib/postfix/sbin/master", "-c", self.folder / "conf", "-d"]
        return Process(arguments, self.folder / "log", env=environment)


class Exim(Server):
    name = "exim4"
    recipient_field = b"envelope-to"
    log_name = "log.main"
    refusal_pattern = r"rejected RCPT <([^>]*)>"
    package = "exim4-daemon-light"
    REFUSAL = f"  deny local_parts = ^{REFUSED}\n       message = no such user"

    CONF = """\
exim_path = {exim}
exim_user = {user}
exim_group = {group}
never_users =
spool_directory = {folder}/spool
log_file_path = {folder}/log.%s
pid_file_path = {folder}/pid
primary_hostname = exim.example.org
daemon_smtp_ports = {ports}
local_interfaces = <; 127.0.0.1
disable_ipv6 = true
keep_environment =
add_environment = PATH=/usr/bin:/bin
host_lookup =
helo_lookup_domains =
rfc1413_query_timeout = 0s
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
message_logs = false
deliver_drop_privilege = true
check_spool_space = 0
check_log_space = 0
queue_only = {keeps}
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data
begin acl
acl_rcpt:
{refusal}
  accept
acl_data:
  accept
begin routers
all:
  driver = accept
  transport = store
begin transports
store:
  driver = appendfile
  directory = {folder}/store
  maildir_format
  create_directory
  user = {user}
  group = {group}
  return_path_add
  envelope_to_add
"""

    def prepare(self):
        user = pwd.getpwnam("Debian-exim")
        self.exim = UNPACKED / self.package / "usr" / "sbin" / "exim4"
        values = dict(exim=self.exim, user=user.pw_name, group=user.pw_gid, folder=self.folder, ports=self.ports())
        values["keeps"] = str(self.keeps).lower()
        values["refusal"] = self.REFUSAL if self.refuses else ""
        self.conf = self.write("exim.conf", self.CONF.format(**values))
        self.owned_folder("spool", user.pw_name)
        self.owned_folder("store", user.pw_name)
        # Its daemon writes its log there as its own user.
        shutil.chown(self.folder, user.pw_name)

    def ports(self):
        return self.port

    def launch(self):
        arguments = [self.exim, "-C", self.conf, "-bdf", *([] if self.keeps else ["-q10m"])]
        return Process(arguments, self.folder / "log", env={**os.environ, **self.preload()})

    def queue_entries(self):
        return queues.exim(self.folder)

    def forget(self):
        super().forget()
        for path in (self.folder / "spool" / "input").glob("*"):
            path.unlink()


class OpenSmtpd(Server):
    name = "opensmtpd"
    log_name = "log"
    refusal_pattern = r'failed-command command="RCPT TO:<([^>]*)>'

    CONF = """\
table everyone {{ "@" = "nobody" }}
{refusal}
{listen}
action "store" maildir "{folder}/store" virtual <everyone>
{reject}
match from any for any action "store"
"""
    SPOOL = pathlib.Path("/var/spool/smtpd")
    SOCKET = pathlib.Path("/var/run/smtpd.sock")
    lock = None
    locked = False

    def prepare(self):
        # Queue and control socket have fixed places: one opensmtpd a machine at a time.
        assert not pathlib.Path("/var/lib/dpkg/info/opensmtpd.list").exists(), "an installed opensmtpd owns the queue"
        self.lock = open(pathlib.Path(tempfile.gettempdir(), "e2e-opensmtpd.lock"), "w", encoding="ascii")
        wait_until(self.try_lock, 120, "the other test run ends its opensmtpd")
        self.locked = True
        self.empty_queue()
        names = f'table refused {{ "^{REFUSED}.*" }}' if self.refuses else ""
        reject = "match from any for any rcpt-to regex <refused> reject" if self.refuses else ""
        values = dict(listen=self.listen(), folder=self.folder)
        self.conf = self.write("smtpd.conf", self.CONF.format(refusal=names, reject=reject, **values))
        self.owned_folder("store", "nobody")

    def listen(self):
        return f"listen on 127.0.0.1 port {self.port}"

    def try_lock(self):
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            return False

    def empty_queue(self):
        for path in self.SPOOL.iterdir():
            shutil.rmtree(path)
        self.SOCKET.unlink(missing_ok=True)

    def launch(self):
        smtpd = UNPACKED / "opensmtpd" / "usr" / "sbin" / "smtpd"
        paused = ["-P", "mda"] if self.keeps else []
        arguments = [smtpd, "-d", *paused, "-f", self.conf]
        return Process(arguments, self.folder / "log", env={**os.environ, **self.preload()})

    def queue_entries(self):
        return queues.opensmtpd(self.SPOOL)

    def forget(self):
        super().forget()
        for path in (self.SPOOL / "queue").glob("*/*"):
            shutil.rmtree(path)

    def stop(self):
        super().stop()
        if self.locked:
            self.empty_queue()
        if self.lock:
            self.lock.close()


class Recorder(Server):
    """One that writes what it takes, a line of JSON each, before it says 250."""

    def prepare(self):
        pass

    def forget(self):
        # The server has it open to append.
        if (self.folder / "record").exists():
            os.truncate(self.folder / "record", 0)

    def records(self):
        path = self.folder / "record"
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    def collect(self, count, seconds=60):
        self.wait_for(lambda: sum(len(one["recipients"]) for one in self.records()), count, seconds)
        return self.queued()

    def queued(self):
        return [
            Stored(one["sender"], one["recipients"], bytes.fromhex(one["content"]), str(number))
            for number, one in enumerate(self.records())
        ]


class Aiosmtpd(Recorder):
    name = "aiosmtpd"

    def options(self):
        return ["--refused", REFUSED] if self.refuses else []

    def launch(self):
        server = pathlib.Path(__file__).with_name("aiosmtpd_server.py")
        arguments = [sys.executable, server, str(self.port), self.folder / "record", *self.options()]
        return Process(arguments, self.folder / "log")


class SmtpServer(Recorder):
    """npm's smtp-server, the server side of nodemailer."""

    name = "smtp-server"

    def launch(self):
        server = pathlib.Path(__file__).with_name("smtp_server.js")
        arguments = ["node", server, UNPACKED / "node" / "node_modules", str(self.port), self.folder / "record"]
        return Process(arguments, self.folder / "log")


SERVERS = {kind.name: kind for kind in (Postfix, Exim, OpenSmtpd, Aiosmtpd)}
