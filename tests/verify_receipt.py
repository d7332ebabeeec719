#!/usr/bin/env python3
"""Verifies a Longshore receipt offline, sharing no code with Longshore.

    verify_receipt.py RECEIPT PUBLIC_KEY_PEM [JOURNAL_EXPORT]

Needs Python 3.9 and the `cryptography` package. Checks the DSSE envelope's P-256 signature, the
types of the statement and of its predicate, and that subjects, components and times agree.
JOURNAL_EXPORT is a JSON array of strings, each the exact text of one journal entry; with it, the
hash of the journal's head is recomputed and compared, as is what the receipt says of the run.
Prints a summary and exits 0, or prints what is wrong and exits 1.
"""

import base64
import hashlib
import json
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://longshore.dev/receipt/v1"
JOURNAL_DOMAIN = b"longshore/journal-entry/v1\n"
MAX_BYTES = 4 << 20


class Wrong(Exception):
    """The receipt does not hold."""


def expect(holds, problem):
    if not holds:
        raise Wrong(problem)


def unique(pairs):
    names = [name for name, _ in pairs]
    expect(len(names) == len(set(names)), "an object has a key twice")
    return dict(pairs)


def read_json(text):
    try:
        return json.loads(text, object_pairs_hook=unique)
    except ValueError as error:
        raise Wrong(f"not JSON: {error}") from error


def pae(payload_type, payload):
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def is_digest(text):
    return isinstance(text, str) and re.fullmatch(r"sha256:[0-9a-f]{64}", text) is not None


def check_envelope(raw, key):
    expect(len(raw) <= MAX_BYTES, "larger than 4 MiB")
    envelope = read_json(raw)
    expect(isinstance(envelope, dict), "not a DSSE envelope")
    expect(set(envelope) == {"payload", "payloadType", "signatures"}, "not a DSSE envelope")
    expect(envelope["payloadType"] == PAYLOAD_TYPE, "the payload is not an in-toto statement")
    payload = base64.b64decode(envelope["payload"], validate=True)
    message = pae(envelope["payloadType"], payload)
    for signature in envelope["signatures"]:
        try:
            raw_signature = base64.b64decode(signature["sig"], validate=True)
            key.verify(raw_signature, message, ec.ECDSA(hashes.SHA256()))
            return payload
        except InvalidSignature:
            continue
    raise Wrong("no signature is by this key")


def check_content(content, what):
    expect(is_digest(content["digest"]), f"{what} has no digest")
    expect(isinstance(content["bytes"], int), f"{what} has no length")


def check_statement(statement):
    expect(set(statement) == {"_type", "subject", "predicateType", "predicate"}, "not a statement")
    expect(statement["_type"] == STATEMENT_TYPE, "not an in-toto statement of version 1")
    expect(statement["predicateType"] == PREDICATE_TYPE, "not a receipt")
    predicate = statement["predicate"]
    journal = predicate["journal"]
    expect(is_digest(journal["head"]), "the journal's head is not a digest")
    components = [predicate["component"]] if "component" in predicate else []
    components += [each["component"] for each in predicate.get("dependencies", [])]
    subject = statement["subject"]
    subjects = [(each["name"], "sha256:" + each["digest"]["sha256"]) for each in subject]
    named = [(each["reference"], each["digest"]) for each in components]
    named = list(dict.fromkeys(named)) or [("journal", journal["head"])]
    expect(subjects == named, "the subjects are not the components that ran")
    expect(all(is_digest(digest) for _, digest in subjects), "a subject has no digest")
    for name in ("policy", "previous"):
        expect(name not in predicate or is_digest(predicate[name]), f"`{name}` is not a digest")
    outcome = predicate["outcome"]
    expect(outcome["word"] in ("ok", "failed", "fault"), "the outcome is unknown")
    if outcome["word"] == "fault":
        expect(re.fullmatch(r"LS-RUN-\d{3}", outcome["fault"]["code"]), "the fault has no code")
    else:
        check_content(outcome["output"], "the output")
    if "input" in predicate:
        check_content(predicate["input"], "the input")
    started, finished = predicate["started"]["unix-us"], predicate["finished"]["unix-us"]
    expect(started <= finished, "it finished before it started")
    return predicate


def check_journal(entries, predicate):
    expect(isinstance(entries, list), "the journal export is not a JSON array")
    journal = predicate["journal"]
    expect(len(entries) == journal["entries"], "the journal has another number of entries")
    head = bytes(32)
    counts = {"calls": 0, "denials": 0, "effects": 0}
    names = {"call-started": "calls", "denied": "denials", "effect-started": "effects"}
    for seq, text in enumerate(entries):
        expect(isinstance(text, str), "an entry of the journal export is not a string")
        head = hashlib.sha256(JOURNAL_DOMAIN + head + text.encode()).digest()
        entry = read_json(text)
        expect(entry["seq"] == seq, "the journal's entries are out of order")
        kind, body = next(iter(entry["event"].items()))
        if kind in names:
            counts[names[kind]] += 1
        if kind == "run-started":
            expect(body["run"] == predicate["run"], "the journal is of another run")
            for name in ("component", "function", "grant", "policy", "engine", "host"):
                expect(body[name] == predicate[name], f"the journal has another {name}")
            same = body["dependencies"] == predicate.get("dependencies", [])
            expect(same, "the journal has other dependencies")
        if seq == len(entries) - 1:
            expect(kind == "run-ended", "the journal does not end")
            word = next(iter(body["outcome"]))
            expect(word == predicate["outcome"]["word"], "the journal has another outcome")
            expect(body["usage"] == predicate["usage"], "the journal has another usage")
    expect("sha256:" + head.hex() == journal["head"], "the journal's head is another one")
    expect(counts == predicate["counts"], "the journal has other counts")


def summary(predicate, receipt):
    lines = [
        ("receipt", "sha256:" + hashlib.sha256(receipt).hexdigest()),
        ("run", predicate["run"]),
        ("outcome", predicate["outcome"]["word"]),
        ("started", predicate["started"]["time"]),
        ("finished", predicate["finished"]["time"]),
    ]
    if "fault" in predicate["outcome"]:
        lines.append(("fault", predicate["outcome"]["fault"]["code"]))
    if "component" in predicate:
        component = predicate["component"]
        signers = [each["name"] + " " + each.get("key", "") for each in component["signers"]]
        lines.append(("component", component["reference"] + " " + component["digest"]))
        lines += [("signer", each.strip()) for each in signers]
    journal = predicate["journal"]
    lines.append(("journal", f"{journal['entries']} entries, head {journal['head']}"))
    lines.append(("previous", predicate.get("previous", "(none)")))
    for name, value in lines:
        print(f"{name:10} {value}")


def main(arguments):
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 1
    try:
        with open(arguments[0], "rb") as file:
            receipt = file.read(MAX_BYTES + 1)
        with open(arguments[1], "rb") as file:
            key = serialization.load_pem_public_key(file.read())
        expect(isinstance(key, ec.EllipticCurvePublicKey), "the key is not an ECDSA key")
        expect(key.curve.name == "secp256r1", "the key is not on P-256")
        predicate = check_statement(read_json(check_envelope(receipt, key)))
        if len(arguments) == 3:
            with open(arguments[2], encoding="utf-8") as file:
                check_journal(read_json(file.read()), predicate)
        summary(predicate, receipt)
    except (Wrong, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"the receipt does not verify: {error}", file=sys.stderr)
        return 1
    print("verified   with the journal" if len(arguments) == 3 else "verified")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
