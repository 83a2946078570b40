"""Opens a CDOC2 container, written from the specification alone: a second opinion on what this project writes.

    decode.py CONTAINER < UNLOCK

UNLOCK is a JSON object; `label` or `index` (from 1) may name the record, otherwise every record that fits is tried:
    {"kind": "password", "password": "..."}
    {"kind": "symmetric", "secret_hex": "..."}
    {"kind": "private-key", "key_file": "key.pem"}
    {"kind": "private-key", "key_file": "key.pem", "server": {"sender_public_key_hex": "..."}}   what a capsule server returned,
    {"kind": "private-key", "key_file": "key.pem", "server": {"encrypted_kek_hex": "..."}}       for an EC or an RSA key
    {"kind": "key-shares", "shares_hex": ["...", "..."]}                                         what the shares servers returned

Prints a JSON object: the records, and name, size and SHA-256 of every file. The steps follow "Format parsing procedure"; section
names in the comments are the specification's. FlatBuffers are walked by hand, so no library is shared with the writer.
"""

import hashlib
import hmac
import io
import json
import struct
import sys
import tarfile
import zlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305


class Refused(Exception):
    """The container breaks a rule, or is not for this key."""


def need(condition, rule):
    if not condition:
        raise Refused(rule)


# "Envelope", table 1


def read_envelope(container):
    need(container[:4] == b"CDOC", "does not begin with CDOC")
    need(container[4] == 2, "version is not 2")
    (header_len,) = struct.unpack(">i", container[5:9])
    need(0 < header_len <= 1 << 20, "header length out of range")
    header, rest = container[9 : 9 + header_len], container[9 + header_len :]
    need(len(header) == header_len and len(rest) >= 32, "cut short in the header or its MAC")
    return header, rest[:32], rest[32:]


# FlatBuffers, "Internals": little-endian; a table begins with the distance back to its vtable


class Table:
    def __init__(self, buffer, position):
        self.buffer, self.position = buffer, position
        vtable = position - self.at("<i", position)
        vtable_len = self.at("<H", vtable)
        need(vtable >= 0 and vtable_len >= 4 and vtable_len % 2 == 0, "bad vtable")
        self.slots = [self.at("<H", vtable + offset) for offset in range(4, vtable_len, 2)]

    def at(self, form, position):
        need(0 <= position <= len(self.buffer) - struct.calcsize(form), "offset out of the header")
        return struct.unpack_from(form, self.buffer, position)[0]

    def field(self, slot):
        offset = self.slots[slot] if slot < len(self.slots) else 0
        return self.position + offset if offset else None

    def scalar(self, slot, form):
        position = self.field(slot)
        return 0 if position is None else self.at(form, position)

    def target(self, slot):
        position = self.field(slot)
        return None if position is None else position + self.at("<I", position)

    def table(self, slot):
        position = self.target(slot)
        return None if position is None else Table(self.buffer, position)

    def octets(self, slot):
        position = self.target(slot)
        need(position is not None, f"field {slot} is missing")
        length = self.at("<I", position)
        octets = self.buffer[position + 4 : position + 4 + length]
        need(len(octets) == length, "vector out of the header")
        return octets

    def string(self, slot):
        text = self.octets(slot)
        need(self.at("<B", self.target(slot) + 4 + len(text)) == 0, "string without a NUL after it")
        return text

    def tables(self, slot):
        position = self.target(slot)
        need(position is not None, f"field {slot} is missing")
        places = [position + 4 + 4 * index for index in range(self.at("<I", position))]
        return [Table(self.buffer, place + self.at("<I", place)) for place in places]


# Appendix A (header.fbs): slots of RecipientRecord; appendix B (recipients.fbs): capsules. Curves 2 and 3 are libcdoc's.

CAPSULES = {1: "ecc", 2: "rsa", 3: "key-server", 4: "symmetric", 5: "password", 6: "key-shares"}
CURVES = {1: ec.SECP384R1, 2: ec.SECP256R1, 3: ec.SECP521R1}
XOR = 1
CHACHA20POLY1305 = 1
PBKDF2_WITH_HMAC_SHA256 = 1


