# SPDX-License-Identifier: MIT
"""A certification authority and certificates of every sort, made by the openssl command when first asked for.

They are good for localhost, 127.0.0.1, ::1 and relay.test, but for what their kind is about.
"""

import atexit
import base64
import functools
import hashlib
import pathlib
import shutil
import subprocess
import tempfile

GOOD = ("DNS:localhost", "IP:127.0.0.1", "IP:::1", "DNS:relay.test")
CYRILLIC_O = "\u043e"


def der(*names):
    """A subjectAltName of DNS names, octet by octet."""
    inner = b"".join(b"\x82" + bytes([len(name)]) + name for name in names)
    return "DER:" + (b"\x30" + bytes([len(inner)]) + inner).hex(":")


def idna(name):
    return name.encode("idna").decode("ascii")


# What differs from a good one: names, name (the subject's), start, end, key, md, usage, issuer (None: itself).
KINDS = {
    "good": {},
    "self-signed": {"issuer": None},
    "expired": {"start": "20200101000000Z", "end": "20210101000000Z"},
    "not-yet-valid": {"start": "20980101000000Z", "end": "20990101000000Z"},
    "other-host": {"names": ("DNS:other.test", "IP:192.0.2.1")},
    "cn-only": {"names": ()},
    "wildcard-tld": {"names": ("DNS:*", "DNS:*.test", "DNS:*.localhost")},
    "wildcard-partial": {"names": ("DNS:l*t", "DNS:r*y.test", "DNS:r*y.example.test")},
    "wildcard-middle": {"names": ("DNS:relay.*", "DNS:relay.*.test", "DNS:mx.*.example.test")},
    "nul-in-san": {"names": der(b"localhost\0.evil.test", b"relay.test\0.evil.test", b"127.0.0.1\0.evil.test")},
    "ip-as-dns": {"names": ("DNS:127.0.0.1", "DNS:::1")},
    "idn": {"names": (f"DNS:{idna(f'l{CYRILLIC_O}calhost')}", f"DNS:{idna(f'relay.test{CYRILLIC_O}')}")},
    "empty-san": {"names": "DER:30:00"},
    "weak-key": {"key": ("rsa:1024",)},
    "sha1": {"md": "sha1"},
    "wrong-eku": {"usage": "clientAuth"},
    "unknown-ca": {"issuer": "unknown"},
    "substring": {"names": ("DNS:evilrelay.test", "DNS:evillocalhost", "DNS:notlocalhost.test")},
    "suffix": {"names": ("DNS:relay.test.evil", "DNS:localhost.evil")},
    "client": {"names": ("DNS:client.test",), "name": "client.test", "usage": "clientAuth"},
}

AUTHORITY = """[ca]
default_ca = own
[own]
database = {folder}/{name}.index
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
policy = any
[any]
commonName = supplied
"""


@functools.lru_cache(maxsize=None)
def folder():
    made = pathlib.Path(tempfile.mkdtemp(prefix="e2e-certs-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")
    return done.stdout


def request(stem, name, key):
    """A new key and a request for it."""
    openssl("req", "-newkey", *key, "-nodes", "-keyout", f"{stem}.key", "-out", f"{stem}.csr", "-subj", f"/CN={name}")


EC = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


@functools.lru_cache(maxsize=None)
def authority(name):
    """The stem of an authority's files."""
    stem = folder() / f"ca-{name}"
    openssl(
        *("req", "-x509", "-newkey", *EC, "-nodes", "-keyout", f"{stem}.key", "-out", f"{stem}.pem"),
        *("-subj", f"/CN=Tests' authority {name}", "-days", "3650"),
        *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )
    (folder() / f"{stem.name}.index").touch()
    stem.with_suffix(".conf").write_text(AUTHORITY.format(folder=folder(), name=stem.name), encoding="ascii")
    return stem


def extensions(stem, names, usage):
    names = names if isinstance(names, str) else ",".join(names)
    lines = ["[more]", "basicConstraints=critical,CA:FALSE", f"extendedKeyUsage={usage}"]
    lines += [f"subjectAltName={names}"] if names else []
    path = stem.with_suffix(".ext")
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


def ca():
    """The authority that a test's client trusts."""
    return str(authority("good")) + ".pem"


@functools.lru_cache(maxsize=None)
def certificate(kind="good"):
    """Paths of the certificate and its key."""
    sort = KINDS[kind]
    stem = folder() / kind
    request(stem, sort.get("name", "localhost"), sort.get("key", EC))
    more = extensions(stem, sort.get("names", GOOD), sort.get("usage", "serverAuth"))
    issuer = authority(sort.get("issuer") or "good")
    signer = ("-selfsign", "-keyfile", f"{stem}.key") if sort.get("issuer", "") is None else ()
    signer = signer or ("-cert", f"{issuer}.pem", "-keyfile", f"{issuer}.key")
    openssl(
        *("ca", "-batch", "-notext", "-config", f"{issuer}.conf", "-in", f"{stem}.csr", "-out", f"{stem}.pem", *signer),
        *("-startdate", sort.get("start", "20200101000000Z"), "-enddate", sort.get("end", "20990101000000Z")),
        *("-md", sort.get("md", "sha256"), "-extfile", more, "-extensions", "more"),
    )
    return f"{stem}.pem", f"{stem}.key"


def pin(kind="good"):
    """SHA-256 of the certificate's public key (SPKI), in hex."""
    public = openssl("x509", "-in", certificate(kind)[0], "-noout", "-pubkey").decode("ascii")
    lines = [line for line in public.splitlines() if "-----" not in line]
    return hashlib.sha256(base64.b64decode("".join(lines))).hexdigest()
