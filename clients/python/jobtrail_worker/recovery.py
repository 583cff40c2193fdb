"""Repairs the streams that a former process left (docs/protocol.md, "Recovery")."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .chunk import Header, Loss, Totals, marker_chunk, renumber
from .keys import AttemptKey
from .spool import Gap, SpoolFile, SpooledStream, encode_record, is_covered

DIED = "[jobtrail] the worker died here; output after this line may be missing"


@dataclass
class Found:
    """What a spool file holds."""

    totals: Totals
    #: Before the first gap.
    before: Totals
    end: Totals | None = None
    gaps: list[Gap] = field(default_factory=list)
    last_at: int = 0


def open_streams(folder: Path) -> list[SpooledStream]:
    """Every stream in the folder, held until a server has answered `resume`."""
    folder.mkdir(mode=0o700, exist_ok=True)
    streams = []
    for path in sorted(folder.glob("*.log")):
        key = AttemptKey.parse(path.stem)
        if key is None:
            continue
        stream = SpooledStream(SpoolFile(path, key))
        stream.is_held = True
        stream.rescan([])
        streams.append(stream)
    return streams


def examine(file: SpoolFile) -> Found:
    totals = Totals.empty(file.key)
    found = Found(totals, totals)
    intact_to = 0
    for record in file.records():
        intact_to = record.to
        if record.kind == "end":
            found.end = Totals.of(record.data)
            if found.end.lines > totals.lines:
                _note_gap(found, totals, found.end.lines, found.end.bytes)
            continue
        if record.data["n"] > totals.lines:
            _note_gap(found, totals, record.data["n"], record.data["offset"])
        totals = totals.after(record.data)
        found.last_at = record.data["lastAt"]
    # What is torn at the end was never sent.
    if intact_to < file.size:
        file.truncate(intact_to)
    found.totals = totals
    if not found.gaps:
        found.before = totals
    return found


def _note_gap(found: Found, totals: Totals, line: int, offset: int) -> None:
    if not found.gaps:
        found.before = totals
    found.gaps.append(Gap(totals.lines, line, offset - totals.bytes))


def repair(stream: SpooledStream, stored: list[dict[str, int]]) -> bool:
    """Ends a stream whose process is gone, as far as what servers have allows it. False: it can be sent, but not sealed."""
    found = examine(stream.file)
    gap = next((each for each in found.gaps if not is_covered(stored, each.first, each.to)), None)
    stored_to = max((each["to"] for each in stored), default=0)
    if gap is not None:
        # Chunks behind the gap that are stored keep their numbers for good: the server names the gap.
        if gap is not found.gaps[0] or stored_to > gap.first:
            return False
        _rewrite(stream, found)
        return True
    if found.end is not None:
        stream.end = found.end
        return True
    # More is stored than the disk has kept (a power loss): the server goes by what it has.
    if found.gaps or stored_to > found.totals.lines:
        stream.append_end(found.before.with_loss(Loss("worker-died", found.before.lines)))
        return True
    header, body = marker_chunk(stream.key, found.totals, DIED, found.last_at)
    stream.append(header, body)
    stream.append_end(found.totals.after(header).with_loss(Loss("worker-died", found.totals.lines)))
    return True


def _rewrite(stream: SpooledStream, found: Found) -> None:
    """Puts a marker line in the place of each gap, and renumbers what comes after it."""
    totals = Totals.empty(stream.key)
    gaps = list(found.gaps)
    records: list[bytes] = []
    last_at = 0

    def add(header: Header, body: bytes) -> None:
        nonlocal totals
        records.append(encode_record("chunk", header, body))
        totals = totals.after(header)

    def mark(gap: Gap) -> None:
        nonlocal totals
        lines = gap.to - gap.first
        text = f"[jobtrail] the worker's spool was damaged: {lines:,} line{'' if lines == 1 else 's'} ({gap.bytes:,} bytes) are lost here"
        loss = Loss("damaged", totals.lines, lines, gap.bytes)
        add(*marker_chunk(stream.key, totals, text, last_at))
        totals = totals.with_loss(loss)

    for record in stream.file.records():
        if record.kind != "chunk":
            continue
        while gaps and record.data["n"] >= gaps[0].to:
            mark(gaps.pop(0))
        last_at = record.data["lastAt"]
        add(renumber(totals, record.data, record.body), record.body)
    for gap in gaps:
        mark(gap)
    if found.end is None:
        at = totals.lines
        add(*marker_chunk(stream.key, totals, DIED, last_at))
        totals = totals.with_loss(Loss("worker-died", at))
    else:
        for loss in found.end.losses:
            totals = totals.with_loss(loss)
    records.append(encode_record("end", totals.wire))
    stream.file.replace(records)
    stream.end = totals
