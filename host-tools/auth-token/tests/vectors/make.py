#!/usr/bin/env python3
"""Makes the tickets in made.json from the specification and RFC 9901 alone. Keys, salts and nonces are new each time.

Run with the interpreter of .venv, and look at the difference."""

import base64
import hashlib
import json
import os
import pathlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER = "etsi/PNOEE-48010010101"


def base64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def encoded(value):
    return base64url(json.dumps(value).encode())


def digest(disclosure):
    return base64url(hashlib.sha256(disclosure.encode()).digest())


def salt():
    return base64url(os.urandom(16))


def raw(key, algorithm, signing_input):
    """r and s of the same length."""
    r, s = decode_dss_signature(key.sign(signing_input, ec.ECDSA(algorithm)))
    length = (key.key_size + 7) // 8
    return r.to_bytes(length, "big") + s.to_bytes(length, "big")


def signature(key, algorithm, signing_input):
    match algorithm:
        case "ES256":
            return raw(key, hashes.SHA256(), signing_input)
        case "ES384":
            return raw(key, hashes.SHA384(), signing_input)
        case "RS256":
            return key.sign(signing_input, padding.PKCS1v15(), hashes.SHA256())
        case "PS256":
            return key.sign(signing_input, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def vector(key, algorithm, form, base, expect="success"):
    share_id, nonce = os.urandom(16).hex(), base64url(os.urandom(12))
    mine = encoded([salt(), f"{base}/key-shares/{share_id}?nonce={nonce}"])
    other = encoded([salt(), f"https://css.example.org:8443/key-shares/{os.urandom(16).hex()}?nonce={base64url(os.urandom(12))}"])
    places = [{"...": digest(other)}, {"...": digest(mine)}]
    payload = {"iss": ISSUER, "_sd_alg": "sha-256"}
    disclosures = [mine]
    if form == "disclosed aud":
        disclosures.insert(0, encoded([salt(), "aud", places]))
        payload["_sd"] = [digest(disclosures[0])]
    else:
        payload["aud"] = places
    token = encoded({"typ": "vnd.cdoc2.auth-token.v1+sd-jwt", "alg": algorithm}) + "." + encoded(payload)
    token += "." + base64url(signature(key, algorithm, token.encode()))
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "name": f"{algorithm}, {key.key_size} bits, {form}",
        "source": "make.py",
        "ticket": "~".join([token, *disclosures, ""]),
        "public_key_info": base64.b64encode(public).decode(),
        "algorithm": algorithm,
        "issuer": ISSUER,
        "server": base,
        "share_id": share_id,
        "nonce": nonce,
        "expect": expect,
    }


def main():
    p256, p384 = (ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP384R1()))
    rsa2048, rsa1024 = (rsa.generate_private_key(65537, bits) for bits in (2048, 1024))
    vectors = [
        vector(p256, "ES256", "disclosed aud", "https://css.example:443"),
        vector(p256, "ES256", "aud in the payload", "https://css.example"),
        vector(p384, "ES384", "disclosed aud", "https://css.example:8443/"),
        vector(p384, "ES384", "aud in the payload", "https://CSS.example:8443"),
        vector(rsa2048, "RS256", "disclosed aud", "https://[::1]:8443"),
        vector(rsa2048, "PS256", "disclosed aud", "https://127.0.0.1:8443"),
        vector(rsa1024, "RS256", "disclosed aud", "https://localhost:8443", expect="signature"),
        vector(rsa1024, "PS256", "disclosed aud", "https://localhost:8443", expect="signature"),
    ]
    pathlib.Path(__file__).with_name("made.json").write_text(json.dumps(vectors, indent=1) + "\n")


main()