class Record:
    def __init__(self, table):
        self.kind = CAPSULES.get(table.scalar(0, "<B"), "unknown")
        self.capsule = table.table(1) if self.kind != "unknown" else None
        self.key_label = table.string(2)
        self.encrypted_fmk = table.octets(3)
        self.fmk_encryption_method = table.scalar(4, "<b")

    def describe(self):
        facts = {"capsule": self.kind, "label": self.key_label.decode("utf-8", "replace")}
        if self.kind == "key-server":
            facts["keyserver_id"] = self.capsule.string(2).decode()
            facts["transaction_id"] = self.capsule.string(3).decode()
        if self.kind == "key-shares":
            facts["shares"] = [[share.string(slot).decode() for slot in (0, 1)] for share in self.capsule.tables(0)]
            facts["recipient_id"] = self.capsule.string(4).decode()
        return facts


def read_header(header):
    (root,) = struct.unpack_from("<I", header)
    table = Table(header, root)
    need(table.scalar(1, "<b") == CHACHA20POLY1305, "unknown payload encryption method")
    records = [Record(record) for record in table.tables(0)]
    need(records, "no recipients")
    return records


# "Key derivation" and "Descriptions of header elements and KEK computation"


def extract(salt, key_material):
    return hmac.digest(salt, key_material, "sha256")


def expand(key, info):
    """HKDF-Expand to 32 octets: one block."""
    return hmac.digest(key, info + b"\x01", "sha256")


def xor(one, other):
    need(len(one) == len(other) == 32, "not 32 octets")
    return bytes(a ^ b for a, b in zip(one, other))


def kek_from_ecdh(private_key, curve, recipient_public_key, sender_public_key):
    need(curve in CURVES, "unknown curve")
    need(sender_public_key[:1] == b"\x04", "sender's point is not uncompressed")
    sender = ec.EllipticCurvePublicKey.from_encoded_point(CURVES[curve](), sender_public_key)
    premaster = extract(b"CDOC20kekpremaster", private_key.exchange(ec.ECDH(), sender))
    return expand(premaster, b"CDOC20kek" + b"XOR" + recipient_public_key + sender_public_key)


def kek_from_rsa(private_key, encrypted_kek):
    return private_key.decrypt(encrypted_kek, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))


def kek_from_secret(secret, salt, key_label):
    return expand(extract(salt, secret), b"CDOC20kek" + b"XOR" + key_label)


def kek_from_password(password, capsule, key_label):
    salt, password_salt, iterations = capsule.octets(0), capsule.octets(1), capsule.scalar(3, "<i")
    need(capsule.scalar(2, "<b") == PBKDF2_WITH_HMAC_SHA256, "unknown key derivation function")
    need(0 < iterations <= 10_000_000, "number of iterations out of range")
    return kek_from_secret(hashlib.pbkdf2_hmac("sha256", password, password_salt, iterations), salt, key_label)


def kek_from_shares(shares):
    kek = bytes(32)
    for share in shares:
        kek = xor(kek, share)
    return kek


