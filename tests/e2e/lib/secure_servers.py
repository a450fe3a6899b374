# SPDX-License-Identifier: MIT
"""The servers of servers.py as relays for those who log in: STARTTLS on `port`, implicit TLS on `tls_port`, AUTH under
TLS only and no mail without it. What they accept stays in their queues."""

import pathlib
import re
import shutil
import ssl
import subprocess

from . import certs, servers
from .servers import UNPACKED
from .waiting import free_port

USER = "relay@client.example.org"
PASSWORD = "p/ss w\u00f6rd=+"


class Secure:
    """What they have in common. mechanisms: those that they offer, the best first."""

    def __init__(self):
        super().__init__(refuses=True, keeps=True)
        self.tls_port = free_port()

    def wait_for_greeting(self):
        super().wait_for_greeting()
        context = ssl.create_default_context(cafile=certs.ca())
        self.process.wait_for_greeting(self.tls_port, tls=context)

    def certificate(self, user="root"):
        """Copies that the server may read, and nobody else its key."""
        copies = []
        for path in map(pathlib.Path, certs.certificate()):
            copies.append(self.folder / path.name)
            shutil.copyfile(path, copies[-1])
            shutil.chown(copies[-1], user)
            copies[-1].chmod(0o600)
        return copies

    def logins(self, since=0):
        """(mechanism, user) of all that logged in, by its log from there on; OpenSMTPD's has no mechanism."""
        return set(re.findall(self.login_pattern, self.log_text()[since:]))

    def failed_logins(self):
        return len(re.findall(self.failed_pattern, self.log_text()))


SASL = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {database}
mech_list: {mechanisms}
"""


def make_sasl(server, folder, application, owner):
    """The configuration of Cyrus SASL, and its database; the realm in it is what stands behind the user's @."""
    database = server.folder / folder / "db"
    database.parent.mkdir()
    text = SASL.format(database=database, mechanisms=" ".join(server.mechanisms))
    server.write(f"{folder}/{application}.conf", text)
    user, _, realm = USER.partition("@")
    run([UNPACKED / "sasl2-bin/usr/sbin/saslpasswd2", "-c", "-p", "-f", database, "-u", realm, user])
    shutil.chown(database, owner)
    database.chmod(0o600)


def run(command):
    """With the password on standard input."""
    done = subprocess.run(
        command, input=PASSWORD.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, check=False
    )
    said = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, said
    return said.strip()


class Postfix(Secure, servers.Postfix):
    mechanisms = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN")
    login_pattern = r"sasl_method=([\w-]+), sasl_username=(\S+)"
    failed_pattern = r"SASL \S+ authentication failed"

    MORE_MAIN = """\
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
smtpd_sasl_security_options = noanonymous
"""
    MORE_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
tlsmgr unix - - n 1000? 1 tlsmgr
"""

    def prepare(self):
        super().prepare()
        certificate, key = self.certificate()
        self.append("conf/main.cf", self.MORE_MAIN.format(certificate=certificate, key=key))
        self.append("conf/master.cf", self.MORE_MASTER.format(port=self.tls_port))
        main = self.folder / "conf" / "main.cf"
        main.write_text(main.read_text().replace("permit_mynetworks", "permit_sasl_authenticated"))
        # Debian's Postfix looks for it beside main.cf.
        make_sasl(self, "conf/sasl", "smtpd", "postfix")

    def append(self, name, text):
        with open(self.folder / name, "a", encoding="ascii") as conf:
            conf.write(text)


class Exim(Secure, servers.Exim):
    mechanisms = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN")
    login_pattern = r" A=(\w+):(\S+)"
    failed_pattern = "authenticator failed"
    package = "exim4-daemon-heavy"  # the light one has no SCRAM

    MAIN = """\
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
tls_on_connect_ports = {port}
begin acl
acl_rcpt:
  deny !authenticated = *
"""
    AUTHENTICATOR = """\
{name}:
  driver = cyrus_sasl
  public_name = {mechanism}
  server_realm = {realm}
  server_set_id = $auth1
  server_advertise_condition = ${{if def:tls_in_cipher}}
"""

    def ports(self):
        return f"{self.port} : {self.tls_port}"

    def prepare(self):
        super().prepare()
        user = "Debian-exim"
        certificate, key = self.certificate(user)
        main = self.MAIN.format(certificate=certificate, key=key, port=self.tls_port)
        text = self.conf.read_text().replace("begin acl\nacl_rcpt:\n", main)
        text = text.replace("keep_environment =", "keep_environment = SASL_CONF_PATH")
        text += "begin authenticators\n"
        for mechanism in self.mechanisms:
            name = mechanism.replace("-", "_")
            text += self.AUTHENTICATOR.format(name=name, mechanism=mechanism, realm=USER.partition("@")[2])
        self.conf.write_text(text)
        make_sasl(self, "sasl", "exim", user)

    def logins(self, since=0):
        return {(name.replace("_", "-"), user) for name, user in super().logins(since)}

    def preload(self):
        return super().preload() | {"SASL_CONF_PATH": str(self.folder / "sasl")}


class OpenSmtpd(Secure, servers.OpenSmtpd):
    mechanisms = ("PLAIN", "LOGIN")
    login_pattern = r"smtp authentication ()user=(\S+) .*result=ok"
    failed_pattern = "result=permfail"

    LISTEN = """\
pki relay.test cert "{certificate}"
pki relay.test key "{key}"
table users {{ "{user}" = "{crypted}" }}
listen on 127.0.0.1 port {port} tls-require pki relay.test auth <users>
listen on 127.0.0.1 port {tls_port} smtps pki relay.test auth <users>
"""

    def listen(self):
        certificate, key = self.certificate()
        values = dict(certificate=certificate, key=key, user=USER, crypted=run(["openssl", "passwd", "-6", "-stdin"]))
        return self.LISTEN.format(port=self.port, tls_port=self.tls_port, **values)

    def preload(self):
        both = " ".join([super().preload()["LD_PRELOAD"], self.compiled("own_key")])
        return {"LD_PRELOAD": both, "OWN_KEY": certs.certificate()[1]}


class Aiosmtpd(Secure, servers.Aiosmtpd):
    mechanisms = ("PLAIN", "LOGIN")
    failed_pattern = "login refused"
    log_name = "log"

    def options(self):
        tls = ["--tls-port", str(self.tls_port), "--certificate", *certs.certificate()]
        return [*super().options(), *tls, "--login", USER, PASSWORD]

    def logins(self, since=0):
        # It forgets what is older.
        return {tuple(one["login"]) for one in self.records()}


SERVERS = {kind.name: kind for kind in (Postfix, Exim, OpenSmtpd, Aiosmtpd)}
