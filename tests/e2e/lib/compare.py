# SPDX-License-Identifier: MIT
"""Compares what the original and ours did with one set-up."""

from .rows import GIVES_UP, OPEN_ENVELOPE


def keys(transactions):
    return [one.key() for one in transactions]


def lines(run, name, count):
    """GOOD or BAD. Over several servers outcomes come in the order of the replies."""
    found = getattr(run, name)
    return found if count == 1 else sorted(found)


def same(original, ours):
    for number, (theirs, own) in enumerate(zip(original.servers, ours.servers), 1):
        assert keys(own) == keys(theirs), f"server {number}"
    count = len(original.servers)
    assert lines(ours, "good", count) == lines(original, "good", count)
    assert lines(ours, "bad", count) == lines(original, "bad", count)


def lost_by(run):
    """Addresses that are in GOOD and came to no server."""
    came = {address.encode() for address in run.recipients()}
    return {line for line in run.good if line not in came}


def open_envelope(original, ours):
    """The original loses envelopes that stand open at a limit, and has them in GOOD; ours
    finishes them first. But for these the same is sent, in the same order, over the same servers."""
    lost = lost_by(original)
    assert lost, "the original lost nothing: the row is not one of these"
    assert lost_by(ours) == set()
    for number, (theirs, own) in enumerate(zip(original.servers, ours.servers), 1):
        kept = [one for one in own if not lost.issuperset(address.encode() for address in one.recipients)]
        assert keys(kept) == keys(theirs), f"server {number}"
    assert sorted(ours.good) == sorted(original.good)
    assert sorted(ours.bad) == sorted(original.bad)
    assert lost <= set(ours.good)


def gives_up(original, ours):
    """The original says MB012 as soon as the turn comes back to a used up first server, and drops
    the rest of the list; ours goes on with the servers that are left."""
    assert not original.returned and original.errcode == "MB012"
    for number, (theirs, own) in enumerate(zip(original.servers, ours.servers), 1):
        assert keys(own)[: len(theirs)] == keys(theirs), f"server {number}"
    assert len(original.recipients()) < len(ours.recipients())
    assert ours.status == 0, ours.sent.stderr


COMPARISONS = {frozenset(): same, frozenset([OPEN_ENVELOPE]): open_envelope, frozenset([GIVES_UP]): gives_up}


def compare(row, original, ours):
    assert not original.timed_out
    COMPARISONS[row.differs](original, ours)
