"""What needs no server: ``python3 -m unittest discover clients/python/tests``."""

import hashlib
import random
import re
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from jobtrail_worker import jsontext, recovery  # noqa: E402
from jobtrail_worker.assignment import read_assignment  # noqa: E402
from jobtrail_worker.chunk import CUT, MARKER, NO_NEWLINE, STDERR, ChunkBuilder, Loss, add_loss, newline_bytes  # noqa: E402
from jobtrail_worker.identity import SpoolHold  # noqa: E402
from jobtrail_worker.keys import AttemptKey  # noqa: E402
from jobtrail_worker.lines import LineSplitter  # noqa: E402
from jobtrail_worker.masker import Masker, mask_json, secret_forms  # noqa: E402
from jobtrail_worker.spool import SpooledStream, SpoolFile  # noqa: E402

KEY = AttemptKey("11111111-2222-4333-8444-555555555555", 0, 1)


def masked_at_once(data, forms):
    spans = sorted((at, at + len(form)) for form in forms for at in range(len(data)) if data.startswith(form, at))
    merged = []
    for start, to in spans:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], to))
        else:
            merged.append((start, to))
    out, at = b"", 0
    for start, to in merged:
        out += data[at:start] + re.sub(rb"[^\n]+", b"***", data[start:to])
        at = to
    return out + data[at:]


class Masking(unittest.TestCase):
    def test_reads_that_fall_anywhere_give_what_one_read_gives(self):
        for seed in range(3_000):
            some = random.Random(seed)
            letters = b"ab\n" if seed % 3 == 0 else b"ab"
            drawn = {bytes(some.choices(letters, k=some.randint(2, 6))).strip() for _ in range(some.randint(1, 3))}
            forms = sorted(form for form in drawn if form)
            data = bytes(some.choices(b"aabb\n", k=some.randint(0, 30)))
            masker, out, at = Masker(forms), b"", 0
            while at < len(data):
                size = some.randint(1, 6)
                out += masker.feed(data[at : at + size])
                at += size
            self.assertEqual(out + masker.end(), masked_at_once(data, forms), (seed, forms, data))

    def test_encoded_forms_are_secrets_too(self):
        forms = secret_forms(["p@ss word/1"])
        for form in (b"p@ss word/1", b"7040737320776f72642f31", b"p%40ss%20word%2F1", b"p@ss word\\/1", b"cEBzcyB3b3JkLz"):
            self.assertIn(form, forms)
        self.assertEqual(secret_forms(["abc"]), [])

    def test_a_secret_with_a_short_line_is_masked_across_lines(self):
        forms = secret_forms(["first line\nab\nlast line"])
        for newline in (b"\n", b"\r\n"):
            masker = Masker(forms)
            text = newline.join((b"say first line", b"ab", b"last line."))
            self.assertEqual(masker.feed(text[:18]) + masker.feed(text[18:]) + masker.end(), b"say ***\n***\n***.")
        self.assertNotIn(b"long one\nlong two", secret_forms(["long one\nlong two"]))

    def test_json_stays_json(self):
        self.assertEqual(mask_json('{"a":"se\\u0063ret1","n":12345678}', [b"secret1", b"234567"]), '{"a":"***","n":"***"}')


class Splitting(unittest.TestCase):
    def test_reads_that_fall_anywhere_give_the_same_lines_and_every_byte(self):
        for seed in range(40):
            some = random.Random(seed)
            pieces = (b"x" * some.randint(0, 100_000), "€".encode() * some.randint(0, 40_000), b"\n", b"\xff\x80" * some.randint(0, 40_000))
            data = b"".join(some.choices(pieces, k=6))
            whole, torn = ([], [])
            for lines, sizes in ((whole, lambda: len(data) + 1), (torn, lambda: some.randint(1, 70_000))):
                splitter, at = LineSplitter(0, lambda text, flags, _at, lines=lines: lines.append((text, flags))), 0
                while at < len(data):
                    size = sizes()
                    splitter.push(data[at : at + size], 0)
                    at += size
                splitter.end(0)
            self.assertEqual(whole, torn)
            self.assertEqual(b"".join(text + b"\n" * newline_bytes(flags) for text, flags in whole), data)

    def test_a_character_is_not_cut(self):
        lines = []
        splitter = LineSplitter(0, lambda text, flags, at: lines.append((len(text), flags)))
        splitter.push("€".encode() * 30_000, 0)
        splitter.end(0)
        self.assertEqual(lines, [(65_535, CUT), (24_465, NO_NEWLINE)])


