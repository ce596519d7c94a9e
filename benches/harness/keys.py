"""Certificates, and keys and tokens of an issuer."""
import base64
import functools
import hashlib
import hmac
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from .settings import CERTIFICATES, JWT_SECRET, WORK

# Certificates with their keys, one file each.
CERTS = WORK / "certs"


def make_keys():
    """A certificate, and the pair of an issuer of tokens."""
    make_certificate()
    if not (WORK / "jwt.pub").exists():
        private = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
                   "-out", WORK / "jwt.key"]
        subprocess.run(["openssl", "genpkey", *private], check=True, capture_output=True)
        public = ["-in", WORK / "jwt.key", "-pubout", "-out", WORK / "jwt.pub"]
        subprocess.run(["openssl", "pkey", *public], check=True, capture_output=True)


def self_signed(name, names, key, *more):
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-days", "3650", "-subj", f"/CN={name}",
               "-addext", f"subjectAltName={names}", "-keyout", key, *more]
    return subprocess.run(command, check=True, capture_output=True).stdout


def make_certificate():
    if (WORK / "certkey.pem").exists():
        return
    names = "DNS:localhost,IP:127.0.0.1"
    self_signed("localhost", names, WORK / "key.pem", "-out", WORK / "cert.pem")
    (WORK / "key.pem").chmod(0o600)
    both = (WORK / "cert.pem").read_text() + (WORK / "key.pem").read_text()
    (WORK / "certkey.pem").write_text(both)
    (WORK / "certkey.pem").chmod(0o600)


def make_many_certificates():
    """One for each of h0.example.org and on."""
    CERTS.mkdir(exist_ok=True)
    numbers = [n for n in range(CERTIFICATES) if not (CERTS / f"{n}.pem").exists()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(make_one_of_many, numbers))


def make_one_of_many(n):
    name, new = f"h{n}.example.org", CERTS / f"{n}.new"
    new.write_bytes(self_signed(name, f"DNS:{name}", "-"))
    new.chmod(0o600)
    new.rename(CERTS / f"{n}.pem")


def unpadded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@functools.cache
def token(algorithm):
    """As an issuer would sign it, good for longer than any run."""
    now = int(time.time())
    claims = {"iss": "https://login.example.org", "sub": "4711", "aud": "ianitor", "iat": now,
              "exp": now + 7200}
    head = {"alg": algorithm, "typ": "JWT"}
    signed = ".".join(unpadded(json.dumps(part).encode()) for part in (head, claims))
    if algorithm == "HS256":
        signature = hmac.new(JWT_SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    else:
        command = ["openssl", "dgst", "-sha256", "-sign", WORK / "jwt.key"]
        signature = subprocess.run(command, input=signed.encode(), capture_output=True,
                                   check=True).stdout
    return f"{signed}.{unpadded(signature)}"