class Unlock:
    """What opens a record."""

    def __init__(self, given):
        self.given, self.kind = given, given["kind"]
        self.key = None
        if self.kind == "private-key":
            with open(given["key_file"], "rb") as pem:
                self.key = serialization.load_pem_private_key(pem.read(), None)

    def public_key(self):
        """In the form that a capsule holds: an uncompressed point, or DER of RSAPublicKey."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
        return self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )

    def kek(self, record):
        """None if the record is not for this key."""
        capsule = record.capsule
        if record.kind == self.kind == "symmetric":
            return kek_from_secret(bytes.fromhex(self.given["secret_hex"]), capsule.octets(0), record.key_label)
        if record.kind == self.kind == "password":
            return kek_from_password(self.given["password"].encode(), capsule, record.key_label)
        if record.kind == self.kind == "key-shares":
            return kek_from_shares([bytes.fromhex(share) for share in self.given["shares_hex"]])
        if self.key is None:
            return None
        if record.kind == "ecc" and capsule.octets(1) == self.public_key():
            return kek_from_ecdh(self.key, capsule.scalar(0, "<b"), capsule.octets(1), capsule.octets(2))
        if record.kind == "rsa" and capsule.octets(0) == self.public_key():
            return kek_from_rsa(self.key, capsule.octets(1))
        if record.kind == "key-server" and "server" in self.given:
            return self.kek_from_server(capsule)
        return None

    def kek_from_server(self, capsule):
        server, details = self.given["server"], capsule.table(1)
        kind = {1: "ecc", 2: "rsa"}.get(capsule.scalar(0, "<B"))
        if kind == "ecc" and details.octets(1) == self.public_key():
            sender_public_key = bytes.fromhex(server["sender_public_key_hex"])
            return kek_from_ecdh(self.key, details.scalar(0, "<b"), details.octets(1), sender_public_key)
        if kind == "rsa" and details.octets(0) == self.public_key():
            return kek_from_rsa(self.key, bytes.fromhex(server["encrypted_kek_hex"]))
        return None


def fmk_of(records, unlock, header, header_mac):
    """The first FMK whose HHK fits the header's MAC. "FMK encryption and decryption", "Header authentication code"."""
    tried = 0
    for index, record in enumerate(records, start=1):
        if unlock.given.get("index") not in (None, index):
            continue
        if unlock.given.get("label") not in (None, record.key_label.decode("utf-8", "surrogateescape")):
            continue
        kek = unlock.kek(record)
        if kek is None:
            continue
        tried += 1
        need(record.fmk_encryption_method == XOR, "unknown FMK encryption method")
        fmk = xor(record.encrypted_fmk, kek)
        hhk = expand(fmk, b"CDOC20hmac")
        if hmac.compare_digest(hmac.digest(hhk, header, "sha256"), header_mac):
            return fmk
    need(tried, "no record for this key")
    raise Refused("header authentication failed")


# "Payload assembly and encryption", "Unencrypted payload"


def decrypt_payload(fmk, header, header_mac, payload):
    cek = expand(fmk, b"CDOC20cek")
    need(len(payload) >= 28, "payload cut short")
    try:
        return ChaCha20Poly1305(cek).decrypt(payload[:12], payload[12:], b"CDOC20payload" + header + header_mac)
    except Exception as error:
        raise Refused("payload authentication failed") from error


def unpack(plaintext):
    inflate = zlib.decompressobj(zlib.MAX_WBITS)
    archive = inflate.decompress(plaintext) + inflate.flush()
    need(inflate.eof and not inflate.unused_data, "not one zlib stream")
    files, end = [], 0
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:", encoding="utf-8") as tar:
        for member in tar:
            need(member.type in (tarfile.REGTYPE, tarfile.AREGTYPE), f"{member.name!r} is not a regular file")
            need(not any("\ud800" <= char <= "\udfff" for char in member.name), f"{member.name!r} is not UTF-8")
            content = tar.extractfile(member).read()
            files.append({"name": member.name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()})
            end = member.offset_data + -(-member.size // 512) * 512
    need(len(archive) >= end + 1024 and not any(archive[end:]), "the archive does not end in two blocks of zeros")
    need(len({file["name"] for file in files}) == len(files), "a name is there twice")
    return files


def decode(container, unlock):
    header, header_mac, payload = read_envelope(container)
    records = read_header(header)
    fmk = fmk_of(records, unlock, header, header_mac)
    plaintext = decrypt_payload(fmk, header, header_mac, payload)
    return {"recipients": [record.describe() for record in records], "files": unpack(plaintext)}


def main():
    with open(sys.argv[1], "rb") as container:
        octets = container.read()
    try:
        json.dump(decode(octets, Unlock(json.load(sys.stdin))), sys.stdout)
    except Refused as refusal:
        sys.exit(f"decode.py: {sys.argv[1]}: {refusal}")


if __name__ == "__main__":
    main()