class Chunks(unittest.TestCase):
    def test_body_and_digest_are_those_of_the_protocol(self):
        builder = ChunkBuilder(KEY)
        builder.add(b"a", 0, 1_000)
        builder.add(b"b", NO_NEWLINE, 1_200)
        header, body = builder.close()
        self.assertEqual(body, bytes([0, 200 << 4 & 0x7F | 4 | 0x80, 200 << 4 >> 7]) + b"a\nb\n")
        genesis = hashlib.sha256(f"jobtrail/1 {KEY.instance_id} 0 1".encode()).digest()
        self.assertEqual(header["digest"], hashlib.sha256(genesis + b"0 2 3 0 1000\n" + body).hexdigest())

    def test_the_example_of_the_protocol_page(self):
        key = AttemptKey("01936f2a-7c00-7000-8000-0123456789ab", 0, 2)
        builder = ChunkBuilder(key)
        for text, flags, at in (("start", 0, 0), ("wärmer: 5 °C", STDERR, 7), ("", 0, 307)):
            builder.add(text.encode(), flags, 1_767_225_600_000 + at)
        first, body = builder.close()
        self.assertEqual(body.hex(), "0071c02573746172740a77c3a4726d65723a203520c2b0430a0a")
        self.assertEqual((first["checksum"], first["digest"][:8], first["bytes"]), (4_090_713_462, "09dec814", 22))
        builder.commit(first)
        builder.add(b"[jobtrail] spool full: 2 lines (20 bytes) left out", MARKER, 1_767_225_601_000)
        builder.add(b"done", NO_NEWLINE, 1_767_225_601_000)
        second, _ = builder.close()
        builder.commit(second)
        self.assertEqual((second["checksum"], second["size"], builder.totals.bytes), (1_838_756_252, 58, 77))
        self.assertEqual(builder.totals.digest, "27cd8060dbc76aff727ed7a8aa3c7a8fa2e55525bb782864ea89c60e1b4541d4")

    def test_losses_are_bounded(self):
        losses = ()
        for at in range(20):
            losses = add_loss(losses, Loss("limit", at, 1, 10))
        self.assertEqual((len(losses), losses[-1].lines, losses[-1].bytes), (16, 5, 50))


class Recovering(unittest.TestCase):
    def test_damage_anywhere_leaves_a_stream_whose_chain_holds(self):
        for seed in range(60):
            some = random.Random(seed)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"{KEY.text}.log"
                stream, builder = SpooledStream(SpoolFile(path, KEY)), ChunkBuilder(KEY)
                for number in range(50):
                    builder.add(b"line %d" % number, 0, number)
                    if number % 7 == 6:
                        header, body = builder.close()
                        builder.commit(header)
                        stream.append(header, body)
                stream.file.close()
                data = bytearray(path.read_bytes())
                at = some.randrange(len(data))
                data[at : at + some.randint(1, 900)] = b"#" * min(some.randint(1, 900), len(data) - at)
                path.write_bytes(data[: some.choice((len(data), len(data) - some.randint(0, 200)))])
                (found,) = recovery.open_streams(Path(folder))
                self.assertTrue(recovery.repair(found, []))
                state = recovery.examine(found.file)
                self.assertEqual((state.gaps, state.end.lines, state.end.digest), ([], state.totals.lines, state.totals.digest))
                self.assertEqual(state.end.losses[-1].reason, "worker-died")
                found.file.close()


class Reading(unittest.TestCase):
    GOOD = {
        **KEY.wire,
        **{"jobName": "nightly", "scheduledFor": None, "processor": {"kind": "shell", "command": "true"}, "params": {}, "secrets": {}, "timeoutMs": 0},
        **{"killGraceMs": 0, "log": {"maxLines": 0, "maxBytes": 0, "onPressure": "block"}},
    }

    def test_an_attempt_is_taken_with_the_reason_why_it_cannot_be_read(self):
        self.assertIs(read_assignment(self.GOOD), self.GOOD)
        bad_members = {"secrets": {"TOKEN": 7}, "timeoutMs": 0.5, "processor": {"kind": "shell"}, "log": {"maxLines": "all"}}
        for name, value in bad_members.items():
            read = read_assignment({**self.GOOD, name: value})
            self.assertEqual(AttemptKey.of(read), KEY)
            self.assertIn(name, read["processor"]["problem"])

    def test_without_a_key_there_is_nothing_to_take(self):
        for raw in ({**self.GOOD, "attempt": "first"}, {**self.GOOD, "task": True}, 7, None):
            self.assertIsNone(read_assignment(raw))


class Identity(unittest.TestCase):
    def test_goes_on_naming_the_process_that_servers_know_while_its_successors_die_unwelcomed(self):
        with tempfile.TemporaryDirectory() as folder:

            def process(incarnation, is_welcomed=False):
                hold = SpoolHold(Path(folder), incarnation)
                if is_welcomed:
                    hold.welcomed()
                hold.release()
                return hold.former

            self.assertEqual(process("known", is_welcomed=True), [])
            self.assertEqual(process("first"), ["known"])
            self.assertEqual(process("second"), ["known", "first"])
            self.assertEqual(process("third", is_welcomed=True), ["known", "second", "first"])
            self.assertEqual(process("fourth"), ["third"])


class Json(unittest.TestCase):
    def test_numbers_keep_their_spelling(self):
        text = '{"a":1.0,"b":[1e400,-0,12345678901234567890],"c":"é","d":' + "9" * 5_000 + "}"
        self.assertEqual(jsontext.dumps(jsontext.loads(text)), text)


if __name__ == "__main__":
    unittest.main()
